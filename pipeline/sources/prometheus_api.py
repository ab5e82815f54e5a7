"""Range queries of DCGM and Neuron metrics, one delivery per hour asked.

One client for Prometheus, Amazon Managed Prometheus and CloudWatch PromQL: they differ in signing, limits and scales.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import pyarrow as pa

from pipeline.prometheus_endpoints import PrometheusEndpoint
from pipeline.sources.base import DeliveryInfo, ParsedDelivery, Reject, Seeds, add_reject
from pipeline.sources.bulk_rows import BulkRows
from pipeline.sources.dcgm_rows import DcgmRows, columns_by_name
from pipeline.sources.exposition import SampleBlock
from pipeline.sources.exposition_lines import Labels
from pipeline.sources.exposition_scrapes import Rows
from pipeline.sources.neuron_exporter_rows import METRICS, ExporterRows
from pipeline.sources.prometheus_api_call import Asker, Found
from pipeline.sources.prometheus_api_http import Send
from pipeline.sources.prometheus_api_labels import exporter_labels
from pipeline.sources.prometheus_api_split import read_metric
from pipeline.windows import HOUR, Window, floor_hour

SOURCE: Final = "prometheus_api"
STAMP: Final = "%Y%m%dT%H%M%SZ"
# neuroncore_utilization_ratio is a percentage in CloudWatch, under the same name and with unit 1
RATIO_SCALES: Final = {"prometheus": 1.0, "amp": 1.0, "cloudwatch": 100.0}


def window_name(endpoint: str, window: Window) -> str:
    """Object name of the delivery that answers a window."""
    return f"prometheus://{endpoint}/{window.start_at:{STAMP}}/{window.end_at:{STAMP}}"


def asked_window(name: str) -> Window:
    """The window in an object name."""
    start, end = (datetime.strptime(part, STAMP).replace(tzinfo=UTC) for part in name.rsplit("/", 2)[1:])
    return Window(start, end)


def windows_to_ask(endpoint: PrometheusEndpoint, asked: Iterable[Window], now: datetime) -> Iterator[Window]:
    """What of the endpoint's history nobody has asked yet, whole steps, cut at the hours, oldest first."""
    step = timedelta(seconds=endpoint.step_seconds)
    until = now.astimezone(UTC) - timedelta(seconds=endpoint.lag_seconds)
    until = floor_hour(until) + (until - floor_hour(until)) // step * step
    at = floor_hour(until - timedelta(hours=endpoint.history_hours))
    for known in [*sorted(asked), Window(until, until + step)]:
        while at < min(known.start_at, until):
            end = min(floor_hour(at) + HOUR, known.start_at, until)
            yield Window(at, end)
            at = end
        at = max(at, known.end_at)


def fetch(
    endpoint: PrometheusEndpoint,
    send: Send,
    *,
    windows: Iterable[Window],
    seeds: Seeds,
    now: datetime,
    sleep: Callable[[float], None],
) -> Iterator[ParsedDelivery]:
    """One delivery per window, fetched whole before it is handed out; observed at `now`.

    A sample at T is the newest of (T - step, T]. Raises SourceError where a window cannot be had completely.
    """
    for window in windows:
        yield _delivery(endpoint, Asker(endpoint, send, sleep), window, seeds, now)


def _delivery(
    endpoint: PrometheusEndpoint, asker: Asker, window: Window, seeds: Seeds, now: datetime
) -> ParsedDelivery:
    rejects: list[Reject] = []
    name = window_name(endpoint.name, window)
    digest = hashlib.sha256()

    def reject(one: Reject) -> None:
        add_reject(rejects, one, name)

    asked: list[tuple[Rows, Iterable[str]]] = []
    cadence_ms = endpoint.step_seconds * 1000
    if endpoint.ask != "neuron":
        columns = columns_by_name(seeds)
        asked.append((DcgmRows(columns, cadence_ms, reject, open_rows=BulkRows), sorted(columns)))
    if endpoint.ask != "dcgm":
        asked.append((ExporterRows(cadence_ms, RATIO_SCALES[endpoint.kind], open_rows=BulkRows), METRICS))
    batches: list[tuple[str, pa.RecordBatch]] = []
    for rows, metrics in asked:
        series = _Series(rows, endpoint.kind)
        for metric in metrics:
            found = read_metric(asker, metric, int(window.start_at.timestamp()), int(window.end_at.timestamp()))
            series.add(
                metric, sorted(found, key=lambda one: (one.labels, one.milliseconds[:1].tolist())), digest.update
            )
        batches += rows.close_all()
    at = now.astimezone(UTC)
    byte_count = sum(batch.nbytes for _, batch in batches)
    info = DeliveryInfo(SOURCE, name, digest.hexdigest(), at, False, at, cadence_ms, byte_count)
    return ParsedDelivery(info, iter(batches), rejects)


class _Series:
    """Series put into rows the way exposition text is: distinct label sets by number, samples as blocks."""

    def __init__(self, rows: Rows, kind: str) -> None:
        self._rows, self._kind = rows, kind
        self._names: list[str] = []
        self._numbers: dict[Labels, int] = {}
        self._line = 1

    def add(self, metric: str, found: list[Found], digest: Callable[[bytes], None]) -> None:
        """Add the series of one metric, and tell `digest` what they hold."""
        self._names.append(metric)
        for one in found:
            digest(repr((metric, one.labels)).encode() + one.milliseconds.tobytes() + one.values.tobytes())
        if not (count := sum(len(one.values) for one in found)):
            return
        numbers = [self._number(exporter_labels(one.labels, self._kind)) for one in found]
        instants = np.concatenate([one.milliseconds for one in found])
        block = SampleBlock(
            lines=np.arange(self._line, self._line + count),
            names=np.full(count, len(self._names) - 1),
            label_sets=np.repeat(np.array(numbers), [len(one.values) for one in found]),
            values=np.concatenate([one.values for one in found]),
            timestamps=instants.astype(np.float64),
            scrapes=np.zeros(count, np.int64),
        )
        self._line += count
        self._rows.take(block, instants, self._names)

    def _number(self, labels: Labels) -> int:
        if labels not in self._numbers:
            self._numbers[labels] = len(self._numbers)
            self._rows.meet_labels(labels)
        return self._numbers[labels]
