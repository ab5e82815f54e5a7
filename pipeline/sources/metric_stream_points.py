"""Datapoints of CloudWatch metric streams: which are read, what they say, and each of them once per object.

A stream sends a fact under every dimension set that was published; RULES picks one, the same that GetMetricData asks
for. Firehose delivers at least once and in any order: of doubles in one object the one with most samples counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.sources.arrow_arrays import floats, instants, integers, texts
from pipeline.sources.cloudwatch_rows import COLUMN_OF_DIMENSION, TABLE
from pipeline.sources.cloudwatch_series import NAMESPACE, RULES

Integers: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

SOURCE: Final = "metric_stream"
PERIOD_MS: Final = 60_000
EARLIEST_MS: Final = 946_684_800_000  # 2000-01-01
LATEST_MS: Final = 4_102_444_800_000  # 2100-01-01
ROWS_PER_BATCH: Final = 100_000
UNREAD: Final = -1
VALUE_FIELDS: Final = ("max", "min", "sum", "count")
KEY_COLUMNS: Final = ("metric_name", "account_id", "region", *COLUMN_OF_DIMENSION.values())

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

    _numbers: dict[tuple[str, ...], int] = field(default_factory=dict)  # by the values of KEY_COLUMNS
    _parts: list[tuple[Integers, Integers, Floats]] = field(default_factory=list)
    _single: list[tuple[int, int, list[float]]] = field(default_factory=list)

    def series(
        self, namespace: str, metric_name: str, account_id: str, region: str, dimensions: Mapping[str, str]
    ) -> int:
        """Number of a series; UNREAD for one that RULES does not read under exactly these dimensions."""
        rule = RULES.get(metric_name)
        if rule is None or namespace != NAMESPACE or rule.dimension_names != dimensions.keys():
            return UNREAD
        key = (metric_name, account_id, region, *[dimensions.get(name, "") for name in COLUMN_OF_DIMENSION])
        return self._numbers.setdefault(key, len(self._numbers))

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
        """Rows of raw_cloudwatch_samples, each series and minute once, by minute and series."""
        series, starts_ms, values = self._distinct()
        names = {name: texts(column) for name, column in self._texts().items()}
        for first in range(0, len(series), ROWS_PER_BATCH):
            part = slice(first, first + ROWS_PER_BATCH)
            chosen = integers(series[part])
            rows = {"sample_at": instants(starts_ms[part])}
            rows["period_ms"] = integers(np.full(len(chosen), PERIOD_MS))
            rows |= {name: pa.DictionaryArray.from_arrays(chosen, column) for name, column in names.items()}
            rows["value"] = floats(values[part])
            yield TABLE, pa.RecordBatch.from_arrays(list(rows.values()), names=list(rows))

    def _texts(self) -> dict[str, Sequence[str]]:
        """What does not change along a series, by column, in the order of the series' numbers."""
        columns = dict(zip(KEY_COLUMNS, zip(*self._numbers, strict=True), strict=False))
        statistics = [RULES[metric_name].statistic for metric_name, *_ in self._numbers]
        return columns | {"metric_namespace": [NAMESPACE] * len(statistics), "statistic": statistics}

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
        fields = [FIELD_OF_STATISTIC[RULES[metric_name].statistic] for metric_name, *_ in self._numbers]
        asked = np.array([list(columns).index(name) for name in fields], np.int64)[series]
        return np.choose(asked, list(columns.values()))
