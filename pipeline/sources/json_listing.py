"""Listings that tools print as JSON: one document over many lines, or one document per line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson
import pyarrow as pa

from pipeline.sources.base import Reject, SourceObject, add_reject
from pipeline.sources.content import line_blocks, read_chunks
from pipeline.sources.damage import read_document, read_head

ROWS_PER_BATCH = 10_000
WHOLE = (
    b"[",
    b'{"Reservations"',
    b'{"CapacityReservations"',
    b'{"SpotPriceHistory"',
    b'{"NextToken"',
    b'{"apiVersion":"v1","items"',
)


def json_documents(obj: SourceObject, rejects: list[Reject]) -> Iterator[tuple[int, object]]:
    """(line number, document) per line; (0, document) where the object is one. A line that is no JSON is a reject."""
    if _is_document(obj):
        yield 0, read_document(obj.path, obj.name)
        return
    for block in line_blocks(read_chunks(obj), lambda reject: add_reject(rejects, reject, obj.name)):
        for number, line in enumerate(block.lines, start=block.first_line):
            if not line.strip():
                continue
            try:
                document = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                add_reject(rejects, Reject.of(number, _reason(line, error), line), obj.name)
                continue
            yield number, document


def row_batches(rows: Iterator[dict[str, Any]], table: str, schema: pa.Schema) -> Iterator[tuple[str, pa.RecordBatch]]:
    """`rows` of one raw table as record batches, as ParsedDelivery takes them."""
    while batch := list(islice(rows, ROWS_PER_BATCH)):
        yield table, pa.RecordBatch.from_pylist(batch, schema)


def _reason(line: bytes, error: orjson.JSONDecodeError) -> str:
    is_cut = error.pos >= len(line.decode(errors="replace").rstrip()) - 1
    return "the line is cut: its JSON ends early" if is_cut else f"not JSON: {error.msg}"


def _is_document(obj: SourceObject) -> bool:
    """Whether the object is one JSON document, perhaps of many lines, rather than one per line."""
    first = read_head(obj.path, 4096).lstrip().split(b"\n", 1)[0].strip()
    return first == b"{" or first.replace(b" ", b"").startswith(WHOLE)
