"""One client for three range-query APIs: nothing is lost to limits or faults, nothing dead is shown alive."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.sources import prometheus_api_split
from pipeline.sources.base import Seeds
from pipeline.sources.dcgm_identity import gpu_identity
from pipeline.sources.neuron_exporter_identity import CoreIdentity, exporter_identity
from pipeline.sources.prometheus_api import fetch
from pipeline.sources.prometheus_api_call import ATTEMPTS, LONGEST_WAIT_SECONDS, Asker, Found
from pipeline.sources.prometheus_api_http import Reply, Send, Unreached
from pipeline.sources.prometheus_api_labels import exporter_labels
from pipeline.sources.prometheus_api_split import read_metric
from pipeline.windows import Window
from pipeline.world import serve_prometheus
from pipeline.world.prometheus_series import Series
from pipeline.world.serve_prometheus import PrometheusApi
from tests.support.prometheus import endpoint

T0 = int(datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp())
NOW = datetime(2026, 11, 1, 15, tzinfo=UTC)
Read = dict[tuple[tuple[str, str], ...], dict[int, float]]


class Shelf:
    """Series as the double holds them."""

    def __init__(self, series: list[Series]) -> None:
        self.all = series

    def series(self, name: str, start: int, end: int, *, of_cloudwatch: bool = False) -> list[Series]:
        return [one for one in self.all if one.name == name]


def shown(labels: Mapping[str, str], values: Mapping[int, float], name: str = "m") -> Series:
    at = np.array(sorted(values), np.int64)
    return Series(name, "gauge", tuple(labels.items()), at, np.array([values[moment] for moment in at.tolist()]))


def backend(series: list[Series], kind: str = "prometheus") -> Send:
    """The double's answers, without a network between."""
    api = PrometheusApi(Shelf(series))  # type: ignore[arg-type]
    service = {"prometheus": "", "amp": "/aps/aws4_request", "cloudwatch": "/monitoring/aws4_request"}[kind]

    def send(form: Mapping[str, str]) -> Reply:
        said = api.answer("/api/v1/query_range", urlencode(form), service)
        assert said is not None
        return Reply(said[0], said[1].encode())

    return send


def read(send: Send, after: int = T0, until: int = T0 + 600, kind: str = "prometheus", **more: Any) -> Read:
    slept: list[float] = []
    found = read_metric(Asker(endpoint(kind, **more), send, slept.append), "m", after, until)
    return joined(found)


