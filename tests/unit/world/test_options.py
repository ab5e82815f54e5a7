from __future__ import annotations

from typing import Any

import pytest

from pipeline.world import WorldOptions


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"days": 0}, "days=0"),
        ({"days": 3, "telemetry_days": 4}, "telemetry_days=4"),
        ({"size": "XL"}, "'XL'"),
        ({"interval_seconds": 45_000}, "interval_seconds=45000"),
        ({"interval_seconds": 10}, "interval_seconds=10"),
        ({"interval_seconds": 70}, "interval_seconds=70"),
        ({"faults": ("clock_skew",)}, "clock_skew"),
        ({"around_events": True, "telemetry_days": 3}, "needs events"),
        ({"around_events": True, "events": ("price_cut",)}, "needs events, and telemetry_days"),
    ],
)
def test_what_cannot_be_simulated_truly_is_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        WorldOptions(seed=1, **wrong)


def test_world_json_brings_the_same_options_back() -> None:
    options = WorldOptions(seed=9, days=12, telemetry_days=2, size="M", interval_seconds=120)
    assert WorldOptions.from_json(options.to_json()) == options


def test_a_world_ends_at_its_fixed_midnight_and_telemetry_covers_its_last_days() -> None:
    options = WorldOptions(seed=1, days=35, telemetry_days=3)
    assert options.start % 86400 == 0
    assert options.telemetry_start - options.start == 32 * 86400


def test_telemetry_around_events_covers_whole_days_about_each_of_them_within_the_world() -> None:
    events = ("refund_of_last_month", "large_credit", "price_cut")
    options = WorldOptions(seed=1, days=35, telemetry_days=3, events=events, around_events=True)
    days = [((start - options.start) // 86400, (end - options.start) // 86400) for start, end in options.windows]
    assert days == [(0, 3), (16, 19)]
    assert options.telemetry_start == options.start
    assert options.watched_at(0.75) == options.start + 16 * 86400 + 86400 * 3 // 2


def test_a_share_of_the_watched_time_is_a_share_of_the_last_days_where_they_alone_are_watched() -> None:
    options = WorldOptions(seed=1, days=35, telemetry_days=4)
    assert options.watched_at(0.25) == options.telemetry_start + 86400
    assert WorldOptions(seed=1, days=3, telemetry_days=0).watched_at(0.5) == options.telemetry_start + 4 * 86400
