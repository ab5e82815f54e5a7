"""CUR 2.0 exports: all chunks that one Manifest lists, Parquet or CSV, as one delivery of bill lines."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import DeliveryInfo, ParsedDelivery, Reject, SourceObject, content_sha256
from pipeline.sources.cur_columns import NET_COST, REQUIRED, USED, bill_rows
from pipeline.sources.cur_manifest import Manifest
from pipeline.sources.damage import open_plain, read_head
from pipeline.sources.detect import parquet_columns

SOURCE = "cur"
TABLE = "raw_cur_lines"
ROWS_PER_BATCH = 65_536
CSV_BLOCK_BYTES = 8 * 1024 * 1024
HEADER_BYTES = 1024 * 1024
PARQUET_MAGIC = b"PAR1"
INCLUDE_IT = "add it to the export's query, or export the whole CUR 2.0 table"


def read_export(manifest: Manifest, chunks: Sequence[SourceObject]) -> ParsedDelivery:
    """Bill lines of the delivery as raw_cur_lines rows, numbered over its chunks in the Manifest's order.

    A missing required column, another currency or a damaged chunk refuses the whole delivery.
    """
    rejects: list[Reject] = []
    return ParsedDelivery(_info(manifest, chunks), _batches(manifest, chunks, rejects), rejects)


def columns_of(chunk: SourceObject) -> list[str]:
    """Column names of a Parquet or CSV chunk, from its footer or its first line."""
    if read_head(chunk.path, 4) == PARQUET_MAGIC:
        return parquet_columns(chunk.path)
    header = read_head(chunk.path, HEADER_BYTES).split(b"\n", 1)[0].decode()
    return [name.strip('"\r ') for name in header.split(",")]


def require_columns(name: str, columns: Sequence[str]) -> None:
    """Refuse an export that lacks a column without which no line can be booked."""
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        raise RefusedDelivery(name, f"the CUR 2.0 column {', '.join(missing)} is missing", INCLUDE_IT)


def _info(manifest: Manifest, chunks: Sequence[SourceObject]) -> DeliveryInfo:
    digest = hashlib.sha256()
    for part in (manifest.export_name, manifest.billing_period.isoformat(), manifest.execution_id):
        digest.update(f"{part}\n".encode())
    for chunk in chunks:
        digest.update(f"{content_sha256(chunk.path)}\n".encode())
    return DeliveryInfo(
        source=SOURCE,
        object=manifest.obj.name,
        content_sha256=digest.hexdigest(),
        observed_at=manifest.delivered_at,
        time_guessed=manifest.time_guessed,
        delivered_at=manifest.delivered_at,
        byte_count=sum(chunk.path.stat().st_size for chunk in chunks),
        export_name=manifest.export_name,
        billing_period=manifest.billing_period,
        execution_id=manifest.execution_id,
    )


def _batches(
    manifest: Manifest, chunks: Sequence[SourceObject], rejects: list[Reject]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    has_net = any(_holds_net_costs(chunk) for chunk in chunks)
    line_number = 0
    for chunk in chunks:
        for lines in _lines(chunk, USED):
            require_columns(chunk.name, lines.schema.names)
            rows = bill_rows(lines, chunk.name, manifest.billing_period, line_number, has_net, rejects)
            line_number += len(lines)
            if len(rows):
                yield TABLE, rows


def _lines(chunk: SourceObject, wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
    if read_head(chunk.path, 4) == PARQUET_MAGIC:
        yield from _parquet_lines(chunk, wanted)
    else:
        yield from _csv_lines(chunk, wanted)


def _parquet_lines(chunk: SourceObject, wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(chunk.path) as file:
        present = [column for column in wanted if column in file.schema_arrow.names]
        if len(wanted) > 1:
            require_columns(chunk.name, present)
        if present:
            yield from file.iter_batches(ROWS_PER_BATCH, columns=present)


def _csv_lines(chunk: SourceObject, wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
    present = [column for column in columns_of(chunk) if column in wanted]
    if len(wanted) > 1:
        require_columns(chunk.name, present)
    if not present:
        return  # to pyarrow no column means every column
    texts = pacsv.ConvertOptions(include_columns=present, column_types=dict.fromkeys(present, pa.string()))
    blocks = pacsv.ReadOptions(block_size=CSV_BLOCK_BYTES)
    quoting = pacsv.ParseOptions(newlines_in_values=True)
    with open_plain(chunk.path) as stream, pacsv.open_csv(stream, blocks, quoting, texts) as reader:
        yield from reader


def _holds_net_costs(chunk: SourceObject) -> bool:
    """Whether the payer has private discounts: a net column that is there but always empty does not count."""
    for lines in _lines(chunk, (NET_COST,)):
        for column in lines.columns:
            filled = pc.not_equal(column, "") if pa.types.is_string(column.type) else pc.is_valid(column)
            if pc.any(filled).as_py():
                return True
    return False


def billing_month(period: date) -> tuple[date, date]:
    """First day of the billed month and of the month after."""
    after = date(period.year + period.month // 12, period.month % 12 + 1, 1)
    return period, after
