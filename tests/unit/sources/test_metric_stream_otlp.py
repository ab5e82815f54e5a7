"""OpenTelemetry 1.0 metric streams: length-framed messages become the datapoints that the JSON format gives."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.detect import detect
from pipeline.sources.metric_stream import read
from pipeline.sources.metric_stream_otlp import frames
from pipeline.world.metric_stream import Datapoint, as_json, as_otlp
from pipeline.world.serve_published import Published
from tests.support.series import named_rows

CORE = {
    "ClusterName": "c1", "InstanceType": "trn2.48xlarge", "InstanceId": "i-0abc", "NodeName": "n1",
    "NeuronDevice": "device3", "NeuronCore": "core13",
}  # fmt: skip
MINUTE = 1795370460


def points(count: int = 3, **dimensions: str) -> list[Datapoint]:
    found = []
    for number in range(count):
        labels = tuple(sorted((CORE | {"NeuronCore": f"core{number}"} | dimensions).items()))
        metric = Published("node_neuroncore_utilization", labels, "Percent", "111122223333", "us-west-2", (), 0, 0)
        found.append(Datapoint(metric, MINUTE, 60.0 + number, 40.0, 100.0 + number, 2))
    return found


def open_object(path: Path, content: bytes) -> SourceObject:
    path.write_bytes(content)
    return SourceObject("fleet-1", path, datetime(2026, 11, 23, tzinfo=UTC), modified_is_known=True)


def parse(path: Path, content: bytes) -> tuple[list[dict[str, Any]], ParsedDelivery]:
    obj = open_object(path, content)
    assert detect(obj) == "metric_stream"
    delivery = read(obj, IngestOptions(), Seeds(path.parent))
    return named_rows(delivery), delivery


def framed(*requests: ExportMetricsServiceRequest) -> bytes:
    return b"".join(varint(len(text)) + text for text in (each.SerializeToString() for each in requests))


def varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80, *varint(number >> 7)]) if number >= 0x80 else bytes([number])


def requests(content: bytes) -> list[ExportMetricsServiceRequest]:
    return [ExportMetricsServiceRequest.FromString(each) for each in frames("x", [content])]


@pytest.mark.parametrize("packed", [False, True])
def test_both_formats_tell_the_same(tmp_path: Path, packed: bool) -> None:
    told = points(450)
    expected = parse(tmp_path / "json", as_json(told))[0]
    content = as_otlp(told)
    rows, delivery = parse(tmp_path / "otlp", gzip.compress(content) if packed else content)
    assert rows == sorted(expected, key=lambda row: [each["neuron_core"] for each in rows].index(row["neuron_core"]))
    assert (len(rows), delivery.rejects) == (450, [])
    assert rows[0]["value"] == 50.0
    assert rows[0]["sample_at"] == datetime.fromtimestamp(MINUTE, UTC)


def test_other_dimension_sets_are_not_read(tmp_path: Path) -> None:
    assert parse(tmp_path / "x", as_otlp(points(2, UltraServer="u1")))[0] == []


@pytest.mark.parametrize("cut", [1, 50, 30_000])
def test_a_cut_message_refuses_the_object_and_says_where_it_begins(tmp_path: Path, cut: int) -> None:
    with pytest.raises(RefusedDelivery, match=r"cut: a message of [\d,]+ bytes begins at byte"):
        parse(tmp_path / "x", as_otlp(points(450))[:-cut])


def test_a_length_that_cannot_be_refuses_the_object(tmp_path: Path) -> None:
    content = as_otlp(points())
    with pytest.raises(RefusedDelivery, match=r"damaged: byte [0-9,]+ announces a message of 4,294,967,295 bytes"):
        parse(tmp_path / "x", content + b"\xff\xff\xff\xff\x0f" + content)
    with pytest.raises(RefusedDelivery, match="more than 32 bits"):
        parse(tmp_path / "x", content + b"\xff" * 12)


def test_a_message_of_something_else_refuses_the_object(tmp_path: Path) -> None:
    with pytest.raises(RefusedDelivery, match="message 2 is no ExportMetricsServiceRequest"):
        parse(tmp_path / "x", as_otlp(points()) + varint(9) + b"\x0a\x99nonsense"[:9])


def test_the_format_of_opentelemetry_07_is_refused_by_name(tmp_path: Path) -> None:
    request = requests(as_otlp(points()))[0]
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        for told in metric.summary.data_points:
            del told.attributes[:]
            told.MergeFromString(b"\x0a\x18\x0a\x09Namespace\x12\x0bContainerIn")  # a StringKeyValue as field 1
    with pytest.raises(RefusedDelivery, match=r"opentelemetry0\.7.*set the stream's output format"):
        parse(tmp_path / "x", framed(request))


BAD = {
    "without the attributes": lambda told: told.ClearField("attributes"),
    "quantile 0": lambda told: told.ClearField("quantile_values"),
    "not finite": lambda told: setattr(told, "sum", float("nan")),
    "0 samples": lambda told: told.ClearField("count"),
    "epoch millisecond": lambda told: told.ClearField("start_time_unix_nano"),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_datapoint_without_sense_is_rejected_alone(tmp_path: Path, reason: str) -> None:
    first, second = requests(as_otlp(points(1)))[0], requests(as_otlp(points(3)))[0]
    BAD[reason](second.resource_metrics[0].scope_metrics[0].metrics[1].summary.data_points[0])
    rows, delivery = parse(tmp_path / "x", framed(first, second))
    assert {row["neuron_core"] for row in rows} == {"core0", "core2"}
    assert [(each.line_number, reason in each.reason) for each in delivery.rejects] == [(2, True)]


@given(st.lists(st.binary(max_size=400), max_size=6), st.integers(1, 50))
def test_messages_come_whole_however_the_bytes_are_cut_into_chunks(messages: Sequence[bytes], size: int) -> None:
    content = b"".join(varint(len(each)) + each for each in messages)
    chunks = [content[start : start + size] for start in range(0, len(content), size)]
    assert list(frames("x", chunks)) == list(messages)
