"""Lines of a metric stream as columns: series are told apart by the text in front of the time, read once per object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
from pyarrow import json as arrow_json

from pipeline.sources.metric_stream_points import (
    EARLIEST_MS,
    LATEST_MS,
    UNREAD,
    VALUE_FIELDS,
    Floats,
    Integers,
    PointError,
    Points,
)

MAX_HEADS: Final = 200_000  # texts kept at once, of some 300 bytes each
_SEAM: Final = b',"timestamp":'
_OPENING: Final = b'{"timestamp":'
_SCHEMA: Final = pa.schema(
    [("timestamp", pa.int64()), ("value", pa.struct([(name, pa.float64()) for name in VALUE_FIELDS]))]
)


class Columns:
    """Adds whole blocks of lines in AWS's layout: the series in front, then time and value."""

    def __init__(self, points: Points, read_series: Callable[[object], int]) -> None:
        """`read_series` gives the number of the series that a document names, UNREAD for one that is not read."""
        self._points = points
        self._read_series = read_series
        self._heads: dict[bytes, int] = {}

    def add(self, lines: Sequence[bytes]) -> bool:
        """Add the datapoints of these lines; False, with nothing added, where one of them is bad or laid out else."""
        if not lines:
            return True
        try:
            series, tails = self._split(lines)
            rows = _parsed(_OPENING + (b"\n" + _OPENING).join(tails))
        except (orjson.JSONDecodeError, PointError, pa.ArrowInvalid):
            return False
        if len(rows) != len(lines) or rows.column("timestamp").null_count or rows.column("value").null_count:
            return False
        stamps = _integers(rows.column("timestamp"))
        values = rows.column("value").combine_chunks()
        numbers = np.column_stack([_floats(values.field(name)) for name in VALUE_FIELDS])
        if not _make_sense(stamps, numbers):
            return False
        read = series != UNREAD
        self._points.add_many(series[read], stamps[read], numbers[read])
        return True

    def _split(self, lines: Sequence[bytes]) -> tuple[Integers, list[bytes]]:
        """Series numbers, and what follows the seam of each line."""
        heads, series, tails = self._heads, [], []
        for line in lines:
            head, seam, tail = line.partition(_SEAM)
            number = heads.get(head)
            if number is None:
                if not seam:
                    raise PointError("no timestamp behind the dimensions")
                if len(heads) >= MAX_HEADS:
                    heads.clear()
                number = heads[head] = self._read_series(orjson.loads(head + b"}"))
            series.append(number)
            tails.append(tail)
        return np.array(series, np.int64), tails


def _parsed(text: bytes) -> Any:
    """A table of one chunk; raises pyarrow.ArrowInvalid for a value of another type and for what is no JSON."""
    return arrow_json.read_json(
        pa.BufferReader(text),
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=arrow_json.ParseOptions(explicit_schema=_SCHEMA, unexpected_field_behavior="ignore"),
    )


def _make_sense(stamps: Integers, numbers: Floats) -> bool:
    counts = numbers[:, VALUE_FIELDS.index("count")]
    is_in_range = (stamps >= EARLIEST_MS).all() and (stamps < LATEST_MS).all()
    return bool(np.isfinite(numbers).all() and (counts > 0).all() and is_in_range)


def _integers(column: Any) -> Integers:
    array = column.combine_chunks()
    return np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array)]


def _floats(array: Any) -> Floats:
    """The numbers, NaN where one is missing."""
    values = np.frombuffer(array.buffers()[1], np.float64)[array.offset : array.offset + len(array)]
    return np.full(len(values), np.nan) if array.null_count else values
