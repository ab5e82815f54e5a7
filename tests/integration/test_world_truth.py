"""A simulated world through the whole pipeline: every published figure equals what is true of that world."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pipeline.steps import Ingested
from pipeline.world.focus import write_focus
from pipeline.world.serve_truth import read_world
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


def without_cur(world: WorldFiles, folder: Path) -> Case:
    """The world as its owner sees it who has Cost Explorer alone, published."""
    ledger = Ledger(folder / "ledger")
    ingested = ledger.ingest(without(world, "cur", folder / "world-without-cur").landing)
    ledger.publish()
    return Case(world, ledger, ingested)


def with_cur(case: Case) -> Case:
    """The same ledger after its CUR exports came: they replace Cost Explorer as the bill, and are published."""
    ingested = case.ingested + case.ledger.ingest(case.world.landing / "cur")
    case.ledger.publish()
    return replace(case, ingested=ingested)


def assert_clean(case: Case) -> None:
    assert not case.ingested.refused
    assert case.ingested.rejects == 0


def assert_true(case: Case) -> None:
    assert_clean(case)
    assert cost_sources(case) == ["cur"]
    missed = truth.differences(case.ledger, case.world)
    assert not missed, truth.shown(missed)


def with_focus(case: Case, version: str, folder: Path) -> Case:
    """The same ledger after FOCUS exports of the same bill came instead of CUR, and are published."""
    written = read_world(case.world.folder)
    options = replace(written.options, focus=version)
    for _ in write_focus(options, written.fleet, written.lines, folder):
        pass
    ingested = case.ingested + case.ledger.ingest(folder)
    case.ledger.publish()
    return replace(case, ingested=ingested)


def assert_true_by_focus(case: Case) -> None:
    """All effective money where CUR puts it; billed money too, but for covered usage, which FOCUS bills at 0."""
    assert_clean(case)
    assert cost_sources(case) == ["focus"]
    assert truth.rows(case.ledger, truth.RECONCILIATION) == []
    for mart, keys, name in (
        ("mart_workload_cost_daily", truth.WORKLOAD_KEYS, "workload_cost_daily"),
        ("fct_cost_allocated_hourly", truth.CLASS_KEYS, "cost_class_daily"),
    ):
        assert truth.rows(case.ledger, truth.EFFECTIVE, mart=mart, keys=keys, truth=case.world.truth(name)) == []
    assert truth.rows(case.ledger, truth.BILLED_DAYS, truth=case.world.truth("bill_daily")) == []


def explanations(case: Case) -> set[str]:
    return {name for (name,) in truth.rows(case.ledger, "select distinct explanation from mart_reconciliation_daily")}


def assert_conserved(case: Case) -> None:
    assert_clean(case)
    assert cost_sources(case) == ["cost_explorer"]
    assert truth.rows(case.ledger, truth.RECONCILIATION) == []
    assert truth.bill_differences(case.ledger, case.world) == []


def cost_sources(case: Case) -> list[str]:
    found = truth.rows(case.ledger, "select distinct cost_source from fct_cost_allocated_hourly order by 1")
    return [name for (name,) in found]


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
    """The fast tier: two days of bill, one of telemetry."""

    @pytest.fixture(scope="class")
    def early(self, world_of: WriteWorld, no_settings: None, tmp_path_factory: pytest.TempPathFactory) -> Case:
        return without_cur(world_of(seed=1, days=2, telemetry_days=1), tmp_path_factory.mktemp("truth"))

    @pytest.fixture(scope="class")
    def late(self, early: Case, tmp_path_factory: pytest.TempPathFactory) -> Case:
        home = tmp_path_factory.mktemp("late") / "ledger"
        shutil.copytree(early.ledger.home, home)
        return with_cur(replace(early, ledger=Ledger(home)))

    def test_nothing_is_refused_or_rejected(self, late: Case) -> None:
        assert_clean(late)

    def test_with_cost_explorer_alone_every_row_is_conserved(self, early: Case) -> None:
        assert_conserved(early)
        print(distances(early))

    def test_every_row_of_every_mart_equals_the_truth(self, late: Case) -> None:
        assert_true(late)

    def test_cur_and_cost_explorer_of_one_world_are_equal_in_every_row(self, late: Case) -> None:
        assert explanations(late) == {"equal"}

    def test_with_cost_explorer_alone_there_is_nothing_to_compare_it_with(self, early: Case) -> None:
        assert explanations(early) == {"same source"}

    def test_a_world_whose_only_bill_is_focus_is_allocated_as_with_cur(
        self, early: Case, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        folder = tmp_path_factory.mktemp("focus")
        shutil.copytree(early.ledger.home, folder / "ledger")
        case = with_focus(replace(early, ledger=Ledger(folder / "ledger")), "1.2", folder / "exports")
        assert_true_by_focus(case)
        assert explanations(case) == {"equal", "commitment treatment"}

    def test_the_comparison_has_something_to_compare(self, late: Case) -> None:
        tables = ("mart_reconciliation_daily", "mart_workload_cost_daily", "fct_accelerator_usage_hourly")
        counts = {table: truth.rows(late.ledger, f"select count(*) from {table}")[0][0] for table in tables}
        assert all(count > 20 for count in counts.values()), counts
        assert truth.rows(late.ledger, "select rule from mart_anomalies") == [("idle_while_paid",)]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once: twenty worlds would fill a disk."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_week_of_each_seed_is_conserved_with_cost_explorer_alone_and_true_with_cur(
    seed: int, room: Path, no_settings: None
) -> None:
    case = without_cur(write_world(room, seed=seed, days=DAYS), room)
    assert_conserved(case)
    print(f"seed {seed}, Cost Explorer alone: {distances(case)}")
    assert_true(with_cur(case))
    print(f"seed {seed}, CUR: every row true; findings {truth.rows(case.ledger, truth.FOUND)}")


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "version"), [(1, "1.0"), (2, "1.2"), (3, "1.0"), (4, "1.2")])
def test_a_week_of_focus_of_either_version_is_allocated_as_with_cur(
    seed: int, version: str, room: Path, no_settings: None
) -> None:
    case = with_focus(without_cur(write_world(room, seed=seed, days=DAYS), room), version, room / "exports")
    assert_true_by_focus(case)
    assert explanations(case) <= {"equal", "commitment treatment"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "interval", "idle_workloads"),
    [
        pytest.param(7, 300, 0, id="a stall of GPUs is unknown where scrapes leave gaps"),
        pytest.param(2, 300, 2, id="stalls of Neuron devices are seen: a report covers its own period"),
        pytest.param(2, 3600, 2, id="one report per hour"),
    ],
)
def test_samples_far_apart_say_no_more_than_they_cover(
    seed: int, interval: int, idle_workloads: int, room: Path, no_settings: None
) -> None:
    world = write_world(room, seed=seed, days=2, interval_seconds=interval)
    ledger = Ledger(room / "ledger")
    case = Case(world, ledger, ledger.ingest(world.landing))
    ledger.publish()
    assert_true(case)
    assert len(truth.rows(ledger, "select * from mart_anomalies")) == idle_workloads
