"""Which core, whose, on which node: the labels of a neuron-monitor-prometheus series under every name they have had."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, TypeAlias

from pipeline.sources.exposition_lines import Labels

WHOLE: Final = re.compile(r"0|[1-9][0-9]{0,17}")
WHOLE_RUNTIME: Final = -1


class NodeIdentity(NamedTuple):
    """What neuron_hardware_info says of a node; -1 where it does not say a number."""

    host: str
    instance_type: str
    region: str
    device_count: int
    cores_per_device: int
    device_memory_bytes: int


class CoreIdentity(NamedTuple):
    """A core as one runtime reports it; core_index -1 stands for the runtime as a whole."""

    host: str
    instance_type: str
    region: str
    runtime_tag: str
    core_index: int
    pod_name: str
    namespace: str
    container_name: str


class EccIdentity(NamedTuple):
    """One kind of ECC event of one device."""

    host: str
    device_index: int
    event_type: str


Identity: TypeAlias = NodeIdentity | CoreIdentity | EccIdentity


def exporter_identity(labels: Labels) -> Identity | None:
    """What a label set names, or None where it names no node, core, runtime or device of one.

    Prometheus keeps a label of the exporter as exported_X where it sets X itself; only the exporter's own counts. Its
    `namespace` is the pod's only beside a pod_name: alone it is the namespace of the exporter.
    """
    found = dict(labels)
    host = _first(found, "instance_id", "instance_name")
    if not host:
        return None
    place = (host, found.get("instance_type", ""), found.get("region", ""))
    if (core := found.get("neuroncore")) is not None:
        return (
            CoreIdentity(*place, found.get("runtime_tag", ""), int(core), *_owner(found)) if _is_whole(core) else None
        )
    if (device := found.get("neuron_device_index")) is not None:
        return EccIdentity(host, int(device), found.get("event_type", "")) if _is_whole(device) else None
    if found.get("runtime_tag"):
        return CoreIdentity(*place, found["runtime_tag"], WHOLE_RUNTIME, "", "", "")
    if "neuron_device_count" in found:
        sizes = ("neuron_device_count", "neuroncore_per_device_count", "neuron_device_memory_size")
        return NodeIdentity(*place, *(_number(found.get(name, "")) for name in sizes))
    return None


def _owner(labels: dict[str, str]) -> tuple[str, str, str]:
    """(pod, namespace, container), all '' without a pod."""
    pod = _first(labels, "exported_pod_name", "pod_name")
    if not pod:
        return "", "", ""
    return (
        pod,
        _first(labels, "exported_namespace", "namespace"),
        _first(labels, "exported_container_name", "container_name"),
    )


def _first(labels: dict[str, str], *names: str) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")


def _is_whole(text: str) -> bool:
    return len(text) < 8 and WHOLE.fullmatch(text) is not None


def _number(text: str) -> int:
    return int(text) if WHOLE.fullmatch(text) else -1
