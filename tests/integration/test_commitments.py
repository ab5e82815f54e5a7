"""Worlds with a Capacity Block, a plan bought late, a price cut and late returns come out true, also by parts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.world.events import EVENTS
from pipeline.world.focus import write_focus
from pipeline.world.serve_truth import read_world
from tests.support import truth
from tests.support.ledgers import Ledger
from tests.support.worlds import WorldFiles, units, without, write_world

SEEDS = range(21, 41)

COMMITTED = """
    select commitment_kind, sum(used_usd) as used, sum(unused_usd) as unused, sum(commitment_usd) as committed
    from mart_commitment_coverage_daily where commitment_usd is not null group by commitment_kind order by 1
"""
SHIFTED = """
    select account_id, record_type, sum(bill_usd - cost_explorer_usd) as moved
    from mart_reconciliation_daily where basis = 'effective' and explanation = 'capacity block' group by all
"""
WARNED = "select status from mart_data_quality where check_id like 'int_capacity_blocks%' and status <> 'passed'"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once: many worlds would fill a disk."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def assert_true(ledger: Ledger, world: WorldFiles) -> None:
    missed = truth.differences(ledger, world)
    assert not missed, truth.shown(missed)


def explanations(ledger: Ledger) -> set[str]:
    return {name for (name,) in truth.rows(ledger, "select distinct explanation from mart_reconciliation_daily")}


def assert_commitments_true(ledger: Ledger, world: WorldFiles) -> None:
    """Used and unused of the plan and the block are those of the simulated lines and of the fee."""
    written = read_world(world.folder)
    lines = written.lines
    committed = sum(line.commitment or 0 for line in lines)
    used = sum(line.sp_effective or 0 for line in lines)
    fee = sum(line.unblended for line in lines if line.is_block_fee)
    found = {kind: [int(usd.scaleb(10)) for usd in sums] for kind, *sums in truth.rows(ledger, COMMITTED)}
    assert found["savings_plan"] == [used, committed - used, committed]
    assert found["capacity_block"][2] == fee
    assert 0 < found["capacity_block"][0] < fee


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_two_months_with_every_event_are_true_in_every_row(seed: int, room: Path, no_settings: None) -> None:
    world = write_world(room, seed=seed, days=60, telemetry_days=3, events=EVENTS)
    ledger = Ledger(room / "ledger")
    ingested = ledger.ingest(world.landing)
    assert (ingested.refused, ingested.rejects) == ([], 0)
    ledger.publish()
    assert_true(ledger, world)
    assert_commitments_true(ledger, world)
    assert explanations(ledger) == {"equal", "capacity block"}
    assert [moved for *_, moved in truth.rows(ledger, SHIFTED)] == [0]


@pytest.mark.slow
def test_bills_and_listings_that_come_one_by_one_end_where_all_at_once_do(room: Path, no_settings: None) -> None:
    world = write_world(room, seed=41, days=20, telemetry_days=1, events=EVENTS, interval_seconds=300)
    unlisted = without(world, "reservations", room / "unlisted")
    ledger = Ledger(room / "ledger")
    ledger.ingest(without(unlisted, "cur", room / "without-cur").landing)
    ledger.publish()
    assert truth.rows(ledger, truth.RECONCILIATION) == []
    for delivery in sorted(
        (unit for unit in units(unlisted.landing) if len(unit) > 1), key=lambda unit: unit[0].parent
    ):
        ledger.ingest(*delivery)
        ledger.publish()
        assert truth.rows(ledger, truth.RECONCILIATION) == []
    assert truth.rows(ledger, WARNED) == [("warned",)]
    ledger.ingest(world.landing / "reservations")
    ledger.publish()
    assert_true(ledger, world)
    assert truth.rows(ledger, WARNED) == []


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "version"), [(42, "1.2"), (43, "1.0")])
def test_a_focus_bill_spreads_the_fee_where_its_version_names_the_block(
    seed: int, version: str, room: Path, no_settings: None
) -> None:
    world = write_world(room, seed=seed, days=20, telemetry_days=1, events=EVENTS, interval_seconds=300)
    written = read_world(world.folder)
    for _ in write_focus(replace(written.options, focus=version), written.fleet, written.lines, room / "exports"):
        pass
    ledger = Ledger(room / "ledger")
    ledger.ingest(without(world, "cur", room / "without-cur").landing, room / "exports")
    ledger.publish()
    assert truth.rows(ledger, truth.RECONCILIATION) == []
    keys, of_class = truth.CLASS_KEYS, world.truth("cost_class_daily")
    missed = truth.rows(ledger, truth.EFFECTIVE, mart="fct_cost_allocated_hourly", keys=keys, truth=of_class)
    assert bool(missed) == (version == "1.0"), missed[:5]
    if version == "1.2":
        assert_commitments_true(ledger, world)
