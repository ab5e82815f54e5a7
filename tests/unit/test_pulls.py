from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import pulls, settings, steps
from pipeline.pulls import bill_window, metrics_window
from pipeline.sources.aws_calls import ApiSpend
from pipeline.sources.base import ParsedDelivery

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


def test_aws_is_asked_before_the_warehouse_is_held_and_the_spend_is_told(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = settings.load(cost_explorer=True, cost_explorer_accounts=("111122223333",), lock_wait_seconds=0)

    def fetch(_: object, *, spend: ApiSpend, **__: object) -> Iterator[ParsedDelivery]:
        with steps.warehouse(values):  # would raise WarehouseLocked
            spend.billed_units += 3
        yield from ()

    monkeypatch.setattr(pulls.clients, "cost_explorer", lambda: None)
    monkeypatch.setattr(pulls.cost_explorer, "fetch", fetch)
    assert str(pulls.pull_cost_explorer(values, NOW)).endswith("AWS requests for 0.03 USD")
