"""Which window a pull asks AWS for, and the landing of what comes back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import chain

import duckdb

from pipeline.landing import land
from pipeline.settings import Settings
from pipeline.sources import clients, cloudwatch, cost_explorer
from pipeline.sources.aws_calls import ApiSpend
from pipeline.sources.base import ParsedDelivery
from pipeline.steps import Ingested, warehouse
from pipeline.warehouse import scalar
from pipeline.windows import Window

FIRST_PULL = timedelta(hours=24)
LATE_METRICS = timedelta(hours=2)
BETWEEN_BILLS = timedelta(hours=12)
PREVIOUS_MONTH_SETTLES = timedelta(days=10)


def pull_cloudwatch(settings: Settings, now: datetime) -> Ingested:
    """Neuron metrics of every configured region since the last pull, the last two hours again for late points."""
    with warehouse(settings) as conn:
        window = metrics_window(_last_event(conn, "cloudwatch"), now)
    account, spend = clients.account_id(settings.regions[0]), cloudwatch.new_spend()
    fetched = chain.from_iterable(
        cloudwatch.fetch(
            clients.cloudwatch(region), window=window, account_id=account, region=region, now=now, spend=spend
        )
        for region in settings.regions
    )
    return _land(settings, fetched, now, spend)


def pull_cost_explorer(settings: Settings, now: datetime) -> Ingested:
    """The bill of this month (and of the last one while it still moves), at most twice a day: AWS charges requests."""
    with warehouse(settings) as conn:
        last = scalar(conn, "select max(arrived_at) from raw_deliveries where source = 'cost_explorer'")
    if last is not None and now - last < BETWEEN_BILLS:
        return Ingested()
    start, end = bill_window(now)
    spend = cost_explorer.new_spend()
    fetched = cost_explorer.fetch(
        clients.cost_explorer(),
        start=start,
        end=end,
        accounts=settings.cost_explorer_accounts or None,
        now=now,
        spend=spend,
    )
    return _land(settings, fetched, now, spend)


def metrics_window(last_event_at: datetime | None, now: datetime) -> Window:
    """From two hours before the last known point (a day ago at first) until now."""
    start_at = now - FIRST_PULL if last_event_at is None else last_event_at - LATE_METRICS
    return Window(min(start_at, now - LATE_METRICS), now)


def bill_window(now: datetime) -> tuple[date, date]:
    """UTC days `[start, end)`: whole months, the previous one too while AWS may still change it."""
    start = (now - PREVIOUS_MONTH_SETTLES).date().replace(day=1)
    return start, now.date() if now.date() > start else start + timedelta(days=1)


def _land(settings: Settings, fetched: Iterable[ParsedDelivery], now: datetime, spend: ApiSpend) -> Ingested:
    """Fetch everything first: other writers must not wait for AWS."""
    deliveries = list(fetched)
    with warehouse(settings) as conn:
        return Ingested(tuple(land(conn, deliveries, arrived_at=now)), spent_usd=spend.usd)


def _last_event(conn: duckdb.DuckDBPyConnection, source: str) -> datetime | None:
    last = scalar(conn, "select max(event_end_at) from raw_deliveries where source = ?", [source])
    return last if isinstance(last, datetime) else None
