"""Attempts of the jobs of a world: when each was submitted, ran and ended, and how, as CSV and as `sacct` prints them.

Holdings are those of the schedule: a job that restarts within them keeps its devices meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pipeline.world.options import END, SECONDS_PER_HOUR, SECONDS_PER_MINUTE, WorldOptions, hour_of, iso, stamp
from pipeline.world.seeds import stream
from pipeline.world.truth import BoxHour
from pipeline.world.usage import DENOMINATOR, Usage
from pipeline.world.work import STEPPING
from pipeline.world.workloads import Holding

HEADER = "submitted_at,start_at,end_at,cluster,namespace,pod,outcome,device_count"
SACCT_HEADER = "JobID,State,Submit,Start,End,Cluster,ReqTRES"
SACCT_STATES = {
    "completed": "COMPLETED",
    "failed": "NODE_FAIL",
    "preempted": "PREEMPTED",
    "running": "RUNNING",
    "waiting": "PENDING",
}
LONGEST_WAIT_MINUTES = 75
LEAST_RUN_SECONDS = 4 * SECONDS_PER_HOUR  # a holding that is shorter runs in one go


@dataclass(frozen=True)
class Attempt:
    """One attempt of what a holding runs; `start` is None where it still waits, `end` where it runs."""

    holding: Holding
    job: str
    outcome: str
    submitted: int
    start: int | None
    end: int | None

    @property
    def devices(self) -> int:
        """Accelerators it asks for; 0 for a part of one."""
        units = [self.holding.node.units[index] for index in self.holding.units]
        return 0 if any(unit.gi_id for unit in units) else len({unit.device for unit in units})


def attempts_of(options: WorldOptions, holdings: Mapping[str, Sequence[Holding]]) -> list[Attempt]:
    """The attempts of every run that is held by a pod that trains or by a Slurm job, and one job that still waits."""
    found: list[Attempt] = []
    for held in holdings.values():
        for holding in held:
            owner = holding.owner
            if owner.hpc_job:
                found.append(_queued(options, holding))
            elif owner.pod and owner.namespace in STEPPING:
                found.extend(_restarted(options, holding))
        if queue := [holding for holding in held if holding.owner.hpc_job]:
            job = str(max(int(holding.owner.hpc_job) for holding in queue) + 7)
            found.append(Attempt(queue[-1], job, "waiting", END - 3 * SECONDS_PER_HOUR, None, None))
    return sorted(found, key=lambda one: (one.holding.node.cluster_name, one.holding.owner.pod, one.job, one.submitted))


def _wait(options: WorldOptions, key: str) -> int:
    return stream(options.seed, "wait", key).randrange(LONGEST_WAIT_MINUTES) * SECONDS_PER_MINUTE


def _queued(options: WorldOptions, holding: Holding) -> Attempt:
    job = holding.owner.hpc_job
    ended = stream(options.seed, "outcome", job).choice(("completed", "completed", "completed", "failed", "preempted"))
    is_open = holding.end == END
    submitted = holding.start - _wait(options, job)
    return Attempt(
        holding, job, "running" if is_open else ended, submitted, holding.start, None if is_open else holding.end
    )


def _restarted(options: WorldOptions, holding: Holding) -> Iterator[Attempt]:
    """A run in up to three attempts; all pods of a gang fail at the same share of their time."""
    name = holding.owner.workload_id
    draw = stream(options.seed, "restarts", name)
    length = holding.end - holding.start
    count = draw.choice((0, 0, 1, 2)) if length >= LEAST_RUN_SECONDS else 0
    breaks = sorted(holding.start + int(length * (0.1 + 0.8 * draw.random())) for _ in range(count))
    submitted, start = holding.start - _wait(options, name), holding.start
    for at in breaks:
        if at - start < SECONDS_PER_HOUR:
            continue
        outcome = draw.choice(("failed", "restarted", "preempted"))
        yield Attempt(holding, "", outcome, submitted, start, at)
        submitted, start = at, at + draw.randrange(3, 12) * SECONDS_PER_MINUTE
    is_open = holding.end == END
    last = "running" if is_open else draw.choice(("completed", "completed", "failed"))
    yield Attempt(holding, "", last, submitted, start, None if is_open else holding.end)


def attempt_files(attempts: Sequence[Attempt]) -> Iterator[tuple[str, str]]:
    """(file name, text): what Kubernetes' jobs tell, and what `sacct` prints of Slurm's, both as of the end."""
    pods = [_pod_line(one) for one in attempts if not one.job]
    jobs = [_sacct_line(one) for one in attempts if one.job]
    for name, header, lines in (("jobs", HEADER, pods), ("sacct", SACCT_HEADER, jobs)):
        if lines:
            yield f"{name}-{stamp(END)}.csv", "\n".join([header, *lines]) + "\n"


def _pod_line(one: Attempt) -> str:
    owner = one.holding.owner
    times = ",".join("" if at is None else iso(at) for at in (one.submitted, one.start, one.end))
    place = f"{one.holding.node.cluster_name},{owner.namespace},{owner.pod}"
    return f"{times},{place},{one.outcome},{one.devices or ''}"


def _sacct_line(one: Attempt) -> str:
    times = ",".join("Unknown" if at is None else iso(at) for at in (one.submitted, one.start, one.end))
    return f"{one.job},{SACCT_STATES[one.outcome]},{times},{one.holding.node.cluster_name},gres/gpu={one.devices}"


def true_attempts(
    attempts: Sequence[Attempt], usage: Usage, boxes: Mapping[tuple[int, str], BoxHour]
) -> list[tuple[Attempt, int]]:
    """Each attempt that ran, with what it cost in units: a workload's hour is shared by the time its attempts ran."""
    ran: dict[tuple[int, str, str], list[tuple[int, int]]] = defaultdict(list)
    for number, one in enumerate(attempts):
        if one.start is None:
            continue
        end = END if one.end is None else one.end
        for hour in range(hour_of(one.start), end, SECONDS_PER_HOUR):
            seconds = min(end, hour + SECONDS_PER_HOUR) - max(one.start, hour)
            place = (one.holding.node.instance_id, one.holding.owner.workload_id)
            ran[(hour, *place)].append((number, seconds))
    costs: dict[int, Fraction] = defaultdict(Fraction)
    for (hour, instance_id, workload), shares in ran.items():
        box = boxes.get((hour, instance_id))
        held = usage.held.get((hour, instance_id), {}).get(workload, 0)
        if box is None or not held:
            continue
        node = attempts[shares[0][0]].holding.node
        money = Fraction(box.effective * held, box.seconds * node.spec.devices * DENOMINATOR)
        for number, seconds in shares:
            costs[number] += money * seconds / sum(each for _, each in shares)
    return [(one, round(costs[number])) for number, one in enumerate(attempts) if one.start is not None]
