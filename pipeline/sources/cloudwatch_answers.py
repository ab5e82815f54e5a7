"""Asking CloudWatch GetMetricData for many series over one window, until every answer is complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import SourceError
from pipeline.sources.aws_calls import ApiSpend, call
from pipeline.sources.cloudwatch_series import NAMESPACE, RULES, Series
from pipeline.windows import Window

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef
    from numpy.typing import NDArray

PERMISSION = "cloudwatch:GetMetricData"
MAX_QUERIES = 500
MAX_DATAPOINTS = 100_800
MAX_PAGES = 10_000
ATTEMPTS = 3


@dataclass(frozen=True)
class Points:
    """Datapoints of one series in time order: period starts in epoch milliseconds, values in CloudWatch's unit."""

    start_ms: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """What one page says of one query."""

    query_id: str
    status: str
    messages: tuple[str, ...]
    points: Points


@dataclass(frozen=True)
class Pull:
    """Where and when a pull looks: one window of whole periods."""

    window: Window
    period_seconds: int
    account_id: str
    region: str

    @property
    def name(self) -> str:
        """Object name of the delivery, `cloudwatch://<account>/<region>/<start>/<end>`."""
        start, end = (f"{moment:%Y%m%dT%H%M}" for moment in (self.window.start_at, self.window.end_at))
        return f"cloudwatch://{self.account_id}/{self.region}/{start}/{end}"

    @property
    def points_per_series(self) -> int:
        """How many datapoints a series can have."""
        return int((self.window.end_at - self.window.start_at).total_seconds()) // self.period_seconds


def read_points(
    client: CloudWatchClient, asked: Sequence[Series], pull: Pull, spend: ApiSpend
) -> list[tuple[Series, Points]]:
    """Series with at least one datapoint, in the order asked. Raises SourceError when an answer stays incomplete."""
    size = max(1, min(MAX_QUERIES, MAX_DATAPOINTS // pull.points_per_series))
    found: list[tuple[Series, Points]] = []
    for first in range(0, len(asked), size):
        batch = asked[first : first + size]
        by_id = _ask_until_complete(client, [_query(f"m{i}", s, pull) for i, s in enumerate(batch)], pull, spend)
        found.extend((series, by_id[f"m{i}"]) for i, series in enumerate(batch) if len(by_id[f"m{i}"].start_ms))
    return found


def _query(query_id: str, series: Series, pull: Pull) -> MetricDataQueryTypeDef:
    return {
        "Id": query_id,
        "MetricStat": {
            "Metric": {
                "Namespace": NAMESPACE,
                "MetricName": series.metric_name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in series.dimensions],
            },
            "Period": pull.period_seconds,
            "Stat": RULES[series.metric_name].statistic,
        },
        "ReturnData": True,
    }


def _ask_until_complete(
    client: CloudWatchClient, queries: list[MetricDataQueryTypeDef], pull: Pull, spend: ApiSpend
) -> dict[str, Points]:
    """Points by query Id. Queries that stay partial are asked again, three times in all."""
    complete: dict[str, Points] = {}
    pending = queries
    reasons: dict[str, str] = {}
    for _ in range(ATTEMPTS):
        answers = _ask(client, pending, pull, spend)
        reasons = {query["Id"]: reason for query in pending if (reason := _incomplete(answers.get(query["Id"], [])))}
        complete |= {query["Id"]: _joined(answers[query["Id"]]) for query in pending if query["Id"] not in reasons}
        pending = [query for query in pending if query["Id"] in reasons]
        if not pending:
            return complete
    metric = pending[0]["MetricStat"]["Metric"]
    raise SourceError(
        f"{pull.name}: {len(pending)} of {len(queries)} series stay incomplete after {ATTEMPTS} attempts, first "
        f"{metric['MetricName']} {metric['Dimensions']}: {reasons[pending[0]['Id']]}; run again later"
    )


def _ask(
    client: CloudWatchClient, queries: Sequence[MetricDataQueryTypeDef], pull: Pull, spend: ApiSpend
) -> dict[str, list[Answer]]:
    """All pages of one call: answers by query Id, since one Id may span pages."""
    answers: dict[str, list[Answer]] = {}
    token = ""
    spend.billed_units += len(queries)
    for _ in range(MAX_PAGES):
        page = _page(client, queries, pull, token)
        spend.requests += 1
        if messages := page.get("Messages"):
            raise SourceError(f"{pull.name}: CloudWatch says {messages}; ask for a shorter window or fewer clusters")
        for answer in decode(page):
            if answer.status == "Forbidden":
                raise SourceError(f"{pull.name}: Forbidden; allow {PERMISSION} to this identity, then run again")
            answers.setdefault(answer.query_id, []).append(answer)
        if not (token := page.get("NextToken", "")):
            return answers
    raise SourceError(f"{pull.name}: more than {MAX_PAGES:,} pages in one answer; ask for a shorter window")


def _page(
    client: CloudWatchClient, queries: Sequence[MetricDataQueryTypeDef], pull: Pull, token: str
) -> Mapping[str, Any]:
    operation = partial(
        client.get_metric_data,
        MetricDataQueries=queries,
        StartTime=pull.window.start_at,
        EndTime=pull.window.end_at,
        ScanBy="TimestampAscending",
        MaxDatapoints=MAX_DATAPOINTS,
    )
    if token:
        operation = partial(operation, NextToken=token)
    return call(operation, permission=PERMISSION, place=pull.name)


def _incomplete(answers: Sequence[Answer]) -> str:
    """Why a query has no whole answer yet; '' when it has."""
    if not answers:
        return "no result for it"
    if messages := [message for answer in answers for message in answer.messages]:
        return "; ".join(messages)
    return "" if answers[-1].status == "Complete" else answers[-1].status


def _joined(answers: Sequence[Answer]) -> Points:
    start_ms = np.concatenate([answer.points.start_ms for answer in answers])
    values = np.concatenate([answer.points.values for answer in answers])
    unique_ms, first = np.unique(start_ms, return_index=True)
    return Points(unique_ms, values[first])


def decode(page: Mapping[str, Any]) -> list[Answer]:
    """The answers of one GetMetricData page, as boto3 parsed it; the only place that knows its shape."""
    answers = []
    for result in page.get("MetricDataResults", []):
        moments = [int(moment.timestamp()) * 1000 for moment in result.get("Timestamps", [])]
        points = Points(np.array(moments, np.int64), np.array(result.get("Values", []), np.float64))
        messages = tuple(f"{m.get('Code', '')}: {m.get('Value', '')}" for m in result.get("Messages", []))
        answers.append(Answer(result["Id"], result.get("StatusCode", "Complete"), messages, points))
    return answers
