"""One model's header checks as SQL over its touched days: which rows fail, and five of their keys.

All expression checks of a model are counted in one pass; the grain is screened by a hash of its key (equal keys have
equal hashes, so nothing is missed, and a collision is cleared by the exact query). Only a failing check is read again.
Results speak for whole UTC days, so that they do not depend on how the data was cut into deliveries.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from typing import Any

import duckdb

from pipeline.errors import ModelError
from pipeline.expectations import GRAIN_SLUG
from pipeline.headers import Check, literal
from pipeline.models import Model, date_literal, time_literal
from pipeline.warehouse import scalar
from pipeline.windows import ALL_TIME, DAY, Window

SAMPLE_KEYS = 5
WHOLE_TABLE_DAY = ALL_TIME.start_at.date()
_WHOLE = f"date '{WHOLE_TABLE_DAY}'"
SEVERITY = {"fail": "critical", "warn": "warning"}
FAILING_STATUS = {"critical": "failed", "warning": "warned", "info": "warned"}

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Outcome:
    """What one check says about one UTC day of one model (or about the whole table: `window_end_at` = its start)."""

    check_id: str
    model: str
    why: str
    severity: str
    window_start_at: datetime
    window_end_at: datetime
    failed_count: int
    checked_count: int
    sample_keys: str | None
    reproduce_sql: str
    is_judged: bool = True

    @property
    def status(self) -> str:
        """`skipped` without a row to judge, else what `failed_count` and the severity make of it."""
        if self.failed_count:
            return FAILING_STATUS[self.severity]
        return "passed" if self.is_judged else "skipped"

    def row(self) -> dict[str, Any]:
        """Values by column of `state_check_results`, all but `first_failed_at`."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "is_judged"}
        return {**given, "status": self.status}


@dataclass(frozen=True)
class Failures:
    """The failing rows of one check on one day: how many, and a JSON array of up to five keys."""

    count: int
    keys: str


def evaluate(conn: Connection, model: Model, windows: Iterable[Window]) -> list[Outcome]:
    """Outcomes of every check of `model` for each day of `windows` that holds rows; of the whole table without window.

    `windows` are whole UTC days that do not overlap. A query check looks at days when it returns the window column or
    uses `$start_at` and `$end_at`; any other looks at the whole table. Raises ModelError when a check does not run.
    """
    try:
        if model.window is None:
            return _evaluate_span(conn, model, None, list(model.checks))
        by_table = [check for check in model.checks if check.query and not _looks_at_days(conn, model, check)]
        by_day = [check for check in model.checks if check not in by_table]
        outcomes = [out for window in windows for out in _evaluate_span(conn, model, window, by_day)]
        return outcomes + [_whole_table(conn, model, check) for check in by_table]
    except duckdb.Error as error:
        first_line = str(error).partition("\n")[0]
        raise ModelError(f"{model.at()}: a check does not run: {first_line}; mend the header's check lines") from error


def _looks_at_days(conn: Connection, model: Model, check: Check) -> bool:
    return _is_bound(check) or model.window in _columns(conn, failing_rows_sql(model, check, None))


def _is_bound(check: Check) -> bool:
    return check.query is not None and "$start_at" in check.query and "$end_at" in check.query


def _columns(conn: Connection, sql: str) -> list[str]:
    described = conn.execute(f"select * from ({sql}) as described limit 0").description
    return [str(column[0]) for column in described or ()]


def _evaluate_span(conn: Connection, model: Model, window: Window | None, checks: list[Check]) -> list[Outcome]:
    counts, rows_by_day = _count(conn, model, window, checks)
    failures: dict[str, dict[date, Failures]] = {}
    for check in [grain_check(model), *checks]:
        if counts.get(check.slug, 1):
            failures[check.slug] = _failures(conn, model, check, window)
    days = set(rows_by_day) | {day for found in failures.values() for day in found}
    if window is None:
        days = {WHOLE_TABLE_DAY}
    return [
        _outcome(model, check, day, failures.get(check.slug, {}).get(day), rows_by_day.get(day, 0))
        for check in [grain_check(model), *checks]
        for day in sorted(days)
    ]


def grain_check(model: Model) -> Check:
    """The check that every model has: its grain is a key."""
    return Check("fail", f"one row per {', '.join(model.grain)}, none of them NULL", GRAIN_SLUG)


def _count(
    conn: Connection, model: Model, window: Window | None, checks: list[Check]
) -> tuple[dict[str, int], dict[date, int]]:
    """Failing rows per expression check and for the grain (0 = surely none), and rows per day."""
    expressions = {check.slug: check.expression for check in checks if check.expression}
    measures = [
        f"count(*) - count(*) filter (where {text}) as failed_{number}"
        for number, text in enumerate(expressions.values())
    ]
    measures.append(f"count(*) filter (where {_null_key(model)}) as null_keys")
    where = _where(model, window)
    rows = conn.execute(
        f"select {_day(model)} as day, count(*) as row_count, {', '.join(measures)} "
        f"from {model.name} {where} group by 1"
    ).fetchall()
    totals = [sum(column) for column in zip(*(row[2:] for row in rows), strict=True)] or [0] * len(measures)
    counts = dict(zip(expressions, totals[:-1], strict=True))
    counts[GRAIN_SLUG] = totals[-1] + _repeated_keys(conn, model, where)
    return counts, {row[0]: int(row[1]) for row in rows}


