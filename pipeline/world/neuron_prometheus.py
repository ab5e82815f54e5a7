"""neuron-monitor-prometheus' series of a node, and its scrapes as text: one file per node-hour, millisecond timestamps.

Names and labels follow the exporter's handlers (aws/amazon-cloudwatch-agent-test, dummy_neuron_monitor.py). What it
loses is lost here too: no FLOP/s, no physical halves, no models; without a loaded runtime no core is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np

from pipeline.world.curves import PPM, Array, Floats
from pipeline.world.fleet import Node
from pipeline.world.neuron_report import SEES_ALL_CORES, core_memory, hardware_info, instance_info
from pipeline.world.options import SECONDS_PER_HOUR, stamp
from pipeline.world.plan import EKS
from pipeline.world.prometheus_series import Series, scrapes
from pipeline.world.telemetry import HeldRange, Telemetry

Labels = tuple[tuple[str, str], ...]
ECC = ("mem_ecc_corrected", "mem_ecc_uncorrected", "sram_ecc_corrected", "sram_ecc_uncorrected")
SIZES = ("neuron_device_count", "neuroncore_per_device_count", "neuron_device_memory_size")


def neuron_exporter_files(telemetry: Telemetry) -> Iterator[tuple[str, str]]:
    """(name, text) of each node-hour."""
    node, series = telemetry.node, list(neuron_series(telemetry))
    for hour, texts in groupby(scrapes(series), key=lambda one: (one[0] - 1) // SECONDS_PER_HOUR * SECONDS_PER_HOUR):
        yield f"{node.instance_id}-{stamp(hour)}.prom.gz", "".join(text for _, text in texts)


def neuron_series(telemetry: Telemetry) -> Iterator[Series]:
    """Every series that the exporter of this node ever shows."""
    common = _common(telemetry.node)
    yield from _node_series(telemetry, common)
    for ranged in telemetry.held:
        yield from _runtime_series(telemetry, ranged, common)


def _common(node: Node) -> Labels:
    info = instance_info(node)
    return (
        ("instance_name", info["instance_name"]),
        ("instance_id", info["instance_id"]),
        ("instance_type", info["instance_type"]),
        ("availability_zone", info["instance_availability_zone"]),
        ("region", info["instance_region"]),
        ("subnet_id", info["subnet_id"]),
    )


def _node_series(telemetry: Telemetry, common: Labels) -> Iterator[Series]:
    node, at = telemetry.node, telemetry.at
    hardware = hardware_info(node)
    sizes = tuple((name, str(hardware[name])) for name in SIZES)
    yield Series("neuron_hardware_info", "gauge", (*common, *sizes), at, np.ones(len(at)))
    memory = np.full(len(at), float(node.spec.host_memory_bytes))
    yield Series("system_memory_total_bytes", "gauge", common, at, memory)
    reports = ((at - node.launch_at) // telemetry.cover).astype(np.float64)
    for device in range(node.spec.devices):
        for event in ECC:
            labels = (*common, ("event_type", event), ("neuron_device_index", str(device)))
            # the exporter adds the figure of each report: device 0 reports one corrected event, again and again
            counted = reports if device == 0 and event == ECC[0] else np.zeros(len(at))
            yield Series("hardware_ecc_events_total", "counter", labels, at, counted)
            yield Series("hardware_ecc_events_created", "gauge", labels, at, np.full(len(at), float(at[0])))


def _runtime_series(telemetry: Telemetry, ranged: HeldRange, common: Labels) -> Iterator[Series]:
    node, holding = telemetry.node, ranged.holding
    at = telemetry.at[ranged.first : ranged.last]
    runtime = (*common, ("runtime_tag", holding.owner.runtime_tag))
    memory = core_memory(node, holding)
    used = float(sum(memory.values()) * len(holding.units))
    located = (*runtime, ("memory_location", "neuron_device"))
    yield Series("neuron_runtime_memory_used_bytes", "gauge", located, at, np.full(len(at), used))
    columns = {core: column for column, core in enumerate(holding.units)}
    for core in range(len(node.units)) if node.role in SEES_ALL_CORES else holding.units:
        busy = _ratio(ranged.busy[:, columns[core]]) if core in columns else np.zeros(len(at))
        for owned, rows in _owned_spans(telemetry, ranged, core):
            labels = (*runtime, ("neuroncore", str(core)), *owned)
            yield Series("neuroncore_utilization_ratio", "gauge", labels, at[rows], busy[rows])
            for part, size in memory.items():
                value = float(size) if core in columns else 0.0
                where = (*labels, ("memory_location", "None"))
                yield Series(f"neuroncore_memory_usage_{part}", "gauge", where, at[rows], np.full(len(at[rows]), value))


def _ratio(ppm: Array) -> Floats:
    return ppm / PPM


def _owned_spans(telemetry: Telemetry, ranged: HeldRange, core: int) -> Iterator[tuple[Labels, Array]]:
    """(labels of the pod that holds the core, rows of the range while it does); elsewhere than on EKS, no labels."""
    rows = np.arange(ranged.last - ranged.first)
    if telemetry.node.cluster is None or telemetry.node.cluster.kind != EKS:
        yield (), rows
        return
    holder = np.full(len(rows), -1)
    for number, other in enumerate(telemetry.held):
        if core in other.holding.units:
            holder[max(other.first - ranged.first, 0) : max(other.last - ranged.first, 0)] = number
    for number in np.unique(holder).tolist():
        owner = telemetry.held[number].holding.owner if number >= 0 else None
        pod, namespace, container = (owner.pod, owner.namespace, owner.container) if owner else ("", "", "")
        yield (("pod_name", pod), ("namespace", namespace), ("container_name", container)), rows[holder == number]
