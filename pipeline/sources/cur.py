"""CUR 2.0 exports: all chunks that one Manifest lists, Parquet or CSV, as one delivery of bill lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import ParsedDelivery, Reject, SourceObject
from pipeline.sources.bill_chunks import columns_of, read_lines
from pipeline.sources.cur_columns import NET_COST, REQUIRED, USED, bill_rows
from pipeline.sources.cur_manifest import Manifest, delivery_info
from pipeline.sources.cur_splits import SPLIT_COLUMNS, is_split, split_rows

SOURCE = "cur"
TABLE, SPLIT_TABLE = "raw_cur_lines", "raw_cur_splits"
WANTED = (*USED, *SPLIT_COLUMNS)
INCLUDE_IT = "add it to the export's query, or export the whole CUR 2.0 table"


def read_export(manifest: Manifest, chunks: Sequence[SourceObject]) -> ParsedDelivery:
    """Bill lines of the delivery as raw_cur_lines rows, numbered over its chunks in the Manifest's order.

    Split rows of cost allocation go to raw_cur_splits. A missing required column, another currency, another month or a
    damaged chunk refuses the whole delivery.
    """
    rejects: list[Reject] = []
    return ParsedDelivery(delivery_info(SOURCE, manifest, chunks), _batches(manifest, chunks, rejects), rejects)


def require_columns(name: str, columns: Sequence[str]) -> None:
    """Refuse an export that lacks a column without which no line can be booked."""
    missing = [column for column in REQUIRED if column not in columns]
    if missing:
        raise RefusedDelivery(name, f"the CUR 2.0 column {', '.join(missing)} is missing", INCLUDE_IT)


def _batches(
    manifest: Manifest, chunks: Sequence[SourceObject], rejects: list[Reject]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    has_net = any(_holds_net_costs(chunk) for chunk in chunks)
    period, lines_before = manifest.billing_period, 0
    for chunk in chunks:
        require_columns(chunk.name, columns_of(chunk))
        for lines in read_lines(chunk, WANTED):
            numbers = pa.array(range(lines_before + 1, lines_before + len(lines) + 1), pa.int64())
            lines_before += len(lines)
            split = is_split(lines)
            if pc.any(split).as_py():
                rows = split_rows(lines.filter(split), numbers.filter(split), chunk.name, period, rejects)
                yield from _unless_empty(SPLIT_TABLE, rows)
                lines, numbers = lines.filter(pc.invert(split)), numbers.filter(pc.invert(split))
            rows = bill_rows(lines, numbers, chunk.name, period, has_net, rejects)
            yield from _unless_empty(TABLE, rows)


def _unless_empty(table: str, rows: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
    if len(rows):
        yield table, rows


def _holds_net_costs(chunk: SourceObject) -> bool:
    """Whether the payer has private discounts: a net column that is there but always empty does not count."""
    for lines in read_lines(chunk, (NET_COST,)):
        for column in lines.columns:
            filled = pc.not_equal(column, "") if pa.types.is_string(column.type) else pc.is_valid(column)
            if pc.any(filled).as_py():
                return True
    return False


def billing_month(period: date) -> tuple[date, date]:
    """First day of the billed month and of the month after."""
    after = date(period.year + period.month // 12, period.month % 12 + 1, 1)
    return period, after
