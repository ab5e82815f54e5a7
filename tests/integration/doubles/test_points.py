"""Real boto3 clients against the world's CloudWatch: the points pulled are the utilization simulated."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from pipeline.sources import cloudwatch
from pipeline.sources.base import stamp_in_name
from pipeline.windows import Window
from pipeline.world import END_AT, World, WorldOptions, simulate
from pipeline.world.neuron_monitor import neuron_files
from pipeline.world.serve_truth import insight_tracks
from tests.support.world_clients import (
    SERVING,
    TRAINING,
    Connect,
    eks_neuron_nodes,
    finest,
    get,
    pull,
    query,
)


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
