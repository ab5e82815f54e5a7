"""The published files: their names, and how to open one for reading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pipeline.headers import literal
from pipeline.warehouse import utc_rows

_DATED = re.compile(r"marts-(\d{8}T\d{6})(?:\.(\d{6}))?Z\.duckdb")


def dated_name(published_at: datetime) -> str:
    """`marts-YYYYMMDDTHHMMSSZ.duckdb`, with microseconds only where there are any."""
    moment = published_at.astimezone(UTC)
    fraction = f".{moment.microsecond:06d}" if moment.microsecond else ""
    return f"marts-{moment:%Y%m%dT%H%M%S}{fraction}Z.duckdb"


def dated_copies(published: Path) -> dict[datetime, Path]:
    """The dated copies in `published` by their time of publication."""
    names = {path: _DATED.fullmatch(path.name) for path in published.glob("marts-*.duckdb")}
    return {
        datetime.strptime(f"{name[1]}.{name[2] or '0'}+0000", "%Y%m%dT%H%M%S.%f%z"): path
        for path, name in names.items()
        if name
    }


@contextmanager
def open_snapshot(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a published file read-only, in UTC, as the default database.

    It is attached to a fresh instance: a second `connect` to the same path in one process would still show the file
    that was there at the first. Python variables are never taken for tables.
    """
    conn = duckdb.connect(config={"python_enable_replacements": False})
    try:
        conn.execute("set TimeZone = 'UTC'")
        conn.execute(f"attach {literal(str(path))} as published (read_only)")
        conn.execute("use published")
        yield conn
    finally:
        conn.close()


def published_at_of(path: Path) -> datetime:
    """When the publication in `path` was made."""
    with open_snapshot(path) as conn:
        moment: datetime = utc_rows(conn, "select published_at from publication")[0][0]
    return moment
