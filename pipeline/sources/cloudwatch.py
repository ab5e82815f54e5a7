"""Pulls of CloudWatch Container Insights' Neuron metrics: one delivery per UTC day of the window, as raw rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.errors import SourceError
from pipeline.sources.aws_calls import ApiSpend
from pipeline.sources.base import DeliveryInfo, ParsedDelivery
from pipeline.sources.cloudwatch_answers import Points, Pull, read_points
from pipeline.sources.cloudwatch_series import NAMESPACE, RULES, Series, list_series
from pipeline.windows import Window, split_days

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

SOURCE = "cloudwatch"
TABLE = "raw_cloudwatch_samples"
ROWS_PER_BATCH = 100_000
USD_PER_METRIC_ASKED = Decimal("0.00001")

# StartTime's age and the finest period that CloudWatch still answers; past it a query is silently empty. One hour of
# margin keeps a slow pull from crossing an edge.
RETENTION = ((timedelta(days=15), 60), (timedelta(days=63), 300), (timedelta(days=455), 3600))
RETENTION_MARGIN = timedelta(hours=1)

COLUMN_OF_DIMENSION = {
    "ClusterName": "cluster",
    "InstanceId": "instance_id",
    "InstanceType": "instance_type",
    "NodeName": "node_name",
    "NeuronDevice": "neuron_device",
    "NeuronCore": "neuron_core",
    "GpuDevice": "gpu_device",
    "Namespace": "pod_namespace",
    "PodName": "pod_name",
    "FullPodName": "full_pod_name",
    "ContainerName": "container_name",
}


def new_spend() -> ApiSpend:
    """A counter at GetMetricData's list price: 0.01 USD per 1,000 metrics asked for, however long the window."""
    return ApiSpend(USD_PER_METRIC_ASKED)


def fetch(
    client: CloudWatchClient,
    *,
    window: Window,
    account_id: str,
    region: str,
    now: datetime,
    catalogue: Sequence[Series] | None = None,
    clusters: Sequence[str] | None = None,
    spend: ApiSpend | None = None,
) -> Iterator[ParsedDelivery]:
    """One delivery per UTC day of `window`, observed at `now`; complete periods only, so nothing after `now`.

    `catalogue` is asked as it is, less what RULES does not read; None discovers it (all clusters, or `clusters`).
    ListMetrics forgets a series 14 days after its last point while its data stays 15 months: keep what `list_series`
    found if old windows will be asked. The finest period that the window's age allows is used: 60, 300 or 3600 s.
    Raises SourceError for missing permissions, throttling, answers that stay incomplete, and windows over 455 days old.
    """
    spend = new_spend() if spend is None else spend
    if catalogue is None:
        catalogue = list_series(client, clusters=clusters, spend=spend)
    asked = sorted({series for series in catalogue if series.is_read})
    for day in split_days(window):
        period_seconds = period_for(day.start_at, now)
        if (whole := whole_periods(day, period_seconds, now)) is not None:
            pull = Pull(whole, period_seconds, account_id, region)
            yield _delivery(pull, read_points(client, asked, pull, spend), now)


def period_for(start_at: datetime, now: datetime) -> int:
    """Seconds of the finest period that CloudWatch still holds for data as old as `start_at`."""
    age = now - start_at + RETENTION_MARGIN
    for limit, period_seconds in RETENTION:
        if age <= limit:
            return period_seconds
    raise SourceError(
        f"CloudWatch from {start_at:%Y-%m-%d}: metrics are kept for 455 days; ask for a window after "
        f"{now - RETENTION[-1][0] + RETENTION_MARGIN:%Y-%m-%d}"
    )


def whole_periods(window: Window, period_seconds: int, now: datetime) -> Window | None:
    """The whole periods that touch `window` and ended by `now`, or None where there is none."""
    start = _epoch(window.start_at) // period_seconds * period_seconds
    end = -(-_epoch(window.end_at) // period_seconds) * period_seconds
    end = min(end, _epoch(now) // period_seconds * period_seconds)
    return Window(_moment(start), _moment(end)) if start < end else None


def _delivery(pull: Pull, found: Sequence[tuple[Series, Points]], now: datetime) -> ParsedDelivery:
    digest = hashlib.sha256()
    byte_count = 0
    for series, points in found:
        head = repr((pull.account_id, pull.region, pull.period_seconds, series.metric_name, series.dimensions))
        for part in (head.encode(), points.start_ms.astype("<i8").tobytes(), points.values.astype("<f8").tobytes()):
            digest.update(part)
            byte_count += len(part)
    info = DeliveryInfo(
        source=SOURCE,
        object=pull.name,
        content_sha256=digest.hexdigest(),
        observed_at=now.astimezone(UTC),
        time_guessed=False,
        delivered_at=now.astimezone(UTC),
        byte_count=byte_count,
    )
    return ParsedDelivery(info, _batches(pull, found))


def _batches(pull: Pull, found: Sequence[tuple[Series, Points]]) -> Iterator[tuple[str, pa.RecordBatch]]:
    batch: list[tuple[Series, Points]] = []
    rows = 0
    for series, points in found:
        batch.append((series, points))
        rows += len(points.values)
        if rows >= ROWS_PER_BATCH:
            yield TABLE, _record_batch(pull, batch)
            batch, rows = [], 0
    if batch:
        yield TABLE, _record_batch(pull, batch)


def _record_batch(pull: Pull, found: Sequence[tuple[Series, Points]]) -> pa.RecordBatch:
    """Rows in catalogue order, then time; dimensions that a metric lacks are ''."""
    start_ms = np.concatenate([points.start_ms for _, points in found])
    repeats = np.repeat(np.arange(len(found)), [len(points.values) for _, points in found])
    columns: dict[str, pa.Array] = {
        "sample_at": pa.array(start_ms * 1000, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
        "period_ms": pa.array(np.full(len(start_ms), pull.period_seconds * 1000, np.int64)),
    }
    texts = {
        "account_id": [pull.account_id] * len(found),
        "region": [pull.region] * len(found),
        "metric_namespace": [NAMESPACE] * len(found),
        "metric_name": [series.metric_name for series, _ in found],
        "statistic": [RULES[series.metric_name].statistic for series, _ in found],
    }
    dimensions = [dict(series.dimensions) for series, _ in found]
    texts |= {column: [d.get(name, "") for d in dimensions] for name, column in COLUMN_OF_DIMENSION.items()}
    columns |= {name: pa.array(values, pa.string()).take(pa.array(repeats)) for name, values in texts.items()}
    columns["value"] = pa.array(np.concatenate([points.values for _, points in found]))
    return pa.RecordBatch.from_pydict(columns)


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def _moment(epoch_seconds: int) -> datetime:
    return datetime.fromtimestamp(epoch_seconds, UTC)
