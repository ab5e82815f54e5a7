"""Datapoints of CloudWatch metric streams: which are read, what they say, and each of them once per object.

A stream sends a fact under every dimension set that was published; RULES picks one, the same that GetMetricData asks
for. Firehose delivers at least once and in any order: of doubles in one object the one with most samples counts.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.sources.arrow_arrays import floats, instants, integers
from pipeline.sources.cloudwatch_rows import SERIES_TABLE, TABLE, series_rows
from pipeline.sources.cloudwatch_series import DIMENSIONS_OF, NAMESPACE, RULES, series_keys

Integers: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Scope: TypeAlias = tuple[str, str, str]  # account, region, metric

SOURCE: Final = "metric_stream"
PERIOD_MS: Final = 60_000
EARLIEST_MS: Final = 946_684_800_000  # 2000-01-01
LATEST_MS: Final = 4_102_444_800_000  # 2100-01-01
ROWS_PER_BATCH: Final = 100_000
UNREAD: Final = -1
VALUE_FIELDS: Final = ("max", "min", "sum", "count")

# What a stream's value holds under which name, per statistic of GetMetricData; it holds no average.
FIELD_OF_STATISTIC: Final = {
    "Maximum": "max",
    "Minimum": "min",
    "Sum": "sum",
    "SampleCount": "count",
    "Average": "average",
}


class PointError(ValueError):
    """A datapoint that cannot be read; the message is the reason shown in raw_rejects."""


def check(stamps_ms: Sequence[int], counts: Sequence[float]) -> None:
    """Raise PointError where a time is none of this century, or a number of samples is not positive."""
    for stamp in (min(stamps_ms), max(stamps_ms)):
        if not EARLIEST_MS <= stamp < LATEST_MS:
            raise PointError(f"timestamp {stamp} is no epoch millisecond of this century")
    if min(counts) <= 0:
        raise PointError(f"a value of {min(counts):g} samples")


@dataclass
class Points:
    """The datapoints of one object: 48 bytes each, and one entry per series."""

    _numbers: dict[Scope, dict[tuple[str, ...], int]] = field(default_factory=dict)  # by what the dimensions say
    _count: int = 0
    _series: array[int] = field(default_factory=lambda: array("q"))
    _stamps_ms: array[int] = field(default_factory=lambda: array("q"))
    _values: dict[str, array[float]] = field(default_factory=lambda: {name: array("d") for name in VALUE_FIELDS})

    def series(self, namespace: str, metric_name: str, account_id: str, region: str, values: tuple[str, ...]) -> int:
        """Number of a series whose dimensions, those of its rule, have these values; UNREAD in another namespace."""
        if namespace != NAMESPACE:
            return UNREAD
        numbers = self._numbers.setdefault((account_id, region, metric_name), {})
        number = numbers.setdefault(values, self._count)
        if number == self._count:
            self._count += 1
        return number

    def add(self, series: int, timestamp_ms: int, value: Mapping[str, float]) -> None:
        """Keep one datapoint; UNREAD is checked alike. Raises PointError where time or numbers make no sense."""
        numbers = {name: [float(value[name])] for name in VALUE_FIELDS}
        if not all(math.isfinite(number) for (number,) in numbers.values()):
            raise PointError("a number of its value is not finite")
        check([timestamp_ms], numbers["count"])
        if series != UNREAD:
            self.add_many([series], [timestamp_ms], numbers)

    def add_many(self, series: list[int], stamps_ms: list[int], values: Mapping[str, list[float]]) -> None:
        """Keep datapoints that were checked; `values` holds a column per VALUE_FIELDS."""
        self._series.fromlist(series)
        self._stamps_ms.fromlist(stamps_ms)
        for name, column in self._values.items():
            column.fromlist(values[name])

    def batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The series, then rows of raw_cloudwatch_samples, each series and minute once, by minute and series."""
        series, starts_ms, values = self._distinct()
        keys = np.empty(self._count, np.int64)
        for (account_id, region, metric_name), numbers in self._numbers.items():
            found = series_keys(account_id, region, metric_name, numbers)
            keys[list(numbers.values())] = found
            dimensions = dict(zip(DIMENSIONS_OF[metric_name], zip(*numbers, strict=True), strict=True))
            yield SERIES_TABLE, series_rows(account_id, region, found, [metric_name] * len(found), dimensions)
        for first in range(0, len(series), ROWS_PER_BATCH):
            part = slice(first, first + ROWS_PER_BATCH)
            rows = {
                "series_key": integers(keys[series[part]]),
                "sample_at": instants(starts_ms[part]),
                "value": floats(values[part]),
            }
            yield TABLE, pa.RecordBatch.from_pydict(rows)

    def _distinct(self) -> tuple[Integers, Integers, Floats]:
        """Series, start of the minute, value: of doubles the one with most samples, then the larger one."""
        if not self._series:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        series, stamps = np.frombuffer(self._series, np.int64), np.frombuffer(self._stamps_ms, np.int64)
        columns = {name: np.frombuffer(column) for name, column in self._values.items()}
        minutes, values = stamps // PERIOD_MS, self._statistics(series, columns)
        places = (minutes - minutes.min()) * self._count + series  # at most 6e7 minutes
        order = np.argsort(places)
        same = np.diff(places[order]) == 0
        if same.any():
            order = np.lexsort((-values, -columns["count"], places))
            order = order[np.append(True, np.diff(places[order]) != 0)]
        return series[order], minutes[order] * PERIOD_MS, values[order]

    def _statistics(self, series: Integers, columns: Mapping[str, Floats]) -> Floats:
        """The number that RULES asks of each datapoint; an average is sum over count."""
        columns = {**columns, "average": columns["sum"] / columns["count"]}
        asked = np.empty(self._count, np.int64)
        for (_, _, metric_name), found in self._numbers.items():
            asked[list(found.values())] = list(columns).index(FIELD_OF_STATISTIC[RULES[metric_name].statistic])
        return np.choose(asked[series], list(columns.values()))
