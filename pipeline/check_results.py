"""Where results of checks stand, and the two queues of windows: `state_unchecked`, then `state_unvalidated`.

A result speaks for a UTC day (or the whole table) until a later run of the same check over that day replaces it.
Results of great_expectations have ids that start with `gx:` and never stop publication.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import duckdb

from pipeline.check_sql import Outcome, grain_check
from pipeline.errors import UsageError
from pipeline.headers import literal
from pipeline.models import Model, time_literal
from pipeline.warehouse import scalar, transaction, utc_rows
from pipeline.windows import ALL_TIME, Window, merge

Connection = duckdb.DuckDBPyConnection
GX_PREFIX = "gx:"
SHOWN_ROWS = 1000
IS_GX = f"starts_with(check_id, '{GX_PREFIX}')"
OUTCOME_TYPES = {
    **dict.fromkeys(("check_id", "model", "why", "severity", "status", "sample_keys", "reproduce_sql"), "VARCHAR"),
    **dict.fromkeys(("window_start_at", "window_end_at"), "TIMESTAMPTZ"),
    **dict.fromkeys(("failed_count", "checked_count"), "BIGINT"),
}
WINDOW_TYPES = {"model": "VARCHAR", "start_at": "TIMESTAMPTZ", "end_at": "TIMESTAMPTZ"}


@dataclass(frozen=True)
class Judged:
    """The outcomes of one model, and the time that they replace."""

    model: str
    windows: list[Window]
    outcomes: list[Outcome]


@dataclass(frozen=True)
class CheckResult:
    """One standing result that is not a pass; `sample_keys` are up to five grain keys of failing rows."""

    check_id: str
    model: str
    why: str
    severity: str
    status: str
    window_start_at: datetime
    window_end_at: datetime
    failed_count: int
    checked_count: int
    sample_keys: tuple[dict[str, object], ...]
    reproduce_sql: str
    first_failed_at: datetime

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> CheckResult:
        """One row of `state_check_results`, by column."""
        return cls(**{**row, "sample_keys": tuple(json.loads(row["sample_keys"] or "[]"))})

    def __str__(self) -> str:
        """The lines that on-call needs: check, model, window, counts, keys, and the SQL that shows the rows."""
        whole = self.window_start_at == self.window_end_at
        window = "the whole table" if whole else f"{self.window_start_at:%Y-%m-%d}"
        keys = ", ".join(json.dumps(key) for key in self.sample_keys)
        return (
            f"{self.check_id} over {window}: {self.failed_count} of {self.checked_count} rows of {self.model} fail "
            f"({self.why}), first seen {self.first_failed_at:%Y-%m-%d %H:%M} UTC\n"
            f"  keys: {keys}\n  {self.reproduce_sql}"
        )


@dataclass(frozen=True)
class CheckReport:
    """What stands after a run: failures that stop publication, warnings that tell, and how many results passed."""

    failed: list[CheckResult]
    warned: list[CheckResult]
    passed_count: int

    def __str__(self) -> str:
        """One line for a terminal."""
        return f"{self.passed_count:,} results passed, {len(self.warned)} warned, {len(self.failed)} failed"


def standing(conn: Connection, *, is_gx: bool) -> CheckReport:
    """The standing results of the SQL checks, or of great_expectations."""
    columns = ", ".join(field.name for field in fields(CheckResult))
    rows = utc_rows(
        conn,
        f"select {columns} from state_check_results where status in ('failed', 'warned') and {IS_GX} = ? "
        "order by check_id, window_start_at",
        [is_gx],
    )
    results = [CheckResult.of(dict(zip(columns.split(", "), row, strict=True))) for row in rows]
    passed = scalar(conn, f"select count(*) from state_check_results where status = 'passed' and {IS_GX} = ?", [is_gx])
    failed = [result for result in results if result.status == "failed"]
    warned = [result for result in results if result.status == "warned"]
    return CheckReport(failed, warned, int(passed))


def queue(conn: Connection, table: str) -> dict[str, list[Window]]:
    """Windows by model, cut to `ALL_TIME`."""
    rows = utc_rows(
        conn,
        f"select model, greatest(start_at, {time_literal(ALL_TIME.start_at)}) as start_at, "
        f"least(end_at, {time_literal(ALL_TIME.end_at)}) as end_at from {table} where start_at < end_at "
        "order by model, start_at, end_at",
    )
    windows: dict[str, list[Window]] = {}
    for name, start_at, end_at in rows:
        windows.setdefault(str(name), []).append(Window(start_at, end_at))
    return windows


def store(conn: Connection, judged: Iterable[Judged], *, is_gx: bool, now: datetime) -> None:
    """Replace results over the judged windows and over whole tables; a failure that goes on keeps its first time."""
    judged = list(judged)
    outcomes = [outcome.row() for each in judged for outcome in each.outcomes]
    conn.execute(
        "create or replace temp table fresh_results as select fresh.*, case when fresh.status in ('failed', 'warned') "
        f"then coalesce(old.first_failed_at, {time_literal(now)}) end as first_failed_at from ({_rows(OUTCOME_TYPES)}) "
        "as fresh left join state_check_results as old using (check_id, window_start_at)",
        [_json(outcomes)],
    )
    conn.execute(
        f"delete from state_check_results as old where {IS_GX} = ? and exists (select 1 from ({_rows(WINDOW_TYPES)}) "
        "as judged where judged.model = old.model and (old.window_start_at = old.window_end_at "
        "or (old.window_start_at >= judged.start_at and old.window_start_at < judged.end_at)))",
        [is_gx, _json(_window_rows({each.model: each.windows for each in judged}))],
    )
    conn.execute("insert into state_check_results by name select * from fresh_results")
    conn.execute("drop table fresh_results")


def _rows(types: Mapping[str, str]) -> str:
    """A SELECT of the rows in its one parameter, a JSON array of objects (Arrow would import pandas: a second)."""
    return f"select unnest(from_json(?, {literal(json.dumps([types]))}), recursive := true)"


def _json(rows: Iterable[Mapping[str, object]]) -> str:
    return json.dumps(list(rows), default=datetime.isoformat)


def _window_rows(windows: Mapping[str, Iterable[Window]]) -> Iterator[dict[str, object]]:
    for name, spans in windows.items():
        yield from ({"model": name, "start_at": span.start_at, "end_at": span.end_at} for span in spans)


def drop_orphans(conn: Connection, models: Mapping[str, Model]) -> None:
    """Forget results of models and checks that sql/ no longer holds."""
    known = [f"{name}:{check.slug}" for name, model in models.items() for check in (grain_check(model), *model.checks)]
    conn.execute(
        "delete from state_check_results where not list_contains(?, "
        f"case when {IS_GX} then check_id[{len(GX_PREFIX) + 1}:] else check_id end)",
        [known],
    )


@dataclass(frozen=True)
class FailingRows:
    """What breaks one check: its words per window, and rows of all windows, at most `SHOWN_ROWS` each."""

    words: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


def failing_rows(conn: Connection, check_id: str) -> FailingRows:
    """Ask the warehouse for the rows that a check finds; UsageError names the checks that find any."""
    report = standing(conn, is_gx=check_id.startswith(GX_PREFIX))
    found = [*report.failed, *report.warned]
    mine = [result for result in found if result.check_id == check_id]
    if not mine:
        known = ", ".join(dict.fromkeys(result.check_id for result in found)) or "none does"
        raise UsageError(f"no check {check_id!r} fails or warns; these do: {known}")
    columns: tuple[str, ...] = ()
    rows: list[tuple[object, ...]] = []
    for result in mine:
        asked = conn.execute(f"select * from ({result.reproduce_sql}) as failing limit {SHOWN_ROWS}")
        columns = tuple(column[0] for column in asked.description)
        rows += asked.fetchall()
    return FailingRows(tuple(map(str, mine)), columns, tuple(rows))


def claim(conn: Connection) -> dict[str, list[Window]]:
    """Move `state_unvalidated` to `state_validating`, and what an earlier, killed validation left there stays with it.

    Windows that come meanwhile wait for the next validation. One transaction.
    """
    with transaction(conn):
        conn.execute("insert into state_validating by name select * from state_unvalidated")
        conn.execute("delete from state_unvalidated")
    return {name: merge(windows) for name, windows in queue(conn, "state_validating").items()}


def hand_on(conn: Connection) -> None:
    """Move the judged windows to `state_unvalidated`, joined per model so that an idle validator costs nothing."""
    waiting = queue(conn, "state_unvalidated")
    for name, windows in queue(conn, "state_unchecked").items():
        waiting[name] = waiting.get(name, []) + windows
    merged = {name: merge(windows) for name, windows in waiting.items()}
    conn.execute("delete from state_unvalidated")
    conn.execute(f"insert into state_unvalidated {_rows(WINDOW_TYPES)}", [_json(_window_rows(merged))])
    conn.execute("delete from state_unchecked")
