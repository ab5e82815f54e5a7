from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.pulls import bill_window, metrics_window

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
FIRST, LAST = datetime(2020, 1, 1), datetime(2030, 1, 1)  # noqa: DTZ001 (hypothesis adds the zone)


def test_the_first_pull_asks_for_a_day() -> None:
    assert metrics_window(None, NOW).start_at == NOW - timedelta(hours=24)


def test_later_pulls_ask_for_the_last_two_hours_again() -> None:
    window = metrics_window(NOW - timedelta(hours=5), NOW)
    assert (window.start_at, window.end_at) == (NOW - timedelta(hours=7), NOW)


def test_the_previous_month_is_pulled_while_it_still_moves() -> None:
    assert bill_window(datetime(2026, 11, 5, tzinfo=UTC)) == (date(2026, 10, 1), date(2026, 11, 5))
    assert bill_window(datetime(2026, 11, 18, tzinfo=UTC)) == (date(2026, 11, 1), date(2026, 11, 18))


@given(st.datetimes(min_value=FIRST, max_value=LAST, timezones=st.just(UTC)))
def test_a_bill_window_is_never_empty_and_starts_on_the_first(now: datetime) -> None:
    start, end = bill_window(now)
    assert start.day == 1
    assert start < end <= now.date() + timedelta(days=1)
