from __future__ import annotations

import numpy as np
import pytest

from pipeline.world import END_AT, World, WorldOptions, simulate
from pipeline.world.telemetry import sample_grid

END = int(END_AT.timestamp())


def test_samples_stand_for_every_second_that_a_watched_node_runs(world: World) -> None:
    for node in world.watched():
        at, cover = sample_grid(node, world.options)
        start, end = node.runs(world.options.telemetry_start, END)
        assert int(cover.sum()) == end - start
        assert int(at[-1]) == end
        assert (at - cover)[0] == start


def test_dcgm_is_first_scraped_half_a_minute_in_then_at_whole_intervals(world: World) -> None:
    node = world.fleet.with_role("g6-serve")[0]
    at, cover = sample_grid(node, world.options)
    assert (at[:3] - world.options.telemetry_start).tolist() == [30, 60, 120]
    assert cover[:3].tolist() == [30, 30, 60]


def test_a_dcgm_sample_stands_for_no_more_than_two_cadences() -> None:
    options = WorldOptions(1, days=1, interval_seconds=300)
    world = simulate(options)
    _, cover = sample_grid(world.fleet.with_role("g6-serve")[0], options)
    assert cover.max() == 60
    _, cover = sample_grid(world.fleet.with_role("inf2-serve")[0], options)
    assert cover.min() == cover.max() == 300


@pytest.mark.parametrize(("role", "first"), [("g6-serve", 60), ("inf2-serve", 600)])
def test_what_comes_back_after_days_unseen_stands_for_two_cadences_of_its_first_day(role: str, first: int) -> None:
    events = ("refund_of_last_month", "price_cut")
    options = WorldOptions(1, days=20, telemetry_days=1, interval_seconds=300, events=events, around_events=True)
    at, cover = sample_grid(simulate(options).fleet.with_role(role)[0], options)
    (_, end), (start, _) = options.windows
    [back] = np.flatnonzero(np.diff(at) > 86400) + 1
    assert (int(at[back - 1]), int(at[back]), int(cover[back])) == (end, start + first, first)


def test_nodes_nobody_watches_have_no_samples(world: World) -> None:
    assert len(world.telemetry(world.fleet.with_role("g6-dark")[0]).at) == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_held_devices_stay_above_eight_percent_outside_planted_stalls(seed: int) -> None:
    world = simulate(WorldOptions(seed, days=2))
    for node in world.watched():
        telemetry = world.telemetry(node)
        for ranged in telemetry.held:
            at = telemetry.at[ranged.first : ranged.last]
            calm = np.ones(len(at), dtype=bool)
            for start, end in ranged.holding.stalls:
                calm &= (at <= start) | (at > end)
            assert ranged.busy[calm].min(initial=10**6) >= 80_000


def test_free_units_do_nothing(world: World) -> None:
    for node in world.watched():
        telemetry = world.telemetry(node)
        assert telemetry.busy[telemetry.holder_counts() == 0].max(initial=0) == 0


def test_without_telemetry_days_there_is_a_bill_and_no_sample() -> None:
    world = simulate(WorldOptions(1, days=3, telemetry_days=0))
    assert world.watched() == []
    assert world.lines
