"""neuron-monitor reports become rows per report, runtime × core, owner and device."""

from __future__ import annotations

import copy
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.neuron_monitor import SCHEMAS, read
from pipeline.sources.neuron_report import ReportError, read_report

AT = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def seeds(repo_root: Path) -> Seeds:
    return Seeds(repo_root / "sql" / "seeds")


def report(period: float = 5.0, **runtime: Any) -> dict[str, Any]:
    """A small report: one runtime with two cores on an inf2.xlarge."""
    counters = {"0": {"neuroncore_utilization": 40.5, "flops": 7}, "1": {"neuroncore_utilization": 0}}
    parts = {"constants": 1, "model_code": 2, "model_shared_scratchpad": 3, "runtime_memory": 4, "tensors": 90}
    memory = {"usage_breakdown": {"neuroncore_memory_usage": {"0": parts}}}
    model = {"subgraphs": {"sg_00": {"neuroncore_index": 0}, "sg_01": {"neuroncore_index": 0}}}
    groups = {
        "neuroncore_counters": {"period": period, "neuroncores_in_use": counters, "error": ""},
        "memory_used": {"period": period, "neuron_runtime_used_bytes": memory, "loaded_models": [model], "error": ""},
    }
    return {
        "neuron_runtime_data": [{"pid": 7, "neuron_runtime_tag": "train", "error": "", "report": groups, **runtime}],
        "system_data": {"memory_info": {"period": period, "error": ""}},
        "instance_info": {"instance_id": "i-0abc", "instance_type": "inf2.xlarge"},
    }


def parse(tmp_path: Path, seeds: Seeds, content: bytes | str) -> tuple[Rows, ParsedDelivery]:
    path = tmp_path / "node.ndjson"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    delivery = read(SourceObject("node.ndjson", path), IngestOptions(observed_at=AT), seeds)
    rows: Rows = {table: [] for table in SCHEMAS}
    for table, batch in delivery.batches:
        rows[table] += batch.to_pylist()
    return rows, delivery


def lines(*reports: dict[str, Any]) -> str:
    return "".join(json.dumps(one) + "\n" for one in reports)


def test_the_capture_of_32_runtimes_is_not_diluted(shared_data: Path, tmp_path: Path, seeds: Seeds) -> None:
    text = (shared_data / "neuron" / "neuron_monitor_trn1n_32runtimes.json").read_bytes()
    rows, delivery = parse(tmp_path, seeds, text)
    (summary,) = rows["raw_neuron_reports"]
    cores = rows["raw_neuron_cores"]
    assert (summary["device_count"], summary["cores_per_device"], summary["cadence_ms"]) == (16, 2, 5000)
    assert (summary["runtime_count"], summary["error_group_count"], summary["short_period"]) == (32, 32, True)
    assert (len(cores), len(rows["raw_neuron_devices"]), delivery.rejects) == (1024, 16, [])
    assert sum(row["memory_used_bytes"] or 0 for row in cores) == 305_202_033_504
    busiest = {row["core_index"]: 0.0 for row in cores}
    for row in cores:
        busiest[row["core_index"]] = max(busiest[row["core_index"]], row["utilization_percent"])
    assert sum(busiest.values()) / len(busiest) == 15.5
    assert summary["sample_at"] == AT


def test_columns_are_those_of_the_raw_tables(repo_root: Path) -> None:
    for table, schema in SCHEMAS.items():
        ddl = (repo_root / "sql" / "raw" / f"{table}.sql").read_text().split("(\n", 1)[1].split(");")[0]
        columns = [entry.split()[0] for entry in ddl.strip().split("\n")]
        assert ["delivery_id", *schema.names] == columns


def test_every_shape_of_file_gives_the_same_rows(tmp_path: Path, seeds: Seeds) -> None:
    one, two = report(), report(10.0)
    expected, _ = parse(tmp_path, seeds, lines(one, two))
    shapes = [
        json.dumps([one, two]),
        json.dumps([one, two], indent=2),
        json.dumps({"2": two, "1": one}),
        gzip.compress(lines(one).encode()) + gzip.compress(lines(two).encode()),
        lines(one) + "\n" + lines(two)[:-1],
    ]
    for shape in shapes:
        assert parse(tmp_path, seeds, shape)[0] == expected


