"""A CloudWatch metric stream of the world as Firehose writes it to S3: `json` or `opentelemetry1.0`.

Every metric comes under each of its dimension sets, one datapoint a minute, two to three minutes after the minute; one
in a hundred comes one to two hours late, one in two hundred comes twice. Objects lie in the folder of their hour of
arrival, and their datapoints in no order.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.world.options import SECONDS_PER_HOUR, SECONDS_PER_MINUTE, instant
from pipeline.world.seeds import array_stream, uuid_text
from pipeline.world.serve_published import NAMESPACE, Published
from pipeline.world.writer import GZIP_LEVEL

STREAM = "fleet"
SLOT_SECONDS = 300
LATE_SHARE, TWICE_SHARE = 1 / 100, 1 / 200
PER_MESSAGE = 200
NANOSECONDS = 1_000_000_000


class Datapoint(NamedTuple):
    """One minute of one metric; `minute` is its start in epoch seconds."""

    metric: Published
    minute: int
    maximum: float
    minimum: float
    total: float
    samples: int


Encoder = Callable[[Sequence[Datapoint]], bytes]


def stream_files(
    published: Sequence[Published], start: int, end: int, seed: int, encode: Encoder
) -> Iterator[tuple[str, bytes]]:
    """(name, gzip bytes) of the objects that carry the minutes of [start, end), in the order of their arrival."""
    waiting: dict[int, list[Datapoint]] = defaultdict(list)
    for hour in range(start, end, SECONDS_PER_HOUR):
        until = min(hour + SECONDS_PER_HOUR, end)
        _send(published, hour, until, seed, waiting)
        for slot in sorted(slot for slot in waiting if slot < until or until == end):
            points = waiting.pop(slot)
            order = array_stream(seed, "stream", "order", slot).permutation(len(points)).tolist()
            yield _name(slot, seed), gzip.compress(encode([points[i] for i in order]), GZIP_LEVEL, mtime=0)


def _send(published: Sequence[Published], start: int, end: int, seed: int, waiting: dict[int, list[Datapoint]]) -> None:
    """Put the datapoints of [start, end) into the slots in which Firehose writes them."""
    for number, metric in enumerate(published):
        points = _datapoints(metric, start, end)
        draws = array_stream(seed, "stream", "arrival", number, start).random((len(points), 3))
        for point, (late, twice, delay) in zip(points, draws.tolist(), strict=True):
            after = 120 + 60 * delay + (SECONDS_PER_HOUR * (1 + delay) if late < LATE_SHARE else 0)
            slot = int(point.minute + SECONDS_PER_MINUTE + after) // SLOT_SECONDS * SLOT_SECONDS
            waiting[slot].append(point)
            if twice < TWICE_SHARE:
                waiting[slot + (SLOT_SECONDS if delay < 0.5 else 0)].append(point)


def _datapoints(metric: Published, start: int, end: int) -> list[Datapoint]:
    rows = metric.minutes(start, end)
    counts = (~np.isnan(rows)).sum(axis=0)
    found = []
    for at in np.flatnonzero(counts).tolist():
        column = rows[:, at][~np.isnan(rows[:, at])]
        minute = start + SECONDS_PER_MINUTE * at
        numbers = (float(column.max()), float(column.min()), float(column.sum()), int(counts[at]))
        found.append(Datapoint(metric, minute, *numbers))
    return found


def _name(slot: int, seed: int) -> str:
    at = instant(slot + SLOT_SECONDS)
    return f"{at:%Y/%m/%d/%H}/{STREAM}-1-{at:%Y-%m-%d-%H-%M-%S}-{uuid_text(seed, 'stream', slot)}.gz"


def as_json(points: Sequence[Datapoint]) -> bytes:
    """One object a line, in the layout of the format `json`."""
    return "".join(_line(point) for point in points).encode()


def _line(point: Datapoint) -> str:
    metric = point.metric
    numbers = {"max": point.maximum, "min": point.minimum, "sum": point.total, "count": float(point.samples)}
    datapoint = {
        "metric_stream_name": STREAM,
        "account_id": metric.account_id,
        "region": metric.region,
        "namespace": NAMESPACE,
        "metric_name": metric.name,
        "dimensions": dict(metric.dimensions),
        "timestamp": point.minute * 1000,
        "value": numbers,
        "unit": metric.unit,
    }
    return json.dumps(datapoint, separators=(",", ":")) + "\n"


def as_otlp(points: Sequence[Datapoint]) -> bytes:
    """ExportMetricsServiceRequest messages of up to 200 datapoints, each behind its length as a varint."""
    messages = []
    for first in range(0, len(points), PER_MESSAGE):
        message = _request(points[first : first + PER_MESSAGE])
        messages.append(_varint(len(message)) + message)
    return b"".join(messages)


def _request(points: Sequence[Datapoint]) -> bytes:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    request = ExportMetricsServiceRequest()
    places: dict[tuple[str, str], list[Datapoint]] = defaultdict(list)
    for point in points:
        places[(point.metric.account_id, point.metric.region)].append(point)
    for (account_id, region), of_place in places.items():
        resource = request.resource_metrics.add()
        arn = f"arn:aws:cloudwatch:{region}:{account_id}:metric-stream/{STREAM}"
        about = {"cloud.provider": "aws", "cloud.account.id": account_id, "cloud.region": region}
        for key, text in (about | {"aws.exporter.arn": arn}).items():
            resource.resource.attributes.add(key=key).value.string_value = text
        scope = resource.scope_metrics.add()
        for point in of_place:
            metric = scope.metrics.add(name=f"amazonaws.com/{NAMESPACE}/{point.metric.name}", unit="{Count}")
            _fill(metric.summary.data_points.add(), point)
    message: bytes = request.SerializeToString(deterministic=True)
    return message


def _fill(told: object, point: Datapoint) -> None:
    """Write a SummaryDataPoint: one minute, minimum and maximum as the quantiles 0 and 1."""
    from opentelemetry.proto.metrics.v1.metrics_pb2 import SummaryDataPoint

    assert isinstance(told, SummaryDataPoint)
    told.start_time_unix_nano = point.minute * NANOSECONDS
    told.time_unix_nano = (point.minute + SECONDS_PER_MINUTE) * NANOSECONDS
    told.count, told.sum = point.samples, point.total
    told.quantile_values.add(quantile=0.0, value=point.minimum)
    told.quantile_values.add(quantile=1.0, value=point.maximum)
    told.attributes.add(key="Namespace").value.string_value = NAMESPACE
    told.attributes.add(key="MetricName").value.string_value = point.metric.name
    dimensions = told.attributes.add(key="Dimensions").value.kvlist_value
    for name, value in point.metric.dimensions:
        dimensions.values.add(key=name).value.string_value = value


def _varint(number: int) -> bytes:
    parts = []
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
