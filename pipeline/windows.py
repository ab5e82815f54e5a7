"""Half-open windows of UTC time: how they join, split and widen."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, order=True)
class Window:
    """The time `[start_at, end_at)`, both aware and in UTC; never empty."""

    start_at: datetime
    end_at: datetime

    def __post_init__(self) -> None:
        """Refuse naive times and empty windows: both are bugs of the caller."""
        if self.start_at.tzinfo is None or self.end_at.tzinfo is None:
            raise ValueError(f"window needs aware UTC times, got {self.start_at} to {self.end_at}")
        if self.start_at >= self.end_at:
            raise ValueError(f"window ends before it starts: {self.start_at} to {self.end_at}")

    def __str__(self) -> str:
        """Both ends as ISO 8601, e.g. `2026-01-01T00:00:00+00:00/2026-01-01T01:00:00+00:00`."""
        return f"{self.start_at.isoformat()}/{self.end_at.isoformat()}"


ALL_TIME = Window(datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))


def floor_hour(moment: datetime) -> datetime:
    """The UTC hour that holds `moment`."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def floor_day(moment: datetime) -> datetime:
    """The UTC midnight at or before `moment`."""
    return floor_hour(moment).replace(hour=0)


def whole_hours(window: Window) -> Window:
    """The UTC hours that `window` touches."""
    start_at, end_at = floor_hour(window.start_at), floor_hour(window.end_at)
    return Window(start_at, end_at if end_at == window.end_at else end_at + HOUR)


def whole_days(window: Window) -> Window:
    """The UTC days that `window` touches."""
    start_at, end_at = floor_day(window.start_at), floor_day(window.end_at)
    return Window(start_at, end_at if end_at == window.end_at else end_at + DAY)


def merge(windows: Iterable[Window]) -> list[Window]:
    """The same time as sorted windows that neither overlap nor touch."""
    merged: list[Window] = []
    for window in sorted(windows):
        if merged and window.start_at <= merged[-1].end_at:
            merged[-1] = Window(merged[-1].start_at, max(merged[-1].end_at, window.end_at))
        else:
            merged.append(window)
    return merged


def widen(window: Window, by: timedelta) -> Window:
    """`window` made longer at both ends, within `ALL_TIME`."""
    return Window(max(window.start_at - by, ALL_TIME.start_at), min(window.end_at + by, ALL_TIME.end_at))


def clip(windows: Iterable[Window], bounds: Window) -> list[Window]:
    """The parts of `windows` inside `bounds`."""
    pairs = ((max(w.start_at, bounds.start_at), min(w.end_at, bounds.end_at)) for w in windows)
    return [Window(start_at, end_at) for start_at, end_at in pairs if start_at < end_at]


def subtract(window: Window, done: Window | None) -> list[Window]:
    """The parts of `window` outside `done`."""
    if done is None:
        return [window]
    pairs = ((window.start_at, min(window.end_at, done.start_at)), (max(window.start_at, done.end_at), window.end_at))
    return [Window(start_at, end_at) for start_at, end_at in pairs if start_at < end_at]


def split_days(window: Window) -> Iterator[Window]:
    """`window` cut at every UTC midnight."""
    start_at = window.start_at
    while start_at < window.end_at:
        end_at = min(floor_day(start_at) + DAY, window.end_at)
        yield Window(start_at, end_at)
        start_at = end_at


def chunks(
    window: Window, day_rows: Mapping[datetime, float], most_rows: float, *, apart_from_at: datetime | None = None
) -> Iterator[Window]:
    """`window` cut at midnights, so that each part holds about `most_rows` rows or one day.

    `day_rows` says how many rows each day holds, by its midnight. No part has rows from both sides of `apart_from_at`.
    """
    start_at, rows = window.start_at, 0.0
    for day in split_days(window):
        count = day_rows.get(day.start_at, 0.0)
        if rows and (rows + count > most_rows or day.start_at == apart_from_at):
            yield Window(start_at, day.start_at)
            start_at, rows = day.start_at, 0.0
        rows += count
    yield Window(start_at, window.end_at)
