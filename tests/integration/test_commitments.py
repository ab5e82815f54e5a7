"""Worlds with every kind of commitment come out true by parts and by FOCUS (as they happen: test_two_months)."""

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
from tests.support.commitments import assert_commitments_true
from tests.support.ledgers import Ledger
from tests.support.worlds import WorldFiles, units, without, write_world

WARNED = "select status from mart_data_quality where check_id like 'int_capacity_blocks%' and status <> 'passed'"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once: many worlds would fill a disk."""
    yield tmp_path
    shutil.rmtree(tmp_path)


def assert_true(ledger: Ledger, world: WorldFiles) -> None:
    missed = truth.differences(ledger, world)
    assert not missed, truth.shown(missed)


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
        assert_commitments_true(ledger, written.lines)
