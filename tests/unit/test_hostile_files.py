"""A folder of hostile files never crashes a sweep, never blocks the good beside it, and never fills the memory."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.base import IngestOptions
from pipeline.sweep import SweepResult, sweep

MEGABYTE = 1024 * 1024
MEMORY_MEGABYTES = 500
# A child that sweeps a folder and tells its peak memory and what it refused.
SWEEP_AND_WEIGH = """
import json, resource, sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline.sources.base import IngestOptions
from pipeline.sweep import sweep
from pipeline.warehouse import bootstrap, open_warehouse
with open_warehouse(Path(sys.argv[1])) as conn:
    bootstrap(conn, comments=False)
    result = sweep(conn, [sys.argv[2]], IngestOptions(), arrived_at=datetime(2026, 11, 1, tzinfo=UTC))
# not ru_maxrss, which a child inherits from the process that started it
status = Path("/proc/self/status").read_text()
peak = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) // 1024
print(json.dumps({"peak": peak, "status": {each.object: each.status for each in result.results}}))
"""
HEADS = {
    "one-line.prom.gz": b'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="',
    "one-line.ndjson.gz": b'{"neuron_runtime_data": [], "x": "',
    "one-datapoint.json.gz": b'{"metric_stream_name":"fleet","metric_name":"',
    "one-event.json.gz": b'{"CloudWatchMetrics":[],"Type":"',
    "one-message.bin.gz": b"\xff\xff\xff\x07\x0a\x10aws.exporter.arn",
    "one-instance.ndjson.gz": b'{"InstanceId": "i-1", "State": "',
    "one-page.json.gz": b'{"ResultsByTime": [], "x": "',
    "one-manifest.json.gz": b'{"dataFiles": [], "x": "',
    "one-header.csv.gz": b"line_item_line_item_type,",
    "one-text.txt.gz": b"",
}


def _long_line(path: Path, head: bytes, megabytes: int) -> None:
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(head)
        for _ in range(megabytes):
            stream.write(b"x" * MEGABYTE)


def _sweep(conn: duckdb.DuckDBPyConnection, folder: Path) -> SweepResult:
    return sweep(conn, [str(folder)], IngestOptions(), arrived_at=datetime(2026, 11, 1, tzinfo=UTC))


def test_every_hostile_file_is_named_with_its_reason_and_the_good_ones_land(
    raw_conn: duckdb.DuckDBPyConnection, small_files: Any, bill_line: dict[str, Any]
) -> None:
    files = small_files
    files.scrape("20261001T000100Z")
    files.instances("fleet.ndjson", "i-1")
    files.write("empty.prom", b"")
    files.write("cut.ndjson.gz", b"")
    (files.folder / "cut.ndjson.gz").write_bytes(gzip.compress(b'{"InstanceId":"i-9","State":{}}\n' * 999)[:60])
    files.write("binary.json", bytes(range(256)) * 40)
    files.write("wrong.json", '{"hello": "world"}')
    files.write("cut-page.json", json.dumps({"ResultsByTime": [{"TimePeriod": {}}]})[:-4])
    files.write("pretending.prom", "time,gpu,util\n2026-10-01,0,50\n")
    files.write("nested.json", "[" * 100_000)
    files.write("no-parquet.parquet", b"PAR1" + b"\0" * 50)
    pq.write_table(pa.table({"a": [1]}), files.folder / "other.parquet")
    del bill_line["line_item_unblended_cost"]
    files.chunk("short.parquet", [bill_line])
    result = _sweep(raw_conn, files.folder)
    reasons = {each.object.rpartition("/")[2]: each.reason for each in result.of("refused")}
    said = {
        "empty.prom": "empty",
        "cut.ndjson.gz": "damaged gzip",
        "binary.json": "binary content",
        "wrong.json": "JSON with the keys hello",
        "cut-page.json": "ends early",
        "pretending.prom": "CSV with the columns time, gpu, util",
        "nested.json": "unknown format",
        "no-parquet.parquet": "damaged container",
        "other.parquet": "Parquet with the columns a",
        "short.parquet": "column line_item_unblended_cost is missing",
    }
    assert {name: reasons[name] for name in said if said[name] not in reasons[name]} == {}
    assert len(reasons) == len(said)
    assert sorted(each.source for each in result.of("landed")) == ["dcgm", "inventory"]


def test_a_gzip_cut_near_its_end_leaves_nothing_behind(raw_conn: duckdb.DuckDBPyConnection, small_files: Any) -> None:
    lines = "".join(f'{{"InstanceId":"i-{number:x}","State":{{"Name":"running"}}}}\n' for number in range(60_000))
    path = small_files.write("fleet.ndjson.gz", lines)
    path.write_bytes(path.read_bytes()[:-20])
    result = _sweep(raw_conn, small_files.folder)
    assert [each.reason.startswith("damaged gzip") for each in result.results] == [True]
    for table in ("raw_inventory", "raw_deliveries", "raw_rejects", "state_touched", "state_seen"):
        assert raw_conn.execute(f"select count(*) from {table}").fetchall() == [(0,)]


def test_a_flipped_bit_in_a_gzip_is_refused(raw_conn: duckdb.DuckDBPyConnection, small_files: Any) -> None:
    path = small_files.write("fleet.ndjson.gz", '{"InstanceId":"i-1","State":{"Name":"running"}}\n')
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(data)
    assert "damaged gzip" in _sweep(raw_conn, small_files.folder).of("refused")[0].reason


def test_a_damaged_chunk_refuses_its_whole_bill(
    raw_conn: duckdb.DuckDBPyConnection, small_files: Any, bill_line: dict[str, Any]
) -> None:
    small_files.chunk("a.parquet", [bill_line] * 50)
    damaged = small_files.chunk("b.parquet", [{**bill_line, "identity_line_item_id": str(n)} for n in range(5000)])
    data = bytearray(damaged.read_bytes())
    data[200:4000] = b"\xff" * 3800
    damaged.write_bytes(data)
    small_files.manifest(["a.parquet", "b.parquet"])
    result = _sweep(raw_conn, small_files.folder)
    assert [each.status for each in result.results] == ["refused"]
    assert raw_conn.execute("select count(*) from raw_cur_lines").fetchall() == [(0,)]


def _weigh(tmp_path: Path, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", SWEEP_AND_WEIGH, str(tmp_path / "warehouse.duckdb"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_endless_lines_stay_within_the_memory(tmp_path: Path, small_files: Any) -> None:
    small_files.scrape("20261001T000100Z")
    for name, head in HEADS.items():
        _long_line(small_files.folder / name, head, 100)
    told = _weigh(tmp_path, small_files.folder)
    assert told["peak"] < MEMORY_MEGABYTES
    assert told["status"]["dcgm/node-1-20261001T000100Z.prom"] == "landed"
    assert len(told["status"]) == len(HEADS) + 1


@pytest.mark.slow
def test_a_line_of_a_gigabyte_stays_within_the_memory(tmp_path: Path, small_files: Any) -> None:
    small_files.scrape("20261001T000100Z")
    for name in ("one-line.prom.gz", "one-line.ndjson.gz", "one-text.txt.gz"):
        _long_line(small_files.folder / name, HEADS[name], 1024)
    plain = small_files.folder / "one-line.prom"
    with plain.open("wb") as stream:
        stream.write(HEADS["one-line.prom.gz"])
        for _ in range(1024):
            stream.write(b"x" * MEGABYTE)
    assert _weigh(tmp_path, small_files.folder)["peak"] < MEMORY_MEGABYTES


@settings(max_examples=40)
@given(st.data())
def test_any_cut_or_garbled_true_file_is_landed_or_refused_never_a_crash(
    two_raw_conns: Any, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    kinds = [
        b'{"InstanceId":"i-1","State":{"Name":"running"},"Tags":[{"Key":"a"}],"Placement":{}}\n' * 2,
        b'# TYPE DCGM_FI_DEV_GPU_UTIL gauge\nDCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1"} 3\n' * 2,
        b'{"neuron_runtime_data":[{"pid":1,"report":{"neuroncore_counters":{"period":5.0,"neuroncores_in_use":'
        b'{"0":{"neuroncore_utilization":5.0}}}}}],"instance_info":{"instance_id":"i-1"}}\n',
        b'{"GroupDefinitions":[{"Type":"DIMENSION","Key":"RECORD_TYPE"}],"ResultsByTime":[{"TimePeriod":{"Start":'
        b'"2026-10-01","End":"2026-10-02"},"Groups":[{"Keys":["Tax"],"Metrics":{"UnblendedCost":{"Amount":"1",'
        b'"Unit":"USD"},"AmortizedCost":{"Amount":"1","Unit":"USD"}}}]}]}',
        b'{"metric_stream_name":"f","account_id":"1","region":"r","namespace":"ContainerInsights","metric_name":'
        b'"node_neuroncore_utilization","dimensions":{"NeuronCore":"core0"},"timestamp":1795370400000,"value":'
        b'{"max":1.0,"min":1.0,"sum":1.0,"count":1.0},"unit":"Percent"}\n' * 2,
        b'{"CloudWatchMetrics":[],"Type":"NodeAWSNeuronCore","Timestamp":"1795370400000","InstanceId":"i-1",'
        b'"NeuronCore":"core0","NeuronDevice":"device0","node_neuroncore_utilization":5.0}\n' * 2,
        b'{"exportName":"e","billingPeriod":"2026-10","dataFiles":["a.parquet"],"creationTime":"2026-10-01"}',
    ]
    content = bytearray(data.draw(st.sampled_from(kinds)))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from(b'"{}[],:0 x\n\0\xff-e'))
    content = content[: data.draw(st.integers(1, len(content)))]
    path = tmp_path_factory.mktemp("hostile") / "444455556666-20261001T000000Z"
    path.write_bytes(content)
    result = _sweep(two_raw_conns[0], path)
    assert [each.status for each in result.results] in (["landed"], ["repeat"], ["refused"], [])
    assert all(each.reason for each in result.of("refused"))
