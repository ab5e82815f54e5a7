"""What a world's endpoints and runs did, and how their jobs ended: drawn apart, so that nothing else moves."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest

from pipeline.world import World, WorldOptions, simulate
from pipeline.world.attempts import HEADER, SACCT_HEADER, Attempt, attempt_files, attempts_of, true_attempts
from pipeline.world.options import END, SECONDS_PER_HOUR, hour_of
from pipeline.world.truth import true_costs
from pipeline.world.usage import Usage, add_usage
from pipeline.world.work import NEXT_IS_FASTER, REQUESTS, WorkLine, true_work, work_files, work_of


@pytest.fixture(scope="module")
def lines(world: World) -> list[WorkLine]:
    return [line for node in world.watched() for line in work_of(world.telemetry(node), world.options)]


@pytest.fixture(scope="module")
def attempts(world: World) -> list[Attempt]:
    return attempts_of(world.options, world.holdings)


def test_counting_work_moves_nothing_else() -> None:
    options = WorldOptions(seed=4, days=2, telemetry_days=1)
    plain, counted = simulate(options), simulate(replace(options, work=True))
    assert plain.lines == counted.lines
    assert plain.holdings == counted.holdings


def test_work_is_told_within_the_hour_it_was_done(lines: list[WorkLine]) -> None:
    assert {line.unit for line in lines} == {REQUESTS, "prompt_tokens", "output_tokens", "steps"}
    assert all(hour_of(line.start) <= line.start < line.end <= hour_of(line.start) + SECONDS_PER_HOUR for line in lines)
    assert all((line.latency_p95_ms > 0) == (line.unit == REQUESTS and line.units > 0) for line in lines)
    assert len({(line.start, line.cluster, line.pod, line.unit) for line in lines}) == len(lines)


def test_the_next_release_does_more_in_a_busy_second(world: World) -> None:
    [node] = world.fleet.with_role("inf2-serve")
    telemetry = world.telemetry(node)
    done: dict[tuple[str, str], int] = defaultdict(int)
    for line in work_of(telemetry, world.options):
        done[(line.workload_id, line.software)] += line.units if line.unit == REQUESTS else 0
    busy: dict[tuple[str, int], float] = defaultdict(float)
    revisions: dict[str, list[str]] = defaultdict(list)
    for ranged in telemetry.held:
        pods = revisions[ranged.holding.owner.workload_id]
        pods.append(ranged.holding.owner.pod)
        cover = telemetry.cover[ranged.first : ranged.last, None]
        busy[(ranged.holding.owner.workload_id, len(pods))] += float((ranged.busy * cover).sum())
    [rolled] = [workload for workload, pods in revisions.items() if len(pods) == 2]
    first, second = (units for (workload, _), units in sorted(done.items()) if workload == rolled)
    speed = (second / busy[(rolled, 2)]) / (first / busy[(rolled, 1)])
    assert speed == pytest.approx(NEXT_IS_FASTER, rel=0.02)


def test_files_hold_every_line_and_its_truth_once(lines: list[WorkLine]) -> None:
    texts = [text for _, text in work_files(lines)]
    assert sum(len(text.splitlines()) - 1 for text in texts) == len(lines)
    assert sum(true_work(lines).values()) == sum(line.units for line in lines)


def test_attempts_follow_each_other_within_their_holding(attempts: list[Attempt]) -> None:
    runs: dict[tuple[str, int, str], list[Attempt]] = defaultdict(list)
    for one in attempts:
        if one.start is not None:
            runs[(one.holding.owner.pod, one.holding.start, one.job)].append(one)
    assert {one.outcome for one in attempts} >= {"completed", "running", "waiting"}
    assert any(len(run) > 1 for run in runs.values())
    for run in runs.values():
        times = [moment for one in run for moment in (one.submitted, one.start, one.end) if moment is not None]
        assert times == sorted(times)
        assert run[0].start == run[0].holding.start
        assert run[-1].end == (None if run[-1].holding.end == END else run[-1].holding.end)


def test_attempts_of_a_run_cost_what_the_run_costs(world: World, attempts: list[Attempt]) -> None:
    usage = Usage()
    for node in world.watched():
        add_usage(usage, world.telemetry(node))
    truth = true_costs(world.fleet, world.lines, usage)
    spent: dict[str, int] = defaultdict(int)
    for one, cost in true_attempts(attempts, usage, truth.boxes):
        spent[one.holding.owner.workload_id] += cost
    assert spent
    for workload, cost in spent.items():
        whole = sum(money[0] for key, money in truth.workloads.items() if key[1] == workload)
        assert cost == pytest.approx(whole, abs=1000)  # units of 1e-10 USD, rounded per attempt and per line


def test_slurm_s_jobs_are_told_as_sacct_prints_them(attempts: list[Attempt]) -> None:
    files = dict(attempt_files(attempts))
    headers = {name.partition("-")[0]: text.splitlines()[0] for name, text in files.items()}
    assert headers == {"jobs": HEADER, "sacct": SACCT_HEADER}
    assert "PENDING" in next(text for name, text in files.items() if name.startswith("sacct"))
