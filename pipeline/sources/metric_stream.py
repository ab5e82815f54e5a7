"""CloudWatch metric streams as Firehose writes them to S3: format `json` or `opentelemetry1.0`, gzip or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import orjson
import pyarrow as pa

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
from pipeline.sources.cloudwatch_series import RULES
from pipeline.sources.content import LineBlock, line_blocks, read_chunks
from pipeline.sources.damage import read_head
from pipeline.sources.documents import SEAM
from pipeline.sources.metric_stream_columns import Columns
from pipeline.sources.metric_stream_otlp import add_messages
from pipeline.sources.metric_stream_points import SOURCE, VALUE_FIELDS, PointError, Points

# A dimension that only the finest set of a metric carries: a line without it is a coarser copy of a fact.
FINEST: Final = frozenset({"NeuronCore", "GpuDevice", "NetworkInterfaceId"})
HEAD_BYTES: Final = 4096
SAMPLE_BYTES: Final = 16_384

_NAME: Final = b'"metric_name":"'
_NAMES_READ: Final = frozenset(name.encode() for name in RULES)
_SERIES_FIELDS: Final = ("namespace", "metric_name", "account_id", "region", "dimensions")
_MARKS: Final = tuple(
    sorted(
        {f'"{name}":'.encode() for rule in RULES.values() for name in FINEST & rule.dimension_names}
        | {_NAME + name.encode() + b'"' for name, rule in RULES.items() if not FINEST & rule.dimension_names}
    )
)
_BEGIN: Final = b'{"metric_stream_name":"'
_PROBES: Final = tuple((place, _BEGIN[place]) for place in (0, 1, 2, 20, 21, 22))  # tell the layout cheaply
_NEWLINE, _END = b"\n}"


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """Datapoints of one object as rows of raw_cloudwatch_samples, each series and minute once.

    The stream's timestamp lies in the minute that the datapoint stands for; `sample_at` is that minute's start. JSON:
    a bad line is rejected, other lines stay. OpenTelemetry: a cut or undecodable message refuses the object.
    """
    info = describe(obj, SOURCE, observation_time(obj, options))
    delivery = ParsedDelivery(info, iter(()))
    is_json = read_head(obj.path, HEAD_BYTES).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")
    delivery.batches = (_json_batches if is_json else _otlp_batches)(obj, delivery)
    return delivery


def _otlp_batches(obj: SourceObject, delivery: ParsedDelivery) -> Iterator[tuple[str, pa.RecordBatch]]:
    points = Points()
    add_messages(obj, points, delivery)
    yield from points.batches()


def _json_batches(obj: SourceObject, delivery: ParsedDelivery) -> Iterator[tuple[str, pa.RecordBatch]]:
    points = Points()
    columns = Columns(points, lambda document: _read_series(document, points))

    def reject(bad: Reject) -> None:
        add_reject(delivery.rejects, bad, obj.name)

    for block in line_blocks(read_chunks(obj), reject):
        lines = _finest_lines(block.text)
        if lines is None or not columns.add(lines):
            _add_one_by_one(block, points, reject)
    yield from points.batches()


def _finest_lines(text: bytes) -> list[bytes] | None:
    """The lines that RULES may read, where every line looks like a datapoint in AWS's own compact layout; else None.

    The other lines are copies of the same facts: they are looked at from outside only.
    """
    if b"\\" in text:
        return None
    sample = text[:SAMPLE_BYTES]
    if 2 * sum(sample.count(mark) for mark in _MARKS) > sample.count(b"\n") + 1:
        return text.split(b"\n")
    data = np.frombuffer(text, np.uint8)
    ends = np.append(np.flatnonzero(data == _NEWLINE), len(data))
    starts = np.append(0, ends[:-1] + 1)
    if (ends - starts).min() < len(_BEGIN) or not (data[ends - 1] == _END).all():
        return None
    if not all((data[starts + place] == byte).all() for place, byte in _PROBES):
        return None
    return [line for mark in _MARKS for line in _lines_with(mark, text)]


def _lines_with(mark: bytes, text: bytes) -> Iterator[bytes]:
    """The lines that hold the mark and the name of a metric that is read."""
    end = 0
    while (found := text.find(mark, end)) >= 0:
        start = text.rfind(b"\n", end, found) + 1 or end
        end = text.find(b"\n", found)
        end = len(text) if end < 0 else end
        name = text.find(_NAME, start, end) + len(_NAME)
        if text[name : text.find(b'"', name, end)] in _NAMES_READ:
            yield text[start:end]


def _add_one_by_one(block: LineBlock, points: Points, reject: Callable[[Reject], None]) -> None:
    """The lines of a block that holds a bad one, or one in another layout; documents without a newline between too."""
    for number, line in enumerate(block.lines, block.first_line):
        for text in SEAM.sub(b"}\n", line).split(b"\n"):
            if not text.strip() or _is_copy(text):
                continue
            try:
                _add_document(orjson.loads(text), points)
            except orjson.JSONDecodeError as error:
                reject(Reject.of(number, f"not JSON: {error.msg} at character {error.pos}", text))
            except PointError as error:
                reject(Reject.of(number, str(error), text))


def _is_copy(line: bytes) -> bool:
    """Whether a line looks from outside like a datapoint that is not read, as in `_finest_lines`."""
    looks_right = len(line) >= len(_BEGIN) and line.endswith(b"}") and b"\\" not in line
    looks_right = looks_right and all(line[place] == byte for place, byte in _PROBES)
    return looks_right and not any(list(_lines_with(mark, line)) for mark in _MARKS)


def _add_document(document: object, points: Points) -> None:
    series = _read_series(document, points)
    value, stamp = document.get("value"), document.get("timestamp")  # type: ignore[attr-defined]  # it is a dict
    if not isinstance(value, dict) or not all(_is_number(value.get(name)) for name in VALUE_FIELDS):
        raise PointError("its value lacks one of max, min, sum, count")
    if type(stamp) is not int:
        raise PointError("no timestamp in epoch milliseconds")
    points.add(series, stamp, value)


def _read_series(document: object, points: Points) -> int:
    """Number of the series that a datapoint's JSON names. Raises PointError for other shapes."""
    if not isinstance(document, dict):
        raise PointError("JSON, but no datapoint of a metric stream")
    namespace, metric_name, account_id, region, dimensions = map(document.get, _SERIES_FIELDS)
    if not isinstance(dimensions, dict):
        raise PointError("no dimensions")
    texts = (namespace, metric_name, account_id, region, *dimensions.values())
    if set(map(type, texts)) != {str}:
        raise PointError("namespace, metric_name, account_id, region or a dimension is no text")
    return points.series(namespace, metric_name, account_id, region, dimensions)  # type: ignore[arg-type]  # texts


def _is_number(value: object) -> bool:
    return type(value) is float or type(value) is int
