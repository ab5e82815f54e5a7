"""The published files: their names, and how to open one for reading."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pipeline.headers import literal
from pipeline.warehouse import NO_BAR, utc_rows

DROPPED = "dropped.txt"  # the publications whose copies were cleared away, one name a line
_DATED = re.compile(r"marts-(\d{8}T\d{6})(?:\.(\d{6}))?Z\.duckdb")


def dated_name(published_at: datetime) -> str:
    """`marts-YYYYMMDDTHHMMSSZ.duckdb`, with microseconds only where there are any."""
    moment = published_at.astimezone(UTC)
    fraction = f".{moment.microsecond:06d}" if moment.microsecond else ""
    return f"marts-{moment:%Y%m%dT%H%M%S}{fraction}Z.duckdb"


def dated_copies(published: Path) -> dict[datetime, Path]:
    """The dated copies in `published` by their time of publication."""
    found = {_moment_of(path.name): path for path in published.glob("marts-*.duckdb")}
    return {moment: path for moment, path in found.items() if moment}


def _moment_of(name: str) -> datetime | None:
    """The time in a dated name; None for any other text."""
    if not (parts := _DATED.fullmatch(name)):
        return None
    return datetime.strptime(f"{parts[1]}.{parts[2] or '0'}+0000", "%Y%m%dT%H%M%S.%f%z")


def note_dropped(published: Path, moments: Sequence[datetime]) -> None:
    """Write down that the copies of these publications are about to go; safe on disk before they do."""
    if not moments:
        return
    with (published / DROPPED).open("a", encoding="utf-8") as file:
        file.writelines(f"\n{dated_name(moment)}" for moment in moments)  # a line cut off stays alone
        file.flush()
        os.fsync(file.fileno())


def dropped(published: Path) -> set[datetime]:
    """The times of publications whose copies are gone; a line that a crash cut off names none."""
    path = published / DROPPED
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    return {moment for line in lines if (moment := _moment_of(line))}


@contextmanager
def open_snapshot(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a published file read-only, in UTC, as the default database.

    It is attached to a fresh instance: a second `connect` to the same path in one process would still show the file
    that was there at the first. Python variables are never taken for tables.
    """
    conn = duckdb.connect(config={"python_enable_replacements": False})
    try:
        conn.execute("set TimeZone = 'UTC'")
        conn.execute(NO_BAR)
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
