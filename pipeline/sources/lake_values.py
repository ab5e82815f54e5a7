"""What a cell of a dump says: an instant in ms, or a number; what it cannot say is told apart from what is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.sources.lake_mapping import Time
from pipeline.sources.lake_table import as_texts

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

MS_PER_UNIT: Final = {"s": 1000.0, "ms": 1.0, "us": 0.001, "ns": 0.000001}
NO_INSTANT: Final = -1
MAX_MS: Final = 1e14


def instants_of(column: pa.Array, time: Time) -> Integers:
    """Epoch milliseconds of every cell; -1 where it is no time."""
    if pa.types.is_timestamp(column.type):
        return _of_timestamps(column, time.zone)
    moment = _reader(time)
    return np.array([moment(text) for text in as_texts(column)], np.int64)


def _of_timestamps(column: pa.Array, zone: str) -> Integers:
    if column.type.tz is None:
        column = pc.assume_timezone(column, zone, ambiguous="earliest", nonexistent="earliest")
    milliseconds = pc.cast(column, pa.timestamp("ms", "UTC"), safe=False)
    return np.asarray(pc.fill_null(pc.cast(milliseconds, pa.int64()), NO_INSTANT).to_numpy(zero_copy_only=False))


def _reader(time: Time) -> Callable[[str], int]:
    """How one text is read; a text met again costs a look-up."""
    if time.format in MS_PER_UNIT:
        return lru_cache(maxsize=65_536)(lambda text: _of_number(text, MS_PER_UNIT[time.format]))
    zone, pattern = ZoneInfo(time.zone), "" if time.format == "iso" else time.format
    return lru_cache(maxsize=65_536)(lambda text: _of_text(text.strip(), pattern, zone))


def _of_number(text: str, factor: float) -> int:
    try:
        milliseconds = float(text) * factor
    except ValueError:
        return NO_INSTANT
    return round(milliseconds) if 0 <= milliseconds < MAX_MS else NO_INSTANT


def _of_text(text: str, pattern: str, zone: ZoneInfo) -> int:
    try:
        # a pattern may read an offset; without one the zone of the mapping holds
        moment = datetime.strptime(text, pattern) if pattern else datetime.fromisoformat(text)  # noqa: DTZ007
        return round((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return NO_INSTANT


def numbers_of(column: pa.Array, missing: Sequence[str]) -> tuple[Floats, dict[int, str]]:
    """(values, NaN where missing; position → text of the cells that are no number)."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        plain = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
        return np.where(np.isfinite(plain), plain, np.nan), {}
    values, wrong = np.full(len(column), np.nan), {}
    for position, text in enumerate(as_texts(column)):
        if text in missing:
            continue
        try:
            value = float(text) if "_" not in text else math.nan
        except ValueError:
            value = math.nan
        values[position] = value if math.isfinite(value) else math.nan
        if math.isnan(values[position]):
            wrong[position] = text
    return values, wrong
