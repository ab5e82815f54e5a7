"""Formats are told by content; what is no format is refused saying what was seen."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RefusedDelivery, UsageError
from pipeline.sources.base import SourceObject
from pipeline.sources.detect import detect, json_keys

REPORT = b'{"neuron_runtime_data":[],"system_data":{},"instance_info":{},"neuron_hardware_info":{}}\n'
SAMPLE = b'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1"} 3\n'


def _object(path: Path, content: bytes) -> SourceObject:
    path.write_bytes(content)
    return SourceObject(path.name, path)


def _refusal(path: Path, content: bytes) -> str:
    with pytest.raises(RefusedDelivery) as refused:
        detect(_object(path, content))
    return refused.value.reason


@pytest.mark.parametrize(
    ("content", "source"),
    [
        (REPORT, "neuron_monitor"),
        (b'{"1": ' + REPORT.strip() + b"}", "neuron_monitor"),
        (json.dumps(json.loads(REPORT), indent=2).encode(), "neuron_monitor"),
        (REPORT[:30], "neuron_monitor"),
        (SAMPLE, "dcgm"),
        (b"# HELP x y\n# TYPE x gauge\nx 1\n", "dcgm"),
        (b"\n\n" + SAMPLE, "dcgm"),
        (b'{"my.metric","label.x"="v"} 1\n', "dcgm"),
        (b"# EOF\n", "dcgm"),
        (b"garbage line\n" + SAMPLE * 3, "dcgm"),
        (b'{"metric_stream_name":"f","dimensions":{"InstanceId":"i-1","InstanceType":"x"}}\n', "metric_stream"),
        (b"\x60\x0a\x5e\x0a\x18\x0a\x0ecloud.provider\x12\x10aws.exporter.arn\0", "metric_stream"),
        (b'{"CloudWatchMetrics":[],"InstanceId":"i-1","InstanceType":"x","Type":"NodeAWSNeuronCore"}\n', "emf"),
        (b'{"messageType":"DATA_MESSAGE","owner":"1","logEvents":[{"id":"1"}]}{"messageType":"D', "emf"),
        (b'{"InstanceId":"i-1","InstanceType":"p5.48xlarge"}\n', "inventory"),
        (b'{\n  "Reservations": []\n}', "inventory"),
        (b'[{"InstanceId":"i-1","State":{}}]', "inventory"),
        (b'{"Request":{"Filter":{}},"ResultsByTime":[]}', "cost_explorer"),
        (b'{"dataFiles":["s3://b/data/x.parquet"]}', "cur"),
        (b"identity_line_item_id,line_item_line_item_type\na,Usage\n", "export_chunk"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_format_is_told_by_content_packed_or_not(tmp_path: Path, content: bytes, source: str, packed: bool) -> None:
    assert detect(_object(tmp_path / "misleading.parquet", gzip.compress(content) if packed else content)) == source


def test_a_gzip_of_several_members_is_one_file(tmp_path: Path) -> None:
    members = b"".join(gzip.compress(part) for part in (REPORT[:20], REPORT[20:]))
    assert detect(_object(tmp_path / "x", members)) == "neuron_monitor"


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (gzip.compress(b"", mtime=0), "empty"),
        (gzip.compress(REPORT * 50, mtime=0)[:-40], "damaged gzip"),
        (b"\x1f\x8b\x08garbage", "damaged gzip"),
        (bytes(range(256)), "binary content"),
        (b"PAR1 and then nothing", "damaged container"),
        (b'{"answer": 42}', "JSON with the keys answer"),
        (b'{"reportKeys": []}', "legacy Cost and Usage Report"),
        (b"time,gpu,util\n1,2,3\n", "CSV with the columns time, gpu, util"),
        (b"dear diary", "text starting with 'dear diary'"),
        (b"a" * 100_000, "a first line of more than"),
        (b'{"type":"object","properties":{"InstanceId":{}}}', "JSON with the keys properties, type"),
    ],
)
def test_what_is_no_known_format_is_refused_saying_what_was_seen(tmp_path: Path, content: bytes, seen: str) -> None:
    assert seen in _refusal(tmp_path / "telemetry.ndjson", content)


def test_a_refusal_names_the_known_formats(tmp_path: Path) -> None:
    with pytest.raises(
        RefusedDelivery,
        match=r"known are neuron-monitor JSON, dcgm-exporter and neuron-monitor-prometheus text.*--source",
    ):
        detect(_object(tmp_path / "x", b"hello world of text"))


def test_parquet_of_anything_but_a_bill_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    pq.write_table(pa.table({"gpu": [1], "util": [2.0]}), path)
    assert "Parquet with the columns gpu, util" in _refusal(path, path.read_bytes())


def test_source_overrides_content_but_not_emptiness(tmp_path: Path) -> None:
    assert detect(_object(tmp_path / "x", b"dear diary"), "dcgm") == "dcgm"
    with pytest.raises(RefusedDelivery, match="empty"):
        detect(_object(tmp_path / "y", b""), "dcgm")
    with pytest.raises(UsageError, match="neuron_monitor"):
        detect(_object(tmp_path / "z", b"x"), "nonsense")


@given(
    st.dictionaries(st.text(), st.recursive(st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
)
def test_the_keys_of_a_json_text_are_found_without_parsing_it(document: dict[str, Any]) -> None:
    outer, inner = json_keys(json.dumps(document))
    names = {json.dumps(key)[1:-1] for key in document}
    assert outer == names
    assert inner == {json.dumps(k)[1:-1] for v in document.values() if isinstance(v, dict) for k in v}


@given(st.binary(max_size=4000))
def test_any_bytes_are_either_a_known_format_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    obj = _object(tmp_path_factory.getbasetemp() / "any-bytes", content)
    try:
        told = detect(obj)
    except RefusedDelivery as refusal:
        told = refusal.reason
    assert told
