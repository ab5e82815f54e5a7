"""How far a ledger may be from the truth where holders change between samples: one sample's time at the hour's rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pipeline.world.fleet import Node
from pipeline.world.options import day_of, hour_of
from pipeline.world.telemetry import Telemetry
from pipeline.world.truth import BoxHour, box_hours
from pipeline.world.truth_blocks import block_pieces
from pipeline.world.workloads import Holding
from pipeline.world.world import World

# Units of 1e-10 USD: effective and billed.
Money = list[Fraction]
WorkloadDay = tuple[int, str, str]
PlaceDay = tuple[int, str, str, str]


@dataclass(frozen=True)
class Bounds:
    """By how much the cost of (day, workload, chip) and of each class of (day, type, account, cluster) may differ.

    `accelerators` are the hours of accelerators whose usage may.
    """

    workloads: dict[WorkloadDay, Money]
    places: dict[PlaceDay, Money]
    accelerators: set[tuple[int, str]]


@dataclass(frozen=True)
class _Change:
    """A change between two samples: when, for how many seconds it may be told wrongly, on which units."""

    at: int
    seconds: int
    units: frozenset[int]


def bounds_of(world: World) -> Bounds:
    """Each change that lies within a sample's time moves at most that time of its units, for all that hold them."""
    nodes = {node.instance_id: node for node in world.fleet.nodes}
    boxes = box_hours(nodes, world.lines, block_pieces(world.fleet, world.lines))
    bounds = Bounds(defaultdict(_nothing), defaultdict(_nothing), set())
    for node in world.watched():
        holdings = world.holdings.get(node.instance_id, ())
        for change in _changes(node, holdings, world.telemetry(node)):
            hour = hour_of(change.at)
            box = boxes[(hour, node.instance_id)]
            bounds.accelerators.update((hour, node.units[unit].accelerator_id) for unit in change.units)
            place = (day_of(change.at), node.spec.name, node.account.account_id, node.cluster_name)
            _widen(bounds.places[place], node, box, change, change.units)
            for workload_id, held in _holders(holdings, change).items():
                _widen(bounds.workloads[(day_of(change.at), workload_id, node.spec.chip)], node, box, change, held)
    return bounds


def _nothing() -> Money:
    return [Fraction(0), Fraction(0)]


def _changes(node: Node, holdings: tuple[Holding, ...], telemetry: Telemetry) -> Iterator[_Change]:
    everything = frozenset(range(len(node.units)))
    moments = [(edge, frozenset(held.units)) for held in holdings for edge in (held.start, held.end)]
    for at, units in [*moments, (node.launch_at, everything), (node.runs_until(), everything)]:
        row = int(np.searchsorted(telemetry.at, at))
        if row < len(telemetry.at):
            end, seconds = int(telemetry.at[row]), int(telemetry.cover[row])
            if end - seconds < at < end:
                yield _Change(at, seconds, units)


def _holders(holdings: tuple[Holding, ...], change: _Change) -> dict[str, frozenset[int]]:
    """Who holds any of the units within a sample's time of the change, and which of them."""
    held: dict[str, frozenset[int]] = defaultdict(frozenset)
    for one in holdings:
        is_near = one.start < change.at + change.seconds and one.end > change.at - change.seconds
        shared = change.units & frozenset(one.units)
        if is_near and shared and one.owner.workload_id:
            held[one.owner.workload_id] |= shared
    return held


def _widen(money: Money, node: Node, box: BoxHour, change: _Change, units: frozenset[int]) -> None:
    devices = sum((node.units[unit].weight for unit in units), Fraction(0))
    share = change.seconds * devices / (box.seconds * node.spec.devices)
    money[0] += share * abs(box.effective)
    money[1] += share * abs(box.billed)
