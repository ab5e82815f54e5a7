"""What Container Insights publishes of NeuronCores: every fact again under each of its dimension sets.

The agent publishes a core's utilization and memory as node_, pod_ and container_ metric, each under four to six sets
of dimensions. Whoever adds up more than one set counts the same core several times; the double must offer that trap.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

NAMESPACE = "ContainerInsights"
MINUTE = 60
Dimensions: TypeAlias = tuple[tuple[str, str], ...]
MetricKey: TypeAlias = tuple[str, Dimensions]
UNITS = {"utilization": "Percent", "memory_usage_total": "Bytes"}

_CORE = ("NeuronDevice", "NeuronCore")
_POD = ("ClusterName", "Namespace", "PodName")
DIMENSION_SETS = {
    "node": (
        ("ClusterName",),
        ("ClusterName", "InstanceId", "NodeName"),
        ("ClusterName", "InstanceType", "InstanceId", "NodeName", *_CORE),
    ),
    "pod": (
        ("ClusterName",),
        ("ClusterName", "Namespace"),
        _POD,
        (*_POD, "FullPodName"),
        (*_POD, "FullPodName", *_CORE),
    ),
    "container": (
        ("ClusterName",),
        (*_POD, "ContainerName"),
        (*_POD, "ContainerName", "FullPodName"),
        (*_POD, "ContainerName", "FullPodName", *_CORE),
    ),
}


@dataclass(frozen=True)
class Track:
    """One core's values by measure, one per minute from `start_at` (epoch seconds), NaN where nothing was scraped.

    `scope` is node, pod or container; `labels` are all dimension values that the scope knows. A pod's track holds
    values only while the pod holds the core.
    """

    scope: str
    labels: dict[str, str]
    account_id: str
    region: str
    start_at: int
    measures: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Published:
    """One CloudWatch metric: a name, one set of dimensions, and the tracks whose values were put under it."""

    name: str
    dimensions: Dimensions
    unit: str
    account_id: str
    region: str
    tracks: tuple[tuple[int, NDArray[np.float64]], ...] = field(repr=False)
    first_at: int
    last_at: int

    @property
    def key(self) -> MetricKey:
        """What CloudWatch knows a metric by within an account, region and namespace."""
        return self.name, self.dimensions

    def minutes(self, start: int, end: int) -> NDArray[np.float64]:
        """Values of the minutes of [start, end), one row per track, NaN where there is none."""
        rows = np.full((len(self.tracks), (end - start) // MINUTE), np.nan)
        for row, (track_start, values) in zip(rows, self.tracks, strict=True):
            offset = (start - track_start) // MINUTE
            low, high = max(offset, 0), min(offset + len(row), len(values))
            if low < high:
                row[low - offset : high - offset] = values[low:high]
        return rows


@dataclass(frozen=True)
class Caller:
    """Who asks: the region of the signature, and the account where the access key names one ('' sees all)."""

    region: str
    account_id: str = ""

    def sees(self, metric: Published) -> bool:
        """Whether the metric lies in the caller's region and account."""
        return metric.region == self.region and self.account_id in ("", metric.account_id)


def publish(tracks: Iterable[Track]) -> list[Published]:
    """Every metric that the tracks give rise to, sorted as ListMetrics will list them."""
    found: dict[tuple[str, str, str, Dimensions], list[tuple[int, NDArray[np.float64]]]] = {}
    for track in tracks:
        for measure, values in track.measures.items():
            name = f"{track.scope}_neuroncore_{measure}"
            for dimensions in _dimension_sets(track):
                key = (track.account_id, track.region, name, dimensions)
                found.setdefault(key, []).append((track.start_at, values))
    return [_published(key, tuple(found[key])) for key in sorted(found)]


def _dimension_sets(track: Track) -> Iterator[Dimensions]:
    for names in DIMENSION_SETS[track.scope]:
        yield tuple(sorted((name, track.labels[name]) for name in names))


def _published(key: tuple[str, str, str, Dimensions], tracks: tuple[tuple[int, NDArray[np.float64]], ...]) -> Published:
    account_id, region, name, dimensions = key
    present = [(start, np.flatnonzero(~np.isnan(values))) for start, values in tracks]
    first = min(start + MINUTE * int(at[0]) for start, at in present if len(at))
    last = max(start + MINUTE * int(at[-1]) for start, at in present if len(at))
    unit = UNITS[name.split("_neuroncore_")[1]]
    return Published(name, dimensions, unit, account_id, region, tracks, first, last)
