"""Metric streams in format opentelemetry1.0: ExportMetricsServiceRequest messages, each behind its varint length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import ParsedDelivery, Reject, SourceObject, add_reject
from pipeline.sources.cloudwatch_series import DIMENSION_VALUES
from pipeline.sources.content import read_chunks
from pipeline.sources.damage import DELIVER_AGAIN
from pipeline.sources.metric_stream_points import UNREAD, VALUE_FIELDS, PointError, Points

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics, SummaryDataPoint

MAX_MESSAGE_BYTES: Final = 16 << 20
MAX_VARINT_BYTES: Final = 5
NANOSECONDS: Final = 1_000_000
OLD_LABELS_FIELD: Final = 1  # StringKeyValue labels of 0.7, reserved since 0.9
OLD_FORMAT_ADVICE: Final = "set the stream's output format to opentelemetry1.0 or json"
EXTREMES: Final = {0.0: "min", 1.0: "max"}


def looks_framed(head: bytes) -> bool:
    """Whether bytes begin with a varint length and a message whose first field is resource_metrics."""
    size, used = _varint(head)
    return bool(used) and 0 < size <= MAX_MESSAGE_BYTES and head[used : used + 1] == b"\x0a"


def add_messages(obj: SourceObject, points: Points, delivery: ParsedDelivery) -> None:
    """Add the datapoints of an object that RULES reads.

    A datapoint without sense is rejected under the number of its message. A cut or undecodable message, and the format
    of OpenTelemetry 0.7, refuse the object: where one length is wrong, no later boundary can be trusted.
    """
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    for number, message in enumerate(frames(obj.name, read_chunks(obj)), 1):
        request = ExportMetricsServiceRequest()
        try:
            request.ParseFromString(message)
        except DecodeError as error:
            reason = f"message {number} is no ExportMetricsServiceRequest"
            raise RefusedDelivery(obj.name, reason, DELIVER_AGAIN) from error
        _refuse_old_format(obj.name, number, request.resource_metrics)
        for resource in request.resource_metrics:
            for reason, text in _add_resource(resource, points):
                add_reject(delivery.rejects, Reject.of(number, reason, text), obj.name)


def frames(name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The messages of an object, whole. Raises RefusedDelivery for a length that cannot be, and for a cut message."""
    kept, place = b"", 0
    for chunk in chunks:
        kept += chunk
        start = 0
        while (end := _frame_end(name, kept, start, place)) is not None:
            size, used = _varint(kept[start : start + MAX_VARINT_BYTES])
            yield kept[end - size : end]
            start, place = end, place + used + size
        kept = kept[start:]
    if kept:
        size, used = _varint(kept[:MAX_VARINT_BYTES])
        told = f"a message of {size:,} bytes" if used else "a length"
        raise RefusedDelivery(name, f"cut: {told} begins at byte {place:,} and {len(kept):,} are left", DELIVER_AGAIN)


def _frame_end(name: str, text: bytes, start: int, place: int) -> int | None:
    """Where the frame at `start` ends; None while it is not whole."""
    size, used = _varint(text[start : start + MAX_VARINT_BYTES])
    if size > MAX_MESSAGE_BYTES or (not used and len(text) - start >= MAX_VARINT_BYTES):
        told = f"{size:,} bytes" if used else "more than 32 bits"
        raise RefusedDelivery(
            name, f"damaged: byte {place:,} announces a message of {told}", "deliver it again; nothing of it was kept"
        )
    return start + used + size if used and start + used + size <= len(text) else None


def _varint(text: bytes) -> tuple[int, int]:
    """An unsigned varint of at most five bytes and the bytes it takes; (0, 0) where it does not end."""
    value = 0
    for position, byte in enumerate(text[:MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return value, position + 1
    return 0, 0


def _refuse_old_format(name: str, number: int, resources: Iterable[ResourceMetrics]) -> None:
    """Refuse 0.7: its metrics stand in a field that 1.0 left, or its points carry labels instead of attributes."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    for resource in resources:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.summary.data_points[:1]:
                    if any(each.field_number == OLD_LABELS_FIELD for each in UnknownFieldSet(point)):
                        reason = f"message {number} is in format opentelemetry0.7, which is not read"
                        raise RefusedDelivery(name, reason, OLD_FORMAT_ADVICE)


def _add_resource(resource: ResourceMetrics, points: Points) -> Iterator[tuple[str, str]]:
    """Add the points of one resource; gives the reason and the text of each that is rejected."""
    about = {each.key: each.value.string_value for each in resource.resource.attributes}
    account_id, region = about.get("cloud.account.id", ""), about.get("cloud.region", "")
    for scope in resource.scope_metrics:
        for metric in scope.metrics:
            for told in metric.summary.data_points:
                try:
                    _add_point(told, points, account_id, region)
                except PointError as error:
                    yield str(error), f"{metric.name} {told}"


def _add_point(told: SummaryDataPoint, points: Points, account_id: str, region: str) -> None:
    attributes = {each.key: each.value for each in told.attributes}
    if not {"Namespace", "MetricName"} <= attributes.keys():
        raise PointError("a datapoint without the attributes Namespace and MetricName")
    namespace, metric_name = (attributes[name].string_value for name in ("Namespace", "MetricName"))
    value = {EXTREMES[each.quantile]: each.value for each in told.quantile_values if each.quantile in EXTREMES}
    value |= {"sum": told.sum, "count": float(told.count)}
    if not value.keys() >= set(VALUE_FIELDS):
        raise PointError("its value lacks quantile 0 (min) or 1 (max)")
    values_of = DIMENSION_VALUES.get(metric_name)
    read = values_of(_dimensions(attributes.get("Dimensions"))) if values_of else None
    series = UNREAD if read is None else points.series(namespace, metric_name, account_id, region, read)
    points.add(series, told.start_time_unix_nano // NANOSECONDS, value)


def _dimensions(value: Any) -> Mapping[str, str]:
    return {} if value is None else {each.key: each.value.string_value for each in value.kvlist_value.values}
