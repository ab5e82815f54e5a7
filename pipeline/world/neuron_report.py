"""The text of one neuron-monitor report, with a place for each number that changes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.world.chips import GIB
from pipeline.world.fleet import Node
from pipeline.world.plan import EKS
from pipeline.world.seeds import hexadecimal, stream
from pipeline.world.workloads import Holding

_MARKS = {"percent": ("@percent", "%.2f"), "half": ("@half", "%.2f"), "flops": ("@flops", "%d")}

# A runtime on this role's host sees every core of the node, as AWS's capture shows; elsewhere only its own.
SEES_ALL_CORES = frozenset({"inf2-serve"})


@dataclass(frozen=True)
class Slot:
    """One changing number: of which runtime, of which of its units, and what (`percent`, `half`, `flops`)."""

    runtime: int
    unit: int
    kind: str
    half: int = 0


def report_template(node: Node, holdings: Sequence[Holding], interval: int) -> tuple[str, list[Slot]]:
    """A printf template of the report's line, and its slots in the order of the text."""
    slots: list[Slot] = []
    runtimes = [_runtime(node, number, holding, interval, slots) for number, holding in enumerate(holdings)]
    report: dict[str, Any] = {
        "neuron_runtime_data": runtimes,
        "system_data": _system(node, interval),
        "instance_info": instance_info(node),
        "neuron_hardware_info": hardware_info(node),
    }
    if node.cluster and node.cluster.kind == EKS:
        report["neuron_k8s_info"] = _owners(node, holdings, interval)
    text = json.dumps(report, separators=(",", ":")).replace("%", "%%")
    for mark, form in _MARKS.values():
        text = text.replace(f'"{mark}"', form)
    return text + "\n", slots


