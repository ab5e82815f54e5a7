"""What a Prometheus that scrapes the fleet holds of an hour or two: the exporters' series, as they were printed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from pipeline.world.curves import Array, Floats
from pipeline.world.dcgm import label_pairs, owners_of_units, segment_edges
from pipeline.world.dcgm_counters import counters
from pipeline.world.dcgm_fields import FIELDS
from pipeline.world.fleet import Node
from pipeline.world.neuron_prometheus import neuron_series
from pipeline.world.options import SECONDS_PER_HOUR
from pipeline.world.plan import EKS
from pipeline.world.prometheus_series import Series, scrapes
from pipeline.world.telemetry import HeldRange, Telemetry
from pipeline.world.workloads import Owner
from pipeline.world.world import World

# CloudWatch's names for the exporters' labels; what it deletes stands with ''
CLOUDWATCH_LABELS = {
    "neuroncore": "aws.neuron.core",
    "neuron_device_index": "aws.neuron.device",
    "runtime_tag": "@resource.aws.neuron.runtime.tag",
    "instance_type": "@resource.host.type",
    "pod_name": "@resource.k8s.pod.name",
    "pod": "@resource.k8s.pod.name",
    "namespace": "@resource.k8s.namespace.name",
    "container_name": "@resource.k8s.container.name",
    "container": "@resource.k8s.container.name",
    **dict.fromkeys(("Hostname", "hostname", "pci_bus_id", "instance_id", "instance_name", "subnet_id"), ""),
}
UTILIZATION = "neuroncore_utilization_ratio"


class Store:
    """Series by metric name, simulated for the hours that a query touches; the last few such spans are kept."""

    def __init__(self, world: World) -> None:
        """Nothing is simulated before somebody asks."""
        self.telemetry = lru_cache(maxsize=64)(lambda number: world.telemetry(world.watched()[number]))
        self.counters = lru_cache(maxsize=16)(lambda number: counters(self.telemetry(number), world.options.seed))
        self._nodes = world.watched()
        self._of_hours = lru_cache(maxsize=4)(self._simulate)

    def series(self, name: str, start: int, end: int, *, of_cloudwatch: bool = False) -> list[Series]:
        """Series of a metric with samples in the hours of [start, end], one per distinct set of labels."""
        first, last = start // SECONDS_PER_HOUR, (end - 1) // SECONDS_PER_HOUR + 1
        return self._of_hours(first * SECONDS_PER_HOUR, last * SECONDS_PER_HOUR, of_cloudwatch).get(name, [])

    def scrape(self, instance_id: str, at: int) -> str | None:
        """Text of the newest scrape of a Neuron node at an instant, undated; None where there was none that hour."""
        for number, node in enumerate(self._nodes):
            if node.instance_id == instance_id and node.spec.vendor == "neuron":
                series = list(self._of_node(number, at - SECONDS_PER_HOUR, at))
                return [text for _, text in scrapes(series, dated=False)][-1] if series else None
        return None

    def _simulate(self, start: int, end: int, of_cloudwatch: bool) -> dict[str, list[Series]]:
        found: dict[tuple[str, tuple[tuple[str, str], ...]], list[Series]] = defaultdict(list)
        for number, node in enumerate(self._nodes):
            if of_cloudwatch and (node.cluster is None or node.cluster.kind != EKS):
                continue
            for one in self._of_node(number, start, end):
                shown = _in_cloudwatch(node, one) if of_cloudwatch else one
                found[(shown.name, tuple(sorted(shown.labels)))].append(shown)
        by_name: dict[str, list[Series]] = defaultdict(list)
        for (name, _), parts in sorted(found.items(), key=lambda one: one[0]):
            by_name[name].append(_joined(parts))
        return by_name

    def _of_node(self, number: int, start: int, end: int) -> Iterator[Series]:
        telemetry = self.telemetry(number)
        first, last = (int(np.searchsorted(telemetry.at, edge, side="right")) for edge in (start, end))
        if first == last:
            return
        part = _cut(telemetry, first, last)
        if telemetry.node.spec.vendor == "neuron":
            yield from neuron_series(part)
        else:
            yield from _dcgm_series(part, self.counters(number)[first:last])


def _cut(telemetry: Telemetry, first: int, last: int) -> Telemetry:
    """The samples [first, last) of a node, as if there were no others."""
    rows = slice(first, last)
    held = tuple(
        _cut_range(ranged, first, last) for ranged in telemetry.held if ranged.first < last and first < ranged.last
    )
    return Telemetry(telemetry.node, telemetry.at[rows], telemetry.cover[rows], telemetry.busy[rows], held)


def _cut_range(ranged: HeldRange, first: int, last: int) -> HeldRange:
    start, end = max(ranged.first, first), min(ranged.last, last)
    busy = ranged.busy[start - ranged.first : end - ranged.first]
    return HeldRange(ranged.holding, start - first, end - first, busy)


def _dcgm_series(telemetry: Telemetry, values: Floats) -> Iterator[Series]:
    node, at = telemetry.node, telemetry.at
    for first, last in pairwise(segment_edges(telemetry, at // SECONDS_PER_HOUR)):
        held = [ranged for ranged in telemetry.held if ranged.first <= first and last <= ranged.last]
        owners = owners_of_units(node, held)
        for number, field in enumerate(FIELDS):
            if field.profiling and not node.plan.profiling:
                continue
            name = field.new_name if node.plan.renamed else field.old_name
            for unit in node.units:
                if field.scope == "whole" and unit.gi_id:
                    continue
                printed = _as_printed(field.form, values[first:last, number, unit.index])
                named: list[Owner | None] = [*owners[unit.index]]
                for owner in named or [None]:
                    labels = tuple(label_pairs(node, unit, owner).items())
                    yield Series(name, field.kind, labels, at[first:last], printed)


def _as_printed(form: str, values: Floats) -> Floats:
    return np.array([float(form % value) for value in values.tolist()])


def _joined(parts: list[Series]) -> Series:
    """One series of parts with equal labels; of samples at one instant the last stands, as in the exporter."""
    if len(parts) == 1:
        return parts[0]
    at: Array = np.concatenate([part.at for part in parts])
    values = np.concatenate([part.values for part in parts])
    instants, newest = np.unique(at[::-1], return_index=True)
    return replace(parts[0], at=instants, values=values[::-1][newest])


def _in_cloudwatch(node: Node, series: Series) -> Series:
    labels = {CLOUDWATCH_LABELS.get(name, name): value for name, value in series.labels if value}
    labels |= {"@resource.k8s.cluster.name": node.cluster_name, "@resource.k8s.node.name": node.private_dns_name}
    labels.pop("", None)
    values = series.values * 100 if series.name == UTILIZATION else series.values
    return replace(series, labels=tuple(sorted(labels.items())), values=values)
