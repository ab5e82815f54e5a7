"""Container Insights log events become rows of cores, owners, nodes and devices, however they were delivered."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.detect import detect
from pipeline.sources.emf import SCHEMAS, read
from pipeline.sources.emf_event import READERS
from pipeline.world.emf import emf_files
from pipeline.world.options import END, WorldOptions
from pipeline.world.world import simulate

Rows = dict[str, list[dict[str, Any]]]
COMMON = {
    "CloudWatchMetrics": [], "ClusterName": "c1", "InstanceId": "i-0abc", "InstanceType": "trn1.32xlarge",
    "NodeName": "n1", "Timestamp": "1795370460123", "Version": "0", "UltraServer": "", "region": "us-west-2",
}  # fmt: skip
CORE = {
    **COMMON, "Type": "NodeAWSNeuronCore", "NeuronCore": "core13", "NeuronDevice": "device6",
    "node_neuroncore_utilization": 71.25, "node_neuroncore_memory_usage_total": 1024.0,
}  # fmt: skip
CONTAINER = {
    **COMMON, "Type": "ContainerAWSNeuronCore", "NeuronCore": "core13", "NeuronDevice": "device6",
    "Namespace": "ml", "PodName": "llama", "FullPodName": "llama-7d9c5b6f4-x7k2p", "ContainerName": "main",
    "container_neuroncore_utilization": 71, "container_neuroncore_memory_usage_total": 1024,
    "kubernetes": {
        "host": "n1", "labels": {"team": "nlp", "app": "llama"},
        "pod_owners": [{"owner_kind": "Deployment", "owner_name": "llama"}],
    },
}  # fmt: skip
NODE = {
    **COMMON, "Type": "NodeAWSNeuron", "node_neuron_execution_errors_total": 3,
    "node_neuron_execution_errors_generic": 1.0, "node_neuron_execution_errors_hardware": 2,
    "node_neuron_execution_status_completed": 500, "node_neuron_execution_latency": 0.01,
    "node_neurondevice_runtime_memory_used_bytes": 9530000000,
}  # fmt: skip
DEVICE = {
    **COMMON, "Type": "NodeAWSNeuronDevice", "NeuronDevice": "device6",
    "node_neurondevice_hw_ecc_events_mem_ecc_corrected": 4, "node_neurondevice_hw_ecc_events_total": 4,
}  # fmt: skip
KEYS = {
    "event_number": 1, "account_id": "", "sample_at": datetime(2026, 11, 22, 18, 1, 0, 123000, UTC),
    "region": "us-west-2", "cluster": "c1", "instance_id": "i-0abc", "instance_type": "trn1.32xlarge",
    "node_name": "n1",
}  # fmt: skip


def lines(*events: object) -> bytes:
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def message(*events: object, **more: Any) -> bytes:
    told = [{"id": str(n), "timestamp": 1, "message": json.dumps(event)} for n, event in enumerate(events)]
    about = {
        "messageType": "DATA_MESSAGE",
        "owner": "111122223333",
        "logGroup": "/aws/containerinsights/c1/performance",
    }
    return json.dumps({**about, "logStream": "n1", "logEvents": told, **more}).encode()


def parse(path: Path, content: bytes) -> tuple[Rows, ParsedDelivery]:
    path.write_bytes(content)
    obj = SourceObject("events", path, datetime(2026, 11, 23, tzinfo=UTC), modified_is_known=True)
    assert detect(obj) == "emf"
    delivery = read(obj, IngestOptions(), Seeds(path.parent))
    rows: Rows = {table: [] for table in SCHEMAS}
    for table, batch in delivery.batches:
        rows[table] += batch.to_pylist()
    return rows, delivery


def test_columns_are_those_of_the_raw_tables(repo_root: Path) -> None:
    for table, schema in SCHEMAS.items():
        ddl = (repo_root / "sql" / "raw" / f"{table}.sql").read_text().split("(\n", 1)[1].split(");")[0]
        columns = [entry.split()[0] for entry in ddl.strip().split("\n")]
        assert columns == ["delivery_id", *schema.names], table


def test_a_core_event_becomes_a_core_row(tmp_path: Path) -> None:
    rows, _ = parse(tmp_path / "x", lines(CORE))
    use = {"device_index": 6, "core_index": 13, "utilization_percent": 71.25, "memory_used_bytes": 1024}
    assert rows["raw_emf_cores"] == [KEYS | use]


def test_a_container_event_names_its_pod_with_owner_and_labels(tmp_path: Path) -> None:
    (row,) = parse(tmp_path / "x", lines(CONTAINER))[0]["raw_emf_owners"]
    assert (row["namespace"], row["pod_name"], row["container_name"]) == ("ml", "llama-7d9c5b6f4-x7k2p", "main")
    assert (row["owner_kind"], row["owner_name"]) == ("Deployment", "llama")
    assert row["labels"] == '{"app":"llama","team":"nlp"}'


def test_a_node_event_tells_errors_and_executions_by_kind(tmp_path: Path) -> None:
    (row,) = parse(tmp_path / "x", lines(NODE))[0]["raw_emf_nodes"]
    told = {name: value for name, value in row.items() if name.endswith(("_count", "_seconds", "_bytes"))}
    assert {name: value for name, value in told.items() if value is not None} == {
        "error_count": 3, "generic_error_count": 1, "hardware_error_count": 2, "completed_count": 500,
        "latency_seconds": 0.01, "runtime_memory_used_bytes": 9530000000,
    }  # fmt: skip


def test_a_device_event_tells_memory_errors_and_nothing_for_what_it_lacks(tmp_path: Path) -> None:
    (row,) = parse(tmp_path / "x", lines(DEVICE))[0]["raw_emf_devices"]
    assert (row["mem_ecc_corrected"], row["mem_ecc_uncorrected"], row["ecc_event_count"]) == (4, None, 4)


def test_subscription_messages_behind_one_another_read_as_their_events(tmp_path: Path) -> None:
    control = json.dumps({"messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logEvents": []}).encode()
    hostile = CONTAINER | {"ContainerName": 'a}{"b'}
    parts = [control, message(CORE, hostile), message(NODE), message(DEVICE)]
    expected = parse(tmp_path / "x", b"\n".join(parts))[0]
    assert [len(rows) for rows in expected.values()] == [1, 1, 1, 1]
    assert expected["raw_emf_owners"][0]["container_name"] == 'a}{"b'
    assert expected["raw_emf_cores"][0]["account_id"] == "111122223333"
    for content in (b"".join(parts), b"".join(map(gzip.compress, parts)), gzip.compress(b"".join(parts))):
        rows, delivery = parse(tmp_path / "x", content)
        assert (rows, delivery.rejects) == (expected, [])


def test_a_seam_between_two_chunks_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = message(CORE) + message(NODE) + message(DEVICE)
    expected = parse(tmp_path / "x", content)[0]
    for size in range(1, 60, 7):
        monkeypatch.setattr("pipeline.sources.content.CHUNK_BYTES", size)
        assert parse(tmp_path / "x", content)[0] == expected


def test_events_of_other_types_are_counted_by_type(tmp_path: Path) -> None:
    rows, delivery = parse(tmp_path / "x", lines(CORE, COMMON | {"Type": "Node"}, COMMON | {"Type": "PodGPU"}, COMMON))
    assert delivery.unmapped == {"Node": 1, "PodGPU": 1, "None": 1}
    assert (sum(map(len, rows.values())), delivery.rejects) == (1, [])


BAD: list[tuple[Any, str]] = [
    (CORE | {"NeuronCore": "thirteen"}, "names no core"),
    ({key: value for key, value in CORE.items() if key != "NeuronCore"}, "names no core"),
    (CORE | {"InstanceId": ""}, "no InstanceId"),
    (CORE | {"Timestamp": "yesterday"}, "epoch millisecond"),
    (CORE | {"Timestamp": 1795370460}, "epoch millisecond"),
    (CORE | {"node_neuroncore_utilization": "71"}, "is no number"),
    (CORE | {"node_neuroncore_memory_usage_total": -1}, "is no count"),
    (CORE | {"node_neuroncore_memory_usage_total": 4e18}, "is no count"),
    (CONTAINER | {"FullPodName": "", "PodName": ""}, "no pod named"),
    (CONTAINER | {"kubernetes": {"labels": 3}}, "labels is no object"),
    (CONTAINER | {"kubernetes": {"pod_owners": ["x"]}}, "pod_owners is no list"),
    (DEVICE | {"NeuronDevice": None}, "names no core or device"),
    ([1], "no log event"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD, ids=[f"{n}-{reason}" for n, (_, reason) in enumerate(BAD)])
def test_a_bad_event_is_rejected_alone(tmp_path: Path, bad: Any, reason: str) -> None:
    rows, delivery = parse(tmp_path / "x", lines(CORE, bad, NODE))
    assert sum(map(len, rows.values())) == 2
    assert [(each.line_number, reason in each.reason) for each in delivery.rejects] == [(2, True)]


def test_a_message_with_a_bad_event_keeps_the_others(tmp_path: Path) -> None:
    broken = message(CORE, NODE).replace(b'{\\"CloudWatchMetrics', b"{", 1)
    rows, delivery = parse(tmp_path / "x", broken)
    assert (len(rows["raw_emf_cores"]) + len(rows["raw_emf_nodes"]), len(delivery.rejects)) == (1, 1)


def test_a_cut_object_is_refused_or_its_last_document_rejected(tmp_path: Path) -> None:
    rows, delivery = parse(tmp_path / "x", (message(CORE) + message(NODE))[:-40])
    assert (len(rows["raw_emf_cores"]), len(delivery.rejects)) == (1, 1)
    with pytest.raises(RefusedDelivery, match="damaged gzip"):
        parse(tmp_path / "x", gzip.compress(message(*[CORE] * 50))[:-9])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("node_neuroncore", "NodeAWSNeuronCore"),
        ("container_neuroncore", "ContainerAWSNeuronCore"),
        ("pod_neuroncore", "PodAWSNeuronCore"),
        ("node_neuron", "NodeAWSNeuron"),
        ("node_neurondevice", "NodeAWSNeuronDevice"),
    ],
)
def test_the_worlds_events_have_the_fields_of_the_agents_own_schemas(shared_data: Path, name: str, kind: str) -> None:
    schema = json.loads((shared_data / "neuron" / f"emf_schema_{name}.json").read_text())
    world = simulate(WorldOptions(seed=7, days=1))
    content = gzip.decompress(next(emf_files(world, END - 1800, END - 1200))[1]).replace(b"}{", b"}\n{")
    texts = [each["message"] for part in content.splitlines() for each in json.loads(part)["logEvents"]]
    event = next(event for event in map(json.loads, texts) if event["Type"] == kind)
    # the schema of pods asks for a container, which a pod's event has not
    assert set(schema["required"]) - {"ContainerName"} <= event.keys()
    assert kind in READERS


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*CONTAINER]),
        st.one_of(st.none(), st.integers(), st.text(max_size=9), st.just([]), st.just({})),
        max_size=5,
    )
)
def test_no_event_crashes_the_reader(tmp_path_factory: pytest.TempPathFactory, changes: dict[str, Any]) -> None:
    rows, delivery = parse(tmp_path_factory.mktemp("emf") / "x", lines(CORE, CONTAINER | changes))
    assert len(rows["raw_emf_cores"]) >= 1
    assert sum(map(len, rows.values())) + len(delivery.rejects) + delivery.unmapped.total() == 2