def joined(found: list[Found]) -> Read:
    read: Read = {}
    for one in found:
        points = dict(zip((one.milliseconds // 1000).tolist(), one.values.tolist(), strict=True))
        assert not read.get(one.labels, {}).keys() & points.keys(), "a sample came twice"
        read.setdefault(one.labels, {}).update(points)
    return read


def test_a_device_that_died_is_gone_with_its_last_step() -> None:
    dead = shown({"gpu": "0"}, {T0 + 15: 1.0, T0 + 75: 2.0})

    assert list(read(backend([dead])).values()) == [{T0 + 60: 1.0, T0 + 120: 2.0}]


def test_the_double_repeats_a_last_value_for_five_minutes_where_it_is_asked_plainly() -> None:
    form = {"query": "m", "start": str(T0), "end": str(T0 + 600), "step": "60"}

    said = json.loads(backend([shown({}, {T0: 1.0})])(form).body)

    assert len(said["data"]["result"][0]["values"]) == 5


def test_a_sample_on_the_edge_of_a_step_counts_once() -> None:
    values = {T0 + 60 * number: float(number) for number in range(4)}

    assert list(read(backend([shown({}, values)]), T0, T0 + 180).values()) == [
        {T0 + 60: 1.0, T0 + 120: 2.0, T0 + 180: 3.0}
    ]


def test_a_window_shorter_than_a_step_holds_nothing() -> None:
    assert read(backend([shown({}, {T0 + 30: 1.0})]), T0, T0 + 59) == {}


def many(count: int) -> list[Series]:
    return [
        shown({"UUID": f"GPU-{n:x}", "gpu": str(n % 8), "host": f"h{n // 8}"}, {T0 + 30: float(n)})
        for n in range(count)
    ]


@pytest.mark.parametrize("count", [0, 6, 7, 8, 100])
def test_a_limit_on_series_is_split_around_by_labels(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(serve_prometheus, "CLOUDWATCH_SERIES", 7)
    monkeypatch.setitem(prometheus_api_split.MAX_SERIES, "cloudwatch", 7)

    found = read(backend(many(count), "cloudwatch"), kind="cloudwatch")

    assert sorted(value for points in found.values() for value in points.values()) == list(range(count))


label_values = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=4)


@given(
    st.lists(st.fixed_dictionaries({"a": label_values, "b.c": label_values}), min_size=2, max_size=12, unique_by=str)
)
def test_any_labels_can_be_told_apart(labels: list[dict[str, str]]) -> None:
    distinct = {tuple(sorted((name, value) for name, value in one.items() if value)): one for one in labels}
    series = [shown(dict(pairs), {T0 + 30: 1.0}) for pairs in distinct]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serve_prometheus, "CLOUDWATCH_SERIES", 2)
        patch.setitem(prometheus_api_split.MAX_SERIES, "cloudwatch", 2)

        assert read(backend(series, "cloudwatch"), kind="cloudwatch").keys() == distinct.keys()


def test_a_warning_of_a_cut_answer_is_split_around_too() -> None:
    whole = backend(many(10))

    def send(form: Mapping[str, str]) -> Reply:
        said = json.loads(whole(form).body)
        if len(said["data"]["result"]) > 4:
            said["data"]["result"] = said["data"]["result"][:4]
            said["warnings"] = ["results truncated due to limit"]
        return Reply(200, json.dumps(said).encode())

    assert read(send) == read(whole)


def test_more_than_11000_points_are_asked_in_parts() -> None:
    values = {T0 + 60 * number: float(number) for number in range(1, 25_000)}
    asked: list[float] = []

    def send(form: Mapping[str, str]) -> Reply:
        asked.append((float(form["end"]) - float(form["start"])) / 60 + 1)
        return backend([shown({}, values)])(form)

    (points,) = read(send, T0, T0 + 60 * 24_999).values()

    assert points == values
    assert max(asked) <= 11_000


def test_a_question_that_times_out_is_halved_until_it_is_answered() -> None:
    series = [shown({}, {T0 + 60 * number: float(number) for number in range(1, 61)})]

    def send(form: Mapping[str, str]) -> Reply:
        if float(form["end"]) - float(form["start"]) > 600:
            return Reply(
                503, b'{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}'
            )
        return backend(series)(form)

    (points,) = read(send, T0, T0 + 3600).values()

    assert len(points) == 60


def faulty(send: Send, faults: list[Reply | Unreached]) -> Send:
    """`send` after each of the faults was met once."""
    waiting = iter(faults)

    def fail(form: Mapping[str, str]) -> Reply:
        fault = next(waiting, None)
        if isinstance(fault, Unreached):
            raise fault
        return fault or send(form)

    return fail


PARTIAL = {"status": "success", "data": {"resultType": "matrix", "result": []}, "warnings": ["store store-1: timeout"]}
FAULTS: dict[str, Reply | Unreached] = {
    "throttled": Reply(429, b"slow down"),
    "throttled by AWS": Reply(400, b'{"__type":"ThrottlingException","message":"Rate exceeded"}'),
    "unavailable": Reply(503, b"<html>bad gateway</html>"),
    "cut": Reply(200, b'{"status":"success","data":{"resultType":"mat'),
    "partial": Reply(200, json.dumps(PARTIAL).encode()),
    "reset": Unreached("Connection was closed"),
    "slow": Unreached("Read timed out", timed_out=True),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_after_any_fault_that_passes_the_answer_is_the_same(fault: Reply | Unreached) -> None:
    send = backend(many(3))

    assert read(faulty(send, [fault] * (ATTEMPTS - 1))) == read(send)


def test_waits_grow_are_bounded_and_follow_the_server() -> None:
    slept: list[float] = []
    faults: list[Reply | Unreached] = [Reply(500, b""), Reply(429, b"", "7"), Reply(429, b"", "99999"), Reply(500, b"")]

    read_metric(Asker(endpoint(), faulty(backend([]), faults), slept.append), "m", T0, T0 + 60)

    assert slept == [1.0, 7.0, LONGEST_WAIT_SECONDS, 8.0]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_that_stays_ends_in_one_sentence(fault: Reply | Unreached) -> None:
    slept: list[float] = []
    asker = Asker(endpoint(), faulty(backend([]), [fault] * 10_000), slept.append)

    with pytest.raises(SourceError, match=r"Prometheus fleet \(http://host\): ") as failed:
        read_metric(asker, "m", T0, T0 + 3600)

    assert "\n" not in str(failed.value)
    assert sum(slept) < 200


@pytest.mark.parametrize(
    ("kind", "status", "advice"),
    [
        ("prometheus", 401, "CHIPLEDGER_PROMETHEUS_TOKEN"),
        ("amp", 403, "allow aps:QueryMetrics"),
        ("cloudwatch", 403, "allow cloudwatch:GetMetricData and cloudwatch:ListMetrics"),
        ("prometheus", 404, "must end before /api/v1"),
        ("prometheus", 400, "refuses the query .400.: bad_data: parse error"),
        ("prometheus", 302, "refuses the query"),
    ],
)
def test_a_refusal_is_not_repeated_and_says_what_to_do(kind: str, status: int, advice: str) -> None:
    calls: list[int] = []

    def send(form: Mapping[str, str]) -> Reply:
        calls.append(1)
        return Reply(status, b'{"status":"error","errorType":"bad_data","error":"parse error"}')

    with pytest.raises(SourceError, match=advice):
        read(send, kind=kind)
    assert len(calls) == 1


def test_an_answer_of_another_kind_is_refused() -> None:
    vector = b'{"status":"success","data":{"resultType":"vector","result":[]}}'

    with pytest.raises(SourceError, match="no matrix"):
        read(lambda _: Reply(200, vector))


def delivered(kind: str, series: list[Series], seeds: Seeds, **more: Any) -> dict[str, list[dict[str, Any]]]:
    window = Window(datetime.fromtimestamp(T0, UTC), datetime.fromtimestamp(T0 + 60, UTC))
    rows: dict[str, list[dict[str, Any]]] = {}
    asked = fetch(
        endpoint(kind, **more), backend(series, kind), windows=[window], seeds=seeds, now=NOW, sleep=lambda _: None
    )
    for delivery in asked:
        for table, batch in delivery.batches:
            rows.setdefault(table, []).extend(batch.to_pylist())
    return rows


@pytest.fixture
def seeds(repo_root: Any) -> Seeds:
    return Seeds(repo_root / "sql" / "seeds")


CORE = {"instance_id": "i-0a", "runtime_tag": "job", "neuroncore": "3"}


@pytest.mark.parametrize(("kind", "printed"), [("prometheus", 0.42), ("amp", 0.42), ("cloudwatch", 42.0)])
def test_the_kind_of_endpoint_decides_the_scale_of_a_neuron_ratio(seeds: Seeds, kind: str, printed: float) -> None:
    rows = delivered(kind, [shown(CORE, {T0 + 20: printed}, "neuroncore_utilization_ratio")], seeds, ask="neuron")

    (core,) = rows["raw_neuron_exporter_cores"]
    assert core["utilization_ratio"] == pytest.approx(0.42)
    assert (core["sample_at"], core["cadence_ms"]) == (datetime.fromtimestamp(T0 + 60, UTC), 60_000)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_missing(seeds: Seeds, value: float) -> None:
    gpu = {"UUID": "GPU-a", "Hostname": "i-0a"}
    series = [shown(gpu, {T0 + 20: value}, "DCGM_FI_DEV_GPU_UTIL"), shown(gpu, {T0 + 20: 40.0}, "DCGM_FI_DEV_GPU_TEMP")]

    (row,) = delivered("prometheus", series, seeds)["raw_dcgm_samples"]

    assert (row["gpu_util"], row["gpu_temp"]) == (None, 40.0)


def test_both_generations_of_dcgm_names_fill_one_row(seeds: Seeds) -> None:
    gpu = {"UUID": "GPU-a", "hostname": "i-0a", "exported_pod": "train-0", "pod": "dcgm-exporter-x"}
    series = [
        shown(gpu, {T0 + 20: 0.5}, "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO"),
        shown(gpu | {"instance": "10.0.0.1:9400"}, {T0 + 20: 61.0}, "DCGM_FI_DEV_GPU_TEMP"),
    ]

    (row,) = delivered("prometheus", series, seeds, ask="dcgm")["raw_dcgm_samples"]

    assert (row["gr_engine_active"], row["gpu_temp"], row["pod"]) == (0.5, 61.0, "train-0")


def test_cloudwatchs_labels_name_the_same_core_and_gpu() -> None:
    where = {"@resource.k8s.node.name": "ip-10-0-0-1.ec2.internal", "@resource.host.type": "trn1.2xlarge"}
    owner = {"@resource.k8s.pod.name": "train-0", "@resource.k8s.namespace.name": "ml"}
    core = {"aws.neuron.core": "3", "aws.neuron.device": "1", "@resource.aws.neuron.runtime.tag": "job"}

    neuron = exporter_identity(exporter_labels(tuple((where | owner | core).items()), "cloudwatch"))
    gpu = gpu_identity(exporter_labels(tuple((where | owner | {"UUID": "GPU-a"}).items()), "cloudwatch"))

    assert isinstance(neuron, CoreIdentity)
    assert (neuron.host, neuron.core_index, neuron.pod_name) == ("ip-10-0-0-1.ec2.internal", 3, "train-0")
    assert gpu is not None
    assert (gpu.hostname, gpu.pod, gpu.namespace) == ("ip-10-0-0-1.ec2.internal", "train-0", "ml")