def _runtime(node: Node, number: int, holding: Holding, interval: int, slots: list[Slot]) -> dict[str, Any]:
    memory = core_memory(node, holding)
    owned = {core: index for index, core in enumerate(holding.units)}
    cores = range(len(node.units)) if node.role in SEES_ALL_CORES else holding.units
    used = sum(sum(memory.values()) for _ in owned)
    device_memory = {str(core): memory if core in owned else dict.fromkeys(memory, 0) for core in cores}
    report = {
        "execution_stats": _execution(holding, interval),
        "memory_used": {
            "period": interval,
            "neuron_runtime_used_bytes": {
                "host": 7191684,
                "neuron_device": used,
                "usage_breakdown": {
                    "host": {"application_memory": 474244, "constants": 0, "dma_buffers": 6717440, "tensors": 0},
                    "neuroncore_memory_usage": device_memory,
                },
            },
            "loaded_models": [_model(holding, holding.units[0] // node.cores_per_device)],
            "error": "",
        },
        "neuron_runtime_vcpu_usage": {"period": interval, "vcpu_usage": {"user": 4.2, "system": 0.6}, "error": ""},
        "neuroncore_counters": {
            "period": interval,
            "neuroncores_in_use": {str(core): _core(node, number, core, owned.get(core), slots) for core in cores},
            "error": "",
        },
    }
    owner = holding.owner
    return {"pid": owner.pid, "neuron_runtime_tag": owner.runtime_tag, "error": "", "report": report}


def _core(node: Node, number: int, core: int, unit: int | None, slots: list[Slot]) -> dict[str, Any]:
    if unit is None:
        return {"neuroncore_utilization": 0, "flops": 0, "effective_flops": 0}
    slots += [Slot(number, unit, "percent"), Slot(number, unit, "flops")]
    counters: dict[str, Any] = {"neuroncore_utilization": "@percent", "flops": "@flops", "effective_flops": 0}
    if node.plan.lnc == 2:
        slots += [Slot(number, unit, "half", 0), Slot(number, unit, "half", 1)]
        counters["v3d"] = {f"nc_v3.{2 * core + half}": {"neuroncore_utilization": "@half"} for half in (0, 1)}
    return counters


def core_memory(node: Node, holding: Holding) -> dict[str, int]:
    """Device memory of one owned core, bytes, in the breakdown of neuron-monitor."""
    room = node.spec.memory_bytes // node.cores_per_device
    total = int(room * holding.profile.memory)
    constants, scratchpad, code = total // 8, GIB // 2, total // 16
    tensors = max(total - constants - scratchpad - code, 0)
    return {
        "constants": constants,
        "model_code": code,
        "model_shared_scratchpad": scratchpad,
        "runtime_memory": 1088,
        "tensors": tensors,
    }


def _execution(holding: Holding, interval: int) -> dict[str, Any]:
    draw = stream("execution", holding.key)
    base = 0.004 + 0.02 * draw.random()
    latency = {point: round(base * factor, 6) for point, factor in _PERCENTILES.items()}
    return {
        "period": interval,
        "error_summary": dict.fromkeys(("generic", "numerical", "transient", "model", "runtime", "hardware"), 0),
        "execution_summary": {
            "completed": int(interval / base / 2),
            "completed_with_err": 0,
            "completed_with_num_err": 0,
            "timed_out": 0,
            "incorrect_input": 0,
            "failed_to_queue": 0,
        },
        "latency_stats": {"total_latency": latency, "device_latency": latency},
        "error": "",
    }


_PERCENTILES = {"p0": 0.8, "p1": 0.85, "p25": 0.95, "p50": 1.0, "p75": 1.1, "p99": 1.6, "p100": 2.4}


def _model(holding: Holding, device: int) -> dict[str, Any]:
    uuid = hexadecimal(32, "model", holding.owner.workload_id, holding.key)
    memory = {"host": 544768, "neuron_device": 61163072, "usage_breakdown": _MODEL_MEMORY}
    subgraph = {"memory_used_bytes": memory, "neuroncore_index": holding.units[0], "neuron_device_index": device}
    return {
        "name": f"/models/{uuid[:8]}/model.neff",
        "uuid": uuid,
        "model_id": 10001 + int(uuid[:3], 16),
        "is_running": True,
        "subgraphs": {"sg_00": subgraph},
    }


_MODEL_MEMORY: Mapping[str, Mapping[str, int]] = {
    "host": {"application_memory": 20480, "constants": 0, "dma_buffers": 524288, "tensors": 0},
    "neuron_device": {"constants": 163840, "model_code": 60999232, "runtime_memory": 0, "tensors": 0},
}


def _system(node: Node, interval: int) -> dict[str, Any]:
    usage = {"user": 19.66, "nice": 0, "system": 1.67, "idle": 78.67, "io_wait": 0, "irq": 0, "soft_irq": 0}
    devices = [
        {
            "neuron_device_index": device,
            "mem_ecc_corrected": 1 if device == 0 else 0,
            "mem_ecc_uncorrected": 0,
            "sram_ecc_uncorrected": 0,
            "sram_ecc_corrected": 0,
        }
        for device in range(node.spec.devices)
    ]
    return {
        "memory_info": {
            "period": interval,
            "memory_total_bytes": node.spec.host_memory_bytes,
            "memory_used_bytes": node.spec.host_memory_bytes // 7,
            "swap_total_bytes": 0,
            "swap_used_bytes": 0,
            "error": "",
        },
        "vcpu_usage": {
            "period": interval,
            "average_usage": usage,
            "usage_data": {"0": usage},
            "context_switch_count": 171386,
            "error": "",
        },
        "neuron_hw_counters": {"period": interval, "neuron_devices": devices, "error": ""},
    }


def instance_info(node: Node) -> dict[str, str]:
    """The group instance_info."""
    return {
        "instance_name": node.private_dns_name if node.cluster else node.role,
        "instance_id": node.instance_id,
        "instance_type": node.spec.name,
        "instance_availability_zone": node.availability_zone,
        "instance_availability_zone_id": "use1-az6" if node.region == "us-east-1" else "usw2-az2",
        "instance_region": node.region,
        "ami_id": "ami-0" + hexadecimal(16, "ami", node.region, node.spec.core_version),
        "subnet_id": "subnet-0" + hexadecimal(16, "subnet", node.account.account_id, node.availability_zone),
        "error": "",
    }


def hardware_info(node: Node) -> dict[str, Any]:
    """The group neuron_hardware_info."""
    return {
        "neuron_device_type": node.spec.chip.lower(),
        "neuron_device_version": node.spec.core_version,
        "neuroncore_version": node.spec.core_version,
        "neuron_device_count": node.spec.devices,
        "neuron_device_memory_size": node.spec.memory_bytes,
        "neuroncore_per_device_count": node.cores_per_device,
        "logical_neuroncore_config": node.plan.lnc,
        "error": "",
    }


def _owners(node: Node, holdings: Sequence[Holding], interval: int) -> dict[str, Any]:
    """Which pod holds which core; a device is named only where one pod holds all of its cores."""
    cores: dict[str, Any] = {}
    devices: dict[str, Any] = {}
    for holding in holdings:
        owner = holding.owner
        named = {"pod_name": owner.pod, "namespace": owner.namespace, "container_name": [owner.container]}
        cores.update({str(core): named for core in holding.units})
        held = [core // node.cores_per_device for core in holding.units]
        devices.update({str(device): named for device in held if held.count(device) == node.cores_per_device})
    return {
        "period": interval,
        "neuroncores_k8s_info": cores,
        "neurondevices_k8s_info": devices,
        "error": "",
    }
