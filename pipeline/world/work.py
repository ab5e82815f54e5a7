"""Work that is counted: requests and tokens of endpoints, steps of training runs, per pod and hour, as CSV.

How much follows from how busy the pod was; a pod that replaces an older one of its workload runs the next release.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.world.curves import PPM
from pipeline.world.options import SECONDS_PER_DAY, SECONDS_PER_HOUR, WorldOptions, day_of, hour_of, iso, stamp
from pipeline.world.seeds import stream
from pipeline.world.telemetry import HeldRange, Telemetry

REQUESTS = "requests"
HEADER = "start_at,end_at,cluster,namespace,pod,unit,units,software,latency_p95_ms"
STEPPING = ("training", "tuning", "sweeps")
# what serves on Neuron and on GPUs: the release that runs first, and the next one
RELEASES = {
    "neuron": ("vLLM 0.10.2 + Neuron SDK 2.25", "vLLM 0.11.0 + Neuron SDK 2.26"),
    "nvidia": ("vLLM 0.10.2", "vLLM 0.11.0"),
}
NEXT_IS_FASTER = 1.17  # work per busy second of the next release over the first


@dataclass(frozen=True)
class WorkLine:
    """What one pod did in a stretch [start, end) of one hour, epoch seconds; latency in ms, 0 where none is told."""

    start: int
    end: int
    cluster: str
    namespace: str
    pod: str
    workload_id: str
    unit: str
    units: int
    software: str = ""
    latency_p95_ms: int = 0

    def text(self) -> str:
        """The line of a CSV."""
        latency = str(self.latency_p95_ms or "")
        owner = f"{self.cluster},{self.namespace},{self.pod}"
        return f"{iso(self.start)},{iso(self.end)},{owner},{self.unit},{self.units},{self.software},{latency}"


def work_of(telemetry: Telemetry, options: WorldOptions) -> Iterator[WorkLine]:
    """The work of every pod of a node that serves or trains."""
    pods: dict[str, list[str]] = defaultdict(list)
    for ranged in telemetry.held:
        owner = ranged.holding.owner
        if not owner.pod or owner.namespace not in ("serving", *STEPPING):
            continue
        revisions = pods[owner.workload_id]
        if owner.pod not in revisions:
            revisions.append(owner.pod)
        release = min(revisions.index(owner.pod), 1)
        for start, end, busy_seconds, load in _hours(telemetry, ranged):
            if owner.namespace == "serving":
                yield from _served(telemetry, ranged, options, (start, end), busy_seconds, load, release)
            else:
                yield _line(telemetry, ranged, (start, end), "steps", int(busy_seconds * _rate(ranged, options) / 40))


def _hours(telemetry: Telemetry, ranged: HeldRange) -> Iterator[tuple[int, int, float, float]]:
    """(start, end, busy unit-seconds, mean busy share) of each hour that a holding touches."""
    rows = slice(ranged.first, ranged.last)
    at, cover = telemetry.at[rows], telemetry.cover[rows]
    for hour in np.unique((at - 1) // SECONDS_PER_HOUR * SECONDS_PER_HOUR).tolist():
        inside = (at > hour) & (at <= hour + SECONDS_PER_HOUR)
        busy = float((ranged.busy[inside] * cover[inside][:, None]).sum()) / PPM
        held = float(cover[inside].sum()) * len(ranged.holding.units)
        start, end = max(hour, ranged.holding.start), min(hour + SECONDS_PER_HOUR, ranged.holding.end)
        if end > start:
            yield start, end, busy, busy / held


def _served(
    telemetry: Telemetry,
    ranged: HeldRange,
    options: WorldOptions,
    span: tuple[int, int],
    busy_seconds: float,
    load: float,
    release: int,
) -> Iterator[WorkLine]:
    """Requests with their latency, which grows with the load, and the tokens in and out of them."""
    pod = ranged.holding.owner.pod
    draw = stream(options.seed, "work", pod, span[0])
    speed = _rate(ranged, options) * (NEXT_IS_FASTER if release else 1.0)
    requests = int(busy_seconds * speed * (0.98 + 0.04 * draw.random()))
    software = RELEASES[telemetry.node.spec.vendor][release]
    slow = stream(options.seed, "latency", ranged.holding.owner.workload_id).randrange(180, 700)
    latency = int(slow * (1 + 2.5 * load * load) * (0.95 + 0.1 * draw.random()))
    yield _line(telemetry, ranged, span, REQUESTS, requests, software, latency if requests else 0)
    for unit, low, high in (("prompt_tokens", 500, 1400), ("output_tokens", 120, 420)):
        each = stream(options.seed, "tokens", ranged.holding.owner.workload_id, unit).randrange(low, high)
        yield _line(telemetry, ranged, span, unit, int(requests * each * (0.97 + 0.06 * draw.random())), software)


def _line(
    telemetry: Telemetry,
    ranged: HeldRange,
    span: tuple[int, int],
    unit: str,
    units: int,
    software: str = "",
    latency: int = 0,
) -> WorkLine:
    owner = ranged.holding.owner
    place = (telemetry.node.cluster_name, owner.namespace, owner.pod, owner.workload_id)
    return WorkLine(*span, *place, unit, units, software, latency)


def _rate(ranged: HeldRange, options: WorldOptions) -> float:
    """Requests (of a run: fortieths of a step) per busy second of one unit, a constant of the workload."""
    return 0.4 + 2.0 * stream(options.seed, "rate", ranged.holding.owner.workload_id).random()


def work_files(lines: Iterable[WorkLine]) -> Iterator[tuple[str, str]]:
    """(file name, text): one CSV per UTC day, named by the day's end, when it is delivered."""
    days: dict[int, list[WorkLine]] = defaultdict(list)
    for line in lines:
        days[day_of(line.start)].append(line)
    for day, of_day in sorted(days.items()):
        ordered = sorted(of_day, key=lambda line: (line.start, line.cluster, line.namespace, line.pod, line.unit))
        text = "\n".join([HEADER, *(line.text() for line in ordered)])
        yield f"work-{stamp(day + SECONDS_PER_DAY)}.csv", text + "\n"


def true_work(lines: Sequence[WorkLine]) -> dict[tuple[int, str, str], int]:
    """(day, workload_id, unit) -> units."""
    sums: dict[tuple[int, str, str], int] = defaultdict(int)
    for line in lines:
        sums[(day_of(hour_of(line.start)), line.workload_id, line.unit)] += line.units
    return sums
