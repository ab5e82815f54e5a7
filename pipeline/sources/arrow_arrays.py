"""How numpy arrays become Arrow arrays without a copy, and without pyarrow importing pandas (a second, 60 MB)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

MICROSECONDS = pa.timestamp("us", "UTC")


def integers(values: npt.NDArray[np.int64], kind: Any = None) -> pa.Array:
    """An int64 array, or one of another 8-byte integer type such as a timestamp."""
    return pa.Array.from_buffers(kind or pa.int64(), len(values), [None, _buffer(values.astype(np.int64, copy=False))])


def instants(milliseconds: npt.NDArray[np.int64]) -> pa.Array:
    """UTC timestamps in microseconds."""
    return integers(milliseconds * 1000, MICROSECONDS)


def floats(values: npt.NDArray[np.float64]) -> pa.Array:
    """A float64 array; NaN becomes NULL."""
    valid = np.packbits(~np.isnan(values), bitorder="little")
    return pa.Array.from_buffers(pa.float64(), len(values), [_buffer(valid), _buffer(values)])


def texts(values: Sequence[str]) -> pa.Array:
    """A string array without NULL."""
    joined = "".join(values)
    encoded = joined.encode()
    lengths = map(len, values if len(encoded) == len(joined) else [value.encode() for value in values])
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(np.fromiter(lengths, np.int64, len(values)), out=offsets[1:])
    return pa.Array.from_buffers(pa.string(), len(values), [None, _buffer(offsets), pa.py_buffer(encoded)])


def repeated(value: str, count: int) -> pa.Array:
    """A string array that holds one text `count` times."""
    encoded = value.encode()
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(len(encoded))
    return pa.Array.from_buffers(pa.string(), count, [None, _buffer(offsets), pa.py_buffer(encoded * count)])


def chosen(codes: npt.NDArray[np.int32], choices: Sequence[str]) -> pa.Array:
    """A string array as positions in `choices`: a text that repeats for thousands of rows is held once."""
    indices = pa.Array.from_buffers(pa.int32(), len(codes), [None, _buffer(codes.astype(np.int32, copy=False))])
    return pa.DictionaryArray.from_arrays(indices, texts(choices))


def _buffer(values: npt.NDArray[Any]) -> pa.Buffer:
    return pa.py_buffer(np.ascontiguousarray(values))
