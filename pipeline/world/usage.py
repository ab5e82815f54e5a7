"""True usage per hour, from the simulated events: observed, held and busy time of accelerators and workloads.

All sums are integers: time in seconds × DENOMINATOR, where shares among owners, cores and slices stay whole.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from pipeline.world.curves import PPM, Array
from pipeline.world.options import SECONDS_PER_HOUR
from pipeline.world.telemetry import Telemetry

# Divides by up to four owners of a unit, 1 to 8 cores of a device, and 7 slices of a GPU.
DENOMINATOR = 12 * 8 * 7

AcceleratorHour = tuple[int, str, str]
WorkloadHour = tuple[int, str, str, str]


@dataclass
class Usage:
    """Sums over the hours of all nodes.

    `accelerators`: (hour, accelerator_id, instance_id) -> [observed, allocated, busy] in seconds, exact.
    `held`: (hour, instance_id) -> workload_id -> device-seconds × DENOMINATOR ('' is the unknown owner).
    `observed`: (hour, instance_id) -> device-seconds × DENOMINATOR.
    """

    accelerators: dict[AcceleratorHour, tuple[Fraction, Fraction, Fraction]] = field(default_factory=dict)
    held: dict[tuple[int, str], dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    observed: dict[tuple[int, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Hours:
    """The hours a telemetry spans, and the row at which each begins."""

    starts: list[int]
    edges: Array

    def sums(self, values: Array) -> Array:
        """Sums per hour over the first axis."""
        sums: Array = np.add.reduceat(values, self.edges, axis=0)
        return sums


def _hours(at: Array) -> _Hours:
    hours = (at - 1) // SECONDS_PER_HOUR * SECONDS_PER_HOUR
    starts, edges = np.unique(hours, return_index=True)
    return _Hours(starts.tolist(), edges)


def add_usage(usage: Usage, telemetry: Telemetry) -> None:
    """Add one node's truth to the sums."""
    if not len(telemetry.at):
        return
    hours = _hours(telemetry.at)
    counts = telemetry.holder_counts()
    _add_accelerators(usage, telemetry, hours, counts)
    _add_held(usage, telemetry, hours, counts)


def _add_accelerators(usage: Usage, telemetry: Telemetry, hours: _Hours, counts: Array) -> None:
    node = telemetry.node
    members: dict[str, list[int]] = defaultdict(list)
    for unit in node.units:
        members[unit.accelerator_id].append(unit.index)
    observed = hours.sums(telemetry.cover)
    cover = telemetry.cover[:, None]
    held = hours.sums((counts > 0) * cover)
    busy = hours.sums(telemetry.busy * cover)
    for accelerator_id, units in members.items():
        held_sum, busy_sum = held[:, units].sum(axis=1), busy[:, units].sum(axis=1)
        for row, hour in enumerate(hours.starts):
            usage.accelerators[(hour, accelerator_id, node.instance_id)] = (
                Fraction(int(observed[row])),
                Fraction(int(held_sum[row]), len(units)),
                Fraction(int(busy_sum[row]), len(units) * PPM),
            )
    for row, hour in enumerate(hours.starts):
        usage.observed[(hour, node.instance_id)] = int(observed[row]) * node.spec.devices * DENOMINATOR


def _add_held(usage: Usage, telemetry: Telemetry, hours: _Hours, counts: Array) -> None:
    node = telemetry.node
    weights = np.array([int(unit.weight * DENOMINATOR) for unit in node.units], dtype=np.int64)
    for ranged in telemetry.held:
        units, rows = list(ranged.holding.units), slice(ranged.first, ranged.last)
        shares = (weights[units] // counts[rows, units]).sum(axis=1) * telemetry.cover[rows]
        padded = np.zeros(len(telemetry.at), dtype=np.int64)
        padded[rows] = shares
        for hour, seconds in zip(hours.starts, hours.sums(padded).tolist(), strict=True):
            if seconds:
                usage.held[(hour, node.instance_id)][ranged.holding.owner.workload_id] += seconds
