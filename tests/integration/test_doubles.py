"""Real boto3 clients against the world's CloudWatch and Cost Explorer: what is pulled equals what was simulated."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import numpy as np
import pyarrow as pa
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from pipeline.errors import SourceError
from pipeline.sources import cloudwatch, cost_explorer
from pipeline.sources.base import ParsedDelivery, stamp_in_name
from pipeline.sources.cloudwatch_rows import catalogue_rows
from pipeline.sources.cloudwatch_series import name_series
from pipeline.windows import Window
from pipeline.world import END_AT, Node, World, WorldOptions, simulate, usd
from pipeline.world.neuron_monitor import neuron_files
from pipeline.world.serve import make_server
from pipeline.world.serve_http import DoublesServer
from pipeline.world.serve_truth import insight_tracks

DAYS = 3
LAST_DAY = Window(END_AT - timedelta(days=1), END_AT)
FIRST_DATE, END_DATE = (END_AT - timedelta(days=DAYS)).date(), END_AT.date()
SERVING = "us-west-2"  # the region with the fewest cores: a whole day of it is pulled
TRAINING = "us-east-1"
Connect = Callable[..., Any]


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldOptions(seed=7, days=DAYS, telemetry_days=1))


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[DoublesServer]:
    yield from running(make_server(world, groups_per_page=5))


def running(server: DoublesServer) -> Iterator[DoublesServer]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def connect(server: DoublesServer) -> Connect:
    return lambda service, region=TRAINING, **more: connected(server, service, region, **more)


def connected(server: DoublesServer, service: str, region: str = TRAINING, key: str = "AKIAWORLD") -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        region_name=region,
        endpoint_url=server.url,
        aws_access_key_id=key,
        aws_secret_access_key="none",
        config=Config(retries={"mode": "standard", "max_attempts": 4}),
    )


def pull(client: Any, region: str, window: Window = LAST_DAY, **more: Any) -> list[dict[str, Any]]:
    """The points, each with what names its series."""
    catalogue = more.pop("catalogue", None) or cloudwatch.list_series(client)
    place = {"account_id": "0", "region": region}
    named = catalogue_rows(*place.values(), list(name_series(*place.values(), catalogue))).to_pylist()
    names = {row["series_key"]: row for row in named}
    deliveries = cloudwatch.fetch(client, window=window, now=END_AT, catalogue=catalogue, **place, **more)
    return [names[row["series_key"]] | row for row in rows(deliveries)]


def rows(deliveries: Iterator[ParsedDelivery]) -> list[dict[str, Any]]:
    batches = [batch for delivery in deliveries for _, batch in delivery.batches]
    return pa.Table.from_batches(batches).to_pylist() if batches else []


def eks_neuron_nodes(world: World, region: str) -> list[Node]:
    nodes = [node for node in world.watched() if node.spec.vendor == "neuron" and node.region == region]
    return [node for node in nodes if node.cluster is not None]


@pytest.fixture(scope="module")
def serving_rows(connect: Connect) -> list[dict[str, Any]]:
    return pull(connect("cloudwatch", SERVING), SERVING)


def test_every_core_minute_of_a_day_comes_back_with_the_simulated_utilization(
    world: World, serving_rows: list[dict[str, Any]]
) -> None:
    expected = {
        (node.instance_id, f"core{unit.index}", datetime.fromtimestamp(int(at) - 60, UTC)): busy / 10_000
        for node in eks_neuron_nodes(world, SERVING)
        for telemetry in [world.telemetry(node)]
        for at, row in zip(telemetry.at, telemetry.busy.tolist(), strict=True)
        for unit, busy in zip(node.units, row, strict=True)
    }

    found = [row for row in serving_rows if row["metric_name"] == "node_neuroncore_utilization"]

    assert len(found) == len(expected)
    assert {(row["instance_id"], row["neuron_core"], row["sample_at"]): row["value"] for row in found} == expected


def test_the_pod_on_a_core_is_the_one_that_held_it(world: World, serving_rows: list[dict[str, Any]]) -> None:
    expected = Counter(
        (held.holding.owner.namespace, held.holding.owner.pod, f"core{unit}")
        for node in eks_neuron_nodes(world, SERVING)
        for held in world.telemetry(node).held
        for unit in held.holding.units
        for _ in range(held.first, held.last)
    )

    found = [row for row in serving_rows if row["metric_name"] == "container_neuroncore_utilization"]

    assert Counter((row["pod_namespace"], row["full_pod_name"], row["neuron_core"]) for row in found) == expected


def test_cloudwatch_tells_what_neuron_monitor_tells(world: World, serving_rows: list[dict[str, Any]]) -> None:
    node = min(eks_neuron_nodes(world, SERVING), key=lambda node: (len(node.units), node.launch_at))
    reported: dict[tuple[str, str, datetime], float] = {}
    for name, text in neuron_files(world.telemetry(node), 60):
        first_at = stamp_in_name(name)
        assert first_at is not None
        for number, report in enumerate(map(json.loads, text.splitlines())):
            minute = first_at + timedelta(minutes=number - 1)
            for runtime in report["neuron_runtime_data"]:
                counters = runtime["report"]["neuroncore_counters"]["neuroncores_in_use"]
                memory = runtime["report"]["memory_used"]["neuron_runtime_used_bytes"]["usage_breakdown"]
                for core, counter in counters.items():
                    held = sum(memory["neuroncore_memory_usage"][core].values())
                    reported["node_neuroncore_utilization", f"core{core}", minute] = counter["neuroncore_utilization"]
                    reported["node_neuroncore_memory_usage_total", f"core{core}", minute] = held

    found = {
        (row["metric_name"], row["neuron_core"], row["sample_at"]): row["value"]
        for row in serving_rows
        if row["instance_id"] == node.instance_id and row["neuron_core"]
    }

    assert len(reported) > 500
    assert {key: found[key] for key in reported} == reported
    assert {value for key, value in found.items() if key not in reported} <= {0.0}


def test_whoever_adds_up_all_dimension_sets_counts_each_core_many_times(connect: Connect) -> None:
    pages = connect("cloudwatch", SERVING).get_paginator("list_metrics").paginate(Namespace="ContainerInsights")
    listed = [
        metric
        for page in pages
        for metric in page["Metrics"]
        if metric["MetricName"].endswith("neuroncore_utilization")
    ]

    sets = {(metric["MetricName"], frozenset(d["Name"] for d in metric["Dimensions"])) for metric in listed}

    assert len(sets) == 3 + 6 + 4


def test_coarser_sets_average_over_their_cores(connect: Connect, serving_rows: list[dict[str, Any]]) -> None:
    node = next(row for row in serving_rows if row["metric_name"] == "node_neuroncore_utilization")
    same_minute = [
        row["value"]
        for row in serving_rows
        if (row["metric_name"], row["instance_id"], row["sample_at"])
        == (node["metric_name"], node["instance_id"], node["sample_at"])
    ]
    dimensions = {"ClusterName": node["cluster"], "InstanceId": node["instance_id"], "NodeName": node["node_name"]}

    whole = get(connect("cloudwatch", SERVING), [query("a", node["metric_name"], dimensions)], node["sample_at"], 1)

    assert whole["a"] == [pytest.approx(sum(same_minute) / len(same_minute))]


@pytest.mark.parametrize("interval", [30, 45, 300])
def test_other_sample_intervals_keep_the_busy_seconds(interval: int) -> None:
    world = simulate(WorldOptions(seed=3, days=1, interval_seconds=interval))
    node = min(eks_neuron_nodes(world, SERVING), key=lambda node: node.launch_at)
    telemetry = world.telemetry(node)
    tracks = [
        track
        for track in insight_tracks(world)
        if (track.scope, track.family) == ("node", "neuroncore") and track.labels["InstanceId"] == node.instance_id
    ]

    seconds = sum(float(np.nansum(track.measures["utilization"])) * 60 / 100 for track in tracks)

    assert len(tracks) == len(node.units)
    assert seconds == pytest.approx(float((telemetry.busy * telemetry.cover[:, None]).sum()) / 1e6, rel=2e-3)


def query(query_id: str, name: str, dimensions: dict[str, str], period: int = 60, stat: str = "Average") -> Any:
    pairs = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    metric = {"Namespace": "ContainerInsights", "MetricName": name, "Dimensions": pairs}
    return {"Id": query_id, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}


def get(client: Any, queries: list[Any], start: datetime, minutes: int, **more: Any) -> dict[str, list[float]]:
    end = start + timedelta(minutes=minutes)
    page = client.get_metric_data(MetricDataQueries=queries, StartTime=start, EndTime=end, **more)
    return {result["Id"]: result["Values"] for result in page["MetricDataResults"]}


def finest(row: dict[str, Any]) -> dict[str, str]:
    names = {"ClusterName": "cluster", "InstanceType": "instance_type", "InstanceId": "instance_id"}
    names |= {"NodeName": "node_name", "NeuronDevice": "neuron_device", "NeuronCore": "neuron_core"}
    return {name: row[column] for name, column in names.items()}


def test_points_come_newest_first_unless_asked_otherwise(connect: Connect, serving_rows: list[dict[str, Any]]) -> None:
    row = max(
        (row for row in serving_rows if row["metric_name"] == "node_neuroncore_utilization"),
        key=lambda row: row["value"],
    )
    client, queries = connect("cloudwatch", SERVING), [query("a", row["metric_name"], finest(row))]
    start = row["sample_at"] - timedelta(minutes=5)

    newest_first = get(client, queries, start, 10)["a"]

    assert newest_first == get(client, queries, start, 10, ScanBy="TimestampAscending")["a"][::-1]
    assert len(set(newest_first)) > 1


def test_a_page_may_end_within_one_query_and_the_client_joins_it(connect: Connect, monkeypatch: Any) -> None:
    client, window = connect("cloudwatch", TRAINING), Window(END_AT - timedelta(minutes=30), END_AT)
    whole = pull(client, TRAINING, window)

    monkeypatch.setattr("pipeline.sources.cloudwatch_answers.MAX_DATAPOINTS", 1007)
    spend = cloudwatch.new_spend()
    cut = pull(client, TRAINING, window, spend=spend)

    assert cut == whole
    assert spend.requests > len(whole) // 1007


@pytest.mark.parametrize("region", [TRAINING, SERVING])
def test_only_the_asked_region_answers(world: World, connect: Connect, region: str) -> None:
    clusters = {node.cluster_name for node in eks_neuron_nodes(world, region)}

    listed = cloudwatch.list_series(connect("cloudwatch", region))

    assert {dict(series.dimensions)["ClusterName"] for series in listed} == clusters


def test_the_catalogue_can_be_cut_to_one_cluster(world: World, connect: Connect) -> None:
    cluster = eks_neuron_nodes(world, TRAINING)[0].cluster_name

    listed = cloudwatch.list_series(connect("cloudwatch", TRAINING), clusters=[cluster])

    assert {dict(series.dimensions)["ClusterName"] for series in listed} == {cluster}


def test_an_old_window_is_asked_at_the_period_that_is_still_kept(connect: Connect) -> None:
    client, later = connect("cloudwatch", SERVING), END_AT + timedelta(days=20)
    window = Window(END_AT - timedelta(hours=1), END_AT)

    deliveries = cloudwatch.fetch(client, window=window, account_id="0", region=SERVING, now=later)

    found = list(deliveries)
    assert {delivery.info.interval_ms for delivery in found} == {300_000}
    assert {row["sample_at"].minute % 5 for row in rows(iter(found))} == {0}


def test_the_double_is_silent_about_a_period_it_no_longer_keeps(connect: Connect) -> None:
    client = connect("cloudwatch", SERVING)
    dimensions = {"ClusterName": cloudwatch.list_series(client)[0].dimensions[0][1]}
    queries = [query("fine", "node_neuroncore_utilization", dimensions)]

    assert get(client, queries, END_AT - timedelta(days=16), 16 * 24 * 60)["fine"] == []
    coarse = [query("coarse", "node_neuroncore_utilization", dimensions, period=300)]
    assert len(get(client, coarse, END_AT - timedelta(days=16), 16 * 24 * 60)["coarse"]) == 24 * 12


def test_more_than_500_queries_are_refused(connect: Connect) -> None:
    queries = [query(f"m{number}", "node_neuroncore_utilization", {}) for number in range(501)]

    with pytest.raises(ClientError, match="ValidationError"):
        get(connect("cloudwatch"), queries, LAST_DAY.start_at, 60)


def test_throttled_calls_are_retried_by_the_client(world: World, serving_rows: list[dict[str, Any]]) -> None:
    last_minute = [row for row in serving_rows if row["sample_at"] >= END_AT - timedelta(minutes=1)]

    for server in running(make_server(world, faults=("throttle",))):
        window = Window(END_AT - timedelta(minutes=1), END_AT)
        assert pull(connected(server, "cloudwatch", SERVING), SERVING, window) == last_minute


def test_a_caller_sees_the_account_of_its_key_alone(world: World, connect: Connect) -> None:
    research = world.fleet.accounts["research"].account_id
    expected = {node.cluster_name for node in eks_neuron_nodes(world, TRAINING) if node.account.account_id == research}

    listed = cloudwatch.list_series(connect("cloudwatch", TRAINING, key=research))

    assert {dict(series.dimensions)["ClusterName"] for series in listed} == expected
    assert connect("sts", key=research).get_caller_identity()["Account"] == research


def bill(world: World) -> dict[tuple[date, str, str], tuple[Decimal, Decimal]]:
    sums: dict[tuple[date, str, str], tuple[int, int]] = {}
    for line in world.lines:
        key = (datetime.fromtimestamp(line.start, UTC).date(), line.account_id, line.record_type)
        billed, effective = sums.get(key, (0, 0))
        sums[key] = (billed + line.unblended, effective + line.effective)
    return {key: (usd(billed), usd(effective)) for key, (billed, effective) in sums.items()}


def test_cost_explorer_sums_to_the_bill_per_day_account_and_record_type(world: World, connect: Connect) -> None:
    spend = cost_explorer.new_spend()
    found: dict[tuple[date, str, str], tuple[Decimal, Decimal]] = {}
    deliveries = cost_explorer.fetch(
        connect("ce"), start=FIRST_DATE, end=END_DATE, accounts=None, now=END_AT, spend=spend
    )

    for row in rows(deliveries):
        key = (row["usage_date"], row["account_id"], row["record_type"])
        billed, effective = found.get(key, (Decimal(0), Decimal(0)))
        found[key] = (billed + row["unblended_cost"], effective + row["amortized_cost"])

    assert found == bill(world)
    assert spend.requests > 2 * len(world.fleet.accounts)  # five groups a page: every account takes several


def test_the_end_of_a_cost_period_is_exclusive(world: World, connect: Connect) -> None:
    account_id = world.fleet.accounts["training"].account_id
    next_day = FIRST_DATE + timedelta(days=1)

    found = rows(cost_explorer.fetch(connect("ce"), start=FIRST_DATE, end=next_day, accounts=[account_id], now=END_AT))

    assert {(row["usage_date"], row["end_date"]) for row in found} == {(FIRST_DATE, next_day)}


def ask(client: Any, **change: Any) -> Any:
    request = {
        "TimePeriod": {"Start": FIRST_DATE.isoformat(), "End": END_DATE.isoformat()},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
    }
    return client.get_cost_and_usage(**request | change)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"GroupBy": [{"Type": "DIMENSION", "Key": key} for key in ("SERVICE", "USAGE_TYPE", "RECORD_TYPE")]}, "Valid"),
        ({"GroupBy": [{"Type": "DIMENSION", "Key": "REGION"}]}, "Valid"),
        ({"Metrics": ["Cost"]}, "Valid"),
        ({"Metrics": ["NetAmortizedCost"]}, "Valid"),
        ({"TimePeriod": {"Start": "2026-11-02", "End": "2026-11-02"}}, "Valid"),
        ({"NextPageToken": "never given"}, "InvalidNextToken"),
    ],
)
def test_the_double_refuses_what_cost_explorer_refuses(connect: Connect, change: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        ask(connect("ce"), **change)

    assert refused.value.response["Error"]["Code"].startswith(code)


def test_a_page_token_belongs_to_its_request(connect: Connect) -> None:
    client = connect("ce")
    token = ask(client)["NextPageToken"]

    with pytest.raises(ClientError, match="RequestChangedException"):
        ask(client, Metrics=["AmortizedCost"], NextPageToken=token)


def test_totals_are_there_only_without_groups(world: World, connect: Connect) -> None:
    account_id = world.fleet.accounts["serving"].account_id
    only = {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [account_id]}}
    usage = {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Usage"]}}

    grouped = ask(connect("ce"), Filter={"And": [only, usage]})["ResultsByTime"][0]
    total = ask(connect("ce"), Filter={"And": [only, usage]}, GroupBy=[])["ResultsByTime"][0]

    assert (grouped["Total"], total["Groups"]) == ({}, [])
    billed = Decimal(total["Total"]["UnblendedCost"]["Amount"])
    assert billed == bill(world)[(FIRST_DATE, account_id, "Usage")][0]


def test_unsigned_calls_are_refused_with_advice(server: DoublesServer) -> None:
    from botocore import UNSIGNED

    client = boto3.client(
        "ce", region_name=TRAINING, endpoint_url=server.url, config=Config(signature_version=UNSIGNED)
    )

    with pytest.raises(SourceError, match="credentials are wrong"):
        list(cost_explorer.fetch(client, start=FIRST_DATE, end=END_DATE, accounts=None, now=END_AT))
