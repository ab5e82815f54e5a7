"""True money: every line of the bill divided over workloads and classes by the true usage of its hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.world.chips import SPECS
from pipeline.world.fleet import Fleet, Node
from pipeline.world.lines import CREDIT, REFUND, SP_NEGATION, SP_RECURRING, TAX, Line, split
from pipeline.world.options import day_of
from pipeline.world.usage import DENOMINATOR, Usage

WORKLOAD = "workload"
IDLE = "idle.unallocated"
RESERVED = "idle.reserved_unused"
SHARED = "shared"
UNATTRIBUTED = "unattributed"
ADJUSTMENT = "adjustment"

_ADJUSTING = frozenset({TAX, CREDIT, REFUND, SP_NEGATION})
_SHARED_PRODUCTS = frozenset({"AmazonEKS", "AWSSupportEnterprise"})
_SHARED_USAGE = ("EBS:", "DataTransfer", "NatGateway")

Money = list[int]
WorkloadDay = tuple[int, str, str]
ClassDay = tuple[int, str, str, str, str, str, str]
BillDay = tuple[int, str, str]


@dataclass(frozen=True)
class BoxHour:
    """What one instance-hour cost and for how long it ran."""

    effective: int
    billed: int
    seconds: int


@dataclass
class Truth:
    """Sums of [effective, billed] in units of 1e-10 USD.

    `workloads`: (day, workload_id, chip); `classes`: (day, class, type, chip, account, region, cluster);
    `bill`: (day, account, record type); `boxes`: (hour, instance_id) of every billed instance-hour.
    """

    workloads: dict[WorkloadDay, Money]
    classes: dict[ClassDay, Money]
    bill: dict[BillDay, Money]
    boxes: dict[tuple[int, str], BoxHour]


def true_costs(fleet: Fleet, lines: Sequence[Line], usage: Usage) -> Truth:
    """Divide the final bill. Parts of a line are whole units and sum to the line in both bases."""
    nodes = {node.instance_id: node for node in fleet.nodes}
    truth = Truth(
        defaultdict(lambda: [0, 0]), defaultdict(lambda: [0, 0]), defaultdict(lambda: [0, 0]), box_hours(nodes, lines)
    )
    for line in lines:
        day = day_of(line.start)
        _add(truth.bill[(day, line.account_id, line.record_type)], line.effective, line.unblended)
        node = nodes.get(line.resource_id) if line.is_box else None
        if node is None:
            spec = SPECS.get(line.instance_type.removeprefix("ml."))
            chip = spec.chip if spec else "other"
            cluster = line.workload.partition("/")[0] or "-"
            key = (day, other_class(line), line.instance_type, chip, line.account_id, line.region, cluster)
            _add(truth.classes[key], line.effective, line.unblended)
            if line.workload:
                _add(truth.workloads[(day, line.workload, chip)], line.effective, line.unblended)
        else:
            _divide(truth, line, node, _weights(truth.boxes, usage, line, node))
    return truth


def _add(money: Money, effective: int, billed: int) -> None:
    money[0] += effective
    money[1] += billed


def box_hours(nodes: dict[str, Node], lines: Sequence[Line]) -> dict[tuple[int, str], BoxHour]:
    """Each accelerator instance-hour: the sum of its lines; seconds from when the instance really ran."""
    sums: dict[tuple[int, str], Money] = defaultdict(lambda: [0, 0])
    for line in lines:
        if line.is_box and line.resource_id in nodes:
            _add(sums[(line.start, line.resource_id)], line.effective, line.unblended)
    hours = {}
    for (hour, instance_id), (effective, billed) in sums.items():
        start, end = nodes[instance_id].runs(hour, hour + 3600)
        hours[(hour, instance_id)] = BoxHour(effective, billed, end - start)
    return hours


def _weights(boxes: dict[tuple[int, str], BoxHour], usage: Usage, line: Line, node: Node) -> dict[tuple[str, str], int]:
    """(class, workload) -> device-seconds × DENOMINATOR of the line's instance-hour; they sum to its capacity."""
    key = (line.start, node.instance_id)
    capacity = boxes[key].seconds * node.spec.devices * DENOMINATOR
    held = usage.held.get(key, {})
    observed = usage.observed.get(key, 0)
    weights = {(WORKLOAD, workload): held[workload] for workload in sorted(held) if workload}
    weights[(IDLE, "")] = observed - sum(held.values())
    weights[(UNATTRIBUTED, "")] = capacity - sum(weights.values())
    if min(weights.values()) < 0:
        raise ValueError(f"{node.instance_id} at {line.start}: more was observed or held than it ran: {weights}")
    return {part: weight for part, weight in weights.items() if weight}


def _divide(truth: Truth, line: Line, node: Node, weights: dict[tuple[str, str], int]) -> None:
    day, chip = day_of(line.start), node.spec.chip
    shares = list(weights.values())
    parts = zip(weights, split(line.effective, shares), split(line.unblended, shares), strict=True)
    for (cost_class, workload), effective, billed in parts:
        key = (day, cost_class, node.spec.name, chip, line.account_id, line.region, node.cluster_name)
        _add(truth.classes[key], effective, billed)
        if workload:
            _add(truth.workloads[(day, workload, chip)], effective, billed)


def other_class(line: Line) -> str:
    """The class of a line that bills no accelerator in use."""
    if line.workload:
        return WORKLOAD
    if line.record_type in _ADJUSTING:
        return ADJUSTMENT
    if line.record_type == SP_RECURRING or "UnusedBox" in line.usage_type:
        return RESERVED
    if line.product in _SHARED_PRODUCTS or any(word in line.usage_type for word in _SHARED_USAGE):
        return SHARED
    return UNATTRIBUTED
