"""Kubernetes pods: `kubectl get pods -A -o json`, or one Pod object per line; they tell owners, labels and requests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa

from pipeline.sources.base import (
    IngestOptions,
    ParsedDelivery,
    Reject,
    Seeds,
    SourceObject,
    add_reject,
    describe,
    observation_time,
)
from pipeline.sources.inventory import SOURCE, utc_time
from pipeline.sources.json_listing import json_documents, row_batches
from pipeline.sources.pod_requests import COLUMNS, pod_requests

TABLE = "raw_pods"
_TIME = pa.timestamp("us", tz="UTC")
# why a pod failed that did nothing wrong itself
TAKEN_AWAY = ("Evicted", "Preempted", "Preempting", "NodeLost", "Shutdown", "Terminated")
SCHEMA = pa.schema(
    [("observed_at", _TIME)]
    + [(name, pa.string()) for name in ("instance_id", "node_name", "namespace", "pod")]
    + [("created_at", _TIME)]
    + [(name, pa.string()) for name in ("owner_kind", "owner_name", "labels")]
    + [(name, _TIME) for name in ("started_at", "ended_at")]
    + [(name, pa.int64()) for name in COLUMNS]
    + [("outcome", pa.string())]
)


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """Pods of the object as raw_pods rows, all observed when the object was."""
    info = describe(obj, SOURCE, observation_time(obj, options))
    rejects: list[Reject] = []
    return ParsedDelivery(info, row_batches(_rows(obj, info.observed_at, rejects), TABLE, SCHEMA), rejects)


def _rows(obj: SourceObject, observed_at: datetime, rejects: list[Reject]) -> Iterator[dict[str, object]]:
    seen: set[tuple[object, ...]] = set()
    for number, pod in _pods(obj, rejects):
        try:
            row = {"observed_at": observed_at, **_row(pod)}
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            reason = f"not a Kubernetes pod: {error}"
            add_reject(rejects, Reject.of(number, reason, orjson.dumps(pod)), obj.name)
            continue
        key = tuple(row[name] for name in ("namespace", "pod", "created_at"))
        if key in seen:
            add_reject(rejects, Reject.of(number, "the same pod again", orjson.dumps(pod)), obj.name)
            continue
        seen.add(key)
        yield row


def _pods(obj: SourceObject, rejects: list[Reject]) -> Iterator[tuple[int, Any]]:
    for number, document in json_documents(obj, rejects):
        if isinstance(document, dict) and isinstance(document.get("items"), list):
            yield from enumerate(document["items"], start=1) if not number else ((number, p) for p in document["items"])
        else:
            yield number or 1, document


def _row(pod: Mapping[str, Any]) -> dict[str, object]:
    told = pod["metadata"]
    created_at = utc_time(told["creationTimestamp"])
    if not told["name"] or created_at is None:
        raise ValueError("it has no name or no creationTimestamp")
    owners = told.get("ownerReferences") or []
    owner = next((each for each in owners if each.get("controller")), owners[0] if owners else {})
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    labels = {str(key): str(value) for key, value in (told.get("labels") or {}).items()}
    return {
        "instance_id": "",
        "node_name": str(spec.get("nodeName") or ""),
        "namespace": str(told.get("namespace") or "default"),
        "pod": str(told["name"]),
        "created_at": created_at,
        "owner_kind": str(owner.get("kind") or ""),
        "owner_name": str(owner.get("name") or ""),
        "labels": json.dumps(labels, sort_keys=True, ensure_ascii=False, separators=(",", ":")),
        "started_at": utc_time(status.get("startTime")),
        "ended_at": _ended_at(status, created_at),
        **pod_requests(spec),
        "outcome": _outcome(status),
    }


def _outcome(status: Mapping[str, Any]) -> str:
    """How far the pod is: waiting, running, completed, preempted (also evicted) or failed; '' where it is unknown."""
    phase = status.get("phase")
    if phase == "Failed":
        conditions = status.get("conditions") or []
        is_taken = any(each.get("type") == "DisruptionTarget" and each.get("status") == "True" for each in conditions)
        return "preempted" if is_taken or status.get("reason") in TAKEN_AWAY else "failed"
    if phase == "Pending":  # a node that pulls its images holds its accelerators already
        return "running" if status.get("startTime") else "waiting"
    return {"Running": "running", "Succeeded": "completed"}.get(str(phase), "")


def _ended_at(status: Mapping[str, Any], created_at: datetime) -> datetime | None:
    """When a pod that succeeded or failed ended: by its last container, else its last condition; None while it runs."""
    if status.get("phase") not in ("Succeeded", "Failed"):
        return None
    states = [(each.get("state") or {}).get("terminated") or {} for each in status.get("containerStatuses") or []]
    times = [utc_time(state.get("finishedAt")) for state in states]
    if not any(times):  # evicted before it ran
        times = [utc_time(each.get("lastTransitionTime")) for each in status.get("conditions") or []]
    return max((moment for moment in times if moment), default=created_at)
