"""From a workload's dollar back to the bill: hours, lines, shares, devices, deliveries, each by a query of sql/explain.

The queries read the warehouse's own tables, since a publication holds the marts alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path

import duckdb

from pipeline.errors import ChipledgerError, NothingPublished
from pipeline.headers import literal, substitute
from pipeline.reading import Result
from pipeline.warehouse import SQL_DIR, existing_tables

STEPS_DIR = SQL_DIR / "explain"
FIRST_TABLE = "mart_workload_cost_daily"
MONEY = "effective_cost_usd"
SUMMED = ("2_hours", "3_lines")  # whose money is the day's again


@dataclass(frozen=True)
class Step:
    """One query: its name in sql/explain, what it shows, its text ready to paste, and its rows."""

    name: str
    purpose: str
    sql: str
    result: Result

    @property
    def effective_cost_usd(self) -> Decimal:
        """The money of all rows, where the step tells of money."""
        column = self.result.columns.index(MONEY)
        return sum((row[column] for row in self.result.rows), Decimal(0))


@dataclass(frozen=True)
class Trail:
    """Every step, and whether each step that shows the day's money again sums to it."""

    steps: tuple[Step, ...]

    @property
    def day_usd(self) -> Decimal:
        """What the day cost, effective."""
        return self.steps[0].effective_cost_usd

    @property
    def is_whole(self) -> bool:
        """Hours and lines sum to the day exactly."""
        return all(step.effective_cost_usd == self.day_usd for step in self.steps if step.name in SUMMED)


def trail(conn: duckdb.DuckDBPyConnection, workload_id: str, usage_date: date) -> Trail:
    """Ask every step of one workload and day; raises ChipledgerError naming what is near when there is no such cost."""
    if FIRST_TABLE not in existing_tables(conn):
        raise NothingPublished("nothing built yet: run chipledger build")
    _require(conn, workload_id, usage_date)
    return Trail(tuple(_steps(conn, workload_id, usage_date)))


def _steps(conn: duckdb.DuckDBPyConnection, workload_id: str, usage_date: date) -> Iterator[Step]:
    values = {"workload_id": literal(workload_id), "usage_date": f"date '{usage_date}'"}
    for path in sorted(STEPS_DIR.glob("*.sql")):
        purpose, sql = _read(path)
        bound = substitute(sql, values).rstrip()
        asked = conn.execute(bound)
        columns = [column[0] for column in asked.description]
        yield Step(path.stem, purpose, bound, Result(columns, asked.fetchall()))


def _read(path: Path) -> tuple[str, str]:
    first, _, sql = path.read_text("utf-8").partition("\n")
    return first.removeprefix("-- "), sql


def _require(conn: duckdb.DuckDBPyConnection, workload_id: str, usage_date: date) -> None:
    rows = conn.execute(f"select distinct workload_id, usage_date::varchar from {FIRST_TABLE} order by all").fetchall()
    if (workload_id, str(usage_date)) in rows:
        return
    if days := [day for name, day in rows if name == workload_id]:
        raise ChipledgerError(f"{workload_id} cost nothing on {usage_date}; it has costs from {days[0]} to {days[-1]}")
    near = get_close_matches(workload_id, sorted({name for name, _ in rows}), n=3, cutoff=0.3)
    hint = f"; near it: {', '.join(near)}" if near else ""
    raise ChipledgerError(f"no workload {workload_id!r} has a cost{hint} (names stand in dim_workload)")
