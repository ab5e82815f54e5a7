"""What the doubles know: a simulated world as Container Insights tracks and as Cost Explorer days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from math import gcd
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.world.fleet import Node
from pipeline.world.lines import Line, usd
from pipeline.world.neuron_report import core_memory
from pipeline.world.options import WorldOptions, instant
from pipeline.world.plan import EKS
from pipeline.world.serve_costs import BilledDay
from pipeline.world.serve_published import MINUTE, Track
from pipeline.world.telemetry import HeldRange, Telemetry
from pipeline.world.world import World, simulate

PPM_PER_PERCENT = 10_000


def read_world(directory: Path) -> World:
    """The world whose files lie in `directory`, simulated again from its world.json."""
    path = directory / "world.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no world here; write one first: chipledger world --seed 1 --out {directory}")
    return simulate(WorldOptions.from_json(path.read_text("utf-8")))


def core_tracks(world: World) -> Iterator[Track]:
    """Tracks of every NeuronCore that an EKS agent sees: once for its node, once per pod and container that held it."""
    for node in world.watched():
        if node.spec.vendor == "neuron" and node.cluster is not None and node.cluster.kind == EKS:
            telemetry = world.telemetry(node)
            yield from _node_tracks(telemetry, world.options.interval_seconds)
            for held in telemetry.held:
                if held.holding.owner.pod:
                    yield from _pod_tracks(telemetry, held, world.options.interval_seconds)


def billed_days(world: World) -> list[BilledDay]:
    """The bill per day, account, record type, usage type and product, in the order of those keys."""
    groups: dict[tuple[str, ...], list[Line]] = defaultdict(list)
    for line in world.lines:
        day = instant(line.start).date().isoformat()
        keys = (line.account_id, line.record_type, line.usage_type, line.product, line.instance_type, line.region)
        groups[(day, *keys)].append(line)
    return [_billed_day(groups[key]) for key in sorted(groups)]


def _billed_day(lines: list[Line]) -> BilledDay:
    first = lines[0]
    return BilledDay(
        usage_date=instant(first.start).date(),
        account_id=first.account_id,
        record_type=first.record_type,
        usage_type=first.usage_type,
        service=first.product,
        instance_type=first.instance_type,
        region=first.region,
        unblended_cost=usd(sum(line.unblended for line in lines)),
        amortized_cost=usd(sum(line.effective for line in lines)),
        usage_quantity=sum((line.amount for line in lines), Decimal(0)),
    )


def _node_tracks(telemetry: Telemetry, interval: int) -> Iterator[Track]:
    memory = np.zeros(telemetry.busy.shape)
    for held in telemetry.held:
        memory[held.first : held.last, list(held.holding.units)] += _memory_bytes(held)
    for unit in telemetry.node.units:
        percent = telemetry.busy[:, unit.index] / PPM_PER_PERCENT
        labels = _node_labels(telemetry.node) | _core_labels(telemetry.node, unit.index)
        measures = {"utilization": percent, "memory_usage_total": memory[:, unit.index]}
        yield _track("node", labels, telemetry, interval, int(telemetry.at[0]) - interval, measures)


def _pod_tracks(telemetry: Telemetry, held: HeldRange, interval: int) -> Iterator[Track]:
    owner = held.holding.owner
    labels = {
        "ClusterName": telemetry.node.cluster_name,
        "Namespace": owner.namespace,
        "PodName": owner.workload_id.rpartition("/")[2],
        "FullPodName": owner.pod,
        "ContainerName": owner.container,
    }
    memory = np.full(held.last - held.first, float(_memory_bytes(held)))
    start = int(telemetry.at[held.first]) - interval
    for column, unit in enumerate(held.holding.units):
        measures = {"utilization": held.busy[:, column] / PPM_PER_PERCENT, "memory_usage_total": memory}
        on_core = labels | _core_labels(telemetry.node, unit)
        yield _track("pod", on_core, telemetry, interval, start, measures)
        yield _track("container", on_core, telemetry, interval, start, measures)


def _memory_bytes(held: HeldRange) -> int:
    """Device memory that the holding's runtime uses on each of its cores."""
    return sum(core_memory(held.holding.node, held.holding).values())


def _node_labels(node: Node) -> dict[str, str]:
    return {
        "ClusterName": node.cluster_name,
        "InstanceType": node.spec.name,
        "InstanceId": node.instance_id,
        "NodeName": node.private_dns_name,
    }


def _core_labels(node: Node, core: int) -> dict[str, str]:
    return {"NeuronDevice": f"device{core // node.cores_per_device}", "NeuronCore": f"core{core}"}


def _track(
    scope: str, labels: dict[str, str], telemetry: Telemetry, interval: int, start: int,
    measures: dict[str, NDArray[np.float64]],
) -> Track:  # fmt: skip
    """A track whose minutes hold the mean of the samples that stand for them; `start` is where the first one begins."""
    account = telemetry.node.account
    by_minute = {name: _minutes(values, interval, start) for name, values in measures.items()}
    return Track(scope, labels, account.account_id, account.region, start - start % MINUTE, by_minute)


def _minutes(values: NDArray[np.float64], interval: int, start: int) -> NDArray[np.float64]:
    """Samples that stand for `interval` seconds each, laid on minutes of the clock from the one that holds `start`."""
    slot = gcd(interval, MINUTE)
    slots = np.repeat(values, interval // slot)
    before = start % MINUTE // slot
    after = -(before + len(slots)) % (MINUTE // slot)
    padded = np.pad(slots, (before, after), constant_values=np.nan).reshape(-1, MINUTE // slot)
    return np.asarray(np.nanmean(padded, axis=1), np.float64)
