"""The holdings of each role: gangs, jobs, endpoints, notebooks, Slurm queues, and what nobody owns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pipeline.world.curves import Profile, draw_profile
from pipeline.world.fleet import Fleet, Node
from pipeline.world.names import Namer, deployment_pod, indexed_job_pod, job_pod, ordinal_pod
from pipeline.world.options import END, SECONDS_PER_DAY, SECONDS_PER_HOUR, SECONDS_PER_MINUTE, WorldOptions, day_of
from pipeline.world.seeds import stream
from pipeline.world.workloads import Holding, nobody, pod_owner, slurm_owner, tag_owner


@dataclass
class _Block:
    """What the schedules of one block share."""

    options: WorldOptions
    namer: Namer
    names: dict[str, str] = field(default_factory=dict)

    def shared_name(self, key: str, family: str) -> str:
        """One name for several nodes of the block (a gang, an endpoint that bursts)."""
        if key not in self.names:
            self.names[key] = self.namer.workload(family)
        return self.names[key]

    def profile(self, kind: str, name: str) -> Profile:
        return draw_profile(kind, self.options.seed, name)

    def pid(self, *keys: object) -> int:
        return self.namer.process(*keys)

    def moment(self, share: float, spread: float, *keys: object) -> int:
        """An instant near a share of the telemetry window, the same for all nodes that ask with the same keys."""
        drawn = share + spread * (stream(self.options.seed, self.namer.block, "moment", *keys).random() - 0.5)
        return self.options.align(self.options.watched_at(drawn))

    def minutes(self, low: int, high: int, *keys: object) -> int:
        """A drawn length in seconds, whole samples, at least one; any seconds in an unaligned world."""
        drawn = stream(self.options.seed, self.namer.block, "minutes", *keys).randrange(low, high) * SECONDS_PER_MINUTE
        if self.options.unaligned:
            drawn += stream(self.options.seed, self.namer.block, "seconds", *keys).randrange(1, SECONDS_PER_MINUTE)
        return max(self.options.align(drawn), self.options.interval_seconds)


Schedule = Callable[[_Block, Node], Iterator[Holding]]


def build_schedule(options: WorldOptions, fleet: Fleet) -> tuple[Holding, ...]:
    """All holdings of the fleet within the telemetry window, in node order."""
    holdings: list[Holding] = []
    blocks = [_Block(options, Namer(options.seed, number)) for number in range(options.scale)]
    per_block = len(fleet.nodes) // options.scale
    for number, node in enumerate(fleet.nodes):
        schedule = _SCHEDULES.get(node.role)
        start, end = node.runs(options.telemetry_start, END)
        if schedule and node.plan.telemetry and start < end:
            holdings.extend(_clipped(schedule(blocks[number // per_block], node), start, end))
    return tuple(holdings)


def _clipped(holdings: Iterator[Holding], start: int, end: int) -> Iterator[Holding]:
    for holding in holdings:
        first, last = max(holding.start, start), min(holding.end, end)
        if first < last:
            yield Holding(holding.node, holding.units, first, last, holding.owner, holding.profile)


def _cores(first: int, count: int) -> tuple[int, ...]:
    return tuple(range(first, first + count))


def _pod(block: _Block, node: Node, units: tuple[int, ...], namespace: str, name: str, pod: str, kind: str,
         span: tuple[int, int]) -> Holding:  # fmt: skip
    pid = block.pid(pod, units[0]) if node.spec.vendor == "neuron" else 0
    container = {"training": "trainer", "inference": "server", "notebook": "notebook"}.get(kind, "main")
    owner = pod_owner(node, namespace, name, pod, container, pid)
    return Holding(node, units, span[0], span[1], owner, block.profile(kind, name))


def _window(block: _Block) -> tuple[int, int]:
    return block.options.telemetry_start, END


def _gang(block: _Block, node: Node) -> Iterator[Holding]:
    """Two runs after each other on all cores of both nodes, with an unheld pause between."""
    start, end = _window(block)
    pause = block.moment(0.45, 0.3, "gang pause")
    resume = pause + block.minutes(60, 240, "gang pause")
    rank = 0 if node.role.endswith("-a") else 1
    units = _cores(0, len(node.units))
    for key, span in (("gang 1", (start, pause)), ("gang 2", (resume, end))):
        name = block.shared_name(key, "training")
        yield _pod(block, node, units, "training", name, ordinal_pod(name, rank), "training", span)


def _jobs(block: _Block, node: Node) -> Iterator[Holding]:
    """One Job on the first half all the time, an indexed Job on the second half for a part of it."""
    half = len(node.units) // 2
    name = block.namer.workload("tuning")
    yield _pod(block, node, _cores(0, half), "tuning", name, job_pod(name), "training", _window(block))
    name = block.namer.workload("tuning")
    span = (block.moment(0.2, 0.2, "job"), block.moment(0.75, 0.2, "job"))
    yield _pod(block, node, _cores(half, half), "tuning", name, indexed_job_pod(name, 0), "training", span)


def _office_hours(block: _Block, node: Node, units: tuple[int, ...]) -> Iterator[Holding]:
    user = block.namer.user()
    name = f"jupyter-{user}"
    start, end = _window(block)
    for day in range(day_of(start), end, SECONDS_PER_DAY):
        begin = day + 8 * SECONDS_PER_HOUR + block.minutes(0, 90, user, day, "begin")
        close = begin + 7 * SECONDS_PER_HOUR + block.minutes(0, 150, user, day, "close")
        yield _pod(block, node, units, "jupyter", name, name, "notebook", (begin, close))


def _notebook_cores(block: _Block, node: Node) -> Iterator[Holding]:
    return _office_hours(block, node, _cores(0, 4))


def _notebook_gpu(block: _Block, node: Node) -> Iterator[Holding]:
    return _office_hours(block, node, (0,))


def _endpoints(block: _Block, node: Node) -> Iterator[Holding]:
    """Three endpoints, the first rolled over to a new ReplicaSet in mid-window; the last four cores stay free."""
    start, end = _window(block)
    roll = block.moment(0.6, 0.3, "roll")
    name = block.namer.workload("serving")
    for revision, span in ((1, (start, roll)), (2, (roll, end))):
        pod = deployment_pod(name, revision)
        yield _pod(block, node, _cores(0, 8), "serving", name, pod, "inference", span)
    for first, count in ((8, 8), (16, 4)):
        name = block.namer.workload("serving")
        yield _pod(block, node, _cores(first, count), "serving", name, deployment_pod(name), "inference", (start, end))


def _burst(block: _Block, node: Node) -> Iterator[Holding]:
    """A replica that comes and goes with a spot instance; it loads for some minutes first."""
    name = block.shared_name("burst", "serving")
    span = (node.launch_at + block.minutes(3, 9, node.instance_id), node.runs_until() - block.minutes(1, 4, "drain"))
    pod = deployment_pod(name, node.launch_at)
    yield _pod(block, node, _cores(0, len(node.units)), "serving", name, pod, "inference", span)


def _tagged(block: _Block, node: Node, units: tuple[int, ...], tag: str, kind: str) -> Holding:
    start, end = _window(block)
    pid = block.pid(tag or "untagged", node.role)
    owner = tag_owner(node, tag or str(pid), pid)
    return Holding(node, units, start, end, owner, block.profile(kind, tag or node.role))


def _bare_pair(block: _Block, node: Node) -> Iterator[Holding]:
    """One tagged runtime, and one whose tag is only its pid."""
    yield _tagged(block, node, (0,), block.namer.workload("tag"), "steady")
    yield _tagged(block, node, (1,), "", "steady")


def _bare_shared(block: _Block, node: Node) -> Iterator[Holding]:
    """Two tagged runtimes on one core; the other core is free."""
    yield _tagged(block, node, (0,), block.namer.workload("tag"), "inference")
    yield _tagged(block, node, (0,), block.namer.workload("tag"), "steady")


def _mixed_gpus(block: _Block, node: Node) -> Iterator[Holding]:
    """Four GPUs train, one serves, one is free; two are cut by MIG, one of them with slices left over."""
    window = _window(block)
    name = block.namer.workload("training")
    yield _pod(block, node, (0, 1, 2, 3), "training", name, job_pod(name), "training", window)
    for units, kind in (((4,), "inference"), ((6,), "inference"), ((7,), "steady"), ((8,), "steady")):
        name = block.namer.workload("serving" if kind == "inference" else "tuning")
        pod = deployment_pod(name) if kind == "inference" else job_pod(name)
        yield _pod(block, node, units, "serving" if kind == "inference" else "tuning", name, pod, kind, window)


def _eight_gpus(block: _Block, node: Node) -> Iterator[Holding]:
    """One run on all eight, a pause, then the next on six."""
    start, end = _window(block)
    pause = block.moment(0.65, 0.2, "b200")
    for units, span in ((8, (start, pause)), (6, (pause + block.minutes(45, 200, "b200"), end))):
        name = block.namer.workload("training")
        yield _pod(block, node, _cores(0, units), "training", name, ordinal_pod(name, 0), "training", span)


def _shared_gpus(block: _Block, node: Node) -> Iterator[Holding]:
    """Two time-sliced pods on one GPU, two single endpoints, and a busy GPU nobody owns."""
    window = _window(block)
    for units in ((0,), (0,), (1,), (2,)):
        name = block.namer.workload("serving")
        yield _pod(block, node, units, "serving", name, deployment_pod(name), "inference", window)
    yield Holding(node, (3,), window[0], window[1], nobody(), block.profile("steady", node.role))


def _queue(block: _Block, node: Node) -> Iterator[Holding]:
    """Slurm jobs one after another with pauses; now and then two share the GPU."""
    at, end = _window(block)
    job = stream(block.options.seed, block.namer.block, "slurm").randrange(40_000, 90_000)
    while at < end:
        job += stream(block.options.seed, "slurm", job).randrange(1, 40)
        span = (at, at + block.minutes(120, 540, job))
        kind = block.profile("steady", str(job))
        yield Holding(node, (0,), span[0], span[1], slurm_owner(node, str(job)), kind)
        if job % 3 == 0:
            third = block.options.align((span[1] - span[0]) // 3)
            yield Holding(node, (0,), span[0], span[0] + third, slurm_owner(node, str(job + 1)), kind)
        job += 1
        at = span[1] + block.minutes(10, 120, job, "pause")


def _scraped(block: _Block, node: Node) -> Iterator[Holding]:
    name = block.shared_name("burst", "serving")
    pod = deployment_pod(name, node.launch_at)
    span = (node.launch_at + block.minutes(3, 9, node.role), node.runs_until())
    yield _pod(block, node, (0,), "serving", name, pod, "inference", span)


def _sweep(block: _Block, node: Node) -> Iterator[Holding]:
    name = block.namer.workload("sweep")
    span = (node.launch_at + block.minutes(5, 12, node.role), node.runs_until())
    yield _pod(block, node, _cores(0, len(node.units)), "sweeps", name, job_pod(name), "training", span)


def _blocked(block: _Block, node: Node) -> Iterator[Holding]:
    """One run over the instances of a Capacity Block, on all GPUs but two, some minutes after the instance began."""
    name = block.shared_name("block", "training")
    span = (node.launch_at + block.minutes(5, 40, node.instance_id), node.runs_until())
    rank = int(node.private_ip.rpartition(".")[2]) - 240
    units = _cores(0, len(node.units) - 2)
    yield _pod(block, node, units, "training", name, ordinal_pod(name, rank), "training", span)


_SCHEDULES: dict[str, Schedule] = {
    "trn1-gang-a": _gang,
    "trn1-gang-b": _gang,
    "trn2-jobs": _jobs,
    "trn2-lab": _notebook_cores,
    "inf2-serve": _endpoints,
    "inf2-bare": _bare_pair,
    "trn1-bare": _bare_shared,
    "inf2-burst": _burst,
    "p5-mixed": _mixed_gpus,
    "b200-train": _eight_gpus,
    "g6-serve": _shared_gpus,
    "g6-lab": _notebook_gpu,
    "g6-slurm": _queue,
    "g6-scraped": _scraped,
    "p5-sweep": _sweep,
    "p5-block": _blocked,
}
