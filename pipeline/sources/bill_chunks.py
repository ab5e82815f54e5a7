"""How the chunks of a cost export are read, Parquet or CSV alike: column names, then only the columns asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from pipeline.sources.base import SourceObject
from pipeline.sources.damage import open_plain, read_head
from pipeline.sources.detect import parquet_columns

ROWS_PER_BATCH = 65_536
CSV_BLOCK_BYTES = 8 * 1024 * 1024
HEADER_BYTES = 1024 * 1024
PARQUET_MAGIC = b"PAR1"


def columns_of(chunk: SourceObject) -> list[str]:
    """Column names of a Parquet or CSV chunk, from its footer or its first line."""
    if is_parquet(chunk):
        return parquet_columns(chunk.path)
    header = read_head(chunk.path, HEADER_BYTES).split(b"\n", 1)[0].decode("utf-8-sig")
    return [name.strip('"\r ') for name in header.split(",")]


def is_parquet(chunk: SourceObject) -> bool:
    """Whether the chunk's first bytes are Parquet's."""
    return read_head(chunk.path, 4) == PARQUET_MAGIC


def read_lines(chunk: SourceObject, wanted: Sequence[str], nulls: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """Batches of the wanted columns that the chunk has, in the file's order of lines; CSV values are text.

    A CSV text that is one of `nulls` becomes NULL.
    """
    if is_parquet(chunk):
        yield from _parquet_lines(chunk, wanted)
    else:
        yield from _csv_lines(chunk, wanted, nulls)


def _parquet_lines(chunk: SourceObject, wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(chunk.path) as file:
        present = [column for column in wanted if column in file.schema_arrow.names]
        if present:
            yield from file.iter_batches(ROWS_PER_BATCH, columns=present)


def _csv_lines(chunk: SourceObject, wanted: Sequence[str], nulls: Sequence[str]) -> Iterator[pa.RecordBatch]:
    present = [column for column in columns_of(chunk) if column in wanted]
    if not present:
        return  # to pyarrow no column means every column
    kinds = dict.fromkeys(present, pa.string())
    texts = pacsv.ConvertOptions(
        include_columns=present, column_types=kinds, null_values=list(nulls), strings_can_be_null=bool(nulls)
    )
    blocks = pacsv.ReadOptions(block_size=CSV_BLOCK_BYTES)
    quoting = pacsv.ParseOptions(newlines_in_values=True)
    with open_plain(chunk.path) as stream, pacsv.open_csv(stream, blocks, quoting, texts) as reader:
        yield from reader
