"""What Container Insights publishes of a fleet: every fact again under each of its dimension sets.

The agent publishes a core's, a GPU's or a network card's figures as node_, pod_ and container_ metrics, each under
three to six sets of dimensions. Whoever adds up more than one set counts the same device several times; the double
must offer that trap. Names, sets and units: amazon-cloudwatch-agent, translator/translate/otel/exporter/awsemf/
kubernetes.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

NAMESPACE = "ContainerInsights"
MINUTE = 60
Dimensions: TypeAlias = tuple[tuple[str, str], ...]
MetricKey: TypeAlias = tuple[str, Dimensions]
Values: TypeAlias = NDArray[np.float64]

NEURON_CORE = "neuroncore"
NEURON_DEVICE = "neurondevice"
GPU = "gpu"
EFA = "efa"

# Units as published. The tensor activity of a GPU is a fraction under the unit Percent: the agent does not scale it.
UNITS: Mapping[str, Mapping[str, str]] = {
    NEURON_CORE: {"utilization": "Percent", "memory_usage_total": "Bytes"},
    NEURON_DEVICE: {"runtime_memory_used_bytes": "Bytes"},
    GPU: {
        "utilization": "Percent",
        "memory_utilization": "Percent",
        "memory_total": "Bytes",
        "memory_used": "Bytes",
        "power_draw": "None",
        "temperature": "None",
        "tensor_core_utilization": "Percent",
    },
    EFA: dict.fromkeys(("rx_bytes", "tx_bytes", "rdma_read_bytes", "rdma_write_bytes"), "Bytes/Second")
    | {"rx_dropped": "Count/Second"},
}
FINEST: Mapping[str, tuple[str, ...]] = {
    NEURON_CORE: ("NeuronDevice", "NeuronCore"),
    NEURON_DEVICE: (),
    GPU: ("GpuDevice",),
    EFA: ("NetworkInterfaceId",),
}
_POD = ("ClusterName", "Namespace", "PodName")
_NODE = ("ClusterName", "InstanceId", "NodeName")
# Sets from coarse to fine, and whether the family's own dimensions are added to the last. A set that a track cannot
# fill (no UltraServer, no Service) is not published.
DIMENSION_SETS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "node": (("ClusterName",), ("ClusterName", "UltraServer"), _NODE, (*_NODE, "InstanceType")),
    "pod": (
        ("ClusterName",),
        ("ClusterName", "Namespace"),
        ("ClusterName", "Namespace", "Service"),
        _POD,
        (*_POD, "FullPodName"),
        (*_POD, "FullPodName"),
    ),
    "container": (
        ("ClusterName",),
        (*_POD, "ContainerName"),
        (*_POD, "ContainerName", "FullPodName"),
        (*_POD, "ContainerName", "FullPodName"),
    ),
}


@dataclass(frozen=True)
class Track:
    """One device's values by measure, one per minute from `start_at` (epoch seconds), NaN where nothing was scraped.

    `scope` is node, pod or container, `family` a key of UNITS; `labels` are all dimension values that the scope knows.
    A pod's track holds values only while the pod holds the device.
    """

    scope: str
    labels: dict[str, str]
    account_id: str
    region: str
    start_at: int
    measures: Mapping[str, Values]
    family: str = NEURON_CORE


@dataclass(frozen=True)
class Published:
    """One CloudWatch metric: a name, one set of dimensions, and the tracks whose values were put under it."""

    name: str
    dimensions: Dimensions
    unit: str
    account_id: str
    region: str
    tracks: tuple[tuple[int, Values], ...] = field(repr=False)
    first_at: int
    last_at: int

    @property
    def key(self) -> MetricKey:
        """What CloudWatch knows a metric by within an account, region and namespace."""
        return self.name, self.dimensions

    def minutes(self, start: int, end: int) -> Values:
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
    found: dict[tuple[str, str, str, Dimensions], list[_Put]] = {}
    units: dict[str, str] = {}
    for track in tracks:
        sets = list(_dimension_sets(track))
        for measure, values in track.measures.items():
            present = np.flatnonzero(~np.isnan(values))
            if not len(present):
                continue
            first, last = (track.start_at + MINUTE * int(present[end]) for end in (0, -1))
            name = f"{track.scope}_{track.family}_{measure}"
            units[name] = UNITS[track.family][measure]
            for dimensions in sets:
                key = (track.account_id, track.region, name, dimensions)
                found.setdefault(key, []).append(_Put(track.start_at, values, first, last))
    return [_published(key, found[key], units[key[2]]) for key in sorted(found)]


class _Put(NamedTuple):
    """What one track puts under a metric, and its first and last minute with a value."""

    start_at: int
    values: Values
    first_at: int
    last_at: int


def _dimension_sets(track: Track) -> Iterator[Dimensions]:
    sets = DIMENSION_SETS[track.scope]
    finest = FINEST[track.family]
    for names in [*sets[:-1], *([(*sets[-1], *finest)] if finest else [])]:
        if all(name in track.labels for name in names):
            yield tuple(sorted((name, track.labels[name]) for name in names))


def _published(key: tuple[str, str, str, Dimensions], put: Sequence[_Put], unit: str) -> Published:
    account_id, region, name, dimensions = key
    tracks = tuple((each.start_at, each.values) for each in put)
    first, last = min(each.first_at for each in put), max(each.last_at for each in put)
    return Published(name, dimensions, unit, account_id, region, tracks, first, last)
