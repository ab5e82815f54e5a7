"""Two months as they reach a ledger: bills restated, tags and telemetry that come late, a publication after each."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline import steps
from pipeline.reading import query
from pipeline.warehouse import open_warehouse, utc_rows
from pipeline.world.cur import deliveries
from pipeline.world.events import EVENTS
from pipeline.world.serve_truth import read_world
from pipeline.world.world import World
from tests.support import truth
from tests.support.arrivals import Step, steps_of
from tests.support.bounds import Money, bounds_of
from tests.support.commitments import assert_commitments_true
from tests.support.ledgers import Ledger
from tests.support.worlds import WorldFiles, write_world

SEEDS = range(101, 121)
# it publishes after each of the eight deliveries, the others after two of the middle month and when everything is there
FROM_THE_FIRST = (101,)
MIDDLE = "2026-10"
# GPUs are scraped for a minute of each interval, Neuron devices report all of it
INTERVALS = (600, 300, 900, 450)
TOLERANCE = Decimal("1e-6")
# USD by account, record type and basis
Bill = dict[tuple[str, str, str], Decimal]

REPORTS = {
    "workloads": "select * from mart_workload_cost_daily order by all",
    "idle": "select * from mart_idle_cost_daily order by all",
    "bill": "select * from mart_reconciliation_daily order by all",
    "statement": "select * from mart_chargeback_monthly order by all",
    "commitments": "select * from mart_commitment_coverage_daily order by all",
    "restatements": "select * from mart_restatements order by all",
}
BILLED = """
    select account_id, record_type, basis, sum(bill_usd) as usd
    from mart_reconciliation_daily where bill_usd is not null group by all
"""
CHANGED = """
    select account_id, record_type, sum(change_usd) as billed, sum(change_effective_usd) as effective
    from mart_restatements where delivered_at > $after and delivered_at <= $until group by all
"""
RESTATED = """
    select billing_period, epoch(delivered_at), account_id, record_type, change_usd, change_effective_usd
    from mart_restatements
"""
LOST_LINES = """
    select l.cost_line_id, l.billed_cost_usd, l.effective_cost_usd, l.list_cost_usd, sum(f.billed_cost_usd) as billed,
        sum(f.effective_cost_usd) as effective, sum(f.list_cost_usd) as list
    from int_cost_lines as l full join fct_cost_allocated_hourly as f using (cost_line_id)
    where f.cost_status is distinct from 'estimated'
    group by all
    having billed is distinct from l.billed_cost_usd or effective is distinct from l.effective_cost_usd
        or list is distinct from l.list_cost_usd
"""
EXPLANATIONS = "select distinct explanation from mart_reconciliation_daily"
SHIFTED = """
    select sum(bill_usd - cost_explorer_usd)
    from mart_reconciliation_daily where basis = 'effective' and explanation = 'capacity block'
