"""neuron-monitor's NDJSON, one file per node-day: one report per interval, no timestamp inside.

Keys and shapes follow AWS's own capture (amazon-cloudwatch-agent-test, dummy-neuron-monitor) and the neuron-monitor
user guide. The file's name carries the UTC stamp of its first report; later ones advance by their system period.
A report's text is built once per set of holders; only utilization and FLOP/s are filled in per report.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from pipeline.world.curves import PPM, Array, Floats
from pipeline.world.fleet import Node
from pipeline.world.neuron_report import Slot, report_template
from pipeline.world.options import SECONDS_PER_DAY, stamp
from pipeline.world.telemetry import HeldRange, Telemetry

# How many percent the two physical halves of an LNC 2 core differ at most.
_HALF_SPREAD_PERCENT = 4.0

# The part of a core's busy time that reaches its dense peak, per unit of tensor activity.
_FLOPS_PER_TENSOR = 1.6
_FLOPS_STEP = 1e9


def neuron_files(telemetry: Telemetry, interval: int) -> Iterator[tuple[str, str]]:
    """(name, text) of each node-day."""
    node = telemetry.node
    days = (telemetry.at - 1) // SECONDS_PER_DAY * SECONDS_PER_DAY
    edges = _edges(telemetry, days)
    lines: list[str] = []
    for first, last in pairwise(edges):
        if lines and days[first] != days[first - 1]:
            yield _name(node, int(telemetry.at[first - len(lines)])), "".join(lines)
            lines = []
        lines.extend(_segment(telemetry, first, last, interval))
    if lines:
        yield _name(node, int(telemetry.at[len(telemetry.at) - len(lines)])), "".join(lines)


def _name(node: Node, first_at: int) -> str:
    return f"{node.instance_id}-{stamp(first_at)}.ndjson.gz"


def _edges(telemetry: Telemetry, days: Array) -> list[int]:
    edges = {0, len(telemetry.at)}
    edges.update(edge for ranged in telemetry.held for edge in (ranged.first, ranged.last))
    edges.update(int(change) + 1 for change in np.flatnonzero(np.diff(days)))
    return sorted(edges)


def _segment(telemetry: Telemetry, first: int, last: int, interval: int) -> list[str]:
    held = [ranged for ranged in telemetry.held if ranged.first <= first and last <= ranged.last]
    template, slots = report_template(telemetry.node, [ranged.holding for ranged in held], interval)
    if not slots:
        return [template % ()] * (last - first)
    rows = np.column_stack([_column(held, slot, first, last) for slot in slots]).tolist()
    return [template % tuple(row) for row in rows]


def _column(held: list[HeldRange], slot: Slot, first: int, last: int) -> Floats:
    ranged = held[slot.runtime]
    ppm = ranged.busy[first - ranged.first : last - ranged.first, slot.unit].astype(np.float64)
    percent = ppm / (PPM / 100)
    if slot.kind == "flops":
        spec = ranged.holding.node.spec
        peak = spec.peak_core_flops * spec.cores_per_device / ranged.holding.node.cores_per_device
        return (
            np.floor(ppm / PPM * peak * ranged.holding.profile.tensor * _FLOPS_PER_TENSOR / _FLOPS_STEP) * _FLOPS_STEP
        )
    if slot.kind == "half":
        spread = np.minimum(np.minimum(percent, 100 - percent), _HALF_SPREAD_PERCENT)
        return percent + (spread if slot.half else -spread)
    return percent
