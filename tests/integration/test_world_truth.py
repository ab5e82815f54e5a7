"""A simulated world through the whole pipeline: every published figure equals what is true of that world."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pipeline.steps import Ingested
from tests.integration.conftest import WriteWorld
from tests.support import truth
from tests.support.ledgers import Ledger
from tests.support.worlds import WorldFiles, without, write_world

SEEDS = range(1, 21)
DAYS = 7


@dataclass(frozen=True)
class Case:
    """A world, the ledger that swept it, and how its objects landed."""

    world: WorldFiles
    ledger: Ledger
    ingested: Ingested


def swept(world: WorldFiles, home: Path) -> Case:
    ledger = Ledger(home)
    ingested = ledger.ingest(world.landing)
    ledger.publish()
    return Case(world, ledger, ingested)


def without_cur(case: Case, folder: Path) -> Case:
    return swept(without(case.world, "cur", folder / "world-without-cur"), folder / "ledger-without-cur")


def assert_true(case: Case) -> None:
    assert not case.ingested.refused
    assert case.ingested.rejects == 0
    missed = truth.differences(case.ledger, case.world)
    assert not missed, truth.shown(missed)


def assert_conserved(case: Case) -> None:
    assert not case.ingested.refused
    assert case.ingested.rejects == 0
    assert truth.rows(case.ledger, "select distinct cost_source from fct_cost_allocated_hourly") == [("cost_explorer",)]
    assert truth.rows(case.ledger, truth.RECONCILIATION) == []
    assert truth.bill_differences(case.ledger, case.world) == []


def distances(case: Case) -> str:
    """How far costs by Cost Explorer alone lie from the truth, in words."""
    found = truth.rows(case.ledger, truth.DISTANCES, truth=case.world.truth("workload_cost_daily"))
    apart = [float(row[-1] or 0) for row in found]
    usd, true_usd = (sum(row[column] for row in found) for column in (3, 4))
    moved = sum(abs(row[3] - row[4]) for row in found)
    worst = ", ".join(f"{row[0]} {row[1]} on {row[2]}: {row[3]:.2f} for {row[4]:.2f} USD" for row in found[:2])
    return (
        f"{len(apart)} workload-days; apart by median {truth.quantile(apart, 0.5):.2%}, p90 "
        f"{truth.quantile(apart, 0.9):.2%}, max {max(apart, default=0):.2%}; {usd:.2f} for {true_usd:.2f} USD in all, "
        f"{moved:.2f} USD misplaced ({moved / true_usd:.2%}); worst: {worst}"
    )


class TestTwoDays:
    """The fast tier: two days of bill, one of telemetry; the bill comes from Cost Explorer first, then from CUR."""

    @pytest.fixture(scope="class")
    def before_cur(self, world_of: WriteWorld, no_settings: None, tmp_path_factory: pytest.TempPathFactory) -> Case:
        folder = tmp_path_factory.mktemp("truth")
        world = world_of(seed=1, days=2, telemetry_days=1)
        alone = swept(without(world, "cur", folder / "world"), folder / "ledger")
        shutil.copytree(alone.ledger.home, folder / "early")
        return replace(alone, ledger=Ledger(folder / "early"))

    @pytest.fixture(scope="class")
    def case(self, before_cur: Case, world_of: WriteWorld) -> Case:
        world = world_of(seed=1, days=2, telemetry_days=1)
        ledger = Ledger(before_cur.ledger.home.with_name("ledger"))
        ingested = ledger.ingest(world.landing / "cur")
        ledger.publish()
        return Case(world, ledger, before_cur.ingested + ingested)

    def test_nothing_is_refused_or_rejected(self, case: Case) -> None:
        assert not case.ingested.refused
        assert case.ingested.rejects == 0

    def test_with_cost_explorer_alone_every_row_is_conserved(self, before_cur: Case) -> None:
        assert_conserved(before_cur)
        print(distances(before_cur))

    def test_every_row_of_every_mart_equals_the_truth(self, case: Case) -> None:
        assert_true(case)

    def test_the_comparison_has_something_to_compare(self, case: Case) -> None:
        tables = ("mart_reconciliation_daily", "mart_workload_cost_daily", "fct_accelerator_usage_hourly")
        counts = {table: truth.rows(case.ledger, f"select count(*) from {table}")[0][0] for table in tables}
        assert all(count > 20 for count in counts.values()), counts
        assert truth.rows(case.ledger, "select rule from mart_anomalies") == [("idle_while_paid",)]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once: twenty worlds would fill a disk."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_week_of_each_seed_is_true_and_conserved_with_cost_explorer_alone(
    seed: int, room: Path, no_settings: None
) -> None:
    case = swept(write_world(room, seed=seed, days=DAYS), room / "ledger")
    assert_true(case)
    alone = without_cur(case, room)
    assert_conserved(alone)
    print(f"seed {seed}, Cost Explorer alone: {distances(alone)}")
