"""Which period CloudWatch is asked for: the finest that it still keeps, and whole ones only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.cloudwatch import period_for, whole_periods
from pipeline.windows import Window

NOW = datetime(2026, 11, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)


@given(st.integers(0, 454 * 24 * 60))
def test_the_period_is_the_finest_that_cloudwatch_still_keeps(age_minutes: int) -> None:
    age = timedelta(minutes=age_minutes)

    period = period_for(NOW - age, NOW)

    assert period == 60 or age > timedelta(days=15) - HOUR
    assert period <= 300 or age > timedelta(days=63) - HOUR
    assert age <= {60: timedelta(days=15), 300: timedelta(days=63), 3600: timedelta(days=455)}[period]


@pytest.mark.parametrize(("days", "coarser"), [(15, 300), (63, 3600)])
def test_near_the_end_of_a_retention_the_coarser_period_is_asked(days: int, coarser: int) -> None:
    assert period_for(NOW - timedelta(days=days, minutes=-59), NOW) == coarser
    assert period_for(NOW - timedelta(days=days, minutes=-60), NOW) < coarser


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.sampled_from([60, 300, 3600]), st.integers(0, 10**6))
def test_whole_periods_cover_the_window_up_to_now_and_no_more(start: int, length: int, period: int, now: int) -> None:
    zero = datetime(2026, 1, 1, tzinfo=UTC)
    window = Window(zero + timedelta(seconds=start), zero + timedelta(seconds=start + length))
    clock = zero + timedelta(seconds=now)

    whole = whole_periods(window, period, clock)

    if whole is None:
        assert clock - window.start_at < timedelta(seconds=period)
        return
    assert {whole.start_at.timestamp() % period, whole.end_at.timestamp() % period} == {0}
    assert window.start_at - timedelta(seconds=period) < whole.start_at <= window.start_at
    assert whole.end_at <= clock
    assert whole.end_at >= min(window.end_at, clock - timedelta(seconds=period - 1))