"""
UNTAGGED = "select workload_id from mart_workload_cost_daily where starts_with(workload_id, '-/training/')"
OTHER_USAGE = f"select usage_hour_at, accelerator_id from ({truth.USAGE})"
STAGED = "select billed_cost_usd, count(*) from stg_cur_lines group by all"


@dataclass(frozen=True)
class Kept:
    """What a publication said when it was new."""

    step: Step
    reports: dict[str, Any]
    bill: Bill


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once: many worlds would fill a disk."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def lived(home: Path, world: WorldFiles, simulated: World, period: str) -> list[Kept]:
    """Let everything come in its order; a report is kept after each publication."""
    kept = []
    for step in steps_of(world, simulated, period):
        ledger = Ledger(home, step.published_at)
        ingested = ledger.ingest(*step.paths)
        assert (ingested.refused, ingested.rejects) == ([], 0)
        ledger.publish()
        assert truth.rows(ledger, truth.RECONCILIATION) == []
        bill = {tuple(keys): usd for *keys, usd in truth.rows(ledger, BILLED)}
        kept.append(Kept(step, {name: query(home, sql) for name, sql in REPORTS.items()}, bill))
    return kept


def assert_conserved(ledger: Ledger, simulated: World) -> None:
    """Every line is whole in every basis, every day too, and the lines are those of the world, none twice."""
    assert truth.rows(ledger, truth.RECONCILIATION) == []
    with open_warehouse(ledger.settings.place.warehouse) as conn:
        assert utc_rows(conn, LOST_LINES) == []
        staged = dict(utc_rows(conn, STAGED))
    counts: dict[Decimal, int] = defaultdict(int)
    for line in simulated.lines:
        counts[Decimal(line.unblended).scaleb(-10)] += 1
    assert staged == counts


def misses(rows: Sequence[tuple[Any, ...]], allowed: Any) -> list[tuple[Any, ...]]:
    """Rows (*keys, effective, billed, true effective, true billed) further apart than `allowed` (key) says."""
    missed = []
    for *keys, effective, billed, true_effective, true_billed in rows:
        bound: Money = allowed(keys)
        for ours, theirs, most in zip((effective, billed), (true_effective, true_billed), bound, strict=True):
            if abs((ours or 0) - (theirs or 0)) > TOLERANCE + Decimal(round(most)).scaleb(-10):
                missed.append((*keys, ours, theirs, Decimal(round(most)).scaleb(-10)))
    return missed


def seconds_of(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def assert_costs_true(ledger: Ledger, world: WorldFiles, simulated: World) -> None:
    """Exact where nothing changed between samples, else within the time of a sample for each change."""
    bounds = bounds_of(simulated)
    used = truth.rows(ledger, OTHER_USAGE, truth=world.truth("accelerator_usage_hourly"))
    assert {(int(hour.timestamp()), accelerator_id) for hour, accelerator_id in used} <= bounds.accelerators
    costs = truth.rows(
        ledger, truth.BESIDE, mart="mart_workload_cost_daily", keys=truth.WORKLOAD_KEYS,
        truth=world.truth("workload_cost_daily"),
    )  # fmt: skip
    keys = {(seconds_of(day), workload_id, chip) for day, workload_id, chip, *_ in costs}
    assert keys & bounds.workloads.keys()
    assert keys - bounds.workloads.keys()
    assert misses(costs, lambda key: bounds.workloads.get((seconds_of(key[0]), *key[1:]), (0, 0))) == []
    places = truth.rows(
        ledger, truth.BESIDE, mart="fct_cost_allocated_hourly", keys=truth.CLASS_KEYS,
        truth=world.truth("cost_class_daily"),
    )  # fmt: skip
    assert misses(places, lambda key: bounds.places.get((seconds_of(key[0]), key[2], key[4], key[6]), (0, 0))) == []


def assert_told_as_they_were(home: Path, kept: Sequence[Kept]) -> None:
    for one in kept:
        for name, sql in REPORTS.items():
            assert query(home, sql, as_of=one.step.published_at) == one.reports[name], (one.step.published_at, name)


def changes(home: Path, after: datetime, until: datetime) -> Bill:
    """What mart_restatements says of the deliveries between two publications."""
    moments = {"$after": f"timestamptz '{after}'", "$until": f"timestamptz '{until}'"}
    rows = query(home, reduce(lambda sql, name: sql.replace(name, moments[name]), moments, CHANGED)).rows
    both = (((account, record_type), sums) for account, record_type, *sums in rows)
    return {(*key, basis): usd for key, sums in both for basis, usd in zip(("billed", "effective"), sums, strict=True)}


def assert_restated_by_the_change_of_the_bill(home: Path, kept: Sequence[Kept]) -> None:
    """Between two publications the restatements add up to what the bill says otherwise, in both bases.

    The fee of a Capacity Block is effective in the hours it pays for: in the end it adds up too.
    """
    for before, after in pairwise(kept):
        told = changes(home, before.step.published_at, after.step.published_at)
        assert apart(before.bill, after.bill, told) - {(account, "Fee", "effective") for account, *_ in told} == set()
    whole = changes(home, datetime(2026, 1, 1, tzinfo=UTC), kept[-1].step.published_at)
    assert apart({}, kept[-1].bill, whole) == set()
    assert len({change for change in whole.values() if change}) > 10


def apart(before: Bill, after: Bill, told: Bill) -> set[tuple[str, str, str]]:
    """Where the change of the bill is not what was told."""
    keys = before.keys() | after.keys() | told.keys()
    return {key for key in keys if after.get(key, 0) - before.get(key, 0) != told.get(key, 0)}


def assert_restated_as_simulated(ledger: Ledger, simulated: World) -> None:
    """Every delivery is told as what it says more than the one before it."""
    said: dict[tuple[date, str, str], tuple[int, int]] = {}
    expected = {}
    for delivery in deliveries(simulated.options, simulated.lines):
        month = datetime.fromtimestamp(delivery.period_start, UTC).date()
        sums: dict[tuple[date, str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
        for line in delivery.lines:
            billed, effective = sums[(month, line.account_id, line.record_type)]
            sums[(month, line.account_id, line.record_type)] = (billed + line.unblended, effective + line.effective)
        for key in sums.keys() | {key for key in said if key[0] == month}:
            before, now = said.get(key, (0, 0)), sums.get(key, (0, 0))
            said[key] = now
            if now != before:
                change = (Decimal(now[0] - before[0]).scaleb(-10), Decimal(now[1] - before[1]).scaleb(-10))
                expected[(month, delivery.delivered_at, *key[1:])] = change
    told = {
        (month, int(at), account, record_type): (billed, effective)
        for month, at, account, record_type, billed, effective in truth.rows(ledger, RESTATED)
        if billed or effective
    }
    assert told == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_two_months_of_bills_tags_and_telemetry_that_come_late_are_told_truly_at_every_step(
    seed: int, room: Path, no_settings: None
) -> None:
    world = write_world(
        room, seed=seed, days=60, telemetry_days=3, around_events=True, unaligned=True, events=EVENTS, managed=True,
        faults=("late",), interval_seconds=INTERVALS[seed % len(INTERVALS)],
    )  # fmt: skip
    simulated = read_world(world.folder)
    home = room / "ledger"
    is_whole = seed in FROM_THE_FIRST
    kept = lived(home, world, simulated, "" if is_whole else MIDDLE)
    ledger = Ledger(home, kept[-1].step.published_at)
    assert_conserved(ledger, simulated)
    assert truth.bill_differences(ledger, world) == []
    assert_commitments_true(ledger, simulated.lines)
    assert set(truth.rows(ledger, EXPLANATIONS)) == {("equal",), ("capacity block",)}
    assert truth.rows(ledger, SHIFTED) == [(0,)]
    assert truth.rows(ledger, truth.FINDINGS, truth=world.truth("findings")) == []
    assert_costs_true(ledger, world, simulated)
    assert query(home, UNTAGGED, as_of=kept[0].step.published_at).rows
    assert query(home, UNTAGGED).rows == []
    assert_told_as_they_were(home, kept)
    assert_restated_by_the_change_of_the_bill(home, kept)
    assert_restated_as_simulated(ledger, simulated)
    if is_whole:
        assert {one.status for one in steps.verify(ledger.settings, ledger.now)} == {"identical"}
