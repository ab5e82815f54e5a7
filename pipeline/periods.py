"""Closed billing periods: who closed and reopened them, and the figures that stay.

A closed period keeps the figures of one publication, whatever comes to be known later. The warehouse goes on with all
that is known; only a publication puts the kept rows in the place of the warehouse's (`Kept`). So one place decides,
and reopening lets in all that came since, at once.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from pipeline.errors import ChipledgerError, NothingPublished, UsageError
from pipeline.failpoints import failpoint
from pipeline.headers import literal
from pipeline.home import Home
from pipeline.models import Model, date_literal, time_literal
from pipeline.snapshots import open_snapshot
from pipeline.warehouse import existing_tables, scalar, transaction, utc_rows
from pipeline.windows import ALL_TIME, Window

RULE = "rule"  # the actor of a closing that nobody asked for
LEDGER = "raw_period_actions"
_PERIOD = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Closing:
    """A period that is closed: since when, by whom, and which publication's figures stay."""

    period: date
    acted_at: datetime
    actor: str
    published_at: datetime
    deliveries_seen: int

    @property
    def window(self) -> Window:
        """The period's time."""
        return period_window(self.period)


def parse_period(text: str) -> date:
    """`YYYY-MM` as the first day of the billing period; UsageError for anything else."""
    if not (found := _PERIOD.fullmatch(text.strip())):
        raise UsageError(f"{text!r} is no billing period; write a month as 2026-10")
    return date(int(found[1]), int(found[2]), 1)


def period_window(period: date) -> Window:
    """The UTC month of a billing period."""
    start_at = datetime(period.year, period.month, 1, tzinfo=UTC)
    return Window(start_at, (start_at + timedelta(days=32)).replace(day=1))


def kept_file(home: Home, period: date) -> Path:
    """The publication whose figures a closed period keeps."""
    return home.closed / f"{period:%Y-%m}.duckdb"


def closings(conn: Connection) -> dict[date, Closing]:
    """The periods that are closed now."""
    rows = utc_rows(
        conn,
        "select billing_period, acted_at, actor, published_at, deliveries_seen from raw_period_actions "
        "qualify action_number = max(action_number) over (partition by billing_period) and action = 'close' "
        "order by billing_period",
    )
    return {row[0]: Closing(*row) for row in rows}


def close(conn: Connection, home: Home, period: date, *, actor: str, reason: str, now: datetime) -> Closing:
    """Let `period` keep the figures of the standing publication; one that is closed already stays as it is.

    Raises NothingPublished before the first publication, UsageError for a period without a bill in it.
    """
    if found := closings(conn).get(period):
        return found
    published_at, seen = _standing(home, period)
    _keep(home, period)
    failpoint("periods.before_close_commit")
    _record(conn, period, "close", now, actor, reason, published_at, seen)
    failpoint("periods.after_close_commit")
    return closings(conn)[period]


def reopen(conn: Connection, period: date, *, actor: str, reason: str, now: datetime) -> Closing:
    """Let the next publication show all that is known of `period`; gives the closing that ended."""
    closed = closings(conn)
    if period not in closed:
        raise UsageError(_is_open(conn, period, closed))
    failpoint("periods.before_reopen_commit")
    _record(conn, period, "reopen", now, actor, reason, None, None)
    failpoint("periods.after_reopen_commit")
    return closed[period]


def _is_open(conn: Connection, period: date, closed: Iterable[date]) -> str:
    names = ", ".join(f"{one:%Y-%m}" for one in closed) or "none"
    last = utc_rows(
        conn,
        "select acted_at, actor from raw_period_actions where billing_period = ? order by action_number desc limit 1",
        [period],
    )
    told = "".join(
        f": {who} reopened it on {at:%Y-%m-%d %H:%M:%S} UTC, and the next chipledger build shows it" for at, who in last
    )
    return f"{period:%Y-%m} is not closed{told}; closed periods: {names}"


def close_by_rule(conn: Connection, home: Home, *, after_days: int, now: datetime) -> list[Closing]:
    """Close each period that ended `after_days` ago, is final on the supplier's side and was never acted on."""
    if "int_bills" not in existing_tables(conn):
        return []
    rows = conn.execute(
        "select billing_period from int_bills anti join raw_period_actions using (billing_period) "
        "group by billing_period having sum(open_line_count) = 0 order by billing_period"
    ).fetchall()
    due = [period for (period,) in rows if period_window(period).end_at + timedelta(days=after_days) <= now]
    reason = f"final, {after_days} days after its end"
    return [close(conn, home, period, actor=RULE, reason=reason, now=now) for period in due]


def _standing(home: Home, period: date) -> tuple[datetime, int]:
    """When the standing publication was made, and which deliveries it saw; it must hold the period's bill."""
    if not home.snapshot.exists():
        raise NothingPublished("nothing published yet, so there are no figures to keep: run chipledger build")
    with open_snapshot(home.snapshot) as conn:
        if "deliveries_seen" not in conn.sql("from publication").columns:
            raise ChipledgerError(
                "the publication is from before periods could be closed; make a new one: chipledger build"
            )
        published_at, seen = utc_rows(conn, "select published_at, deliveries_seen from publication")[0]
        known = [row[0] for row in conn.execute("select distinct billing_period from mart_restatements").fetchall()]
    if period not in known:
        names = ", ".join(f"{one:%Y-%m}" for one in sorted(known)) or "none"
        raise UsageError(f"no bill of {period:%Y-%m} is published; billing periods there are: {names}")
    return published_at, seen


