"""Pulls of CloudWatch Container Insights' accelerator metrics: series and a window in, deliveries of raw rows out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from pipeline.errors import SourceError
from pipeline.sources.aws_calls import ApiSpend, Sleep, wait
from pipeline.sources.base import ParsedDelivery
from pipeline.sources.cloudwatch_answers import Pull, read_points
from pipeline.sources.cloudwatch_points import Points
from pipeline.sources.cloudwatch_rows import deliveries, parts
from pipeline.sources.cloudwatch_series import Named, Series, find_series, name_series
from pipeline.sources.cloudwatch_wire import Wire
from pipeline.windows import DAY, Window, split_days

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

USD_PER_METRIC_ASKED = Decimal("0.00001")

# StartTime's age and the finest period that CloudWatch still answers; past it a query is silently empty. One hour of
# margin keeps a slow pull from crossing an edge.
RETENTION = ((timedelta(days=15), 60), (timedelta(days=63), 300), (timedelta(days=455), 3600))
RETENTION_MARGIN = timedelta(hours=1)
LONGEST_QUESTION = 4 * DAY  # a longer window costs no more, but its points must be held in memory


def new_spend() -> ApiSpend:
    """A counter at GetMetricData's list price: 0.01 USD per 1,000 metrics asked for, however long the window."""
    return ApiSpend(USD_PER_METRIC_ASKED)


def fetch(
    client: CloudWatchClient,
    *,
    window: Window,
    account_id: str,
    region: str,
    now: datetime,
    catalogue: Sequence[Series] | None = None,
    clusters: Sequence[str] | None = None,
    spend: ApiSpend | None = None,
    sleep: Sleep = wait,
) -> Iterator[ParsedDelivery]:
    """Deliveries of all points in `window`, observed at `now`; complete periods only, so nothing after `now`.

    `catalogue` is asked as it is, less what RULES does not read; None discovers it (all clusters, or `clusters`).
    ListMetrics forgets a series 14 days after its last point while its data stays 15 months: keep what `list_series`
    found if old windows will be asked. The finest period that the window's age allows is used: 60, 300 or 3600 s.
    Raises SourceError for missing permissions, throttling, answers that stay incomplete, and windows over 455 days old.
    """
    wire, spend = Wire(client, sleep), new_spend() if spend is None else spend
    if catalogue is None:
        catalogue = list(find_series(wire, clusters=clusters, spend=spend))
    asked = list(name_series(account_id, region, {series for series in catalogue if series.is_read}))
    for pull in questions(window, account_id, region, now):
        yield from (delivery for group in read(wire, asked, pull, now=now, spend=spend) for delivery in group)


def list_series(
    client: CloudWatchClient,
    *,
    clusters: Sequence[str] | None = None,
    spend: ApiSpend | None = None,
    sleep: Sleep = wait,
) -> list[Series]:
    """Every series that RULES reads and ListMetrics still knows, sorted; of `clusters` alone where given."""
    return sorted(find_series(Wire(client, sleep), clusters=clusters, spend=spend))


def read(
    wire: Wire, asked: Sequence[Named], pull: Pull, *, now: datetime, spend: ApiSpend
) -> Iterator[list[ParsedDelivery]]:
    """Deliveries of one question, some thousand series at a time: land each group before the next one is read."""
    for part in parts(asked):
        yield list(deliveries(part, pull, Points(pull, read_points(wire, part.series, pull, spend)), now))


def questions(window: Window, account_id: str, region: str, now: datetime) -> list[Pull]:
    """The questions that cover `window`: each at the finest period still kept, and of four days at most."""
    found: list[Pull] = []
    for day in split_days(window):
        period_seconds = period_for(day.start_at, now)
        if (whole := whole_periods(day, period_seconds, now)) is None:
            continue
        last = found[-1] if found else None
        if last and last.period_seconds == period_seconds and whole.end_at - last.window.start_at <= LONGEST_QUESTION:
            found.pop()
            whole = Window(last.window.start_at, whole.end_at)
        found.append(Pull(whole, period_seconds, account_id, region))
    return found


def period_for(start_at: datetime, now: datetime) -> int:
    """Seconds of the finest period that CloudWatch still holds for data as old as `start_at`."""
    age = now - start_at + RETENTION_MARGIN
    for limit, period_seconds in RETENTION:
        if age <= limit:
            return period_seconds
    raise SourceError(
        f"CloudWatch from {start_at:%Y-%m-%d}: metrics are kept for 455 days; ask for a window after "
        f"{now - RETENTION[-1][0] + RETENTION_MARGIN:%Y-%m-%d}"
    )


def whole_periods(window: Window, period_seconds: int, now: datetime) -> Window | None:
    """The whole periods that touch `window` and ended by `now`, or None where there is none."""
    start = _epoch(window.start_at) // period_seconds * period_seconds
    end = -(-_epoch(window.end_at) // period_seconds) * period_seconds
    end = min(end, _epoch(now) // period_seconds * period_seconds)
    return Window(_moment(start), _moment(end)) if start < end else None


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def _moment(epoch_seconds: int) -> datetime:
    return datetime.fromtimestamp(epoch_seconds, UTC)
