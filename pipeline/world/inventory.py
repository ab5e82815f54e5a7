"""EC2 DescribeInstances as NDJSON snapshots: daily at midnight and right after each start and stop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.world.events import Block, tags_known_at
from pipeline.world.fleet import Fleet, Node
from pipeline.world.options import END, SECONDS_PER_DAY, SECONDS_PER_HOUR, WorldOptions, instant, iso, stamp
from pipeline.world.plan import BLOCKED, EKS, SPOT
from pipeline.world.seeds import hexadecimal

# How long after an event the next snapshot is taken.
AFTER_EVENT_SECONDS = 60

# EC2 shows a terminated instance for about an hour.
VISIBLE_SECONDS = SECONDS_PER_HOUR


def inventory_files(options: WorldOptions, fleet: Fleet) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(name, records) of each snapshot, in the order of time."""
    for at in snapshot_times(options, fleet):
        is_tagged = at >= tags_known_at(options, END)
        records = [describe(node, at, is_tagged or node.stopped_at is not None)
                   for node in fleet.nodes if _is_visible(node, at)]  # fmt: skip
        yield f"instances-{stamp(at)}.ndjson", records


def reservation_files(options: WorldOptions, fleet: Fleet) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(name, records) of DescribeCapacityReservations: once the blocks are paid for, and at the end of the world."""
    if fleet.blocks:
        for at in (max(block.booked_at for block in fleet.blocks) + SECONDS_PER_HOUR, END):
            yield f"reservations-{stamp(at)}.ndjson", [_reservation(fleet, block, at) for block in fleet.blocks]


def _reservation(fleet: Fleet, block: Block, at: int) -> dict[str, Any]:
    account = fleet.accounts[BLOCKED.account]
    running = sum(node.launch_at <= at < node.runs_until() for node in fleet.nodes if is_in(node, block))
    return {
        "CapacityReservationId": block.reservation_id,
        "OwnerId": account.account_id,
        "InstanceType": BLOCKED.instance_type,
        "InstancePlatform": "Linux/UNIX",
        "AvailabilityZone": f"{account.region}a",
        "Tenancy": "default",
        "TotalInstanceCount": block.count,
        "AvailableInstanceCount": block.count - running,
        "State": "scheduled" if at < block.start else "active" if at < block.end else "expired",
        "StartDate": iso(block.start),
        "EndDate": iso(block.end),
        "CreateDate": iso(block.booked_at),
        "ReservationType": "capacity-block",
        "Tags": [{"Key": "team", "Value": account.name}],
        "observed_at": iso(at),
    }


def is_in(node: Node, block: Block) -> bool:
    """Whether the instance ran in the block."""
    return node.reservation_id == block.reservation_id


def snapshot_times(options: WorldOptions, fleet: Fleet) -> list[int]:
    """Instants of the snapshots, epoch seconds; the last one is the end of the world."""
    times = set(range(options.start, END + 1, SECONDS_PER_DAY))
    for node in fleet.nodes:
        for event in (node.launch_at, node.stopped_at):
            if event is not None and options.start <= event < END:
                times.add(min(event + AFTER_EVENT_SECONDS, END))
    return sorted(times)


def _is_visible(node: Node, at: int) -> bool:
    return node.launch_at <= at and (node.stopped_at is None or at < node.stopped_at + VISIBLE_SECONDS)


def describe(node: Node, at: int, is_tagged: bool = True) -> dict[str, Any]:
    """One instance as EC2 describes it at an instant, plus the owner, the region and the instant.

    Without `is_tagged` it bears its name alone: who runs it has not told yet what it belongs to.
    """
    stopped = node.stopped_at is not None and node.stopped_at <= at
    record: dict[str, Any] = {
        "AmiLaunchIndex": 0,
        "ImageId": "ami-0" + hexadecimal(16, "image", node.region, node.spec.vendor),
        "InstanceId": node.instance_id,
        "InstanceType": node.spec.name,
        "LaunchTime": iso(node.launch_at),
        "Monitoring": {"State": "disabled"},
        "Placement": {"AvailabilityZone": node.availability_zone, "GroupName": "", "Tenancy": "default"},
        "PrivateDnsName": "" if stopped else node.private_dns_name,
        "ProductCodes": [],
        "PublicDnsName": "",
        "State": {"Code": 48, "Name": "terminated"} if stopped else {"Code": 16, "Name": "running"},
        "StateTransitionReason": _reason(node) if stopped else "",
        "Architecture": "x86_64",
        "EbsOptimized": True,
        "Hypervisor": "xen",
        "Tags": [{"Key": key, "Value": value} for key, value in tags(node).items() if is_tagged or key == "Name"],
        "VirtualizationType": "hvm",
    }
    if not stopped:
        record["PrivateIpAddress"] = node.private_ip
        record["SubnetId"] = "subnet-0" + hexadecimal(16, "subnet", node.account.account_id, node.availability_zone)
        record["VpcId"] = "vpc-0" + hexadecimal(16, "vpc", node.account.account_id)
    if node.plan.purchase == SPOT:
        record["InstanceLifecycle"] = "spot"
    if node.reservation_id:
        record |= {"InstanceLifecycle": "capacity-block", "CapacityReservationId": node.reservation_id}
    return record | {"OwnerId": node.account.account_id, "Region": node.region, "observed_at": iso(at)}


def _reason(node: Node) -> str:
    moment = instant(node.runs_until())
    return f"User initiated ({moment:%Y-%m-%d %H:%M:%S} GMT)"


def tags(node: Node) -> dict[str, str]:
    """The instance's tags: a cluster only where it belongs to one."""
    named = {"Name": node.role, "team": node.account.name}
    if node.cluster is None:
        return named
    if node.cluster.kind == EKS:
        return named | {
            "aws:eks:cluster-name": node.cluster.name,
            f"kubernetes.io/cluster/{node.cluster.name}": "owned",
        }
    return named | {"chipledger:cluster": node.cluster.name}
