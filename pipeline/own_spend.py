"""What pulls ask of AWS and what it costs: noted before it is asked, mended afterwards, read again to plan the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import duckdb

from pipeline.warehouse import scalar, transaction, utc_rows
from pipeline.windows import Window, floor_day, whole_days

CLOUDWATCH, COST_EXPLORER = "CloudWatch", "Cost Explorer"
READ_METRICS, LIST_METRICS, READ_COSTS = "GetMetricData", "ListMetrics", "GetCostAndUsage"
ASKED, WHOLE, FAILED, LEFT_OUT = "asked", "whole", "failed", "left_out"


@dataclass(frozen=True)
class ApiRequest:
    """One row of raw_api_requests."""

    asked_at: datetime
    service: str
    operation: str
    account_id: str
    region: str
    subject: str
    window: Window | None
    planned_units: int
    counted_units: int
    usd_per_unit: Decimal
    outcome: str

    @property
    def row(self) -> list[object]:
        """Values in the order of the table's columns."""
        start_at, end_at = (self.window.start_at, self.window.end_at) if self.window else (None, None)
        identity = [self.asked_at, self.service, self.operation, self.account_id, self.region, self.subject]
        cost = self.counted_units * self.usd_per_unit
        return [*identity, start_at, end_at, self.planned_units, self.counted_units, cost, self.outcome]


@dataclass(frozen=True)
class Asked:
    """How far one metric of one place has been answered, up to a moment of the data clock.

    `settled_at` is the newest time at which it was answered whole or left out. Of what was answered whole:
    `first_at` is the earliest point asked for, `until_at` the end, `deepest_at` the earliest asked for on that day.
    """

    settled_at: datetime
    first_at: datetime | None = None
    until_at: datetime | None = None
    deepest_at: datetime | None = None


def note(conn: duckdb.DuckDBPyConnection, requests: Sequence[ApiRequest]) -> None:
    """Write the rows, each in the place of one of the same pull and subject, and let the next build see their days."""
    with transaction(conn):
        for request in requests:
            conn.execute(
                "delete from raw_api_requests where asked_at = ? and service = ? and operation = ? and account_id = ? "
                "and region = ? and subject = ?",
                request.row[:6],
            )
            conn.execute(f"insert into raw_api_requests values ({', '.join('?' * len(request.row))})", request.row)
        for day in sorted({floor_day(request.asked_at) for request in requests}):
            touched = whole_days(Window(day, day.replace(hour=1)))
            conn.execute(
                "insert into state_touched values ('raw_api_requests', ?, ?)", [touched.start_at, touched.end_at]
            )


def spent_usd(conn: duckdb.DuckDBPyConnection, service: str, day: date) -> Decimal:
    """What the requests of one UTC day cost at list price."""
    return Decimal(
        scalar(
            conn,
            "select coalesce(sum(cost_usd), 0) from raw_api_requests where service = ? and cast(asked_at as date) = ?",
            [service, day],
        )
    )


def last_round_units(conn: duckdb.DuckDBPyConnection, now: datetime) -> int:
    """How many metrics it takes to ask every place of CloudWatch once, as planned the last time, left out ones too."""
    return int(
        scalar(
            conn,
            "with last as (select arg_max(planned_units, asked_at) as units from raw_api_requests "
            "where service = ? and operation = ? and asked_at <= ? group by account_id, region, subject) "
            "select coalesce(sum(units), 0) from last",
            [CLOUDWATCH, READ_METRICS, now],
        )
    )


def asked_metrics(conn: duckdb.DuckDBPyConnection, account_id: str, region: str, now: datetime) -> dict[str, Asked]:
    """By metric name, what raw_api_requests knows of it at `now`; the clock may be turned back."""
    rows = utc_rows(
        conn,
        "select subject, max(asked_at), min(start_at) filter (outcome = 'whole'), "
        "max(end_at) filter (outcome = 'whole'), min(start_at) filter (outcome = 'whole' and asked_at >= ?) "
        "from raw_api_requests where service = ? and operation = ? and account_id = ? and region = ? "
        "and outcome in ('whole', 'left_out') and asked_at <= ? group by subject",
        [floor_day(now), CLOUDWATCH, READ_METRICS, account_id, region, now],
    )
    return {subject: Asked(*times) for subject, *times in rows}