def test_later_reports_advance_by_their_own_system_period(tmp_path: Path, seeds: Seeds) -> None:
    rows, _ = parse(tmp_path, seeds, lines(report(5), report(5), report(60), report(59.5)))
    seconds = [(row["sample_at"] - AT).total_seconds() for row in rows["raw_neuron_reports"]]
    assert seconds == [0, 5, 65, 124.5]
    assert [row["cadence_ms"] for row in rows["raw_neuron_reports"]] == [5000, 5000, 60000, 59500]


def test_a_bad_line_is_rejected_and_keeps_its_place_in_time(tmp_path: Path, seeds: Seeds) -> None:
    text = lines(report()) + '{"neuron_runtime_data": [\n' + '{"hello": 1}\n' + lines(report())
    rows, delivery = parse(tmp_path, seeds, text)
    assert [row["sample_at"] for row in rows["raw_neuron_reports"]] == [AT, AT + timedelta(seconds=15)]
    assert [reject.line_number for reject in delivery.rejects] == [2, 3]
    assert "no neuron-monitor report" in delivery.rejects[1].reason


def test_a_cut_last_line_is_a_reject(tmp_path: Path, seeds: Seeds) -> None:
    rows, delivery = parse(tmp_path, seeds, lines(report(), report())[:-40])
    assert (len(rows["raw_neuron_reports"]), len(delivery.rejects)) == (1, 1)


def test_a_document_that_breaks_off_is_refused(tmp_path: Path, seeds: Seeds) -> None:
    with pytest.raises(RefusedDelivery, match="breaks off"):
        parse(tmp_path, seeds, json.dumps(report(), indent=2)[:-40])


def test_the_core_row_sums_memory_and_counts_models_once(tmp_path: Path, seeds: Seeds) -> None:
    rows, _ = parse(tmp_path, seeds, lines(report()))
    kept = ("core_index", "utilization_percent", "flops", "memory_used_bytes", "loaded_model_count", "runtime_tag")
    assert [tuple(row[name] for name in kept) for row in rows["raw_neuron_cores"]] == [
        (0, 40.5, 7.0, 100, 1, "train"),
        (1, 0.0, None, None, 0, "train"),
    ]


def test_groups_under_their_old_names_are_read(tmp_path: Path, seeds: Seeds) -> None:
    new, old = report(), report()
    new["system_data"]["neuron_hw_counters"] = {
        "period": 5, "neuron_devices": [{"neuron_device_index": 0, "mem_ecc_corrected": 3}], "error": "",
    }  # fmt: skip
    old["system_data"]["hw_counters"] = new["system_data"]["neuron_hw_counters"]
    groups = old["neuron_runtime_data"][0]["report"]
    groups["nc_counters"] = groups.pop("neuroncore_counters")
    groups["inference_stats"] = {"period": 5, "error": ""}
    assert parse(tmp_path, seeds, lines(old))[0] == parse(tmp_path, seeds, lines(new))[0]


def test_a_group_with_an_error_is_dropped_and_counted(tmp_path: Path, seeds: Seeds) -> None:
    broken = report()
    broken["neuron_runtime_data"][0]["report"]["neuroncore_counters"]["error"] = "timed out"
    rows, _ = parse(tmp_path, seeds, lines(broken))
    assert [row["utilization_percent"] for row in rows["raw_neuron_cores"]] == [None, None]
    assert [row["memory_used_bytes"] for row in rows["raw_neuron_cores"]] == [100, None]
    assert rows["raw_neuron_reports"][0]["error_group_count"] == 1


def test_a_report_whose_sums_64_bits_could_not_hold_is_rejected_alone(tmp_path: Path, seeds: Seeds) -> None:
    absurd_memory, absurd_errors = report(), report()
    memory = absurd_memory["neuron_runtime_data"][0]["report"]["memory_used"]["neuron_runtime_used_bytes"]
    memory["usage_breakdown"]["neuroncore_memory_usage"]["0"]["tensors"] = 9 * 10**18
    devices = [{"neuron_device_index": 0, "mem_ecc_uncorrected": 9 * 10**18, "sram_ecc_uncorrected": 9 * 10**18}]
    absurd_errors["system_data"]["neuron_hw_counters"] = {"period": 5.0, "neuron_devices": devices, "error": ""}
    rows, delivery = parse(tmp_path, seeds, lines(absurd_memory, report(), absurd_errors))
    assert len(rows["raw_neuron_reports"]) == 1
    assert [reject.line_number for reject in delivery.rejects] == [1, 3]


