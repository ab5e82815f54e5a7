"""What the counters of one node read: sample instants, covered seconds, and busy shares of every unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.world.curves import PPM, Array, busy_curve, stalled_curve
from pipeline.world.fleet import Node
from pipeline.world.options import WorldOptions
from pipeline.world.seeds import array_stream
from pipeline.world.workloads import Holding

DCGM_CADENCE_SECONDS = 30

# What each wire format can carry: neuron-monitor prints hundredths of a percent, GPU_UTIL whole percents.
NEURON_STEP_PPM = 100
GPU_UTIL_STEP_PPM = PPM // 100


@dataclass(frozen=True)
class HeldRange:
    """One holding as the samples see it: rows [first, last) and busy ppm per sample and held unit."""

    holding: Holding
    first: int
    last: int
    busy: Array


@dataclass(frozen=True)
class Telemetry:
    """The samples of one node: `at` (epoch seconds), `cover` (seconds that each stands for, ending at `at`).

    `busy` is ppm per sample and unit: the maximum over holders, 0 where nobody works.
    """

    node: Node
    at: Array
    cover: Array
    busy: Array
    held: tuple[HeldRange, ...]

    def holder_counts(self) -> Array:
        """How many owners each unit has at each sample."""
        counts = np.zeros(self.busy.shape, dtype=np.int64)
        for ranged in self.held:
            counts[ranged.first : ranged.last, list(ranged.holding.units)] += 1
        return counts


def sample_grid(node: Node, options: WorldOptions) -> tuple[Array, Array]:
    """Sample instants and covered seconds of a node; empty when telemetry never sees it.

    Neuron reports come at each whole interval and stand for it. DCGM is scraped first 30 s after a start that is a
    whole interval, then at whole intervals; a scrape stands for the gap before it, at most two cadences of 30 s.
    """
    parts: list[tuple[Array, Array]] = []
    for window in options.windows if node.plan.telemetry else ():
        start, end = node.runs(*window)
        if start < end:
            parts.append(_stretch_grid(node, options.interval_seconds, start, end, is_return=bool(parts)))
    if not parts:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty
    return np.concatenate([at for at, _ in parts]), np.concatenate([cover for _, cover in parts])


def _stretch_grid(node: Node, step: int, start: int, end: int, *, is_return: bool) -> tuple[Array, Array]:
    """The grid of one stretch; what comes back after days unseen stands for two cadences first, which lie within it."""
    is_neuron = node.spec.vendor == "neuron"
    cadence = step if is_neuron else DCGM_CADENCE_SECONDS
    first = 2 * cadence if is_return else cadence
    at = np.arange(start - start % step + step, end + 1, step, dtype=np.int64)
    if start % step == 0 and start + first <= end:
        at = np.union1d([start + first], at[at > start + first])
    cover = np.minimum(np.diff(at, prepend=start), step if is_neuron else 2 * DCGM_CADENCE_SECONDS)
    cover[:1] = first
    return at, cover


def read_node(node: Node, holdings: Sequence[Holding], options: WorldOptions) -> Telemetry:
    """Simulate the counters of one node over the telemetry window."""
    at, cover = sample_grid(node, options)
    busy = np.zeros((len(at), len(node.units)), dtype=np.int64)
    held = []
    for holding in holdings:
        first, last = (int(np.searchsorted(at, edge, side="right")) for edge in (holding.start, holding.end))
        if first == last:
            continue
        ranged = HeldRange(holding, first, last, _curve(holding, at[first:last], options))
        units = list(holding.units)
        busy[first:last, units] = np.maximum(busy[first:last, units], ranged.busy)
        held.append(ranged)
    return Telemetry(node, at, cover, busy, tuple(held))


def _curve(holding: Holding, at: Array, options: WorldOptions) -> Array:
    generator = array_stream(options.seed, "curve", holding.key)
    curve = busy_curve(holding.profile, at, len(holding.units), generator)
    for start, end in holding.stalls:
        rows = (at > start) & (at <= end)
        curve[rows] = stalled_curve(int(rows.sum()), len(holding.units), generator)
    step = _step(holding.node)
    return (curve + step // 2) // step * step


def _step(node: Node) -> int:
    if node.spec.vendor == "neuron":
        return NEURON_STEP_PPM
    return 1 if node.plan.profiling else GPU_UTIL_STEP_PPM
