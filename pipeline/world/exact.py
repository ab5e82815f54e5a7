"""True usage between samples: where holders come and go at any second, each sample is divided at those seconds.

What is observed stays what the samples stand for, as far as the node ran; who held it is told to the second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.world.curves import Array
from pipeline.world.telemetry import HeldRange, Telemetry
from pipeline.world.workloads import Holding


def divided(telemetry: Telemetry, holdings: Sequence[Holding]) -> Telemetry:
    """The same node with a row for each piece of a sample's time in which the same holders hold the same units.

    A piece ends at its `at` and is `cover` long. How busy a holder was in it is what its nearest sample says.
    """
    node, at, cover = telemetry.node, telemetry.at, telemetry.cover
    ran = np.array(node.runs(0, node.runs_until()), dtype=np.int64)
    changes = np.array([edge for held in holdings for edge in (held.start, held.end)], dtype=np.int64)
    edges = np.unique(np.concatenate([at - cover, at, ran, changes]))
    starts, ends = edges[:-1], edges[1:]
    sample = np.minimum(np.searchsorted(at, ends), len(at) - 1)
    inside = (starts >= np.maximum((at - cover)[sample], ran[0])) & (ends <= np.minimum(at[sample], ran[1]))
    starts, ends, sample = starts[inside], ends[inside], sample[inside]
    seen = {id(ranged.holding): ranged for ranged in telemetry.held}
    busy = np.zeros((len(ends), len(node.units)), dtype=np.int64)
    held = []
    for holding in holdings:
        first, last = (int(np.searchsorted(ends, edge, side="right")) for edge in (holding.start, holding.end))
        if first == last:
            continue
        ranged = HeldRange(holding, first, last, _busy(seen.get(id(holding)), holding, sample[first:last]))
        units = list(holding.units)
        busy[first:last, units] = np.maximum(busy[first:last, units], ranged.busy)
        held.append(ranged)
    return Telemetry(node, ends, ends - starts, busy, tuple(held))


def _busy(ranged: HeldRange | None, holding: Holding, sample: Array) -> Array:
    """Busy ppm at each piece: of the sample itself, or of the nearest that saw the holder; 0 where none did."""
    if ranged is None:
        return np.zeros((len(sample), len(holding.units)), dtype=np.int64)
    rows: Array = ranged.busy[np.clip(sample - ranged.first, 0, ranged.last - ranged.first - 1)]
    return rows
