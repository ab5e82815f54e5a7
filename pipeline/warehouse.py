"""The warehouse file: one writer, UTC, bounded memory; and the tables that exist before any model."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from pipeline.errors import OlderHome, WarehouseLocked
from pipeline.headers import comment_sql, literal, parse_header

SQL_DIR = Path(__file__).resolve().parent.parent / "sql"
LOCK_RETRY_SECONDS = 0.2
MANY = 1 << 30  # more columns than any table has
MOMENT = "TIMESTAMP WITH TIME ZONE"
# While it keeps insertion order, DuckDB 2.0.0 can hide a large insert from later statements of the same transaction.
SHOW_OWN_ROWS = "set preserve_insertion_order = false"
# DuckDB 2.0.0 draws a bar on standard output, also into a pipe and amid JSON, for what takes more than two seconds.
NO_BAR = "set enable_progress_bar = false"

Opened = TypeVar("Opened")
Config = dict[str, str | bool | int | float | list[str]]


@contextmanager
def open_warehouse(
    path: Path, *, memory_limit: str = "2GB", threads: int | None = None, wait_seconds: float = 60
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for writing, in UTC; another writer is waited for up to `wait_seconds`.

    Raises `WarehouseLocked` naming the process that holds the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    config: Config = {"memory_limit": memory_limit}
    if threads is not None:
        config["threads"] = threads
    conn = _waiting(path, wait_seconds, lambda: duckdb.connect(path, config=config))
    try:
        conn.execute("set TimeZone = 'UTC'")
        conn.execute(NO_BAR)
        conn.execute(SHOW_OWN_ROWS)
        yield conn
    finally:
        conn.close()


def attach_reading(conn: duckdb.DuckDBPyConnection, path: Path, name: str, wait_seconds: float) -> None:
    """Attach a warehouse read-only under a name; its writer is waited for, and waits until it is detached.

    Raises `WarehouseLocked` naming the process that holds the file.
    """
    sql = f"attach {literal(str(path))} as {name} (read_only)"
    _waiting(path, wait_seconds, lambda: conn.execute(sql))


def _waiting(path: Path, wait_seconds: float, open_it: Callable[[], Opened]) -> Opened:
    """Try until no other process holds the file."""
    give_up_at = time.monotonic() + wait_seconds
    while True:
        try:
            return open_it()
        except duckdb.IOException as error:
            if "lock on file" not in str(error):
                raise
            if time.monotonic() >= give_up_at:
                raise WarehouseLocked(_lock_message(path, str(error), wait_seconds)) from error
        time.sleep(LOCK_RETRY_SECONDS)


def _lock_message(path: Path, error: str, wait_seconds: float) -> str:
    found = re.search(r"held in (.+?) \(PID (\d+)\)", error)
    holder = f"process {found[2]} ({Path(found[1]).name})" if found else "another process"
    return (
        f"{path} is held by {holder}, still after {wait_seconds:g} s; "
        f"let it finish or stop it, then run the command again"
    )


def scalar(conn: duckdb.DuckDBPyConnection, sql: str, params: Sequence[object] = ()) -> Any:
    """The single value of the first row; LookupError when the query gives no row."""
    rows = conn.execute(sql, list(params)).fetchall()  # a fetchone would leave the connection busy
    if not rows:
        raise LookupError(f"no row from: {sql}")
    return rows[0][0]


def utc_rows(conn: duckdb.DuckDBPyConnection, sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """All rows, with every TIMESTAMPTZ as an aware datetime in UTC (DuckDB's own conversion would need pytz)."""
    relation = conn.sql(sql, params=list(params))
    names = ['"' + name.replace('"', '""') + '"' for name in relation.columns]
    moments = [name for name, kind in zip(names, relation.types, strict=True) if str(kind) == MOMENT]
    plain = ", ".join(f"timezone('UTC', {name})" if name in moments else name for name in names)
    return [
        tuple(value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for value in row)
        for row in relation.project(plain).fetchall()
    ]


def existing_tables(conn: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Name → kind (`table` or `view`) of everything in the warehouse's main schema."""
    rows = conn.execute(
        "select table_name, 'table' from duckdb_tables() where database_name = current_database() and not internal "
        "and not temporary union all select view_name, 'view' from duckdb_views() "
        "where database_name = current_database() and not internal and not temporary"
    ).fetchall()
    return {str(name): str(kind) for name, kind in rows}


@contextmanager
def transaction(conn: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what happens inside; whatever ends it early leaves nothing behind."""
    conn.execute(SHOW_OWN_ROWS)
    conn.begin()
    is_done = False
    try:
        yield
        conn.commit()
        is_done = True
    finally:
        if not is_done:
            conn.rollback()


@contextmanager
def keeping_threads(conn: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Whatever happens inside to the number of DuckDB's threads, it is what it was before; around a transaction."""
    threads = scalar(conn, "select current_setting('threads')")
    try:
        yield
    finally:
        conn.execute(f"set threads = {threads}")


def bootstrap(conn: duckdb.DuckDBPyConnection, sql_dir: Path = SQL_DIR, *, comments: bool = True) -> None:
    """Create every raw and state table that is missing, with its comments; an older table gets its new columns.

    Rows of before hold NULL in a new column: their deliveries did not bring it. A table with columns that are no
    longer kept raises OlderHome, and nothing is changed. `comments` take most of the time: a warehouse that is gone in
    a moment needs none.
    """
    missing, grown = lacking(conn, sql_dir)
    if not missing and not grown:
        return
    with transaction(conn):
        for path in grown:
            _add_columns(conn, path)
        for path in missing:
            header = parse_header(path)
            conn.execute(header.sql)
            if comments:
                conn.execute(comment_sql(header.name, "table", header.purpose, header.columns))


def lacking(conn: duckdb.DuckDBPyConnection, sql_dir: Path = SQL_DIR) -> tuple[list[Path], list[Path]]:
    """Files of the raw tables that are missing, and of those that lack columns; OlderHome where one has too many."""
    counts = dict(conn.execute("select table_name, count(*) from duckdb_columns() group by table_name").fetchall())
    paths = sorted((sql_dir / "raw").glob("*.sql"))
    wanted = {path: path.read_text("utf-8").count("\n-- column:") for path in paths}
    missing = [path for path in paths if path.stem not in counts]
    grown = [path for path, count in wanted.items() if counts.get(path.stem, MANY) < count]
    if shrunk := [path.stem for path, count in wanted.items() if counts.get(path.stem, 0) > count]:
        raise OlderHome(_older_message(conn, shrunk[0]))
    return missing, grown


def _older_message(conn: duckdb.DuckDBPyConnection, table: str) -> str:
    sql = "select coalesce(path, database_name) from duckdb_databases() where database_name = current_database()"
    place = scalar(conn, sql)
    return (
        f"{place}: its table {table} was made by another version of chipledger and holds columns that this one no "
        f"longer keeps; go back to that version, or move the file aside and ingest again what was delivered"
    )


def _add_columns(conn: duckdb.DuckDBPyConnection, path: Path) -> None:
    import sqlglot
    from sqlglot import exp

    header = parse_header(path)
    for column in sqlglot.parse_one(header.sql, dialect="duckdb").find_all(exp.ColumnDef):
        kind = column.args["kind"].sql(dialect="duckdb")
        conn.execute(f"alter table {header.name} add column if not exists {column.name} {kind}")
    conn.execute(comment_sql(header.name, "table", header.purpose, header.columns))
