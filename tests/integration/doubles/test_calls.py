"""The world's CloudWatch answers as AWS does: regions, accounts, kept periods, limits, throttling."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.sources import cloudwatch
from pipeline.windows import Window
from pipeline.world import END_AT, World
from tests.support.doubles import serving
from tests.support.world_clients import (
    LAST_DAY,
    SERVING,
    TRAINING,
    Connect,
    connected,
    eks_neuron_nodes,
    get,
    pull,
    query,
    rows,
)


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

    with serving(world, faults=("throttle",)) as server:
        window = Window(END_AT - timedelta(minutes=1), END_AT)
        assert pull(connected(server, "cloudwatch", SERVING), SERVING, window) == last_minute


def test_a_caller_sees_the_account_of_its_key_alone(world: World, connect: Connect) -> None:
    research = world.fleet.accounts["research"].account_id
    expected = {node.cluster_name for node in eks_neuron_nodes(world, TRAINING) if node.account.account_id == research}

    listed = cloudwatch.list_series(connect("cloudwatch", TRAINING, key=research))

    assert {dict(series.dimensions)["ClusterName"] for series in listed} == expected
    assert connect("sts", key=research).get_caller_identity()["Account"] == research
