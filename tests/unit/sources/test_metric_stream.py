"""Metric streams become the datapoints that GetMetricData would give, each once, whatever Firehose did to them."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.cloudwatch_series import RULES, Series, name_series
from pipeline.sources.metric_stream import read
from tests.support.series import named_rows

AT = datetime(2026, 11, 22, 18, 1, tzinfo=UTC)
CORE = {
    "ClusterName": "c1", "InstanceType": "trn2.48xlarge", "InstanceId": "i-0abc", "NodeName": "n1",
    "NeuronDevice": "device3", "NeuronCore": "core13",
}  # fmt: skip
Row = dict[str, Any]


def point(name: str = "node_neuroncore_utilization", value: float = 71.2, **more: Any) -> Row:
    numbers = {"max": value + 1, "min": value - 1, "sum": value * 2, "count": 2.0}
    return {
        "metric_stream_name": "fleet", "account_id": "111122223333", "region": "us-west-2",
        "namespace": "ContainerInsights", "metric_name": name, "dimensions": CORE,
        "timestamp": 1795370460000, "value": numbers, "unit": "Percent", **more,
    }  # fmt: skip


def line(**more: Any) -> bytes:
    return json.dumps(point(**more), separators=(",", ":")).encode() + b"\n"


def parse(path: Path, content: bytes) -> tuple[list[Row], ParsedDelivery]:
    path.write_bytes(content)
    obj = SourceObject("fleet-1", path, datetime(2026, 11, 23, tzinfo=UTC), modified_is_known=True)
    delivery = read(obj, IngestOptions(), Seeds(path.parent))
    return named_rows(delivery), delivery


def test_a_datapoint_becomes_the_row_that_getmetricdata_gives(tmp_path: Path) -> None:
    rows, delivery = parse(tmp_path / "x", line())
    assert rows == [
        {
            "sample_at": AT, "series_key": rows[0]["series_key"], "account_id": "111122223333", "region": "us-west-2",
            "metric_namespace": "ContainerInsights", "metric_name": "node_neuroncore_utilization",
            "statistic": "Average", "cluster": "c1", "instance_id": "i-0abc", "instance_type": "trn2.48xlarge",
            "node_name": "n1", "neuron_device": "device3", "neuron_core": "core13", "pod_namespace": "",
            "pod_name": "", "full_pod_name": "", "container_name": "", "value": 71.2,
        }
        | {name: "" for name in rows[0] if name in ("gpu_device", "network_interface_id")}
    ]  # fmt: skip
    assert (delivery.info.source, delivery.info.interval_ms, delivery.rejects) == ("metric_stream", 60_000, [])


def test_a_series_has_the_key_that_getmetricdata_gives_it(tmp_path: Path) -> None:
    rows, _ = parse(tmp_path / "x", line() + line(account_id="2") + line(region="eu-west-1"))
    series = Series("node_neuroncore_utilization", tuple(sorted(CORE.items())))
    places = [("111122223333", "us-west-2"), ("2", "us-west-2"), ("111122223333", "eu-west-1")]
    (pulled,), *others = (list(name_series(*place, [series])) for place in places)
    assert [row["series_key"] for row in rows] == [pulled.key, *(named.key for (named,) in others)]
    assert len({row["series_key"] for row in rows}) == 3


def test_averages_are_sum_over_count_and_maxima_the_maximum(tmp_path: Path) -> None:
    rows, _ = parse(tmp_path / "x", line(value=10.0) + line(name="node_neuroncore_memory_usage_total", value=10.0))
    assert {row["metric_name"]: row["value"] for row in rows} == {
        "node_neuroncore_utilization": 10.0,
        "node_neuroncore_memory_usage_total": 11.0,
    }


def test_a_timestamp_within_a_minute_stands_for_that_minute(tmp_path: Path) -> None:
    rows, _ = parse(tmp_path / "x", line(timestamp=1795370499999))
    assert [row["sample_at"] for row in rows] == [AT]


COPIES = [
    {"ClusterName": "c1"},
    {"ClusterName": "c1", "InstanceId": "i-0abc", "NodeName": "n1"},
    CORE | {"UltraServer": "u1"},
    {name: value for name, value in CORE.items() if name != "NodeName"},
    {},
]


@pytest.mark.parametrize("dimensions", COPIES, ids=lambda each: "+".join(each) or "none")
@pytest.mark.parametrize("others", [0, 3])
def test_only_the_one_dimension_set_of_a_fact_is_read(tmp_path: Path, dimensions: Row, others: int) -> None:
    rows, delivery = parse(tmp_path / "x", line() + line(dimensions=dimensions) * (1 + others))
    assert (len(rows), delivery.rejects) == (1, [])


def test_metrics_and_namespaces_that_nobody_asked_for_are_not_read(tmp_path: Path) -> None:
    text = line(name="pod_neuroncore_utilization") + line(namespace="AWS/EC2") + line(name="x", dimensions={})
    assert parse(tmp_path / "x", text)[0] == []


def test_doubles_within_an_object_count_once_and_the_one_with_most_samples_speaks(tmp_path: Path) -> None:
    early = {"max": 5.0, "min": 5.0, "sum": 5.0, "count": 1.0}
    whole = {"max": 9.0, "min": 5.0, "sum": 14.0, "count": 2.0}
    first, second = json.dumps(point() | {"value": early}).encode(), json.dumps(point() | {"value": whole}).encode()
    for text in (first + b"\n" + second, second + b"\n" + first, second + b"\n" + second):
        assert [row["value"] for row in parse(tmp_path / "x", text)[0]] == [7.0]


def test_the_order_of_lines_changes_nothing(tmp_path: Path) -> None:
    lines = [line(value=float(n % 50), timestamp=1795370400000 + 60_000 * (n % 40)) for n in range(200)]
    expected = parse(tmp_path / "x", b"".join(lines))[0]
    random.Random(1).shuffle(lines)
    assert parse(tmp_path / "x", b"".join(lines))[0] == expected
    assert [row["sample_at"] for row in expected] == [AT + timedelta(minutes=n - 1) for n in range(40)]


def test_packed_and_spaced_and_unbroken_objects_read_alike(tmp_path: Path) -> None:
    expected = parse(tmp_path / "x", line() + line(timestamp=1795370400000))[0]
    other = [point(), point(timestamp=1795370400000)]
    spaced = "\n".join(json.dumps(each) for each in other).encode()
    turned = "\r\n".join(json.dumps(dict(reversed(each.items()))) for each in other).encode()
    unbroken = (line() + line(timestamp=1795370400000)).replace(b"\n", b"")
    for text in (gzip.compress(spaced[:100]) + gzip.compress(spaced[100:]), spaced, turned, unbroken):
        assert parse(tmp_path / "x", text)[0] == expected


BAD = {
    b"not json": "not JSON",
    b'{"metric_stream_name":"fleet","account_id":"1"': "not JSON",
    line()[:200]: "not JSON",
    b"[1,2]": "Expected `object`",
    line(dimensions=CORE | {"NodeName": 3}).strip(): "Expected `str`, got `int`",
    line(dimensions=7).strip(): "Expected `object`",
    line(account_id=1).strip(): "$.account_id",
    line(timestamp="1795370400000").strip(): "$.timestamp",
    line(timestamp=1795370400).strip(): "epoch millisecond",
    line(timestamp=10**17).strip(): "epoch millisecond",
    line(timestamp=10**30).strip(): "epoch millisecond",
    json.dumps(point() | {"value": {"max": 1.0}}, separators=(",", ":")).encode(): "missing required field",
    json.dumps(point() | {"value": 3}, separators=(",", ":")).encode(): "$.value",
    line().strip().replace(b'"count":2.0', b'"count":0.0'): "0 samples",
    line().strip().replace(b'"sum":142.4', b'"sum":1e999'): "Number out of range",
    line().strip().replace(b'"sum":142.4', b'"sum":NaN'): "not JSON",
    line(unit="U").strip().replace(b'"U"', b'"\xff"'): "not JSON",
    line().strip()[:-1] + b',"x":' + b"[" * 9000 + b"]" * 9000 + b"}": "nested too deeply",
}
COPY = line(dimensions={"ClusterName": "c1"})
NOT_READ = {
    COPY[:-20]: "not JSON",
    COPY.strip().replace(b"72.2", b"7.2.2"): "not JSON",
    COPY.strip().replace(b"72.2", b"072.2"): "not JSON",
    line(name="pod_x", unit="U").strip().replace(b'"U"', b"U"): "not JSON",
    line(name="pod_x").strip().replace(b'"metric_name"', b'"metric"'): "missing required field `metric_name`",
}


@pytest.mark.parametrize("others", [0, 3])
@pytest.mark.parametrize(("bad", "reason"), NOT_READ.items(), ids=[str(number) for number in range(len(NOT_READ))])
def test_a_bad_line_of_what_is_not_read_is_rejected_too(tmp_path: Path, bad: bytes, reason: str, others: int) -> None:
    rows, delivery = parse(tmp_path / "x", COPY * others + bad.strip() + b"\n" + line() + COPY)
    assert len(rows) == 1
    assert [(each.line_number, reason in each.reason) for each in delivery.rejects] == [(others + 1, True)]


HIDDEN = {
    "escaped name": line().replace(b"node_neuroncore", b"\\u006eode_neuroncore"),
    "escaped key": line().replace(b'"metric_name"', b'"metric\\u005fname"'),
    "escaped dimension": line().replace(b'"NeuronCore"', b'"Neuron\\u0043ore"'),
    "named again behind": line(name="x").replace(b'"unit"', b'"metric_name":"node_neuroncore_utilization","unit"'),
    "named within a text": line(x='{"metric_name":"x"}').replace(b"{", b'{"note":"}\\n{",', 1),
    "spaces": json.dumps(point(), indent=None).encode() + b"\n",
    "other order": json.dumps(dict(reversed(point().items()))).encode() + b"\n",
}


@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN)
def test_what_json_calls_the_same_datapoint_is_read_among_others(tmp_path: Path, hidden: bytes) -> None:
    expected = parse(tmp_path / "x", line())[0]
    rows, delivery = parse(tmp_path / "x", COPY * 5 + hidden + COPY)
    assert (rows, delivery.rejects) == (expected, [])


@pytest.mark.parametrize(("bad", "reason"), BAD.items(), ids=[str(number) for number in range(len(BAD))])
def test_a_bad_line_is_rejected_alone_with_its_number(tmp_path: Path, bad: bytes, reason: str) -> None:
    rows, delivery = parse(tmp_path / "x", line() + bad + b"\n" + line(timestamp=1795370400000))
    assert len(rows) == 2
    assert [(each.line_number, reason in each.reason) for each in delivery.rejects] == [(2, True)]


def test_a_line_cut_at_the_end_is_rejected_and_the_rest_stays(tmp_path: Path) -> None:
    rows, delivery = parse(tmp_path / "x", line() + line(timestamp=1795370400000)[:-30])
    assert (len(rows), len(delivery.rejects)) == (1, 1)


def test_a_cut_gzip_object_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedDelivery, match="damaged gzip"):
        parse(tmp_path / "x", gzip.compress(line() * 500)[:-20])


def test_series_beyond_the_number_kept_at_once_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"".join(line(dimensions=CORE | {"NeuronCore": f"core{n % 7}"}, timestamp=1795370400000 + 60_000 * n)
                    for n in range(40))  # fmt: skip
    expected = parse(tmp_path / "x", text)[0]
    monkeypatch.setattr("pipeline.sources.metric_stream_shapes.MAX_KEPT", 3)
    assert parse(tmp_path / "x", text)[0] == expected
    assert len(expected) == 40


def test_every_rule_is_read_among_its_copies(tmp_path: Path) -> None:
    text = b""
    for name, rule in RULES.items():
        text += line(name=name, dimensions=dict.fromkeys(sorted(rule.dimension_names), "core1"))
    copies = line(name="pod_x", dimensions={"ClusterName": "c"}) * 60
    rows, _ = parse(tmp_path / "x", copies + text + copies)
    assert {row["metric_name"] for row in rows} == set(RULES)


def mutated(draw: st.DrawFn) -> bytes:
    """A good line, or one with something put in, taken out or cut."""
    text = draw(st.sampled_from([line(), line(timestamp=1795370400000), COPY, line(name="pod_x"), *HIDDEN.values()]))
    text = text.strip()
    for _ in range(draw(st.integers(0, 2))):
        at, much = draw(st.integers(0, len(text))), draw(st.integers(0, 3))
        put = draw(
            st.sampled_from([b"", b" ", b"}", b"{", b"\n", b'"', b"0", b"\\", b"\xff", b",", b"}{", b"e9", text])
        )
        text = text[:at] + put + text[at + much :]
    return text


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=60), st.composite(mutated)()), max_size=8), st.sampled_from([400, 1 << 18])
)
def test_blocks_read_as_a_whole_say_what_their_lines_say_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, texts: list[bytes], chunk: int
) -> None:
    path, content = tmp_path_factory.mktemp("stream") / "x", b"\n".join([line().strip(), *texts])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.sources.content.CHUNK_BYTES", chunk)
        rows, delivery = parse(path, content)
        patch.setattr("pipeline.sources.metric_stream_json._is_document_a_line", lambda _: False)
        expected, strictly = parse(path, content)
    assert (rows, delivery.rejects) == (expected, strictly.rejects)
    assert rows
    assert all(each.line_number > 1 for each in delivery.rejects)
