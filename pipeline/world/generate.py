"""Write a world: wire formats under `landing`, what is true under `truth`, and the options beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.world.attempts import attempt_files, attempts_of, true_attempts
from pipeline.world.cost_explorer import cost_explorer_files
from pipeline.world.cur import write_exports
from pipeline.world.dcgm import dcgm_files
from pipeline.world.file_faults import spoil
from pipeline.world.findings import IdleRun, idle_findings, idle_runs, spike_findings
from pipeline.world.focus import write_focus
from pipeline.world.inventory import inventory_files, reservation_files
from pipeline.world.neuron_monitor import neuron_files
from pipeline.world.options import WorldOptions
from pipeline.world.routes import write_routes
from pipeline.world.rules import rules_text
from pipeline.world.telemetry import Telemetry
from pipeline.world.truth import Truth, true_costs
from pipeline.world.truth_files import truth_tables, work_tables
from pipeline.world.usage import Usage, add_usage
from pipeline.world.work import WorkLine, true_work, work_files, work_of
from pipeline.world.world import World, simulate
from pipeline.world.writer import write_gzip, write_json, write_json_lines, write_parquet, write_text

# What is being written, steps done, steps in all.
Progress = Callable[[str, int, int], None]


def generate(options: WorldOptions, out: Path, on_progress: Progress | None = None, routes: Sequence[str] = ()) -> None:
    """Simulate a world and write it to `out/landing`, `out/truth`, `out/workloads.toml`, `out/world.json`.

    `routes` names (of ROUTES) other ways in which Container Insights' figures arrive: each is written besides, to
    `out/routes/<name>`. Objects that the fault `late` holds back lie below `out/late`.

    Refuses a folder that already holds landing files of another world: the bill of two worlds would mix.
    """
    landing = out / "landing"
    if landing.exists() and any(landing.iterdir()):
        raise FileExistsError(f"{landing} is not empty; choose another folder or remove it first")
    out.mkdir(parents=True, exist_ok=True)
    (out / "world.json").write_text(options.to_json())
    (out / "workloads.toml").write_text(rules_text())
    world = simulate(options)
    usage, runs, work = _write_telemetry(world, landing, on_progress or _silent)
    write_routes(world, routes, out)
    for name, records in inventory_files(options, world.fleet):
        write_json_lines(landing / "inventory" / name, records)
    for name, records in reservation_files(options, world.fleet):
        write_json_lines(landing / "reservations" / name, records)
    for _ in write_exports(options, world.fleet, world.lines, landing):
        pass
    for _ in write_focus(options, world.fleet, world.lines, landing) if options.focus else ():
        pass
    for name, page in cost_explorer_files(options, world.fleet, world.lines):
        write_json(landing / "cost_explorer" / name, page)
    truth = true_costs(world.fleet, world.lines, usage)
    findings = idle_findings(runs, truth.boxes) + spike_findings(world.lines, truth.pieces)
    for name, table in truth_tables(truth, usage, findings):
        write_parquet(out / "truth" / name, table)
    if options.work:
        _write_work(world, work, usage, truth, out)
    spoil(out, options.seed, options.faults)


def _silent(label: str, done: int, total: int) -> None:
    """Nobody watches."""


def _write_work(world: World, work: list[WorkLine], usage: Usage, truth: Truth, out: Path) -> None:
    """What the fleet did, how its jobs ended, and what is true of both."""
    attempts = attempts_of(world.options, world.holdings)
    for folder, files in (("work_units", work_files(work)), ("job_attempts", attempt_files(attempts))):
        for name, text in files:
            write_text(out / "landing" / folder / name, text)
    for name, table in work_tables(true_work(work), true_attempts(attempts, usage, truth.boxes)):
        write_parquet(out / "truth" / name, table)


def _write_telemetry(world: World, landing: Path, on_progress: Progress) -> tuple[Usage, list[IdleRun], list[WorkLine]]:
    """One node at a time, so that memory holds one node's samples whatever the size of the world."""
    usage = Usage()
    runs: list[IdleRun] = []
    work: list[WorkLine] = []
    nodes = world.fleet.nodes
    for done, node in enumerate(nodes):
        on_progress(node.role, done, len(nodes))
        telemetry = world.telemetry(node)
        if len(telemetry.at):
            add_usage(usage, world.exact_usage(telemetry))
            runs.extend(idle_runs(telemetry))
            work.extend(work_of(telemetry, world.options) if world.options.work else ())
            _write_node(world.options, telemetry, landing)
    on_progress("bill", len(nodes), len(nodes))
    return usage, runs, work


def _write_node(options: WorldOptions, telemetry: Telemetry, landing: Path) -> None:
    if telemetry.node.spec.vendor == "neuron":
        for name, text in neuron_files(telemetry, options.interval_seconds):
            write_gzip(landing / "neuron_monitor" / name, text)
    else:
        for name, text in dcgm_files(telemetry, options.seed):
            write_gzip(landing / "dcgm" / name, text)
