"""Datapoints of CloudWatch series as deliveries: one per hour of the clock, whose content hash tells what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa

from pipeline.sources.arrow_arrays import floats, instants, integers, repeated, texts
from pipeline.sources.base import DeliveryInfo, ParsedDelivery
from pipeline.sources.cloudwatch_answers import Pull
from pipeline.sources.cloudwatch_points import Integers, Points, Slice
from pipeline.sources.cloudwatch_series import COLUMN_OF_DIMENSION, NAMESPACE, RULES, Named

SOURCE = "cloudwatch"
TABLE = "raw_cloudwatch_samples"
SERIES_TABLE = "raw_cloudwatch_series"
SERIES_PER_PART = 4096
HOUR, DAY = 3600, 86_400


class Part:
    """Some series of one scope, few enough for their points to be held in memory, in the order of their keys.

    A series stays in its part while the fleet keeps its size, so that the same points make the same delivery.
    """

    def __init__(self, name: str, members: Sequence[Named]) -> None:
        """`name` is like `node-1of16`."""
        ordered = sorted(members)
        self.name = name
        self.keys = np.array([key for key, _ in ordered], np.int64)
        self.series = [series for _, series in ordered]


def parts(asked: Sequence[Named]) -> Iterator[Part]:
    """Series divided by scope, and within a scope by their keys."""
    scopes = {name: rule.scope for name, rule in RULES.items()}
    by_scope: dict[str, list[Named]] = {}
    for named in asked:
        by_scope.setdefault(scopes[named.series.metric_name], []).append(named)
    for scope, members in sorted(by_scope.items()):
        count = 1
        while count * SERIES_PER_PART < len(members):
            count *= 2
        groups: list[list[Named]] = [[] for _ in range(count)]
        for named in members:
            groups[named.key % count].append(named)
        for number, group in enumerate(groups, start=1):
            if group:
                yield Part(f"{scope}-{number}of{count}", group)


def deliveries(part: Part, pull: Pull, points: Points, now: datetime) -> Iterator[ParsedDelivery]:
    """One delivery per hour of the clock (per day where periods are longer than a minute) that holds a point."""
    step = (HOUR if pull.period_seconds < HOUR // 12 else DAY) // pull.period_seconds
    first = -(pull.start // pull.period_seconds) % step
    edges = [0, *range(first or step, pull.points_per_series, step), pull.points_per_series]
    for low, high in pairwise(edges):
        found = points.cut(low, high)
        if len(found.rows):
            yield _delivery(part, pull, (low, high), found, now)


def catalogue_rows(account_id: str, region: str, found: Sequence[Named]) -> pa.RecordBatch:
    """Rows of raw_cloudwatch_series for series of one place."""
    told = [dict(series.dimensions) for _, series in found]
    dimensions = {name: [each.get(name, "") for each in told] for name in COLUMN_OF_DIMENSION}
    keys = np.array([key for key, _ in found], np.int64)
    return series_rows(account_id, region, keys, [series.metric_name for _, series in found], dimensions)


def series_rows(
    account_id: str, region: str, keys: Integers, metric_names: Sequence[str], dimensions: Mapping[str, Sequence[str]]
) -> pa.RecordBatch:
    """The same from columns; a dimension that is not named is '' for all of them."""
    count = len(keys)
    columns = {
        "series_key": integers(keys),
        "account_id": repeated(account_id, count),
        "region": repeated(region, count),
        "metric_namespace": repeated(NAMESPACE, count),
        "metric_name": texts(metric_names),
        "statistic": texts([RULES[name].statistic for name in metric_names]),
    }
    unnamed = repeated("", count)
    for name, column in COLUMN_OF_DIMENSION.items():
        columns[column] = texts(dimensions[name]) if name in dimensions else unnamed
    return pa.RecordBatch.from_pydict(columns)


def _delivery(part: Part, pull: Pull, edges: tuple[int, int], found: Slice, now: datetime) -> ParsedDelivery:
    start, end = (pull.start + edge * pull.period_seconds for edge in edges)
    moments = (f"{datetime.fromtimestamp(moment, UTC):%Y%m%dT%H%M}" for moment in (start, end))
    name = "/".join((f"cloudwatch://{pull.account_id}/{pull.region}/{part.name}", *moments))
    digest = hashlib.sha256(repr((pull.period_seconds, start)).encode())
    digest.update(part.keys[found.rows].astype("<i8").tobytes())
    digest.update(found.counts.astype("<i4").tobytes())
    digest.update((found.periods - edges[0]).astype("<i4").tobytes())
    digest.update(found.text)
    info = DeliveryInfo(
        source=SOURCE,
        object=name,
        content_sha256=digest.hexdigest(),
        observed_at=now.astimezone(UTC),
        time_guessed=False,
        delivered_at=now.astimezone(UTC),
        interval_ms=pull.period_seconds * 1000,
        byte_count=len(found.text),
    )
    return ParsedDelivery(info, _batches(part, pull, found))


def _batches(part: Part, pull: Pull, found: Slice) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Rows by series, then time; a value that is no number is no point."""
    values = found.values
    is_point = ~np.isnan(values)
    columns = {
        "series_key": integers(np.repeat(part.keys[found.rows], found.counts)[is_point]),
        "sample_at": instants((pull.start + found.periods[is_point] * np.int64(pull.period_seconds)) * 1000),
        "value": floats(values[is_point]),
    }
    yield TABLE, pa.RecordBatch.from_pydict(columns)
