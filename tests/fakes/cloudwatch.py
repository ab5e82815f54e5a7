"""CloudWatch as a boto3 client down to its hooks: what the wire does with bodies can be seen without a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import orjson

from pipeline.sources.cloudwatch_series import Named, Series, name_series

NODE = (("ClusterName", "c"), ("InstanceId", "i-0a"), ("InstanceType", "trn1.2xlarge"), ("NodeName", "n"))


def core(number: int, metric: str = "node_neuroncore_utilization") -> Series:
    device = (("NeuronCore", f"core{number}"), ("NeuronDevice", "device0"))
    return Series(metric, tuple(sorted(NODE + device)))


def named(numbers: Iterable[int]) -> list[Named]:
    """Cores of one account and region."""
    return list(name_series("111122223333", "us-east-1", map(core, numbers)))


class FakeCloudWatch:
    """A boto3 client down to its hooks: answers every query with one point per period, the minute of its hour.

    `points_per_page` cuts answers into pages, `statuses` gives queries states one after the other, `faults` are done
    instead of the first answers: an exception is raised, bytes are the body.
    """

    def __init__(
        self,
        statuses: Mapping[str, Sequence[str]] | None = None,
        points_per_page: int = 0,
        faults: Sequence[Exception | bytes] = (),
    ) -> None:
        self.asked: list[dict[str, Any]] = []
        self.statuses = {query_id: list(states) for query_id, states in (statuses or {}).items()}
        self.points_per_page = points_per_page
        self.faults = list(faults)
        self.extra: list[dict[str, Any]] = []
        self.hooks: dict[str, Any] = {}
        self.meta = SimpleNamespace(events=self, service_model=SimpleNamespace(resolved_protocol="json"))

    def register(self, name: str, hook: Any) -> None:
        self.hooks[name] = hook

    def unregister(self, name: str, _: Any) -> None:
        del self.hooks[name]

    def list_metrics(self) -> dict[str, Any]:
        return self.answer("ListMetrics", self.listed)

    def get_metric_data(self, **_: Any) -> dict[str, Any]:
        return self.answer("GetMetricData", self.data)

    def answer(self, operation: str, answer: Any) -> dict[str, Any]:
        params: dict[str, Any] = {}
        self.hooks[f"before-call.cloudwatch.{operation}"](params=params, model=None)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        body = orjson.loads(params["body"])
        response = {"status_code": 200, "body": fault or orjson.dumps(answer(body))}
        decoded: dict[str, Any] = {}
        self.hooks[f"before-parse.cloudwatch.{operation}"](response_dict=response, customized_response_dict=decoded)
        return decoded

    def data(self, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(body)
        results = [self.result(query, body) for query in body["MetricDataQueries"]]
        extra = self.extra.pop(0) if self.extra else {}
        if not self.points_per_page:
            return {"MetricDataResults": results, "Messages": [], **extra}
        first = int(body.get("NextToken", "0"))
        last = first + self.points_per_page
        longest = max(len(result["Values"]) for result in results)
        for result in results:
            result["StatusCode"] = "Complete" if last >= longest else "PartialData"
            result["Timestamps"], result["Values"] = result["Timestamps"][first:last], result["Values"][first:last]
        token = {"NextToken": str(last)} if last < longest else {}
        return {"MetricDataResults": results, "Messages": [], **token, **extra}

    def result(self, query: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
        states = self.statuses.get(query["Id"], [])
        stamps = list(range(body["StartTime"], body["EndTime"], query["MetricStat"]["Period"]))
        return {
            "Id": query["Id"],
            "StatusCode": states.pop(0) if states else "Complete",
            "Timestamps": stamps,
            "Values": [float(stamp // 60 % 60) for stamp in stamps],
        }

    def listed(self, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(body)
        if not body["MetricName"].startswith("node_neuroncore"):
            return {"Metrics": []}
        coarser = [NODE[:1], tuple(pair for pair in NODE if pair[0] != "InstanceType")]
        finest = [core(number, body["MetricName"]).dimensions for number in (1, 0)]
        page = finest if "NextToken" in body else coarser
        metrics = [{"Dimensions": [{"Name": n, "Value": v} for n, v in pairs]} for pairs in page]
        return {"Metrics": metrics, **({} if "NextToken" in body else {"NextToken": "second"})}
