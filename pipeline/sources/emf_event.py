"""What one Container Insights log event says: a row of a core, an owner, a node or a device, by the event's Type."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import orjson

from pipeline.sources.base import MOST_OF_A_DEVICE

Json: TypeAlias = Mapping[str, Any]
Row: TypeAlias = tuple[Any, ...]

ERRORS: Final = ("generic", "numerical", "transient", "model", "runtime", "hardware")
STATUSES: Final = (
    "completed",
    "completed_with_err",
    "completed_with_num_err",
    "timed_out",
    "incorrect_input",
    "failed_to_queue",
)
ECC: Final = ("mem_ecc_corrected", "mem_ecc_uncorrected", "sram_ecc_corrected", "sram_ecc_uncorrected")
EARLIEST_MS: Final = 946_684_800_000  # 2000-01-01
LATEST_MS: Final = 4_102_444_800_000  # 2100-01-01
PLACE: Final = re.compile(r"(?:core|device)?(0|[1-9][0-9]{0,7})")


class EventError(ValueError):
    """A log event of Neuron that cannot be read; the message is the reason shown in raw_rejects."""


def read_event(event: Json) -> tuple[str, Row] | None:
    """(raw table, row) of one event, or None for a Type that is not read.

    A row begins with sample_at in epoch milliseconds, region, cluster, instance_id, instance_type, node_name. Raises
    EventError where a field that the Type needs is missing or of another kind.
    """
    kind = event.get("Type")
    if not isinstance(kind, str) or kind not in READERS:
        return None
    table, reader, prefix = READERS[kind]
    if not _text(event, "InstanceId"):
        raise EventError("no InstanceId: its cores could not be told from another host's")
    names = ("region", "ClusterName", "InstanceId", "InstanceType", "NodeName")
    return table, (_timestamp(event), *(_text(event, name) for name in names), *reader(event, prefix))


def _core(event: Json, prefix: str) -> Row:
    return (*_places(event), *_use(event, prefix))


def _owner(event: Json, prefix: str) -> Row:
    kubernetes = event.get("kubernetes") or {}
    if not isinstance(kubernetes, dict):
        raise EventError("kubernetes is no object")
    pod = next((name for key in ("FullPodName", "K8sPodName", "PodName") if (name := _text(event, key))), "")
    if not pod:
        raise EventError("no pod named")
    container = _text(event, "ContainerName")
    return (
        *_places(event),
        _text(event, "Namespace") or _text(kubernetes, "namespace_name"),
        pod,
        container,
        *_pod_owner(kubernetes),
        _labels(kubernetes),
        *_use(event, prefix),
    )


def _node(event: Json, prefix: str) -> Row:
    return (
        _count(event, f"{prefix}_execution_errors_total"),
        *(_count(event, f"{prefix}_execution_errors_{name}") for name in ERRORS),
        *(_count(event, f"{prefix}_execution_status_{name}") for name in STATUSES),
        _number(event, f"{prefix}_execution_latency"),
        _count(event, "node_neurondevice_runtime_memory_used_bytes"),
    )


def _device(event: Json, prefix: str) -> Row:
    counts = (_count(event, f"{prefix}_hw_ecc_events_{name}") for name in (*ECC, "total"))
    return (_place(event, "NeuronDevice"), *counts)


READERS: Final[Mapping[str, tuple[str, Callable[[Json, str], Row], str]]] = {
    "NodeAWSNeuronCore": ("raw_emf_cores", _core, "node_neuroncore"),
    "ContainerAWSNeuronCore": ("raw_emf_owners", _owner, "container_neuroncore"),
    "PodAWSNeuronCore": ("raw_emf_owners", _owner, "pod_neuroncore"),
    "NodeAWSNeuron": ("raw_emf_nodes", _node, "node_neuron"),
    "NodeAWSNeuronDevice": ("raw_emf_devices", _device, "node_neurondevice"),
}


def _timestamp(event: Json) -> int:
    """Epoch milliseconds; the agent writes them as text."""
    value = event.get("Timestamp")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if type(value) is not int or not EARLIEST_MS <= value < LATEST_MS:
        raise EventError(f"Timestamp {str(value)[:40]} is no epoch millisecond of this century")
    return value


def _places(event: Json) -> tuple[int | None, int]:
    """Device, where it is named, and core."""
    return _place(event, "NeuronDevice") if "NeuronDevice" in event else None, _place(event, "NeuronCore")


def _place(event: Json, name: str) -> int:
    matched = PLACE.fullmatch(_text(event, name))
    if matched is None:
        raise EventError(f"{name} {_text(event, name)[:40]!r} names no core or device")
    return int(matched[1])


def _use(event: Json, prefix: str) -> tuple[float | None, int | None]:
    return _number(event, f"{prefix}_utilization"), _count(event, f"{prefix}_memory_usage_total")


def _pod_owner(kubernetes: Json) -> tuple[str, str]:
    owners = kubernetes.get("pod_owners") or []
    if not isinstance(owners, list) or not all(isinstance(owner, dict) for owner in owners):
        raise EventError("pod_owners is no list of objects")
    first = owners[0] if owners else {}
    return _text(first, "owner_kind"), _text(first, "owner_name")


def _labels(kubernetes: Json) -> str:
    labels = kubernetes.get("labels") or {}
    if not isinstance(labels, dict):
        raise EventError("labels is no object")
    return orjson.dumps(labels, option=orjson.OPT_SORT_KEYS).decode()


def _text(parent: Json, name: str) -> str:
    value = parent.get(name)
    if value is None or isinstance(value, str):
        return value or ""
    raise EventError(f"{name} is no text")


def _number(parent: Json, name: str) -> float | None:
    value = parent.get(name)
    if value is None or type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    raise EventError(f"{name} is no number")


def _count(parent: Json, name: str) -> int | None:
    """A count or bytes; the agent may write them with a fraction, its sums being floating point."""
    value = _number(parent, name)
    if value is None:
        return None
    if not 0 <= value <= MOST_OF_A_DEVICE:
        raise EventError(f"{name} is no count")
    return round(value)