def _keep(home: Home, period: date) -> None:
    """A name of its own for the standing publication, so that no clearing out reaches it."""
    home.closed.mkdir(parents=True, exist_ok=True)
    fresh = home.closed / f".{period:%Y-%m}.tmp"
    fresh.unlink(missing_ok=True)
    try:
        fresh.hardlink_to(home.snapshot)
    except OSError:  # a file system without hard links
        shutil.copy(home.snapshot, fresh)
    fresh.replace(kept_file(home, period))


def _record(
    conn: Connection,
    period: date,
    action: str,
    now: datetime,
    actor: str,
    reason: str,
    published_at: datetime | None,
    seen: int | None,
) -> None:
    with transaction(conn):
        number = scalar(conn, "select coalesce(max(action_number), 0) + 1 from raw_period_actions")
        conn.execute(
            "insert into raw_period_actions values (?, ?, ?, ?, ?, ?, ?, ?)",
            [number, period, action, now, actor, reason, published_at, seen],
        )
        conn.execute("insert into state_touched values (?, ?, ?)", [LEDGER, ALL_TIME.start_at, ALL_TIME.end_at])


class Kept:
    """The closed periods' rows, attached to the warehouse's connection for as long as a publication is written."""

    def __init__(self, conn: Connection, closed: Mapping[date, str]) -> None:
        """`closed` names the attached database of each period."""
        self._conn = conn
        self._closed = closed

    def select(self, model: Model) -> str:
        """SQL of the rows of a mart to publish: the warehouse's, and of closed periods the kept ones.

        A mart or column that the kept publication did not have yet is the warehouse's, or NULL. A dimension keeps the
        members that only kept rows speak of.
        """
        holding = {period: name for period, name in self._closed.items() if self._kinds(model.name, name)}
        columns = self._kinds(model.name, scalar(self._conn, "select current_database()"))
        if not holding or not (is_dated(model) or model.name.startswith("dim_")):
            return f"select * from {model.name}"
        if not is_dated(model):
            return self._with_members(model, columns, list(holding.values()))
        parts = [f"select * from {model.name} where not ({' or '.join(inside(model, period) for period in holding)})"]
        for period, name in holding.items():
            parts.append(f"{self._old(model, columns, name)} where {inside(model, period)}")
        return " union all ".join(parts)

    def _with_members(self, model: Model, columns: Mapping[str, str], names: list[str]) -> str:
        keys = ", ".join(model.grain)
        kept = " union all ".join(
            f"select *, {number} as age from ({self._old(model, columns, name)})" for number, name in enumerate(names)
        )
        newest = f"({kept}) qualify row_number() over (partition by {keys} order by age desc) = 1"
        members = f"(select * exclude (age) from {newest}) as kept anti join {model.name} using ({keys})"
        return f"select * from {model.name} union all select * from {members}"

    def _old(self, model: Model, columns: Mapping[str, str], name: str) -> str:
        had = self._kinds(model.name, name)
        values = [
            f"cast({column if column in had else 'null'} as {kind}) as {column}" for column, kind in columns.items()
        ]
        return f"select {', '.join(values)} from {name}.{model.name}"

    def _kinds(self, table: str, database: str) -> dict[str, str]:
        rows = self._conn.execute(
            "select column_name, data_type from duckdb_columns() where database_name = ? and schema_name = 'main' "
            "and table_name = ? order by column_index",
            [database, table],
        ).fetchall()
        return dict(rows)


def is_dated(model: Model) -> bool:
    """Whether its rows belong to a month: by their time, or by the billing period they name."""
    return bool(model.window or model.period)


def inside(model: Model, period: date) -> str:
    """SQL that holds for the rows of a dated model in a billing period's month."""
    window = period_window(period)
    as_literal = date_literal if model.is_daily or model.period else time_literal
    column = model.window or model.period
    return f"{column} >= {as_literal(window.start_at)} and {column} < {as_literal(window.end_at)}"


@contextmanager
def kept_rows(conn: Connection, home: Home) -> Iterator[Kept]:
    """Attach the files of all closed periods; ChipledgerError where one is gone."""
    names = {period: f"closed_{period:%Y_%m}" for period in closings(conn)}
    attached: list[str] = []
    try:
        for period, name in names.items():
            path = kept_file(home, period)
            if not path.is_file():
                raise ChipledgerError(_gone(path, period))
            conn.execute(f"attach {literal(str(path))} as {name} (read_only)")
            attached.append(name)
        yield Kept(conn, names)
    finally:
        for name in attached:
            conn.execute(f"detach {name}")


def _gone(path: Path, period: date) -> str:
    return (
        f"{path} is gone: it holds the figures of the closed period {period:%Y-%m}. Put it back from a backup, or let "
        f"the figures be made anew from all that is known: chipledger reopen {period:%Y-%m}"
    )


def drop_reopened(home: Home, closed: Iterable[date]) -> None:
    """Remove the kept publications of periods that are open again, and what a killed closing left."""
    wanted = {kept_file(home, period) for period in closed}
    for path in home.closed.glob("*") if home.closed.is_dir() else ():
        if path not in wanted:
            path.unlink()
