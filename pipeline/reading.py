"""How analysts read: the published snapshot only, one statement at a time, with no way to write or to reach a file."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from pipeline.errors import ChipledgerError, NothingPublished, QueryRefused, UsageError
from pipeline.headers import literal
from pipeline.home import Home
from pipeline.snapshots import dated_copies, dropped, open_snapshot, published_at_of
from pipeline.warehouse import MOMENT

READING_STATEMENTS = frozenset({"SELECT", "EXPLAIN"})
FORMATS = {
    ".csv": "format csv, header true",
    ".parquet": "format parquet, compression zstd",
    ".json": "format json, array true",
    ".jsonl": "format json",
    ".ndjson": "format json",
}


STARTS_A_FORMULA = r"^([=+\-@\t\r])"  # what a spreadsheet runs instead of showing it
AS_TEXT = r"'\1"


class Result(NamedTuple):
    """An answer: column names and rows of Python values (times aware and in UTC, DECIMAL as Decimal)."""

    columns: list[str]
    rows: list[tuple[Any, ...]]

    def records(self) -> list[dict[str, Any]]:
        """The rows as dictionaries by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def query(home: Path, sql: str, *, as_of: datetime | None = None) -> Result:
    """The answer of the published snapshot to one SELECT (or EXPLAIN).

    `as_of` asks the publication that was current then. Raises NothingPublished where there is none, QueryRefused for
    anything but one reading statement, and for SQL that does not run.
    """
    path = snapshot_at(home, as_of)
    statement = _one_statement(sql)
    with open_snapshot(path) as conn:
        conn.execute("set enable_external_access = false")
        conn.execute("set lock_configuration = true")
        with _refusing():
            return _result(conn.sql(statement))


def snapshot_at(home: Path, as_of: datetime | None = None) -> Path:
    """The file of the current publication, or of the one that was current at `as_of` (aware).

    Raises NothingPublished where there was none yet, or where its copy is gone: never the answer of another one.
    """
    place = Home(home)
    if not place.snapshot.exists():
        raise NothingPublished("nothing published yet: run chipledger build")
    if as_of is None:
        return place.snapshot
    kept = dated_copies(place.published) | {published_at_of(place.snapshot): place.snapshot}
    past = [moment for moment in kept.keys() | dropped(place.published) if moment <= as_of]
    if past and max(past) in kept:
        return kept[max(past)]
    raise NothingPublished(_not_kept(kept, as_of, max(past, default=None)))


def _not_kept(kept: Collection[datetime], as_of: datetime, current: datetime | None) -> str:
    if current is None:
        return (
            f"nothing kept was published by {_seconds(as_of)}; the earliest publication kept is {_seconds(min(kept))}: "
            "ask for that time or a later one"
        )
    before, after = [at for at in kept if at < current], [at for at in kept if at > current]
    near = [_seconds(moment) for moment in (*sorted(before)[-1:], *sorted(after)[:1])]
    return (
        f"the publication that was current at {_seconds(as_of)} is of {_seconds(current)}, and its copy is no longer "
        f"kept; the nearest that are: {', '.join(near)}"
    )


