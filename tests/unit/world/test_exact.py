"""Holders that come and go between samples: what the samples show of them, and what is true."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest

from pipeline.world import World, WorldOptions, simulate
from pipeline.world.options import hour_of
from pipeline.world.usage import DENOMINATOR, Usage, add_usage

OPTIONS = WorldOptions(5, days=2, telemetry_days=1, interval_seconds=300, unaligned=True)


@pytest.fixture(scope="module")
def unaligned() -> World:
    return simulate(OPTIONS)


def overlap(start: int, end: int, at: np.ndarray, cover: np.ndarray) -> dict[int, int]:
    """Seconds of [start, end) that lie in the time of samples, by hour."""
    hours: dict[int, int] = defaultdict(int)
    for until, seconds in zip(at.tolist(), cover.tolist(), strict=True):
        shared = min(end, until) - max(start, until - seconds)
        if shared > 0:
            hours[hour_of(until - 1)] += shared
    return hours


def test_what_happens_falls_between_samples_and_the_samples_stay_on_their_grid(unaligned: World) -> None:
    edges = [edge for group in unaligned.holdings.values() for held in group for edge in (held.start, held.end)]
    assert sum(edge % OPTIONS.interval_seconds != 0 for edge in edges) > 20
    for node in unaligned.watched():
        at = unaligned.telemetry(node).at
        assert np.isin(at % OPTIONS.interval_seconds, (0, 30)).all()


def test_a_holder_alone_on_its_units_holds_them_to_the_second(unaligned: World) -> None:
    node = unaligned.fleet.with_role("g6-lab")[0]
    telemetry = unaligned.telemetry(node)
    usage = Usage()
    add_usage(usage, unaligned.exact_usage(telemetry))
    [workload_id] = {held.owner.workload_id for held in unaligned.holdings[node.instance_id]}
    told = {hour: owners[workload_id] for (hour, _), owners in usage.held.items()}
    true: dict[int, int] = defaultdict(int)
    for held in unaligned.holdings[node.instance_id]:
        for hour, seconds in overlap(held.start, held.end, telemetry.at, telemetry.cover).items():
            true[hour] += seconds * DENOMINATOR
    assert told == true


def test_what_is_observed_is_what_the_samples_stand_for_as_far_as_the_node_ran(unaligned: World) -> None:
    for node in unaligned.watched():
        telemetry = unaligned.telemetry(node)
        exact = unaligned.exact_usage(telemetry)
        before = max(0, node.launch_at - int(telemetry.at[0] - telemetry.cover[0]))
        assert int(exact.cover.sum()) == int(telemetry.cover.sum()) - before
        assert ((exact.at - exact.cover)[1:] >= exact.at[:-1]).all()


def test_nobody_holds_more_than_was_observed(unaligned: World) -> None:
    usage = Usage()
    for node in unaligned.watched():
        add_usage(usage, unaligned.exact_usage(unaligned.telemetry(node)))
    for key, owners in usage.held.items():
        assert 0 < sum(owners.values()) <= usage.observed[key]
    assert all(allocated <= observed for observed, allocated, _ in usage.accelerators.values())


def test_where_samples_miss_nothing_they_are_the_truth(world: World) -> None:
    telemetry = world.telemetry(world.fleet.with_role("inf2-serve")[0])
    assert world.exact_usage(telemetry) is telemetry


def test_a_replica_that_goes_early_leaves_the_rest_of_its_sample_to_nobody(unaligned: World) -> None:
    """The sample still shows it, or does not: the truth lies between."""
    [node] = [node for node in unaligned.watched() if node.role == "inf2-burst"]
    telemetry = unaligned.telemetry(node)
    [held] = unaligned.holdings[node.instance_id]
    exact = unaligned.exact_usage(telemetry)
    shown = Fraction(int(telemetry.cover[telemetry.holder_counts()[:, 0] > 0].sum()))
    true = Fraction(int(exact.cover[exact.holder_counts()[:, 0] > 0].sum()))
    assert 0 < abs(shown - true) < 2 * OPTIONS.interval_seconds
    assert true == sum(overlap(held.start, held.end, telemetry.at, telemetry.cover).values())
