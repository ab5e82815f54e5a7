"""True money: every line of the bill divided over workloads and classes by the true usage of its hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.world.chips import SPECS
from pipeline.world.fleet import Fleet, Node
from pipeline.world.lines import CREDIT, FEE, REFUND, RI_FEE, SP_NEGATION, SP_RECURRING, TAX, Line, split
from pipeline.world.options import day_of
from pipeline.world.truth_blocks import BlockPiece, block_pieces
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
    `bill`: (day, account, record type); `boxes`: (hour, instance_id) of every billed instance-hour; `pieces`: of fees
    of Capacity Blocks, which count where they pay for something.
    """

    workloads: dict[WorkloadDay, Money]
    classes: dict[ClassDay, Money]
    bill: dict[BillDay, Money]
    boxes: dict[tuple[int, str], BoxHour]
    pieces: list[BlockPiece]


def true_costs(fleet: Fleet, lines: Sequence[Line], usage: Usage) -> Truth:
    """Divide the final bill. Parts of a line are whole units and sum to the line in both bases."""
    nodes = {node.instance_id: node for node in fleet.nodes}
    pieces = block_pieces(fleet, lines)
    boxes = box_hours(nodes, lines, pieces)
    truth = Truth(defaultdict(lambda: [0, 0]), defaultdict(lambda: [0, 0]), defaultdict(lambda: [0, 0]), boxes, pieces)
    for line in lines:
        effective = 0 if line.is_block_fee else line.effective
        _add(truth.bill[(day_of(line.start), line.account_id, line.record_type)], effective, line.unblended)
        node = nodes.get(line.resource_id) if line.is_box else None
        if node is None:
            place = (line.instance_type, line.account_id, line.region)
            _keep(truth, line.start, other_class(line), place, (effective, line.unblended), line.workload)
        else:
            _divide(truth, usage, node, line.start, line.account_id, (effective, line.unblended))
    for piece in pieces:
        _add(truth.bill[(day_of(piece.hour), piece.account_id, FEE)], piece.effective, 0)
        if piece.node is None:
            place = (piece.instance_type, piece.account_id, piece.region)
            _keep(truth, piece.hour, RESERVED, place, (piece.effective, 0))
        else:
            _divide(truth, usage, piece.node, piece.hour, piece.account_id, (piece.effective, 0))
    return truth


def _keep(
    truth: Truth,
    at: int,
    cost_class: str,
    place: tuple[str, str, str],
    money: tuple[int, int],
    workload: str = "",
) -> None:
    """Add [effective, billed] whole to one class, and to its workload; `place` is instance type, account and region."""
    instance_type, account_id, region = place
    spec = SPECS.get(instance_type.removeprefix("ml."))
    chip = spec.chip if spec else "other"
    cluster = workload.partition("/")[0] or "-"
    _add(truth.classes[(day_of(at), cost_class, instance_type, chip, account_id, region, cluster)], *money)
    if workload:
        _add(truth.workloads[(day_of(at), workload, chip)], *money)


def _add(money: Money, effective: int, billed: int) -> None:
    money[0] += effective
    money[1] += billed


def box_hours(
    nodes: dict[str, Node], lines: Sequence[Line], pieces: Sequence[BlockPiece]
) -> dict[tuple[int, str], BoxHour]:
    """Each accelerator instance-hour: the sum of its lines; seconds from when the instance really ran."""
    sums: dict[tuple[int, str], Money] = defaultdict(lambda: [0, 0])
    for line in lines:
        if line.is_box and line.resource_id in nodes:
            _add(sums[(line.start, line.resource_id)], line.effective, line.unblended)
    for piece in pieces:
        if piece.node is not None:
            _add(sums[(piece.hour, piece.node.instance_id)], piece.effective, 0)
    hours = {}
    for (hour, instance_id), (effective, billed) in sums.items():
        start, end = nodes[instance_id].runs(hour, hour + 3600)
        hours[(hour, instance_id)] = BoxHour(effective, billed, end - start)
    return hours


def _weights(boxes: dict[tuple[int, str], BoxHour], usage: Usage, hour: int, node: Node) -> dict[tuple[str, str], int]:
    """(class, workload) -> device-seconds × DENOMINATOR of an instance-hour; they sum to its capacity."""
    key = (hour, node.instance_id)
    capacity = boxes[key].seconds * node.spec.devices * DENOMINATOR
    held = usage.held.get(key, {})
    observed = usage.observed.get(key, 0)
    weights = {(WORKLOAD, workload): held[workload] for workload in sorted(held) if workload}
    weights[(IDLE, "")] = observed - sum(held.values())
    weights[(UNATTRIBUTED, "")] = capacity - sum(weights.values())
    if min(weights.values()) < 0:
        raise ValueError(f"{node.instance_id} at {hour}: more was observed or held than it ran: {weights}")
    return {part: weight for part, weight in weights.items() if weight}


def _divide(truth: Truth, usage: Usage, node: Node, hour: int, account_id: str, money: tuple[int, int]) -> None:
    """Add [effective, billed] of an instance-hour to the classes and workloads that its time went to."""
    weights = _weights(truth.boxes, usage, hour, node)
    day, chip, shares = day_of(hour), node.spec.chip, list(weights.values())
    parts = zip(weights, split(money[0], shares), split(money[1], shares), strict=True)
    for (cost_class, workload), effective, billed in parts:
        key = (day, cost_class, node.spec.name, chip, account_id, node.region, node.cluster_name)
        _add(truth.classes[key], effective, billed)
        if workload:
            _add(truth.workloads[(day, workload, chip)], effective, billed)


def other_class(line: Line) -> str:
    """The class of a line that bills no accelerator in use."""
    if line.workload:
        return WORKLOAD
    if line.record_type in _ADJUSTING or line.is_block_fee or line.is_upfront:
        return ADJUSTMENT
    if line.record_type in (SP_RECURRING, RI_FEE) or "UnusedBox" in line.usage_type:
        return RESERVED
    if line.product in _SHARED_PRODUCTS or any(word in line.usage_type for word in _SHARED_USAGE):
        return SHARED
    return UNATTRIBUTED
