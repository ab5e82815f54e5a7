"""Writes the rows of one model into its table, and its contract onto the table."""

from __future__ import annotations

import re
from datetime import datetime

import duckdb

from pipeline.errors import ModelError
from pipeline.headers import comment_sql
from pipeline.models import Model, date_literal, time_literal
from pipeline.warehouse import MOMENT, existing_tables, scalar, utc_rows
from pipeline.windows import ALL_TIME, DAY, Window

SUFFIX_TYPES = {"_at": MOMENT, "_date": "DATE"}


def replace_view(conn: duckdb.DuckDBPyConnection, model: Model, select: str) -> None:
    """Make `model` a view with this text."""
    _drop(conn, model)
    _run(conn, model, f"create view {model.name} as\n{select}")
    _describe(conn, model, "view")


def compute_fresh(conn: duckdb.DuckDBPyConnection, model: Model, select: str) -> tuple[int, str]:
    """Compute the model beside its table: how many rows, and a hash that is equal for the same rows in any order."""
    _run(conn, model, f"create or replace temp table fresh_rows as\n{select}")
    sums = "select count(*), coalesce(sum(hash(fresh_rows)::hugeint), 0)::varchar from fresh_rows"
    count, hashes = conn.execute(sums).fetchall()[0]
    return count, f"{count}:{hashes}"


def fresh_differs_since(conn: duckdb.DuckDBPyConnection, model: Model) -> datetime | None:
    """The earliest `valid_from_at` of a row that the computed rows and the table do not share; None where unknown."""
    rows = utc_rows(
        conn,
        "select bool_or(valid_from_at is null) as is_unknown, min(valid_from_at) as since from "
        f"((from fresh_rows except all from {model.name}) union all (from {model.name} except all from fresh_rows))",
    )
    is_unknown, since = rows[0]
    return None if is_unknown or since is None else min(max(since, ALL_TIME.start_at), ALL_TIME.end_at - DAY)


def fits_fresh(conn: duckdb.DuckDBPyConnection, model: Model) -> bool:
    """The model's table has the columns of the computed rows."""
    ours, fresh = (conn.sql(f"from {name}") for name in (model.name, "fresh_rows"))
    return ours.columns == fresh.columns and ours.types == fresh.types


def keep_fresh(conn: duckdb.DuckDBPyConnection, model: Model, *, fits: bool) -> None:
    """Put the computed rows into the model's place: into its table where they fit, else into a new one."""
    if fits:
        conn.execute(f"delete from {model.name}; insert into {model.name} from fresh_rows; drop table fresh_rows")
        return
    _drop(conn, model)
    conn.execute(f"create table {model.name} as select * from fresh_rows; drop table fresh_rows")
    _describe(conn, model, "table")


def create_empty(conn: duckdb.DuckDBPyConnection, model: Model, select: str) -> None:
    """Make the model's table anew, typed by its SELECT, without rows."""
    _drop(conn, model)
    _run(conn, model, f"create table {model.name} as select * from (\n{select}\n) limit 0")
    _describe(conn, model, "table")


def replace_window(
    conn: duckdb.DuckDBPyConnection, model: Model, select: str, window: Window, *, may_hold_rows: bool
) -> tuple[int, int]:
    """Delete and insert one window; the number of rows it held and of those it holds now.

    A row outside it stops the build, since no later build would find it again.
    """
    as_literal = date_literal if model.is_daily else time_literal
    start_at, end_at = as_literal(window.start_at), as_literal(window.end_at)
    is_inside = f"{model.window} >= {start_at} and {model.window} < {end_at}"
    held = scalar(conn, f"delete from {model.name} where {is_inside}") if may_hold_rows else 0
    complaint = (
        f"error('a row at ' || coalesce({model.window}::varchar, 'NULL') || ' lies outside its window "
        f"{window}: filter {model.window} by $start_at and $end_at')"
    )
    guarded = f"case when {is_inside} then {model.window} else {complaint} end as {model.window}"
    _run(conn, model, f"insert into {model.name} select * replace ({guarded}) from (\n{select}\n)")
    return int(held), int(conn.fetchall()[0][0])


def _run(conn: duckdb.DuckDBPyConnection, model: Model, sql: str) -> None:
    """Execute one statement whose second line begins the model's SELECT; a failure names the line in its file."""
    try:
        conn.execute(sql)
    except duckdb.Error as error:
        message = str(error)
        found = re.search(r"\nLINE (\d+):", message)
        line = model.first_sql_line + (int(found[1]) - 2 if found else 0)
        raise ModelError(f"{model.at(line)}: {message.partition(': ')[2] or message}") from error


def _drop(conn: duckdb.DuckDBPyConnection, model: Model) -> None:
    if kind := existing_tables(conn).get(model.name):
        conn.execute(f"drop {kind} {model.name}")


def _describe(conn: duckdb.DuckDBPyConnection, model: Model, kind: str) -> None:
    """Compare the real columns with the header, then write the header onto them."""
    relation = conn.sql(f"from {model.name}")
    real = dict(zip(relation.columns, map(str, relation.types), strict=True))
    passed_on = {name: text for name, text in model.passed_on.items() if name in real}
    if undocumented := [name for name in real if name not in model.columns and name not in passed_on]:
        raise ModelError(f"{model.at()}: columns without a '-- column:' line: {', '.join(undocumented)}")
    if missing := [name for name in model.columns if name not in real]:
        raise ModelError(f"{model.at()}: documented, but not selected: {', '.join(missing)}")
    for name, data_type in real.items():
        expected = next((wanted for suffix, wanted in SUFFIX_TYPES.items() if name.endswith(suffix)), data_type)
        if data_type != expected:
            raise ModelError(f"{model.at()}: {name} is {data_type}; by its name it must be {expected}")
    conn.execute(comment_sql(model.name, kind, model.purpose, {**passed_on, **model.columns}))
