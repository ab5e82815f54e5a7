"""GPUs and EFA network cards as Container Insights sees them on EKS nodes: per node, pod and container."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from pipeline.world.curves import PPM
from pipeline.world.dcgm_counters import counters
from pipeline.world.dcgm_fields import FIELDS
from pipeline.world.fleet import Unit
from pipeline.world.seeds import hexadecimal
from pipeline.world.serve_neuron_tracks import node_labels, pod_labels
from pipeline.world.serve_published import EFA, GPU, MINUTE, Track, Values
from pipeline.world.telemetry import Telemetry

MIB = 1024**2
# Network cards with EFA per type, and what a card moves while the node works flat out: invented, within line rate.
EFA_CARDS = {"trn1.32xlarge": 8, "trn2.48xlarge": 16, "p5.48xlarge": 32, "p6-b200.48xlarge": 8}
EFA_BYTES_PER_SECOND = 2.5e9
RDMA_SHARE = 0.8


def gpu_tracks(telemetry: Telemetry, seed: int) -> Iterator[Track]:
    """Tracks of one node's GPUs. A GPU cut by MIG tells power and temperature alone: its other fields name instances.

    Where several pods share a GPU each of them shows all of it, as the exporter's copied rows do.
    """
    grid = counters(telemetry, seed)
    node, labels = telemetry.node, node_labels(telemetry.node)
    for unit in _first_units(telemetry):
        whole = _measures(grid[:, :, unit.index], is_cut=bool(unit.gi_id))
        on_gpu = {"GpuDevice": f"nvidia{unit.device}"}
        yield _track("node", labels | on_gpu, telemetry, 0, len(telemetry.at), whole, GPU)
        for held in telemetry.held:
            if held.holding.owner.pod and unit.index in held.holding.units:
                pod = pod_labels(node, held.holding.owner) | on_gpu
                track = _track("pod", pod, telemetry, held.first, held.last, whole, GPU)
                yield from (track, replace(track, scope="container"))


def efa_tracks(telemetry: Telemetry) -> Iterator[Track]:
    """Tracks of one node's network cards, which move bytes as its units work; of the pod, where one holds them all."""
    node = telemetry.node
    rate = telemetry.busy.mean(axis=1) / PPM * EFA_BYTES_PER_SECOND
    measures = {
        "rx_bytes": rate,
        "tx_bytes": rate,
        "rdma_read_bytes": rate * RDMA_SHARE,
        "rdma_write_bytes": rate * (1 - RDMA_SHARE),
        "rx_dropped": rate * 0,
    }
    owned = [held for held in telemetry.held if held.holding.owner.pod and len(held.holding.units) == len(node.units)]
    for card in range(EFA_CARDS.get(node.spec.name, 0)):
        on_card = {"NetworkInterfaceId": "eni-0" + hexadecimal(16, "efa", node.instance_id, card)}
        yield _track("node", node_labels(node) | on_card, telemetry, 0, len(telemetry.at), measures, EFA)
        for held in owned:
            labels = pod_labels(node, held.holding.owner) | on_card
            track = _track("pod", labels, telemetry, held.first, held.last, measures, EFA)
            yield from (track, replace(track, scope="container"))


def _first_units(telemetry: Telemetry) -> list[Unit]:
    """One unit per GPU: the GPU itself, or the first of its MIG instances."""
    return list({unit.device: unit for unit in reversed(telemetry.node.units)}.values())[::-1]


def _measures(fields: Values, *, is_cut: bool) -> Mapping[str, Values]:
    """Figures of one GPU per sample, scaled as the agent scales them: memory to bytes, tensor activity not at all."""
    of = {field.key: fields[:, place] for place, field in enumerate(FIELDS)}
    always = {"power_draw": of["power"], "temperature": of["temp"]}
    if is_cut:
        return always
    total = of["fb_used"] + of["fb_free"]
    return always | {
        "utilization": of["gpu_util"],
        "memory_used": of["fb_used"] * MIB,
        "memory_total": total * MIB,
        "memory_utilization": 100 * of["fb_used"] / total,
        "tensor_core_utilization": of["tensor"] / PPM,
    }


def _track(
    scope: str, labels: dict[str, str], telemetry: Telemetry, first: int, last: int, measures: Mapping[str, Values],
    family: str,
) -> Track:  # fmt: skip
    """Samples [first, last) as minutes: the mean of those that a minute holds, NaN where there is none."""
    minute = (telemetry.at[first:last] - 1) // MINUTE
    places = minute - minute[0]
    counts = np.bincount(places)
    with np.errstate(invalid="ignore"):
        by_minute = {name: np.bincount(places, values[first:last]) / counts for name, values in measures.items()}
    account = telemetry.node.account
    return Track(scope, labels, account.account_id, account.region, int(minute[0]) * MINUTE, by_minute, family)
