"""CloudWatch's double answers and refuses as the service does: limits, rules of age, sets of dimensions, traps."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from pipeline.world import World, WorldOptions, simulate
from pipeline.world.dcgm_counters import counters
from pipeline.world.dcgm_fields import FIELDS
from pipeline.world.options import END
from pipeline.world.serve_errors import ServiceRefusal
from pipeline.world.serve_metrics import CloudWatch
from pipeline.world.serve_published import MINUTE, Caller, Published, publish
from pipeline.world.serve_truth import insight_tracks

HOUR, DAY = 3600, 86_400
TRAINING, SERVING = Caller("us-east-1"), Caller("us-west-2")
CORE = "node_neuroncore_utilization"


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldOptions(seed=7, days=1))


@pytest.fixture(scope="module")
def published(world: World) -> list[Published]:
    return publish(insight_tracks(world))


@pytest.fixture
def cloudwatch(published: list[Published]) -> CloudWatch:
    return CloudWatch(published)


def first(published: list[Published], name: str, region: str = "us-west-2", dimensions: int = 6) -> Published:
    return lasting(published, name, region, dimensions)[0]


def lasting(published: list[Published], name: str, region: str = "us-west-2", dimensions: int = 6) -> list[Published]:
    """The metrics of that name that are there to the end."""
    found = [m for m in published if (m.name, m.region, len(m.dimensions)) == (name, region, dimensions)]
    return [metric for metric in found if metric.last_at == END - MINUTE]


def query(metric: Published, number: int = 1, **change: Any) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
    named = {"Namespace": "ContainerInsights", "MetricName": metric.name, "Dimensions": dimensions}
    return {"Id": f"m{number}", "MetricStat": {"Metric": named, "Period": 60, "Stat": "Average"} | change}


def asked(queries: list[dict[str, Any]], start: int = END - HOUR, end: int = END, **more: Any) -> dict[str, Any]:
    return {"MetricDataQueries": queries, "StartTime": start, "EndTime": end, "ScanBy": "TimestampAscending"} | more


def points(cloudwatch: CloudWatch, body: dict[str, Any], now: int = END, caller: Caller = SERVING) -> dict[int, float]:
    (result,) = cloudwatch.get_metric_data(body, caller, now)["MetricDataResults"]
    return dict(zip(result["Timestamps"], result["Values"], strict=True))


def listed(cloudwatch: CloudWatch, now: int = END, caller: Caller = SERVING, **body: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = cloudwatch.list_metrics(body, caller, now)
        assert len(page["Metrics"]) <= 500
        found += page["Metrics"]
        if "NextToken" not in page:
            return found
        body = {**body, "NextToken": page["NextToken"]}


def test_each_metric_is_listed_once_over_all_pages(cloudwatch: CloudWatch, published: list[Published]) -> None:
    names = [(m["MetricName"], tuple((d["Name"], d["Value"]) for d in m["Dimensions"])) for m in listed(cloudwatch)]

    assert set(Counter(names).values()) == {1}
    assert len(names) == sum(m.region == "us-west-2" for m in published) > 500


def test_a_metric_is_listed_from_a_quarter_of_an_hour_until_two_weeks_after_its_points(
    cloudwatch: CloudWatch, published: list[Published]
) -> None:
    metric = first(published, CORE)
    begun, ended = metric.first_at, metric.last_at

    def is_listed(now: int, **body: Any) -> bool:
        found = listed(cloudwatch, now, MetricName=CORE, **body)
        return any({d["Value"] for d in m["Dimensions"]} == {v for _, v in metric.dimensions} for m in found)

    assert [is_listed(begun + 15 * MINUTE - 1), is_listed(begun + 15 * MINUTE)] == [False, True]
    assert [is_listed(ended + 14 * DAY), is_listed(ended + 14 * DAY + 1)] == [True, False]
    recent = {"RecentlyActive": "PT3H"}
    assert [is_listed(ended + 3 * HOUR, **recent), is_listed(ended + 3 * HOUR + 1, **recent)] == [True, False]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"MaxDatapoints": 100_801}, "ValidationError", "MaxDatapoints"),
        ({"EndTime": END - HOUR}, "ValidationError", "StartTime must be less"),
        ({"ScanBy": "Newest"}, "ValidationError", "ScanBy"),
        ({"NextToken": "never given"}, "InvalidNextToken", "token"),
        ({"MetricDataQueries": []}, "ValidationError", "1 to 500"),
    ],
)
def test_a_wrong_call_is_refused_with_awss_code(
    cloudwatch: CloudWatch, published: list[Published], change: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(ServiceRefusal, match=words) as refused:
        cloudwatch.get_metric_data(asked([query(first(published, CORE))]) | change, SERVING, END)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Period": 90}, "Period"),
        ({"Period": 7}, "Period"),
        ({"Stat": "Median"}, "Stat"),
        ({"Metric": {"MetricName": CORE}}, "Namespace is required"),
    ],
)
def test_a_wrong_query_is_refused_by_its_place(
    cloudwatch: CloudWatch, published: list[Published], change: dict[str, Any], words: str
) -> None:
    good = query(first(published, CORE))
    with pytest.raises(ServiceRefusal, match=rf"MetricDataQueries\.member\.2\..*{words}"):
        cloudwatch.get_metric_data(asked([good, query(first(published, CORE), 2, **change)]), SERVING, END)


@pytest.mark.parametrize("query_id", ["M0", "0m", "m-1", ""])
def test_a_query_id_starts_with_a_small_letter(
    cloudwatch: CloudWatch, published: list[Published], query_id: str
) -> None:
    with pytest.raises(ServiceRefusal, match="expected pattern"):
        cloudwatch.get_metric_data(asked([query(first(published, CORE)) | {"Id": query_id}]), SERVING, END)


def test_expressions_are_refused_not_answered_with_nothing(cloudwatch: CloudWatch) -> None:
    with pytest.raises(ServiceRefusal, match="no expressions"):
        cloudwatch.get_metric_data(asked([{"Id": "e1", "Expression": "SEARCH('x', 'Average')"}]), SERVING, END)


@pytest.mark.parametrize(("unit", "count"), [("Percent", 60), ("Bytes", 0)])
def test_another_unit_is_empty_and_never_converted(
    cloudwatch: CloudWatch, published: list[Published], unit: str, count: int
) -> None:
    assert len(points(cloudwatch, asked([query(first(published, CORE), Unit=unit)]))) == count


def test_only_the_exact_set_of_dimensions_answers(cloudwatch: CloudWatch, published: list[Published]) -> None:
    whole = query(first(published, CORE))
    fewer = query(first(published, CORE))
    fewer["MetricStat"]["Metric"]["Dimensions"].pop()

    assert points(cloudwatch, asked([whole]))
    assert points(cloudwatch, asked([fewer])) == {}


@pytest.mark.parametrize(
    ("age", "period", "is_kept"),
    [
        (15 * DAY - HOUR, 60, True),
        (15 * DAY + HOUR, 60, False),
        (15 * DAY + HOUR, 300, True),
        (63 * DAY + HOUR, 300, False),
        (63 * DAY + HOUR, 3600, True),
        (455 * DAY + HOUR, 3600, False),
        (2 * HOUR, 10, True),
        (4 * HOUR, 10, False),
    ],
)
def test_old_points_are_kept_at_coarse_periods_only(
    cloudwatch: CloudWatch, published: list[Published], age: int, period: int, is_kept: bool
) -> None:
    metric = first(published, CORE)
    start = metric.first_at + HOUR
    found = points(cloudwatch, asked([query(metric, Period=period)], start, start + HOUR), start + age)
    assert bool(found) == is_kept


def test_an_unfinished_minute_is_nobodys(cloudwatch: CloudWatch, published: list[Published]) -> None:
    now = END - HOUR + 150
    body = asked([query(first(published, CORE))])

    assert max(points(cloudwatch, body, now)) == END - HOUR + 60
    five_minutes = points(cloudwatch, asked([query(first(published, CORE), Period=300, Stat="SampleCount")]), now)
    assert list(five_minutes.values()) == [2.0]


def test_late_points_are_all_there_two_hours_after_their_time(published: list[Published]) -> None:
    metric, late = first(published, CORE), CloudWatch(published, is_late=True)
    start, end = END - 4 * HOUR, END - 3 * HOUR
    body = asked([query(metric)], start, end)
    whole = points(CloudWatch(published), body)

    early = points(late, body, end)

    assert 30 < len(early) < 60
    assert early.items() < whole.items()
    assert points(late, body, end + 2 * HOUR) == whole


def test_a_page_edge_cuts_one_id_and_the_parts_make_the_whole(published: list[Published]) -> None:
    metrics = lasting(published, CORE)[:3]
    body = asked([query(metric, number) for number, metric in enumerate(metrics)])
    whole = {
        r["Id"]: r["Values"] for r in CloudWatch(published).get_metric_data(body, SERVING, END)["MetricDataResults"]
    }
    small, parts, statuses = CloudWatch(published, points_per_page=37), dict[str, list[float]](), Counter[str]()
    page: dict[str, Any] = {"NextToken": ""}
    while "NextToken" in page:
        page = small.get_metric_data(
            body | ({"NextToken": page["NextToken"]} if page["NextToken"] else {}), SERVING, END
        )
        for result in page["MetricDataResults"]:
            parts.setdefault(result["Id"], []).extend(result["Values"])
            statuses[result["StatusCode"]] += 1

    assert parts == whole
    assert statuses["PartialData"] >= 3


def test_another_accounts_metric_is_forbidden_to_an_account(
    world: World, cloudwatch: CloudWatch, published: list[Published]
) -> None:
    accounts = world.fleet.accounts
    own, other = accounts["research"].account_id, accounts["training"].account_id
    metric = next(m for m in published if m.account_id == other and m.name == CORE)
    body = asked([query(metric) | {"AccountId": other}])

    (refused,) = cloudwatch.get_metric_data(body, Caller("us-east-1", own), END)["MetricDataResults"]
    assert (refused["StatusCode"], refused["Values"]) == ("Forbidden", [])
    assert points(cloudwatch, body, caller=TRAINING)


def test_gpu_series_tell_what_dcgm_tells_but_for_an_unscaled_tensor_share(
    world: World, cloudwatch: CloudWatch, published: list[Published]
) -> None:
    node = next(node for node in world.watched() if node.role == "g6-serve")
    telemetry = world.telemetry(node)
    grid, of = counters(telemetry, 7), {field.key: place for place, field in enumerate(FIELDS)}
    last = {key: float(grid[-1, place, 0]) for key, place in of.items()}

    def value(measure: str) -> float:
        of_gpu = (m for m in published if m.name == f"node_gpu_{measure}" and ("GpuDevice", "nvidia0") in m.dimensions)
        metric = next(m for m in of_gpu if ("InstanceId", node.instance_id) in m.dimensions)
        return points(cloudwatch, asked([query(metric)]))[END - 60]

    assert value("utilization") == last["gpu_util"]
    assert value("memory_used") == last["fb_used"] * 2**20
    assert value("memory_total") == (last["fb_used"] + last["fb_free"]) * 2**20
    assert value("power_draw") == last["power"]
    assert value("tensor_core_utilization") == last["tensor"] / 1e6 < 1 < value("utilization")


def test_efa_and_every_scope_are_published_under_three_to_six_sets(published: list[Published]) -> None:
    sets: dict[str, set[frozenset[str]]] = {}
    for metric in published:
        sets.setdefault(metric.name, set()).add(frozenset(name for name, _ in metric.dimensions))

    count = {name: len(found) for name, found in sets.items()}
    assert count[CORE] == count["node_gpu_power_draw"] == count["node_efa_rx_bytes"] == 3
    assert count["pod_neuroncore_utilization"] == 6
    assert count["container_gpu_memory_used"] == count["container_neuroncore_memory_usage_total"] == 4
    assert count["node_neurondevice_runtime_memory_used_bytes"] == 2
    assert {"node_efa_tx_bytes", "container_efa_rdma_write_bytes", "pod_gpu_utilization"} <= count.keys()


def node_memory(world: World, *faults: str) -> tuple[float, float]:
    """Bytes at the end of the busiest endpoint's node: as the node tells them, and summed over its cores."""
    node = next(node for node in world.watched() if node.role == "inf2-serve")
    tracks = [t for t in insight_tracks(world, frozenset(faults)) if t.labels.get("InstanceId") == node.instance_id]
    whole = next(t.measures["runtime_memory_used_bytes"][-1] for t in tracks if t.family == "neurondevice")
    cores = sum(t.measures["memory_usage_total"][-1] for t in tracks if t.family == "neuroncore")
    return float(whole), float(cores)


