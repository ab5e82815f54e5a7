"""The monthly chargeback statement: what each team is charged, in cents that sum to the bill.

The bill is rounded once; its cents are apportioned to the teams, and each team's to its rows, so that every table of
every statement sums to the total under it, and all teams together to the bill.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from pipeline import reading
from pipeline.errors import UsageError
from pipeline.rounding import CENT, apportion

NOBODY = "no team"
TENTH = Decimal("0.1")
CLASS_ORDER = ("workload", "idle.unallocated", "idle.reserved_unused", "shared", "unattributed", "adjustment")
MONTH = """
    select team, cost_class, workload_id, chip, account_id, cost_center, effective_cost_usd, billed_cost_usd,
        device_hours, utilization_ratio, allocated_unused_cost_usd
    from mart_chargeback_monthly
    where billing_period = date '{period}' and cost_status = 'billed'
    order by team, cost_class, effective_cost_usd desc, workload_id, chip, account_id
"""
PERIODS = """
    select distinct strftime(billing_period, '%Y-%m') as period
    from mart_chargeback_monthly where cost_status = 'billed' order by period
"""
PUBLISHED = "select published_at from publication"


@dataclass(frozen=True)
class Row:
    """One line of a statement. Money in USD; hours, utilization and unused cost None where unknown."""

    cost_class: str
    workload_id: str
    chip: str
    account_id: str
    cost_center: str
    effective_usd: Decimal
    billed_usd: Decimal
    device_hours: Decimal | None
    utilization_ratio: Decimal | None
    unused_usd: Decimal | None


@dataclass(frozen=True)
class Statement:
    """One team's month: its rows in the order of classes, figures rounded so that they sum to the totals."""

    period: date
    team: str
    published_at: datetime
    rows: tuple[Row, ...]

    @property
    def effective_usd(self) -> Decimal:
        """What the team is charged."""
        return sum((row.effective_usd for row in self.rows), Decimal(0))

    @property
    def billed_usd(self) -> Decimal:
        """The same as invoiced."""
        return sum((row.billed_usd for row in self.rows), Decimal(0))

    def of_class(self, cost_class: str) -> tuple[Row, ...]:
        """Its rows of one class."""
        return tuple(row for row in self.rows if row.cost_class == cost_class)


def read_statements(home: Path, period: date, as_of: datetime | None = None) -> list[Statement]:
    """The statements of all teams of a billing period, by name, what nobody is charged for last.

    Raises UsageError where no bill of that period is published, naming the periods there are.
    """
    found = reading.query(home, MONTH.format(period=period.isoformat()), as_of=as_of).rows
    if not found:
        known = [str(row[0]) for row in reading.query(home, PERIODS, as_of=as_of).rows]
        raise UsageError(f"no bill of {period:%Y-%m} is published; there is {', '.join(known) or 'none at all'}")
    published_at = reading.query(home, PUBLISHED, as_of=as_of).rows[0][0]
    by_team = groupby(found, key=lambda row: str(row[0]))
    exact = [Statement(period, team or NOBODY, published_at, _rows(rows)) for team, rows in by_team]
    return round_statements(sorted(exact, key=lambda one: (one.team == NOBODY, one.team)))


def _rows(found: Iterator[Sequence[object]]) -> tuple[Row, ...]:
    rows = [Row(*values[1:]) for values in found]  # type: ignore[arg-type]
    return tuple(sorted(rows, key=lambda row: CLASS_ORDER.index(row.cost_class)))


def round_statements(exact: Sequence[Statement]) -> list[Statement]:
    """The statements in cents and tenths of hours: rows sum to their team's total, totals to the rounded bill."""
    totals = zip(
        apportion([one.effective_usd for one in exact]), apportion([one.billed_usd for one in exact]), strict=True
    )
    return [_rounded(one, effective, billed) for one, (effective, billed) in zip(exact, totals, strict=True)]


def _rounded(one: Statement, effective: Decimal, billed: Decimal) -> Statement:
    effectives = apportion([row.effective_usd for row in one.rows], effective)
    billeds = apportion([row.billed_usd for row in one.rows], billed)
    hours = _known([row.device_hours for row in one.rows], TENTH)
    unused = _known([row.unused_usd for row in one.rows])
    parts = zip(one.rows, effectives, billeds, hours, unused, strict=True)
    rows = tuple(
        replace(row, effective_usd=cost, billed_usd=invoiced, device_hours=held, unused_usd=idle)
        for row, cost, invoiced, held, idle in parts
    )
    return replace(one, rows=rows)


def _known(values: Sequence[Decimal | None], step: Decimal = CENT) -> list[Decimal | None]:
    """What is known, rounded so that it sums; what is unknown stays unknown."""
    known = iter(apportion([value for value in values if value is not None], step=step))
    return [None if value is None else next(known) for value in values]


def total(values: Sequence[Decimal | None]) -> Decimal | None:
    """The sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known, Decimal(0)) if known else None
