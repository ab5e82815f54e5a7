"""Datapoints of CloudWatch metric streams: which are read, what they say, and each of them once per object.

A stream sends a fact under every dimension set that was published; RULES picks one, the same that GetMetricData asks
for. Firehose delivers at least once and in any order: of doubles in one object the one with most samples counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.sources.arrow_arrays import floats, instants, integers
from pipeline.sources.cloudwatch_rows import SERIES_TABLE, TABLE, catalogue_rows
from pipeline.sources.cloudwatch_series import NAMESPACE, RULES, Series, name_series

Integers: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

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


@dataclass
class Points:
    """The datapoints of one object: 48 bytes each, and one entry per series."""

    _numbers: dict[tuple[str, str, Series], int] = field(default_factory=dict)  # by account, region and series
    _parts: list[tuple[Integers, Integers, Floats]] = field(default_factory=list)
    _single: list[tuple[int, int, list[float]]] = field(default_factory=list)

    def series(
        self, namespace: str, metric_name: str, account_id: str, region: str, dimensions: Mapping[str, str]
    ) -> int:
        """Number of a series; UNREAD for one that RULES does not read under exactly these dimensions."""
        rule = RULES.get(metric_name)
        if rule is None or namespace != NAMESPACE or rule.dimension_names != dimensions.keys():
            return UNREAD
        named = (account_id, region, Series(metric_name, tuple(sorted(dimensions.items()))))
        return self._numbers.setdefault(named, len(self._numbers))

    def add(self, series: int, timestamp_ms: int, value: Mapping[str, float]) -> None:
        """Keep one datapoint; UNREAD is checked alike. Raises PointError where time or numbers make no sense."""
        numbers = [float(value[name]) for name in VALUE_FIELDS]
        if not all(map(math.isfinite, numbers)):
            raise PointError("a number of its value is not finite")
        if value["count"] <= 0:
            raise PointError(f"a value of {value['count']:g} samples")
        if not EARLIEST_MS <= timestamp_ms < LATEST_MS:
            raise PointError(f"timestamp {timestamp_ms} is no epoch millisecond of this century")
        if series != UNREAD:
            self._single.append((series, timestamp_ms, numbers))

    def add_many(self, series: Integers, timestamps_ms: Integers, numbers: Floats) -> None:
        """Keep datapoints given as parallel arrays (`numbers`: a column per VALUE_FIELDS) that were checked."""
        self._parts.append((series, timestamps_ms, numbers))

    def batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The series, then rows of raw_cloudwatch_samples, each series and minute once, by minute and series."""
        series, starts_ms, values = self._distinct()
        keys = np.empty(len(self._numbers), np.int64)
        for (account_id, region), found in self._places().items():
            named = list(name_series(account_id, region, found))
            keys[list(found.values())] = [key for key, _ in named]
            yield SERIES_TABLE, catalogue_rows(account_id, region, named)
        for first in range(0, len(series), ROWS_PER_BATCH):
            part = slice(first, first + ROWS_PER_BATCH)
            rows = {
                "series_key": integers(keys[series[part]]),
                "sample_at": instants(starts_ms[part]),
                "value": floats(values[part]),
            }
            yield TABLE, pa.RecordBatch.from_pydict(rows)

    def _places(self) -> dict[tuple[str, str], dict[Series, int]]:
        """The series of each account and region, with their numbers."""
        places: dict[tuple[str, str], dict[Series, int]] = {}
        for (account_id, region, series), number in self._numbers.items():
            places.setdefault((account_id, region), {})[series] = number
        return places

    def _distinct(self) -> tuple[Integers, Integers, Floats]:
        """Series, start of the minute, value: of doubles the one with most samples, then the larger one."""
        parts = list(self._parts)
        if self._single:
            single = zip(*self._single, strict=True)
            parts.append((np.array(next(single)), np.array(next(single)), np.array(next(single))))
        if not parts:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        series, stamps, numbers = (np.concatenate(column) for column in zip(*parts, strict=True))
        starts, counts = stamps - stamps % PERIOD_MS, numbers[:, VALUE_FIELDS.index("count")]
        values = self._statistics(series, numbers)
        order = np.lexsort((-values, -counts, series, starts))
        series, starts, values = series[order], starts[order], values[order]
        is_first = np.ones(len(order), bool)
        is_first[1:] = (np.diff(series) != 0) | (np.diff(starts) != 0)
        return series[is_first], starts[is_first], values[is_first]

    def _statistics(self, series: Integers, numbers: Floats) -> Floats:
        """The number that RULES asks of each datapoint; an average is sum over count."""
        columns = dict(zip(VALUE_FIELDS, numbers.T, strict=True))
        columns["average"] = columns["sum"] / columns["count"]
        fields = [FIELD_OF_STATISTIC[named.statistic] for _, _, named in self._numbers]
        asked = np.array([list(columns).index(name) for name in fields], np.int64)[series]
        return np.choose(asked, list(columns.values()))
