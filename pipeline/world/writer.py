"""Files with the same bytes every time: gzip without a clock, Parquet without statistics that vary, JSON lines."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

GZIP_LEVEL = 1


def write_gzip(path: Path, text: str) -> None:
    """A gzip member with no file name and no time in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), GZIP_LEVEL, mtime=0))


def write_text(path: Path, text: str) -> None:
    """A text file with line ends as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """One JSON document, indented as AWS prints them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def write_json_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records))


def write_parquet(path: Path, table: pa.Table) -> None:
    """A Snappy Parquet file of one row group."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="snappy", row_group_size=max(table.num_rows, 1))
