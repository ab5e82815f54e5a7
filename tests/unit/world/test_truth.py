from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest

from pipeline.world import World, WorldOptions, simulate
from pipeline.world.findings import IdleRun, idle_findings, idle_runs, spike_findings, unbroken
from pipeline.world.truth import IDLE, UNATTRIBUTED, WORKLOAD, Truth, true_costs
from pipeline.world.usage import DENOMINATOR, Usage, add_usage


def _truth(world: World) -> tuple[Usage, Truth, list[IdleRun]]:
    usage = Usage()
    runs: list[IdleRun] = []
    for node in world.watched():
        telemetry = world.telemetry(node)
        add_usage(usage, telemetry)
        runs.extend(idle_runs(telemetry))
    return usage, true_costs(world.fleet, world.lines, usage), runs


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_classes_sum_to_the_bill_of_every_day_and_account_in_both_bases(seed: int) -> None:
    world = simulate(WorldOptions(seed, days=6, telemetry_days=2))
    _, truth, _ = _truth(world)
    bill: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    classes: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    for (day, account, _), money in truth.bill.items():
        bill[(day, account)] = [left + right for left, right in zip(bill[(day, account)], money, strict=True)]
    for key, money in truth.classes.items():
        place = (key[0], key[4])
        classes[place] = [left + right for left, right in zip(classes[place], money, strict=True)]
    assert bill == classes
    assert sum(money[0] for money in truth.bill.values()) == sum(line.effective for line in world.lines)


def test_workload_rows_sum_to_the_workload_class(world: World) -> None:
    _, truth, _ = _truth(world)
    whole = [money for key, money in truth.classes.items() if key[1] == WORKLOAD]
    assert sum(money[0] for money in whole) == sum(money[0] for money in truth.workloads.values())


def test_hours_without_telemetry_are_unattributed_and_never_idle(world: World) -> None:
    _, truth, _ = _truth(world)
    before = {key[1] for key in truth.classes if key[0] < world.options.telemetry_start and key[5] != "global"}
    assert UNATTRIBUTED in before
    assert not before & {WORKLOAD, IDLE}


def test_what_a_savings_plan_covers_costs_its_effective_rate_and_its_rest_is_reserved_unused(world: World) -> None:
    _, truth, _ = _truth(world)
    negations = [money for (_, _, kind), money in truth.bill.items() if kind == "SavingsPlanNegation"]
    assert all(effective == 0 and billed < 0 for effective, billed in negations)
    unused = [money for (_, _, kind), money in truth.bill.items() if kind == "SavingsPlanRecurringFee"]
    assert all(0 < effective < billed for effective, billed in unused)


def test_an_instance_hour_is_held_no_longer_than_it_is_observed(world: World) -> None:
    usage, _, _ = _truth(world)
    for key, owners in usage.held.items():
        assert 0 < sum(owners.values()) <= usage.observed[key]


def test_shared_units_give_each_owner_an_equal_part(world: World) -> None:
    usage, _, _ = _truth(world)
    node = world.fleet.with_role("trn1-bare")[0]
    hour = world.options.telemetry_start
    parts = usage.held[(hour, node.instance_id)]
    assert len(parts) == 2
    assert {Fraction(part, DENOMINATOR) for part in parts.values()} == {Fraction(3600, 4)}


def test_allocated_time_of_an_accelerator_counts_its_held_cores(world: World) -> None:
    usage, _, _ = _truth(world)
    node = world.fleet.with_role("inf2-serve")[0]
    hour = world.options.telemetry_start
    free = usage.accelerators[(hour, f"{node.instance_id}/neuron11", node.instance_id)]
    held = usage.accelerators[(hour, f"{node.instance_id}/neuron0", node.instance_id)]
    assert free == (3600, 0, 0)
    assert held[1] == 3600
    assert 0 < held[2] < 3600


def _found_and_planted(options: WorldOptions) -> tuple[set[tuple[object, ...]], set[tuple[object, ...]]]:
    world = simulate(options)
    _, truth, runs = _truth(world)
    findings = idle_findings(runs, truth.boxes) + spike_findings(world.lines)
    assert all(finding.impact_usd > 0 for finding in findings)
    found: set[tuple[object, ...]] = {(item.rule, item.subject, item.start, item.end) for item in findings}
    planted: set[tuple[object, ...]] = {(item.rule, item.subject, item.start, item.end) for item in world.plants}
    return found, planted


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_the_rules_find_what_was_planted_and_nothing_else(seed: int) -> None:
    found, planted = _found_and_planted(WorldOptions(seed, days=7))
    assert found == planted
    assert {rule for rule, *_ in found} == {"idle_while_paid", "daily_cost_spike"}


@pytest.mark.parametrize("days", [1, 5])
def test_a_world_without_a_history_has_no_cost_spike(days: int) -> None:
    found, planted = _found_and_planted(WorldOptions(2, days=days))
    assert found == planted
    assert {rule for rule, *_ in found} == {"idle_while_paid"}


@pytest.mark.parametrize(
    ("at", "cover", "chosen", "runs"),
    [
        ([60, 120, 180], [60, 60, 60], [True, True, True], [[0, 1, 2]]),
        ([60, 120, 180], [60, 60, 60], [True, False, True], [[0], [2]]),
        ([30, 60, 120, 180], [30, 30, 60, 60], [False, True, True, True], [[1, 2, 3]]),
        ([300, 600, 900], [60, 60, 60], [True, True, True], [[0], [1], [2]]),
        ([60, 120, 420, 480], [60, 60, 60, 60], [True, True, True, True], [[0, 1], [2, 3]]),
        ([60, 121, 181], [60, 60, 60], [True, True, True], [[0], [1, 2]]),
        ([60, 120], [60, 60], [False, False], []),
        ([], [], [], []),
    ],
)
def test_a_run_breaks_at_another_sample_and_at_every_second_that_no_sample_covers(
    at: list[int], cover: list[int], chosen: list[bool], runs: list[list[int]]
) -> None:
    found = unbroken(np.array(at, dtype=np.int64), np.array(cover, dtype=np.int64), np.array(chosen, dtype=bool))
    assert [rows.tolist() for rows in found] == runs


@pytest.mark.parametrize("interval", [90, 300])
def test_beyond_two_dcgm_cadences_idleness_is_known_on_neuron_alone(interval: int) -> None:
    options = WorldOptions(2, days=1, interval_seconds=interval)
    world = simulate(options)
    on_neuron = {
        holding.owner.workload_id
        for holdings in world.holdings.values()
        for holding in holdings
        if holding.node.spec.vendor == "neuron"
    }
    found, planted = _found_and_planted(options)
    assert found == {plant for plant in planted if plant[1] in on_neuron}
    assert 0 < len(found) < len(planted)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 21))
@pytest.mark.parametrize(("days", "telemetry_days", "size"), [(7, 7, "S"), (35, 3, "S"), (7, 1, "M")])
def test_twenty_seeds_hold_the_planted_findings_only(seed: int, days: int, telemetry_days: int, size: str) -> None:
    found, planted = _found_and_planted(WorldOptions(seed, days, telemetry_days, size))
    assert found == planted