def _seconds(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def tables(home: Path, name: str | None = None, *, as_of: datetime | None = None) -> Result:
    """The published tables with rows, columns and purpose; with `name`, that table's columns, types and meanings."""
    with open_snapshot(snapshot_at(home, as_of)) as conn:
        if name is None:
            relation = conn.sql(
                "select table_name as table, estimated_size as rows, column_count as columns, comment as purpose "
                "from duckdb_tables() where database_name = 'published' order by table_name"
            )
        else:
            _require_table(conn, name)
            relation = conn.sql(
                "select column_name as column, data_type as type, comment as meaning from duckdb_columns() "
                f"where database_name = 'published' and table_name = {literal(name)} order by column_index"
            )
        return _result(relation)


def export(home: Path, table: str, to: Path, *, as_of: datetime | None = None) -> int:
    """Write one published table to `to`, in the format of its suffix; returns the number of rows.

    Rows come in the order of the table's grain, so the same publication gives the same bytes. The file appears whole
    or not at all. In CSV a text that a spreadsheet would run as a formula gets a single quote in front of it.
    """
    if to.suffix.lower() not in FORMATS:
        raise UsageError(f"{to.name}: no format for suffix '{to.suffix}'; use one of {', '.join(FORMATS)}")
    with open_snapshot(snapshot_at(home, as_of)) as conn, _appearing_whole(to) as fresh:
        _require_table(conn, table)
        rows = f'select * from "{table}"'
        if to.suffix.lower() == ".csv":
            rows = _without_formulas(conn.sql(rows), table)
        copied = conn.execute(f"copy ({rows}) to {literal(str(fresh))} ({FORMATS[to.suffix.lower()]})").fetchone()
    return int(copied[0]) if copied else 0


def _without_formulas(rows: duckdb.DuckDBPyRelation, table: str) -> str:
    """A query of the table's rows with harmless text; numbers keep their sign, a list begins with a bracket anyway."""
    texts = [name for name, kind in zip(rows.columns, rows.types, strict=True) if str(kind) == "VARCHAR"]
    harmless = [
        f'regexp_replace("{name}", {literal(STARTS_A_FORMULA)}, {literal(AS_TEXT)}) as "{name}"' for name in texts
    ]
    return f'select * {"replace (" + ", ".join(harmless) + ") " if texts else ""}from "{table}"'


@contextmanager
def _appearing_whole(to: Path) -> Iterator[Path]:
    fresh = to.with_name(f".{to.name}.{os.getpid()}.tmp")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        yield fresh
        fresh.replace(to)
    except (OSError, duckdb.IOException) as error:
        first_line = str(error).partition("\n")[0]
        if fresh.parent.is_dir():
            fresh.unlink(missing_ok=True)
        raise ChipledgerError(f"could not write {to}: {first_line}; choose another place or free space") from error


def _one_statement(sql: str) -> str:
    with _refusing():
        statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        raise QueryRefused(f"one statement at a time, got {len(statements)}; the published snapshot is for reading")
    try:
        kind = str(statements[0].type).rpartition(".")[2]
    except ValueError:  # a kind of statement that DuckDB's Python client has no name for
        kind = "this statement"
    if kind not in READING_STATEMENTS:
        told = kind.replace("_", " ")
        raise QueryRefused(f"{told} is refused: the published snapshot is for reading; write a SELECT (or FROM …)")
    return sql


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn DuckDB's refusals into one sentence with a next step."""
    try:
        yield
    except duckdb.PermissionException as error:
        raise QueryRefused("the query reaches for a file; only the published tables can be read") from error
    except duckdb.CatalogException as error:
        raise QueryRefused(f"{str(error).strip()}\nWhat there is: chipledger tables") from error
    except duckdb.Error as error:
        raise QueryRefused(str(error).strip()) from error


def _require_table(conn: duckdb.DuckDBPyConnection, name: str) -> None:
    rows = conn.execute("select table_name from duckdb_tables() where database_name = 'published'").fetchall()
    names = sorted(str(row[0]) for row in rows)
    if name in names:
        return
    near = get_close_matches(name, names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "chipledger tables lists what there is"
    raise UsageError(f"no published table is called {name}; {hint}")


def _result(relation: duckdb.DuckDBPyRelation) -> Result:
    """All rows. DuckDB's own conversion of TIMESTAMPTZ needs pytz, and the one by way of Arrow imports pandas."""
    kinds = [str(kind) for kind in relation.types]
    plain = ", ".join(_plain(number, kind) for number, kind in enumerate(kinds, start=1))
    moments = [kind == MOMENT for kind in kinds]
    rows = [
        tuple(
            value.replace(tzinfo=UTC) if is_moment and value is not None else value
            for value, is_moment in zip(row, moments, strict=True)
        )
        for row in relation.project(plain).fetchall()
    ]
    return Result(relation.columns, rows)


def _plain(number: int, kind: str) -> str:
    """Column `number` as something that becomes a Python value; a time inside a list or struct becomes text."""
    if kind == MOMENT:
        return f"timezone('UTC', #{number})"
    return f"cast(#{number} as varchar)" if MOMENT in kind else f"#{number}"
