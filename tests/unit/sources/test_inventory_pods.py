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
    "spec": {"nodeName": "ip-10-0-0-7.ec2.internal"},
}


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
    }


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
