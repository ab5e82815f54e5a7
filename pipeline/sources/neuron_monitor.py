"""What neuron-monitor says of each core: JSON reports, one a line or one document → the four raw_neuron tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from typing import Any, Final, TypeAlias

import numpy as np
import orjson
import pyarrow as pa

from pipeline.errors import RefusedDelivery
from pipeline.sources.arrow_arrays import integers
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
from pipeline.sources.neuron_report import ECC, REPORT_KEYS, ReportError, ReportRows, Row, read_report

Key: TypeAlias = tuple[int, int, str]

SOURCE: Final = "neuron_monitor"
MAX_REPORT_BYTES: Final = 16 << 20
ROWS_PER_BATCH: Final = 32_768

_KEYS: Final = (("report_number", pa.int64()), ("sample_at", pa.timestamp("us", "UTC")), ("instance_id", pa.string()))
_TEXT, _INT, _LONG, _DOUBLE = pa.string(), pa.int32(), pa.int64(), pa.float64()
SCHEMAS: Final = {
    "raw_neuron_reports": pa.schema(
        [
            *_KEYS,
            *((name, _TEXT) for name in ("instance_type", "instance_name", "region", "availability_zone")),
            *((name, _INT) for name in ("device_count", "cores_per_device", "lnc")),
            *((name, _LONG) for name in ("device_memory_bytes", "cadence_ms")),
            *((name, _INT) for name in ("runtime_count", "error_group_count", "counter_error_count")),
            ("short_period", pa.bool_()),
            ("ultraserver_id", _TEXT),
        ]
    ),
    "raw_neuron_cores": pa.schema(
        [
            *_KEYS,
            ("pid", _LONG),
            ("runtime_tag", _TEXT),
            ("core_index", _INT),
            ("utilization_percent", _DOUBLE),
            ("flops", _DOUBLE),
            ("memory_used_bytes", _LONG),
            ("loaded_model_count", _INT),
        ]
    ),
    "raw_neuron_owners": pa.schema(
        [
            *_KEYS,
            *((name, _INT) for name in ("core_index", "device_index")),
            *((name, _TEXT) for name in ("pod_name", "namespace", "container_name")),
        ]
    ),
    "raw_neuron_devices": pa.schema([*_KEYS, ("device_index", _INT), *((name, _LONG) for name in ECC)]),
}


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """Reports of one object: a JSON document (bare, in a list, or under "1", "2", …) or one report a line.

    The first report stands at the observation time; each later one, its system period later (a line that cannot be
    read takes its time too). A bad line is rejected; a damaged container is refused.
    """
    info = describe(obj, SOURCE, observation_time(obj, options))
    reports = _Reports(obj, info.observed_at, _topology(seeds))
    return ParsedDelivery(info, reports.batches(), reports.rejects)


@lru_cache(maxsize=8)
def _topology(seeds: Seeds) -> dict[str, tuple[int | None, int | None]]:
    """Instance type → (devices, logical cores per device)."""
    return {
        row["instance_type"]: (_optional(row["device_count"]), _optional(row["logical_cores_per_device"]))
        for row in seeds.rows("instance_types")
    }


def _optional(text: str) -> int | None:
    return int(text) if text else None


class _Reports:
    """The state of one reading: the clock, the reports counted, the rows waiting for a batch."""

    def __init__(self, obj: SourceObject, start: datetime, topology: dict[str, tuple[int | None, int | None]]) -> None:
        self.rejects: list[Reject] = []
        self._obj, self._topology = obj, topology
        self._clock_us = round(start.astimezone(UTC).timestamp() * 1_000_000)
        self._number, self._lost = 0, 0
        self._waiting: list[tuple[Key, ReportRows]] = []
        self._waiting_rows = 0

    def batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Rows of the object, about 32,768 to a batch."""
        for number, text in _texts(self._obj, self._reject):
            self._read_text(number, text)
            if self._waiting_rows >= ROWS_PER_BATCH:
                yield from self._hand_out()
        if self._waiting:
            yield from self._hand_out()

    def _reject(self, reject: Reject) -> None:
        self._lost += 1
        add_reject(self.rejects, reject, self._obj.name)

    def _read_text(self, line_number: int, text: bytes) -> None:
        """Read the reports in one JSON text; nothing of the parsed JSON outlives the call, which keeps parsing fast."""
        try:
            documents = _unwrapped(orjson.loads(text))
        except orjson.JSONDecodeError as error:
            self._reject(Reject.of(line_number, f"not JSON: {error.msg} at character {error.pos}", text))
            return
        for document in documents:
            self._take(line_number, document)

    def _take(self, line_number: int, document: object) -> None:
        try:
            rows = read_report(document, self._topology)
        except ReportError as error:
            self._reject(Reject.of(line_number, str(error), orjson.dumps(document)))
            return
        self._keep(rows)

    def _keep(self, rows: ReportRows) -> None:
        steps = self._lost + (1 if self._number else 0)
        self._clock_us += round(steps * rows.period_seconds * 1_000_000)
        self._number, self._lost = self._number + 1, 0
        key = (self._number, self._clock_us, rows.instance_id)
        self._waiting.append((key, rows))
        self._waiting_rows += 1 + len(rows.cores)

    def _hand_out(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        waiting, self._waiting, self._waiting_rows = self._waiting, [], 0
        parts: dict[str, list[list[Row]]] = {
            "raw_neuron_reports": [[rows.report] for _, rows in waiting],
            "raw_neuron_cores": [rows.cores for _, rows in waiting],
            "raw_neuron_owners": [rows.owners for _, rows in waiting],
            "raw_neuron_devices": [rows.devices for _, rows in waiting],
        }
        keys = [key for key, _ in waiting]
        for table, of_reports in parts.items():
            if any(of_reports):
                yield table, _batch(SCHEMAS[table], keys, of_reports)


def _batch(schema: pa.Schema, keys: list[Key], of_reports: list[list[Row]]) -> pa.RecordBatch:
    """A batch of rows given per report; the report's key is repeated in front of each of its rows."""
    sizes = [len(rows) for rows in of_reports]
    report = integers(np.repeat(np.arange(len(keys)), sizes))
    columns = [*zip(*keys, strict=True), *zip(*chain.from_iterable(of_reports), strict=True)]
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, schema, strict=True)]
    arrays[: len(_KEYS)] = [array.take(report) for array in arrays[: len(_KEYS)]]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _texts(obj: SourceObject, reject: Callable[[Reject], None]) -> Iterator[tuple[int, bytes]]:
    """(line number, JSON text): each line, or the whole of a document that is laid out over several lines."""
    if (whole := _laid_out(obj)) is not None:
        yield 1, whole
        return
    for block in line_blocks(read_chunks(obj), reject, MAX_REPORT_BYTES):
        for number, line in enumerate(block.lines, block.first_line):
            if line.strip():
                yield number, line


def _laid_out(obj: SourceObject) -> bytes | None:
    """The object's text where its first line only opens a document, else None; refused when it never closes."""
    text = b""
    for chunk in read_chunks(obj):
        text += chunk
        first, newline, _ = text.lstrip().partition(b"\n")
        opens = first[:1] in (b"{", b"[") and not first.rstrip().endswith((b"}", b"]"))
        if (newline and not opens) or (not newline and len(text) > MAX_REPORT_BYTES):
            return None
        if len(text) > MAX_REPORT_BYTES:
            raise RefusedDelivery(
                obj.name, f"one JSON document over {MAX_REPORT_BYTES:,} bytes", "write one report a line"
            )
    if b"\n" not in text.strip():
        return None
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusedDelivery(
            obj.name, f"its JSON document breaks off: {error.msg} at character {error.pos}", "deliver the object again"
        ) from error
    return text


def _unwrapped(document: object) -> list[Any]:
    """The reports in a JSON value: itself, the items of a list, or the values under "1", "2", … in that order."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict) and document and not REPORT_KEYS & document.keys():
        numbered = [key for key in document if key.isascii() and key.isdigit()]
        if len(numbered) == len(document):
            return [document[key] for key in sorted(numbered, key=int)]
    return [document]
