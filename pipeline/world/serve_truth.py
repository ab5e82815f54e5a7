"""What the doubles know: a simulated world as Container Insights tracks and as Cost Explorer days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from pipeline.world.lines import Line, usd
from pipeline.world.options import WorldOptions, instant
from pipeline.world.plan import EKS
from pipeline.world.serve_bill import BilledHour
from pipeline.world.serve_gpu_tracks import efa_tracks, gpu_tracks
from pipeline.world.serve_neuron_tracks import neuron_tracks
from pipeline.world.serve_published import NEURON_CORE, Track
from pipeline.world.world import World, simulate

# Product codes of a bill as Cost Explorer names their services.
EC2 = "Amazon Elastic Compute Cloud - Compute"
EC2_OTHER = "EC2 - Other"
SERVICES = {
    "AmazonEKS": "Amazon Elastic Container Service for Kubernetes",
    "ComputeSavingsPlans": "Savings Plans for AWS Compute usage",
}
COMPUTE_KINDS = ("BoxUsage", "SpotUsage", "UnusedBox", "Reservation")


def read_world(directory: Path) -> World:
    """The world whose files lie in `directory`, simulated again from its world.json."""
    path = directory / "world.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no world here; write one first: chipledger world --seed 1 --out {directory}")
    return simulate(WorldOptions.from_json(path.read_text("utf-8")))


def insight_tracks(world: World, faults: frozenset[str] = frozenset()) -> Iterator[Track]:
    """Tracks of every NeuronCore, GPU and network card that an EKS agent sees."""
    for node in world.watched():
        if node.cluster is None or node.cluster.kind != EKS:
            continue
        telemetry = world.telemetry(node)
        if node.spec.vendor == "neuron":
            yield from neuron_tracks(telemetry, world.options.interval_seconds, faults)
        else:
            yield from gpu_tracks(telemetry, world.options.seed)
        yield from efa_tracks(telemetry)


def core_tracks(world: World) -> Iterator[Track]:
    """The tracks of NeuronCores alone."""
    return (track for track in insight_tracks(world) if track.family == NEURON_CORE)


def billed_hours(world: World) -> list[BilledHour]:
    """The bill per hour (or longer line), account, record type, usage type and resource, in the order of those keys."""
    groups: dict[tuple[str, ...], list[Line]] = defaultdict(list)
    for line in world.lines:
        keys = (line.account_id, line.record_type, line.usage_type, line.product, line.instance_type, line.region)
        groups[(instant(line.start).isoformat(), *keys, line.resource_id)].append(line)
    return [_billed_hour(groups[key]) for key in sorted(groups)]


def _billed_hour(lines: list[Line]) -> BilledHour:
    first = lines[0]
    return BilledHour(
        start_at=instant(first.start),
        account_id=first.account_id,
        record_type=first.record_type,
        usage_type=first.usage_type,
        service=_service(first),
        instance_type=first.instance_type,
        region=first.region,
        resource_id=first.resource_id,
        unblended_cost=usd(sum(line.unblended for line in lines)),
        amortized_cost=usd(sum(line.effective for line in lines)),
        usage_quantity=sum((line.amount for line in lines), Decimal(0)),
    )


def _service(line: Line) -> str:
    if line.product == "AmazonEC2":
        return EC2 if any(kind in line.usage_type for kind in COMPUTE_KINDS) else EC2_OTHER
    return SERVICES.get(line.product, line.product)
