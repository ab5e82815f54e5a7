"""Which GPU, and whose: the labels of a dcgm-exporter series under every name they have had."""

from __future__ import annotations

from typing import Final, NamedTuple

from pipeline.sources.exposition_lines import Labels

EXPORTER_POD: Final = "dcgm-exporter"
OTHER_ENTITIES: Final = ("nvlink", "nvswitch", "cpu", "cpucore")


class GpuIdentity(NamedTuple):
    """Identity and owner of one row, as raw_dcgm_samples names them; '' where a label is absent."""

    hostname: str
    gpu_index: str
    device: str
    gpu_uuid: str
    gpu_instance_id: str
    gpu_instance_profile: str
    model_name: str
    pod: str
    namespace: str
    container: str
    pod_uid: str
    hpc_job: str


class DeviceIdentity(NamedTuple):
    """The part of an identity that belongs to the board, as raw_dcgm_devices names it."""

    hostname: str
    gpu_index: str
    device: str
    gpu_uuid: str
    model_name: str


def gpu_identity(labels: Labels) -> GpuIdentity | None:
    """Identity in a label set, or None where it names no GPU (links, switches, CPUs, other programs).

    Labels that hold a changing value (err_code, driver version) are no part of it, so they split no row.
    """
    found = dict(labels)
    uuid = _first(found, "UUID", "uuid", "gpu_uuid")
    index, device = found.get("gpu", ""), found.get("device", "")
    if not (uuid or index or device) or any(found.get(name) for name in OTHER_ENTITIES):
        return None
    pod, namespace, container, pod_uid = _owner(found)
    return GpuIdentity(
        hostname=_first(found, "hostname", "Hostname"),
        gpu_index=index,
        device=device,
        gpu_uuid=uuid,
        gpu_instance_id=found.get("GPU_I_ID", ""),
        gpu_instance_profile=found.get("GPU_I_PROFILE", ""),
        model_name=_first(found, "modelName", "model_name"),
        pod=pod,
        namespace=namespace,
        container=container,
        pod_uid=pod_uid,
        hpc_job=found.get("hpc_job", ""),
    )


def device_identity(gpu: GpuIdentity) -> DeviceIdentity:
    """The board of a row."""
    return DeviceIdentity(gpu.hostname, gpu.gpu_index, gpu.device, gpu.gpu_uuid, gpu.model_name)


def _first(labels: dict[str, str], *names: str) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")


def _owner(labels: dict[str, str]) -> tuple[str, str, str, str]:
    """(pod, namespace, container, pod uid): exported_X before X; X is dropped where it is the exporter's own pod."""
    own = EXPORTER_POD in _first(labels, "pod", "pod_name")
    bare = {} if own else labels

    def owner(*names: str) -> str:
        return _first(labels, *(f"exported_{name}" for name in names)) or _first(bare, *names)

    return (
        owner("pod", "pod_name"),
        owner("namespace", "pod_namespace"),
        owner("container", "container_name"),
        owner("pod_uid"),
    )
