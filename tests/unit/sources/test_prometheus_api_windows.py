"""Which windows of its history a Prometheus endpoint is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.prometheus_api import asked_window, window_name, windows_to_ask
from pipeline.windows import HOUR, Window
from tests.support.prometheus import endpoint

NOW = datetime(2026, 11, 1, 15, tzinfo=UTC)


def windows() -> Iterator[Any]:
    edges = st.integers(min_value=0, max_value=30 * 60).map(lambda minute: NOW - timedelta(minutes=minute))
    return st.lists(
        st.tuples(edges, edges).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: Window(*pair)), max_size=6
    )  # type: ignore[return-value]


@given(windows(), st.sampled_from([10, 60, 300, 3600]), st.integers(0, 3600))  # type: ignore[arg-type]
def test_every_step_of_the_history_is_asked_once(known: list[Window], step: int, lag: int) -> None:
    asking = endpoint(step_seconds=step, history_hours=24, lag_seconds=lag)
    fresh = list(windows_to_ask(asking, known, NOW))

    assert not list(windows_to_ask(asking, [*known, *fresh], NOW))
    assert all(window.end_at - window.start_at <= HOUR for window in fresh)
    assert all(window.end_at <= NOW - timedelta(seconds=lag) for window in fresh)
    for window in fresh:
        assert not any(window.start_at < other.end_at and other.start_at < window.end_at for other in known)


def test_a_window_stands_in_the_name_of_its_delivery() -> None:
    window = Window(NOW - HOUR, NOW)

    assert asked_window(window_name("fleet", window)) == window


def test_a_longer_history_asks_for_what_is_older_alone() -> None:
    day = [Window(NOW - timedelta(hours=24), NOW)]

    older = list(windows_to_ask(endpoint(history_hours=26, lag_seconds=0), day, NOW))

    assert older == [Window(NOW - timedelta(hours=age), NOW - timedelta(hours=age - 1)) for age in (26, 25)]
