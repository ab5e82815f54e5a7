"""A dump as a stream of records: CSV (its texts as they stand) or Parquet, each record with its number."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import Reject, SourceObject
from pipeline.sources.damage import open_plain, read_head

PARQUET: Final = b"PAR1"
BLOCK_BYTES: Final = 4 << 20
ROWS_PER_BATCH: Final = 32_768
HEADER_BYTES: Final = 1 << 20

Records = Iterator[tuple[npt.NDArray[np.int64], pa.RecordBatch]]


def table_columns(path: Path) -> list[str]:
    """Column names of a CSV or Parquet file."""
    if read_head(path, len(PARQUET)) == PARQUET:
        return [str(name) for name in pq.read_schema(path).names]
    head = read_head(path, HEADER_BYTES).decode("utf-8-sig", "replace")
    first = next(iter(head.splitlines()), "")
    rows = pa_csv.read_csv(pa.py_buffer((first + "\n").encode()), read_options=pa_csv.ReadOptions(use_threads=False))
    return [str(name) for name in rows.column_names]


def read_records(obj: SourceObject, columns: list[str], reject: Callable[[Reject], None]) -> Records:
    """(record numbers, the asked columns) batch by batch; CSV records count from 1, the header, Parquet rows from 1.

    A CSV record with too many or too few fields is rejected; bytes that are no UTF-8 stand as U+FFFD.
    """
    if len(set(columns)) != len(columns):
        raise RefusedDelivery(obj.name, "two of its columns have one name", "rename one, or drop it")
    if read_head(obj.path, len(PARQUET)) == PARQUET:
        yield from _parquet(obj.path, columns)
    else:
        yield from _csv(obj.path, columns, reject)


def _parquet(path: Path, columns: list[str]) -> Records:
    first = 1
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_PER_BATCH, columns=columns):
            yield np.arange(first, first + len(batch)), batch
            first += len(batch)


def _csv(path: Path, columns: list[str], reject: Callable[[Reject], None]) -> Records:
    lost: list[int] = []

    def skip(row: Any) -> str:
        number = len(lost) if row.number is None else row.number
        lost.append(number)
        words = f"{row.actual_columns} fields where the header has {row.expected_columns}"
        reject(Reject.of(number, words, row.text))
        return "skip"

    with open_plain(path) as stream:
        # pyarrow loses a record whose text it cannot show
        reader = pa_csv.open_csv(
            codecs.EncodedFile(stream, "utf-8", errors="replace"),
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
            parse_options=pa_csv.ParseOptions(invalid_row_handler=skip, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                include_columns=columns, column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )
        read = 0
        for batch in reader:
            # the n-th good record stands behind all that were lost before it
            before = np.array(lost, np.int64) - 2 - np.arange(len(lost))
            good = np.arange(read, read + len(batch))
            yield good + 2 + np.searchsorted(before, good, side="right"), batch
            read += len(batch)


def as_texts(column: pa.Array) -> list[str]:
    """The values as text, '' for NULL; binary that is no UTF-8 becomes U+FFFD."""
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return [(value or b"").decode("utf-8", "replace") for value in column.to_pylist()]
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_floating(column.type):
        return [_plain(value) for value in column.to_pylist()]
    return [value or "" for value in pc.cast(column, pa.string()).to_pylist()]


def _plain(value: float | None) -> str:
    """A float as text; a whole one without its point, since dumps store indices as floats."""
    if value is None or value != value:
        return ""
    return str(int(value)) if value.is_integer() else repr(value)