def test_node_memory_of_the_first_runtime_is_far_below_that_of_its_cores(world: World) -> None:
    whole, cores = node_memory(world)
    assert whole == cores > 0
    first_only, cores_still = node_memory(world, "first_runtime_memory")
    assert cores_still == cores
    assert first_only < 0.6 * cores


def test_fabricated_zeros_stand_in_whole_minutes_and_after_a_pod_is_gone(world: World) -> None:
    def tracks(*faults: str) -> list[Any]:
        return [t for t in insight_tracks(world, frozenset(faults)) if t.family == "neuroncore"]

    for true, bent in zip(tracks(), tracks("synthetic_zeros"), strict=True):
        ours, theirs = true.measures["utilization"], bent.measures["utilization"]
        if true.scope == "node":
            zeroed = (theirs == 0) & (ours > 0)
            assert np.array_equal(theirs[~zeroed], ours[~zeroed])
        else:
            assert np.array_equal(theirs, np.append(ours, [0.0, 0.0, 0.0]))
    busy = [t.measures["utilization"] for t in tracks() if t.scope == "node"]
    bent_busy = [t.measures["utilization"] for t in tracks("synthetic_zeros") if t.scope == "node"]
    assert any(((b == 0) & (a > 0)).any() for a, b in zip(busy, bent_busy, strict=True))
