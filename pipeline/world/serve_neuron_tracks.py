"""NeuronCores as the classic Container Insights agent sees them: per node, and per pod and container that held them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import gcd

import numpy as np

from pipeline.world.fleet import Node
from pipeline.world.neuron_report import core_memory
from pipeline.world.seeds import array_stream
from pipeline.world.serve_published import MINUTE, NEURON_CORE, NEURON_DEVICE, Track, Values
from pipeline.world.telemetry import HeldRange, Telemetry
from pipeline.world.workloads import Owner

PPM_PER_PERCENT = 10_000
STALE_MINUTES = 3  # how long a pod that is gone keeps reading zero, where zeros are fabricated
ZEROED_SHARE = 1 / 97  # of a node's minutes in which one missing series makes the agent print zeros for all
SERVICES = frozenset({"serving"})  # namespaces whose pods stand behind a Service


def neuron_tracks(telemetry: Telemetry, interval: int, faults: frozenset[str] = frozenset()) -> Iterator[Track]:
    """Tracks of one node's cores; the faults first_runtime_memory and synthetic_zeros bend them as the agent does."""
    found = list(_node_tracks(telemetry, interval, first_only="first_runtime_memory" in faults))
    for held in telemetry.held:
        if held.holding.owner.pod:
            found += _pod_tracks(telemetry, held, interval)
    yield from map(_with_zeros, found) if "synthetic_zeros" in faults else found


def node_labels(node: Node) -> dict[str, str]:
    """The dimensions of a node."""
    return {
        "ClusterName": node.cluster_name,
        "InstanceType": node.spec.name,
        "InstanceId": node.instance_id,
        "NodeName": node.private_dns_name,
    }


def pod_labels(node: Node, owner: Owner) -> dict[str, str]:
    """The dimensions of a pod and its container; pods of an endpoint have a Service."""
    name = owner.workload_id.rpartition("/")[2]
    labels = {
        "ClusterName": node.cluster_name,
        "Namespace": owner.namespace,
        "PodName": name,
        "FullPodName": owner.pod,
        "ContainerName": owner.container,
    }
    return labels | ({"Service": name} if owner.namespace in SERVICES else {})


def _node_tracks(telemetry: Telemetry, interval: int, *, first_only: bool) -> Iterator[Track]:
    """One track per core, and one for the memory of all runtimes; the agent keeps the first of several alike."""
    cores, whole = np.zeros(telemetry.busy.shape), np.zeros(len(telemetry.at))
    for held in telemetry.held:
        rows, count = slice(held.first, held.last), len(held.holding.units)
        cores[rows, list(held.holding.units)] += _memory_bytes(held)
        whole[rows] += (
            np.where(whole[rows] > 0, 0, _memory_bytes(held) * count) if first_only else _memory_bytes(held) * count
        )
    labels, start = node_labels(telemetry.node), int(telemetry.at[0]) - interval
    measures = {"runtime_memory_used_bytes": whole}
    yield _track("node", labels, telemetry, interval, start, measures, NEURON_DEVICE)
    for unit in telemetry.node.units:
        percent = telemetry.busy[:, unit.index] / PPM_PER_PERCENT
        measures = {"utilization": percent, "memory_usage_total": cores[:, unit.index]}
        yield _track("node", labels | _core_labels(telemetry.node, unit.index), telemetry, interval, start, measures)


def _pod_tracks(telemetry: Telemetry, held: HeldRange, interval: int) -> Iterator[Track]:
    labels = pod_labels(telemetry.node, held.holding.owner)
    memory = np.full(held.last - held.first, float(_memory_bytes(held)))
    start = int(telemetry.at[held.first]) - interval
    for column, unit in enumerate(held.holding.units):
        measures = {"utilization": held.busy[:, column] / PPM_PER_PERCENT, "memory_usage_total": memory}
        on_core = labels | _core_labels(telemetry.node, unit)
        track = _track("pod", on_core, telemetry, interval, start, measures)
        yield from (track, replace(track, scope="container"))


def _with_zeros(track: Track) -> Track:
    """What the agent fabricates: whole minutes of zeros on a node, and a vanished pod that reads zero for a while."""
    if track.scope == "node":
        rows = len(next(iter(track.measures.values())))
        draw = array_stream("synthetic zeros", track.labels["InstanceId"], track.start_at)
        kept = np.where(draw.random(rows) < ZEROED_SHARE, 0.0, 1.0)
        return replace(track, measures={name: values * kept for name, values in track.measures.items()})
    padded = {name: np.pad(values, (0, STALE_MINUTES)) for name, values in track.measures.items()}
    return replace(track, measures=padded)


def _memory_bytes(held: HeldRange) -> int:
    """Device memory that the holding's runtime uses on each of its cores."""
    return sum(core_memory(held.holding.node, held.holding).values())


def _core_labels(node: Node, core: int) -> dict[str, str]:
    return {"NeuronDevice": f"device{core // node.cores_per_device}", "NeuronCore": f"core{core}"}


def _track(
    scope: str, labels: dict[str, str], telemetry: Telemetry, interval: int, start: int,
    measures: dict[str, Values], family: str = NEURON_CORE,
) -> Track:  # fmt: skip
    """A track whose minutes hold the mean of the samples that stand for them; `start` is where the first one begins."""
    account = telemetry.node.account
    by_minute = {name: _minutes(values, interval, start) for name, values in measures.items()}
    return Track(scope, labels, account.account_id, account.region, start - start % MINUTE, by_minute, family)


def _minutes(values: Values, interval: int, start: int) -> Values:
    """Samples that stand for `interval` seconds each, laid on minutes of the clock from the one that holds `start`."""
    slot = gcd(interval, MINUTE)
    slots = np.repeat(values, interval // slot)
    before = start % MINUTE // slot
    after = -(before + len(slots)) % (MINUTE // slot)
    padded = np.pad(slots, (before, after), constant_values=np.nan).reshape(-1, MINUTE // slot)
    return np.asarray(np.nanmean(padded, axis=1), np.float64)