def test_a_runtime_whose_core_counters_are_not_collected_tells_nothing_of_its_work(
    tmp_path: Path, seeds: Seeds
) -> None:
    memory_alone = report()
    del memory_alone["neuron_runtime_data"][0]["report"]["neuroncore_counters"]
    rows, _ = parse(tmp_path, seeds, lines(report(), memory_alone))
    assert [(row["error_group_count"], row["counter_error_count"]) for row in rows["raw_neuron_reports"]] == [
        (0, 0),
        (0, 1),
    ]


def test_a_short_runtime_period_is_flagged_and_never_becomes_the_cadence(tmp_path: Path, seeds: Seeds) -> None:
    short = report()
    short["neuron_runtime_data"][0]["report"]["memory_used"]["period"] = 0.008
    rows, _ = parse(tmp_path, seeds, lines(short, report()))
    assert [(row["short_period"], row["cadence_ms"]) for row in rows["raw_neuron_reports"]] == [
        (True, 5000),
        (False, 5000),
    ]


def test_a_silent_report_takes_its_topology_from_the_instance_type(tmp_path: Path, seeds: Seeds) -> None:
    told = report()
    told["neuron_hardware_info"] = {
        "neuron_device_count": 16, "neuroncore_per_device_count": 4, "logical_neuroncore_config": 2,
        "neuron_device_memory_size": 103_079_215_104,
    }  # fmt: skip
    rows, _ = parse(tmp_path, seeds, lines(report(), told))
    kept = ("device_count", "cores_per_device", "lnc", "device_memory_bytes")
    assert [tuple(row[name] for name in kept) for row in rows["raw_neuron_reports"]] == [
        (1, 2, None, None),
        (16, 4, 2, 103_079_215_104),
    ]


def test_owners_of_cores_and_devices_are_told_apart(tmp_path: Path, seeds: Seeds) -> None:
    owned = report()
    pod = {"pod_name": "llm-0", "namespace": "ml", "container_name": ["server"]}
    owned["neuron_k8s_info"] = {
        "period": 15, "neuroncores_k8s_info": {"1": pod}, "neurondevices_k8s_info": {"0": pod}, "error": "",
    }  # fmt: skip
    rows, _ = parse(tmp_path, seeds, lines(owned))
    kept = ("core_index", "device_index", "pod_name", "namespace", "container_name")
    assert [tuple(row[name] for name in kept) for row in rows["raw_neuron_owners"]] == [
        (1, None, "llm-0", "ml", "server"),
        (None, 0, "llm-0", "ml", "server"),
    ]
    assert rows["raw_neuron_reports"][0]["cadence_ms"] == 5000


def test_no_runtime_is_an_idle_node_not_a_missing_one(tmp_path: Path, seeds: Seeds) -> None:
    idle = report() | {"neuron_runtime_data": []}
    rows, _ = parse(tmp_path, seeds, lines(idle))
    assert (len(rows["raw_neuron_reports"]), rows["raw_neuron_cores"]) == (1, [])


def test_two_runtimes_of_one_pid_and_tag_are_one_row_a_core(tmp_path: Path, seeds: Seeds) -> None:
    double = report()
    double["neuron_runtime_data"] *= 2
    rows, _ = parse(tmp_path, seeds, lines(double))
    assert [(row["utilization_percent"], row["memory_used_bytes"]) for row in rows["raw_neuron_cores"]] == [
        (40.5, 200),
        (0.0, None),
    ]


JUNK = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
JUNK |= st.lists(JUNK, max_size=2) | st.dictionaries(st.text(max_size=3), JUNK, max_size=2)


@given(st.data())
def test_any_value_in_any_place_gives_rows_or_a_report_error(data: st.DataObject) -> None:
    document = copy.deepcopy(report())
    place: Any = document
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(JUNK)
            break
        place = place[key]
    try:
        rows = read_report(document, {})
    except ReportError:
        return
    assert all(len(row) == 7 and row[2] >= 0 for row in rows.cores)
