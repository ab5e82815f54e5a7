"""dcgm-exporter's text: one file per node-hour of scrapes with millisecond timestamps, or single undated scrapes.

Shapes follow real scrapes (cncf/k8s-ai-conformance) and dcgm-exporter's templates: HELP and TYPE with every scrape,
one row per GPU, one copy of it per owner when several share it, one row per MIG instance with the parent's UUID.
A scrape's text is built once per set of owners; only numbers and timestamps are filled in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.world.curves import Array, Floats
from pipeline.world.dcgm_counters import counters
from pipeline.world.dcgm_fields import FIELDS
from pipeline.world.fleet import Node, Unit
from pipeline.world.options import SECONDS_PER_HOUR, stamp
from pipeline.world.plan import SLURM
from pipeline.world.seeds import hexadecimal
from pipeline.world.telemetry import HeldRange, Telemetry
from pipeline.world.workloads import Owner

# Stands for the timestamp of each row until the scrape's own is put in.
_AT = "\x01"


@dataclass(frozen=True)
class _Scrape:
    """A printf template of one scrape and the (field, unit) of each of its numbers."""

    text: str
    columns: Array


def dcgm_files(telemetry: Telemetry, seed: int) -> Iterator[tuple[str, str]]:
    """(name, text) of each node-hour, or of each scrape on a node that is scraped singly."""
    node, at = telemetry.node, telemetry.at
    values = counters(telemetry, seed)
    hours = (at - 1) // SECONDS_PER_HOUR * SECONDS_PER_HOUR
    edges = segment_edges(telemetry, hours)
    texts: list[str] = []
    for first, last in pairwise(edges):
        if texts and hours[first] != hours[first - 1]:
            yield f"{node.instance_id}-{stamp(int(hours[first - 1]))}.prom.gz", "".join(texts)
            texts = []
        scrapes = _segment(telemetry, values, first, last)
        if node.plan.single_scrapes:
            for moment, text in zip(at[first:last].tolist(), scrapes, strict=True):
                yield f"{node.instance_id}-{stamp(moment)}.prom.gz", text
        else:
            texts.extend(scrapes)
    if texts:
        yield f"{node.instance_id}-{stamp(int(hours[-1]))}.prom.gz", "".join(texts)


def segment_edges(telemetry: Telemetry, hours: Array) -> list[int]:
    """Rows at which the owners or the hour change, with both ends."""
    edges = {0, len(telemetry.at)}
    edges.update(edge for ranged in telemetry.held for edge in (ranged.first, ranged.last))
    edges.update(int(change) + 1 for change in np.flatnonzero(np.diff(hours)))
    return sorted(edges)


def _segment(telemetry: Telemetry, values: Floats, first: int, last: int) -> Iterator[str]:
    node = telemetry.node
    held = [ranged for ranged in telemetry.held if ranged.first <= first and last <= ranged.last]
    scrape = _template(node, owners_of_units(node, held))
    rows = values[first:last].reshape(last - first, -1)[:, scrape.columns].tolist()
    for moment, row in zip(telemetry.at[first:last].tolist(), rows, strict=True):
        text = scrape.text % tuple(row)
        yield text.replace(_AT, "" if node.plan.single_scrapes else f" {moment * 1000}")


def owners_of_units(node: Node, held: Sequence[HeldRange]) -> list[list[Owner]]:
    """The named owners of each unit, in the order of the schedule; an empty list where nobody is named."""
    owners: list[list[Owner]] = [[] for _ in node.units]
    for ranged in held:
        for unit in ranged.holding.units:
            if ranged.holding.owner.workload_id:
                owners[unit].append(ranged.holding.owner)
    return owners


def _template(node: Node, owners: list[list[Owner]]) -> _Scrape:
    lines: list[str] = []
    columns: list[int] = []
    for number, field in enumerate(FIELDS):
        if field.profiling and not node.plan.profiling:
            continue
        name = field.new_name if node.plan.renamed else field.old_name
        lines += [f"# HELP {name} {field.help.replace('%', '%%')}", f"# TYPE {name} {field.kind}"]
        for unit in node.units:
            if field.scope == "whole" and unit.gi_id:
                continue
            named: list[Owner | None] = [*owners[unit.index]]
            for owner in named or [None]:
                labels = _labels(node, unit, owner).replace("%", "%%")
                lines.append(f"{name}{{{labels}}} {field.form}{_AT}")
                columns.append(number * len(node.units) + unit.index)
    return _Scrape("\n".join(lines) + "\n", np.array(columns, dtype=np.int64))


def _labels(node: Node, unit: Unit, owner: Owner | None) -> str:
    return ",".join(f'{key}="{value}"' for key, value in label_pairs(node, unit, owner).items())


def label_pairs(node: Node, unit: Unit, owner: Owner | None) -> dict[str, str]:
    """The labels of a unit's row, in the exporter's order."""
    host = node.private_dns_name if node.plan.host_is_dns else node.instance_id
    bus = hexadecimal(2, "bus", unit.uuid).upper()
    labels = {
        "gpu": str(unit.device),
        "UUID": unit.uuid,
        "pci_bus_id": f"00000000:{bus}:00.0",
        "device": f"nvidia{unit.device}",
        "modelName": node.spec.model_name,
    }
    if unit.gi_id:
        labels |= {"GPU_I_PROFILE": unit.gi_profile, "GPU_I_ID": unit.gi_id}
    labels["hostname" if node.plan.renamed else "Hostname"] = host
    if not node.plan.renamed:
        labels["DCGM_FI_DRIVER_VERSION"] = "580.105.08"
    labels |= _owner_labels(node, owner)
    return labels


def _owner_labels(node: Node, owner: Owner | None) -> dict[str, str]:
    """Pod labels or the Slurm job; older exporters print empty pod labels on an idle GPU, newer ones none."""
    if node.cluster and node.cluster.kind == SLURM:
        return {"hpc_job": owner.hpc_job} if owner else {}
    if owner:
        return {"container": owner.container, "namespace": owner.namespace, "pod": owner.pod}
    return {} if node.plan.renamed else {"container": "", "namespace": "", "pod": ""}
