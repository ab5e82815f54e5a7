"""Pod listings become raw_pods rows, as kubectl prints them or one pod per line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.detect import detect
from pipeline.sources.inventory_pods import read

MTIME = datetime(2026, 10, 5, tzinfo=UTC)
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "ranker-7d9f8b6c5d-x2k4z",
        "namespace": "ml",
        "creationTimestamp": "2026-10-01T02:00:00Z",
        "labels": {"pod-template-hash": "7d9f8b6c5d", "app": "rank"},
        "ownerReferences": [
            {"kind": "Other", "name": "x"},
            {"kind": "ReplicaSet", "name": "ranker-7d9f8b6c5d", "controller": True},
        ],
    },
    "spec": {
        "nodeName": "ip-10-0-0-7.ec2.internal",
        "containers": [{"resources": {"requests": {"cpu": "500m", "memory": "2Gi", "nvidia.com/gpu": "1"}}}],
    },
    "status": {"phase": "Running", "startTime": "2026-10-01T02:00:05Z"},
}
NO_REQUESTS = {"mig_slice_request_count": 0, "neuron_device_request_count": 0, "neuron_core_request_count": 0}


def _read(path: Path, content: str) -> ParsedDelivery:
    path.write_text(content)
    obj = SourceObject(path.name, path, MTIME)
    assert detect(obj) == "pods"
    return read(obj, IngestOptions(), Seeds(path.parent))


def _rows(delivery: ParsedDelivery) -> list[dict[str, Any]]:
    return [row for table, rows in delivery.batches for row in rows.to_pylist() if table == "raw_pods"]


def _pod(**changes: object) -> dict[str, Any]:
    return {**POD, "metadata": {**POD["metadata"], **changes}}


def test_a_pod_tells_node_controller_and_labels(tmp_path: Path) -> None:
    [row] = _rows(_read(tmp_path / "x", json.dumps(POD) + "\n"))
    assert row == {
        "observed_at": MTIME,
        "instance_id": "",
        "node_name": "ip-10-0-0-7.ec2.internal",
        "namespace": "ml",
        "pod": "ranker-7d9f8b6c5d-x2k4z",
        "created_at": datetime(2026, 10, 1, 2, tzinfo=UTC),
        "owner_kind": "ReplicaSet",
        "owner_name": "ranker-7d9f8b6c5d",
        "labels": '{"app":"rank","pod-template-hash":"7d9f8b6c5d"}',
        "started_at": datetime(2026, 10, 1, 2, 0, 5, tzinfo=UTC),
        "ended_at": None,
        "cpu_request_millicores": 500,
        "memory_request_bytes": 2**31,
        "gpu_request_count": 1,
        **NO_REQUESTS,
        "outcome": "running",
    }


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ({"phase": "Pending"}, "waiting"),
        ({"phase": "Pending", "startTime": "2026-10-01T02:00:05Z"}, "running"),
        ({"phase": "Succeeded"}, "completed"),
        ({"phase": "Failed"}, "failed"),
        ({"phase": "Failed", "reason": "Evicted"}, "preempted"),
        ({"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True"}]}, "preempted"),
        ({"phase": "Failed", "conditions": [{"type": "Ready", "status": "True"}]}, "failed"),
        ({"phase": "Unknown"}, ""),
        ({}, ""),
    ],
)
def test_a_pod_tells_how_far_it_is(tmp_path: Path, status: dict[str, Any], outcome: str) -> None:
    [row] = _rows(_read(tmp_path / "x", json.dumps({**POD, "status": status}) + "\n"))
    assert row["outcome"] == outcome


def _ended(path: Path, **status: object) -> datetime | None:
    [row] = _rows(_read(path, json.dumps({**POD, "status": status}) + "\n"))
    found: datetime | None = row["ended_at"]
    return found


def test_a_pod_ends_when_its_last_container_did(tmp_path: Path) -> None:
    done = [{"state": {"terminated": {"finishedAt": f"2026-10-01T0{hour}:00:00Z"}}} for hour in (4, 3)]
    assert _ended(tmp_path / "a", phase="Succeeded", containerStatuses=done) == datetime(2026, 10, 1, 4, tzinfo=UTC)
    assert _ended(tmp_path / "b", phase="Running", containerStatuses=done) is None


def test_an_evicted_pod_reserves_nothing_from_its_last_condition_on(tmp_path: Path) -> None:
    conditions = [{"type": "DisruptionTarget", "lastTransitionTime": "2026-10-01T02:30:00Z"}]
    assert _ended(tmp_path / "a", phase="Failed", conditions=conditions) == datetime(2026, 10, 1, 2, 30, tzinfo=UTC)
    assert _ended(tmp_path / "b", phase="Failed") == datetime(2026, 10, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("cpu", ["much", "-1", "9E", {}])
def test_a_pod_whose_requests_no_node_could_meet_is_rejected(tmp_path: Path, cpu: object) -> None:
    spec = {"nodeName": "n", "containers": [{"resources": {"requests": {"cpu": cpu}}}]}
    delivery = _read(tmp_path / "x", "\n".join(map(json.dumps, [{**POD, "spec": spec}, _pod(name="z")])) + "\n")
    assert [row["pod"] for row in _rows(delivery)] == ["z"]
    assert "cpu" in delivery.rejects[0].reason or "no amount of a resource" in delivery.rejects[0].reason


@pytest.mark.parametrize("indent", [None, 4])
def test_a_list_of_pods_is_read_whole(tmp_path: Path, indent: int | None) -> None:
    listed = {"apiVersion": "v1", "items": [POD, _pod(name="b", ownerReferences=None, labels=None)], "kind": "List"}
    rows = _rows(_read(tmp_path / "x", json.dumps(listed, indent=indent)))
    assert [(row["pod"], row["owner_kind"], row["labels"]) for row in rows][1] == ("b", "", "{}")


def test_what_is_no_pod_is_rejected_by_its_line(tmp_path: Path) -> None:
    lines = [POD, _pod(creationTimestamp="soon"), {"apiVersion": "v1", "kind": "Pod"}, POD, [], _pod(name="z")]
    delivery = _read(tmp_path / "x", "\n".join(map(json.dumps, lines)) + '\n{"apiVers')
    assert [row["pod"] for row in _rows(delivery)] == ["ranker-7d9f8b6c5d-x2k4z", "z"]
    assert {reject.line_number for reject in delivery.rejects} == {2, 3, 4, 5, 7}
    assert delivery.rejects[2].reason == "the same pod again"
