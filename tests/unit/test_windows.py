"""Windows are half-open, UTC, and keep every instant when they are merged, clipped or split."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.windows import (
    ALL_TIME,
    Window,
    chunks,
    clip,
    floor_hour,
    merge,
    split_days,
    subtract,
    whole_days,
    whole_hours,
    widen,
)

BASE = datetime(2026, 1, 1, tzinfo=UTC)
MINUTES = 5 * 24 * 60


def at(minutes: int) -> datetime:
    return BASE + timedelta(minutes=minutes)


@st.composite
def some_window(draw: st.DrawFn) -> Window:
    start, length = draw(st.integers(0, MINUTES)), draw(st.integers(1, MINUTES))
    return Window(at(start), at(start + length))


def instants(windows: list[Window]) -> set[datetime]:
    """Every quarter of an hour that a window holds."""
    quarters = (at(minute) for minute in range(0, 2 * MINUTES, 15))
    return {moment for moment in quarters if any(w.start_at <= moment < w.end_at for w in windows)}


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware UTC"):
        Window(datetime(2026, 1, 1), at(5))  # noqa: DTZ001


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match="ends before it starts"):
        Window(at(5), at(5))


def test_the_hour_of_a_moment_is_its_utc_hour() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    assert floor_hour(datetime(2026, 1, 1, 5, 45, tzinfo=india)) == at(0)


def test_whole_hours_and_days_do_not_grow_a_window_that_is_whole_already() -> None:
    assert whole_hours(Window(at(60), at(120))) == Window(at(60), at(120))
    assert whole_hours(Window(at(59), at(121))) == Window(at(0), at(180))
    assert whole_days(Window(at(0), at(1440))) == Window(at(0), at(1440))
    assert whole_days(Window(at(1439), at(1441))) == Window(at(0), at(2880))


def test_touching_windows_become_one() -> None:
    assert merge([Window(at(60), at(120)), Window(at(0), at(60))]) == [Window(at(0), at(120))]


def test_widening_stops_at_the_end_of_all_time() -> None:
    assert widen(ALL_TIME, timedelta(days=3)) == ALL_TIME
    assert widen(Window(at(120), at(180)), timedelta(hours=1)) == Window(at(60), at(240))


@given(st.lists(some_window(), max_size=8))
def test_merging_keeps_every_instant_and_leaves_gaps_between(windows: list[Window]) -> None:
    merged = merge(windows)
    assert instants(merged) == instants(windows)
    assert all(before.end_at < after.start_at for before, after in pairwise(merged))


@given(some_window())
def test_split_days_are_adjacent_and_lie_in_one_day_each(window: Window) -> None:
    days = list(split_days(window))
    assert merge(days) == [window]
    assert all(whole_days(day).end_at - whole_days(day).start_at == timedelta(days=1) for day in days)


@given(some_window(), some_window())
def test_what_is_subtracted_and_what_is_clipped_make_up_the_window(window: Window, done: Window) -> None:
    assert merge([*subtract(window, done), *clip([done], window)]) == [window]
    assert not instants(subtract(window, done)) & instants([done])


def test_chunks_hold_whole_days_up_to_so_many_rows() -> None:
    day_rows = {at(1440 * day): rows for day, rows in enumerate([60, 40, 1, 200, 5])}
    found = list(chunks(Window(at(0), at(5 * 1440)), day_rows, 100))
    assert [window.start_at for window in found] == [at(1440 * day) for day in (0, 2, 3, 4)]
    assert instants(found) == instants([Window(at(0), at(5 * 1440))])


def test_a_chunk_keeps_to_one_side_of_a_given_midnight() -> None:
    day_rows = {at(1440 * day): 10.0 for day in range(5)}
    found = list(chunks(Window(at(0), at(5 * 1440)), day_rows, 1000, apart_from_at=at(3 * 1440)))
    assert found == [Window(at(0), at(3 * 1440)), Window(at(3 * 1440), at(5 * 1440))]