def _repeated_keys(conn: Connection, model: Model, where: str) -> int:
    if model.has_raw_grain:  # landing gives each row of a delivery its number
        return 0
    key = f"hash({', '.join(model.grain)})"
    if model.window is not None and model.window not in model.grain:
        where = f"where {key} in (select {key} from {model.name} {where})"
    repeated = f"select {key} as key from {model.name} {where} group by 1 having count(*) > 1"
    return int(scalar(conn, f"select count(*) from ({repeated})"))


def _failures(conn: Connection, model: Model, check: Check, window: Window | None) -> dict[date, Failures]:
    """Failing rows by day; all under one day when nothing tells the day."""
    sql = failing_rows_sql(model, check, window)
    columns = _columns(conn, sql)
    is_dated = model.window in columns
    if window and not is_dated:
        return _failures_by_halves(conn, model, check, window)
    day = _day(model) if is_dated else _WHOLE
    rows = conn.execute(
        f"select day, count(*) as failed, to_json(min(key, {SAMPLE_KEYS})) as keys "
        f"from (select {day} as day, {_key(model, columns)} as key from ({sql}) as failures) as keyed group by 1"
    ).fetchall()
    return {day: Failures(int(count), str(keys)) for day, count, keys in rows}


def _failures_by_halves(conn: Connection, model: Model, check: Check, window: Window) -> dict[date, Failures]:
    """Find the failing days of a query that takes the window but does not return it, by halving the window."""
    sql = failing_rows_sql(model, check, window)
    key = _key(model, _columns(conn, sql))
    count, keys = conn.execute(
        f"select count(*), to_json(min({key}, {SAMPLE_KEYS})) from ({sql}) as failures"
    ).fetchall()[0]
    if not count:
        return {}
    days = (window.end_at - window.start_at) // DAY
    if days == 1:
        return {window.start_at.date(): Failures(int(count), str(keys))}
    middle = window.start_at + days // 2 * DAY
    halves = (Window(window.start_at, middle), Window(middle, window.end_at))
    return {day: found for half in halves for day, found in _failures_by_halves(conn, model, check, half).items()}


def _key(model: Model, columns: list[str]) -> str:
    """The grain of a failing row as JSON, or the whole row where a query does not return the grain."""
    shown = [name for name in model.grain if name in columns] or columns
    return "json_object(" + ", ".join(f'{literal(name)}, "{name}"' for name in shown) + ")"


def sample_keys(conn: Connection, model: Model, check: Check, window: Window | None) -> str | None:
    """JSON array of up to five keys of the rows of `window` that break `check`, oldest day first; None without any."""
    found = _failures(conn, model, check, window)
    keys = [key for day in sorted(found) for key in json.loads(found[day].keys)]
    return json.dumps(keys[:SAMPLE_KEYS]) if keys else None


def failing_rows_sql(model: Model, check: Check, window: Window | None) -> str:
    """A SELECT, ready to paste, of the rows of `window` (None: of the whole table) that break `check`."""
    where = _where(model, window)
    if check.query:
        query = _bound_query(model, check, window)
        return query if _is_bound(check) or not where else f"select * from ({query}) as failures {where}"
    start = f"select * from {model.name} {where} and" if where else f"select * from {model.name} where"
    if check.expression:
        return f"{start} not coalesce(({check.expression}), false)"
    key = f"({', '.join(model.grain)})" if len(model.grain) > 1 else model.grain[0]
    reach = f" {where}" if where and model.window in model.grain else ""
    repeated = f"select {key} from {model.name}{reach} group by {', '.join(model.grain)} having count(*) > 1"
    return f"{start} ({_null_key(model)} or {key} in ({repeated}))"


def _whole_table(conn: Connection, model: Model, check: Check) -> Outcome:
    """A query without the window column: it may compare totals, so it always sees the whole table."""
    failures = _failures(conn, model, check, None)
    row_count = int(scalar(conn, f"select count(*) from {model.name}"))
    return _outcome(model, check, WHOLE_TABLE_DAY, failures.get(WHOLE_TABLE_DAY), row_count)


def _outcome(model: Model, check: Check, day: date, failures: Failures | None, row_count: int) -> Outcome:
    start_at = datetime.combine(day, time(), UTC)
    is_day = model.window is not None and day != WHOLE_TABLE_DAY
    window = Window(start_at, start_at + DAY) if is_day else None
    return Outcome(
        check_id=f"{model.name}:{check.slug}",
        model=model.name,
        why=check.why,
        severity=SEVERITY[check.severity],
        window_start_at=start_at,
        window_end_at=window.end_at if window else start_at,
        failed_count=failures.count if failures else 0,
        checked_count=row_count,
        sample_keys=failures.keys if failures else None,
        reproduce_sql=failing_rows_sql(model, check, window),
        is_judged=row_count > 0,
    )


def within(model: Model, window: Window) -> str:
    """A condition: the model's window column lies in `window`."""
    text = date_literal if model.is_daily else time_literal
    return f"{model.window} >= {text(window.start_at)} and {model.window} < {text(window.end_at)}"


def _where(model: Model, window: Window | None) -> str:
    return f"where {within(model, window)}" if model.window and window else ""


def _day(model: Model) -> str:
    return _WHOLE if model.window is None else f"cast({model.window} as date)"


def _null_key(model: Model) -> str:
    return "(" + " or ".join(f"{name} is null" for name in model.grain) + ")"


def _bound_query(model: Model, check: Check, window: Window | None) -> str:
    """The query with `$start_at` and `$end_at` as literals: of `window`, or of all time."""
    span, text = window or ALL_TIME, date_literal if model.is_daily else time_literal
    query = (check.query or "").replace("$start_at", text(span.start_at))
    return query.replace("$end_at", text(span.end_at))
