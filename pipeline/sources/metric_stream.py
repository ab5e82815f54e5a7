"""CloudWatch metric streams as Firehose writes them to S3: format `json` or `opentelemetry1.0`, gzip or not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

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
from pipeline.sources.content import line_blocks, read_chunks
from pipeline.sources.damage import read_head
from pipeline.sources.metric_stream_json import Lines
from pipeline.sources.metric_stream_otlp import add_messages
from pipeline.sources.metric_stream_points import PERIOD_MS, SOURCE, Points

HEAD_BYTES: Final = 4096


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """Datapoints of one object as rows of raw_cloudwatch_samples, each series and minute once, behind their series.

    The stream's timestamp lies in the minute that the datapoint stands for; `sample_at` is that minute's start. JSON:
    a bad line is rejected, other lines stay. OpenTelemetry: a cut or undecodable message refuses the object.
    """
    info = describe(obj, SOURCE, observation_time(obj, options), interval_ms=PERIOD_MS)
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
    lines = Lines(points)

    def reject(bad: Reject) -> None:
        add_reject(delivery.rejects, bad, obj.name)

    for block in line_blocks(read_chunks(obj), reject):
        lines.add(block, reject)
    yield from points.batches()
