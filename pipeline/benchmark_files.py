"""Figures that somebody types become a file in the home's landing folder: a delivery like any other."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import UUID

import duckdb

from pipeline.errors import UsageError
from pipeline.home import Home
from pipeline.sources.base import Seeds
from pipeline.sources.benchmarks import FILE, figure

FOLDER = "benchmarks"


def one_line_file(given: Mapping[str, str], seeds: Seeds) -> str:
    """A CSV of the one figure; UsageError where it would be rejected."""
    line = {name: given[name] for name in FILE.known if given.get(name)}
    try:
        figure({**dict.fromkeys(FILE.needed, ""), **line}, seeds)
    except ValueError as error:
        raise UsageError(f"this figure cannot be taken: {error}") from error
    if broken := [name for name, text in line.items() if "\n" in text or "\r" in text]:
        raise UsageError(f"{broken[0]} holds a line break: write it in one line")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(line), lineterminator="\n")
    writer.writeheader()
    writer.writerow(line)
    return text.getvalue()


def file_for(home: Home, text: str) -> Path:
    """Where the file of that text lies: the same figure typed twice is the same file."""
    return home.landing / FOLDER / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.csv"


def keep(path: Path, text: str) -> None:
    """Write the file whole, unless it is there."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fresh.write_text(text, "utf-8")
    fresh.replace(path)


def rejected_lines(conn: duckdb.DuckDBPyConnection, delivery_ids: Iterable[UUID]) -> list[tuple[str, int, str, str]]:
    """(object, line, reason, text) of every rejected line of these deliveries."""
    ids = [str(each) for each in delivery_ids]
    return conn.execute(
        "select object, line_number, reason, text from raw_rejects "
        "where delivery_id in (select unnest(cast(? as uuid[]))) order by object, line_number",
        [ids],
    ).fetchall()
