"""Container Insights' performance log events (embedded metric format) from S3 → the four raw_emf tables.

They come as events, one a line, or as CloudWatch Logs subscription messages, which Firehose writes one behind the
other, gzip or not. One event holds all metrics of one core and minute, and for pods their labels and owners.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa

from pipeline.sources.arrow_arrays import instants
from pipeline.sources.base import (
    IngestOptions,
    ParsedDelivery,
    Reject,
    Seeds,
    SourceObject,
    add_reject,
    describe,
    observation_time,
)
from pipeline.sources.content import line_blocks, read_chunks
from pipeline.sources.documents import documents_on_lines
from pipeline.sources.emf_event import ECC, ERRORS, STATUSES, EventError, Row, read_event

SOURCE: Final = "emf"
MAX_DOCUMENT_BYTES: Final = 16 << 20
ROWS_PER_BATCH: Final = 32_768

_TEXT, _INT, _LONG, _DOUBLE = pa.string(), pa.int32(), pa.int64(), pa.float64()
_KEYS: Final = (
    ("event_number", _LONG),
    ("account_id", _TEXT),
    ("sample_at", pa.timestamp("us", "UTC")),
    *((name, _TEXT) for name in ("region", "cluster", "instance_id", "instance_type", "node_name")),
)
_PLACE: Final = (("device_index", _INT), ("core_index", _INT))
_USE: Final = (("utilization_percent", _DOUBLE), ("memory_used_bytes", _LONG))
SCHEMAS: Final = {
    "raw_emf_cores": pa.schema([*_KEYS, *_PLACE, *_USE]),
    "raw_emf_owners": pa.schema(
        [
            *_KEYS,
            *_PLACE,
            *((name, _TEXT) for name in ("namespace", "pod_name", "container_name")),
            *((name, _TEXT) for name in ("owner_kind", "owner_name", "labels")),
            *_USE,
        ]
    ),
    "raw_emf_nodes": pa.schema(
        [
            *_KEYS,
            ("error_count", _LONG),
            *((f"{name}_error_count", _LONG) for name in ERRORS),
            *((f"{name}_count", _LONG) for name in STATUSES),
            ("latency_seconds", _DOUBLE),
            ("runtime_memory_used_bytes", _LONG),
        ]
    ),
    "raw_emf_devices": pa.schema(
        [*_KEYS, ("device_index", _INT), *((name, _LONG) for name in ECC), ("ecc_event_count", _LONG)]
    ),
}


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """Neuron events of one object; events of other Types are counted as unmapped.

    An event that cannot be read is rejected with the line or document it stands in; a damaged container is refused.
    """
    info = describe(obj, SOURCE, observation_time(obj, options))
    delivery = ParsedDelivery(info, iter(()))
    delivery.batches = _Events(obj, delivery).batches()
    return delivery


class _Events:
    """The state of one reading: events counted, rows waiting for a batch."""

    def __init__(self, obj: SourceObject, delivery: ParsedDelivery) -> None:
        self._obj, self._delivery = obj, delivery
        self._number = 0
        self._waiting: dict[str, list[Row]] = {table: [] for table in SCHEMAS}
        self._waiting_rows = 0

    def batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Rows of the object, about 32,768 to a batch."""
        blocks = line_blocks(documents_on_lines(read_chunks(self._obj)), self._reject, MAX_DOCUMENT_BYTES)
        for block in blocks:
            for number, line in enumerate(block.lines, block.first_line):
                if line.strip():
                    self._read_text(number, line)
            if self._waiting_rows >= ROWS_PER_BATCH:
                yield from self._hand_out()
        yield from self._hand_out()

    def _reject(self, reject: Reject) -> None:
        add_reject(self._delivery.rejects, reject, self._obj.name)

    def _read_text(self, number: int, text: bytes) -> None:
        """Read the document on one line: an event, or a subscription's message with many."""
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            self._reject(Reject.of(number, f"not JSON: {error.msg} at character {error.pos}", text))
            return
        if not isinstance(document, dict):
            self._reject(Reject.of(number, "JSON, but no log event", text))
        elif "logEvents" in document:
            self._read_message(number, document)
        else:
            self._take(number, document, "")

    def _read_message(self, number: int, message: dict[str, Any]) -> None:
        """The events of a subscription's message; a control message only says that the subscription works."""
        events = message["logEvents"]
        if message.get("messageType") == "CONTROL_MESSAGE":
            return
        if not isinstance(events, list):
            self._reject(Reject.of(number, "logEvents is no list", orjson.dumps(message)))
            return
        owner = message.get("owner")
        for position, event in enumerate(events, 1):
            text = event.get("message") if isinstance(event, dict) else None
            try:
                document = orjson.loads(text) if isinstance(text, str) else None
            except orjson.JSONDecodeError:
                document = None
            if isinstance(document, dict):
                self._take(number, document, owner if isinstance(owner, str) else "")
            else:
                self._reject(Reject.of(number, f"log event {position} holds no JSON object", str(text)))

    def _take(self, number: int, event: dict[str, Any], account_id: str) -> None:
        self._number += 1
        try:
            found = read_event(event)
        except EventError as error:
            self._reject(Reject.of(number, f"event {self._number}: {error}", orjson.dumps(event)))
            return
        if found is None:
            self._delivery.unmapped[str(event.get("Type"))[:100]] += 1
            return
        table, row = found
        self._waiting[table].append((self._number, account_id, *row))
        self._waiting_rows += 1

    def _hand_out(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        waiting, self._waiting, self._waiting_rows = self._waiting, {table: [] for table in SCHEMAS}, 0
        for table, rows in waiting.items():
            if rows:
                yield table, _batch(SCHEMAS[table], rows)


def _batch(schema: pa.Schema, rows: list[Row]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [
        instants(np.array(column, np.int64)) if kind.name == "sample_at" else pa.array(column, kind.type)
        for column, kind in zip(columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
