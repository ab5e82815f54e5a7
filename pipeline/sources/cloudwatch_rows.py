"""Datapoints of CloudWatch series as deliveries: one per hour of the clock, whose content hash tells what is new."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from zlib import crc32

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.sources.arrow_arrays import chosen, floats, instants, integers
from pipeline.sources.base import DeliveryInfo, ParsedDelivery
from pipeline.sources.cloudwatch_answers import Pull
from pipeline.sources.cloudwatch_series import NAMESPACE, RULES, Series

SOURCE = "cloudwatch"
TABLE = "raw_cloudwatch_samples"
ROWS_PER_BATCH = 250_000
SERIES_PER_PART = 4096
HOUR, DAY = 3600, 86_400

COLUMN_OF_DIMENSION = {
    "ClusterName": "cluster",
    "InstanceId": "instance_id",
    "InstanceType": "instance_type",
    "NodeName": "node_name",
    "NeuronDevice": "neuron_device",
    "NeuronCore": "neuron_core",
    "GpuDevice": "gpu_device",
    "NetworkInterfaceId": "network_interface_id",
    "Namespace": "pod_namespace",
    "PodName": "pod_name",
    "FullPodName": "full_pod_name",
    "ContainerName": "container_name",
}


class Part:
    """Some series of one scope, few enough for their points to be held in memory.

    A series stays in its part while the fleet keeps its size, so that the same points make the same delivery.
    """

    def __init__(self, name: str, series: Sequence[Series]) -> None:
        """`name` is like `node-1of16`; `series` sorted."""
        self.name = name
        self.series = series

    @cached_property
    def keys(self) -> list[bytes]:
        """What names each series in a content hash."""
        return [hashlib.blake2b(repr(tuple(series)).encode(), digest_size=16).digest() for series in self.series]

    @cached_property
    def texts(self) -> dict[str, tuple[NDArray[np.int32], list[str]]]:
        """Text columns: per series its position among the column's distinct texts, and those texts."""
        dimensions = [dict(series.dimensions) for series in self.series]
        columns = {column: [d.get(name, "") for d in dimensions] for name, column in COLUMN_OF_DIMENSION.items()}
        columns["metric_name"] = [series.metric_name for series in self.series]
        columns["statistic"] = [RULES[series.metric_name].statistic for series in self.series]
        return {name: _coded(values) for name, values in columns.items()}


def parts(asked: Sequence[Series]) -> Iterator[Part]:
    """`asked` (sorted) divided by scope, and within a scope by a hash of the dimensions."""
    by_scope: dict[str, list[Series]] = {}
    for series in asked:
        by_scope.setdefault(RULES[series.metric_name].scope, []).append(series)
    for scope, members in sorted(by_scope.items()):
        count = 1
        while count * SERIES_PER_PART < len(members):
            count *= 2
        groups: list[list[Series]] = [[] for _ in range(count)]
        for series in members:
            groups[crc32(repr(series.dimensions).encode()) % count].append(series)
        for number, group in enumerate(groups, start=1):
            if group:
                yield Part(f"{scope}-{number}of{count}", group)


def deliveries(part: Part, pull: Pull, values: NDArray[np.float64], now: datetime) -> Iterator[ParsedDelivery]:
    """One delivery per hour of the clock (per day where periods are longer than a minute) that holds a point."""
    step = (HOUR if pull.period_seconds < HOUR // 12 else DAY) // pull.period_seconds
    first = -(pull.start // pull.period_seconds) % step
    edges = [0, *range(first or step, values.shape[1], step), values.shape[1]]
    for low, high in pairwise(edges):
        points = values[:, low:high]
        rows = np.flatnonzero(~np.isnan(points).all(axis=1))
        if len(rows):
            start = pull.start + low * pull.period_seconds
            yield _delivery(part, pull, (rows, points[rows], start), now)


def _delivery(
    part: Part, pull: Pull, found: tuple[NDArray[np.int64], NDArray[np.float64], int], now: datetime
) -> ParsedDelivery:
    rows, points, start = found
    end = start + points.shape[1] * pull.period_seconds
    moments = (f"{datetime.fromtimestamp(moment, UTC):%Y%m%dT%H%M}" for moment in (start, end))
    name = "/".join((f"cloudwatch://{pull.account_id}/{pull.region}/{part.name}", *moments))
    digest = hashlib.sha256(repr((pull.account_id, pull.region, pull.period_seconds, start)).encode())
    digest.update(b"".join(part.keys[row] for row in rows.tolist()))
    digest.update(points.astype("<f8").tobytes())
    info = DeliveryInfo(
        source=SOURCE,
        object=name,
        content_sha256=digest.hexdigest(),
        observed_at=now.astimezone(UTC),
        time_guessed=False,
        delivered_at=now.astimezone(UTC),
        byte_count=points.nbytes,
    )
    return ParsedDelivery(info, _batches(part, pull, found))


def _batches(
    part: Part, pull: Pull, found: tuple[NDArray[np.int64], NDArray[np.float64], int]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    rows, points, start = found
    at_once = max(1, ROWS_PER_BATCH // points.shape[1])
    for first in range(0, len(rows), at_once):
        batch = rows[first : first + at_once], points[first : first + at_once], start
        yield TABLE, _record_batch(part, pull, batch)


def _record_batch(part: Part, pull: Pull, found: tuple[NDArray[np.int64], NDArray[np.float64], int]) -> pa.RecordBatch:
    """Rows by series, then time; dimensions that a metric lacks are ''."""
    rows, points, start = found
    row, column = np.nonzero(~np.isnan(points))
    series = rows[row]
    columns: dict[str, pa.Array] = {
        "sample_at": instants((start + column * pull.period_seconds) * 1000),
        "period_ms": integers(np.full(len(row), pull.period_seconds * 1000, np.int64)),
    }
    same = np.zeros(len(row), np.int32)
    fixed = {"account_id": pull.account_id, "region": pull.region, "metric_namespace": NAMESPACE}
    columns |= {name: chosen(same, [text]) for name, text in fixed.items()}
    columns |= {name: chosen(codes[series], choices) for name, (codes, choices) in part.texts.items()}
    columns["value"] = floats(points[row, column])
    return pa.RecordBatch.from_pydict(columns)


def _coded(values: Sequence[str]) -> tuple[NDArray[np.int32], list[str]]:
    """Positions among the distinct texts, and those texts."""
    places = {text: place for place, text in enumerate(dict.fromkeys(values))}
    return np.fromiter((places[value] for value in values), np.int32, len(values)), list(places)
