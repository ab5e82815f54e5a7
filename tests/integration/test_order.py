"""The same objects twice, in another order, in other batches: the marts are the same to the byte."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.integration.conftest import WriteWorld
from tests.support import ledgers
from tests.support.ledgers import CLOCK, Ledger
from tests.support.worlds import WorldFiles, bring_work, trimmed, units

Unit = list[Path]
Batches = list[list[Unit]]
BILLS = frozenset({"cur", "cost_explorer"})


def kind(landing: Path, unit: Unit) -> str:
    folder = unit[0].relative_to(landing).parts[0]
    return "bill" if folder in BILLS else "inventory" if folder == "inventory" else "telemetry"


def in_parts(units: Sequence[Unit], count: int) -> Batches:
    size = -(-len(units) // count)
    return [list(units[start : start + size]) for start in range(0, len(units), size)]


class Deliveries:
    """The deliveries of a world by kind."""

    def __init__(self, world: WorldFiles) -> None:
        self.landing = world.landing
        self.all = units(world.landing)

    def of(self, wanted: str) -> list[Unit]:
        return [unit for unit in self.all if kind(self.landing, unit) == wanted]

    def shuffled(self, seed: int, batches: int) -> Batches:
        return in_parts(random.Random(seed).sample(self.all, len(self.all)), batches)


FAST_ORDERS: dict[str, Callable[[Deliveries], Batches]] = {
    "every second telemetry object after the bill": lambda found: [
        [*found.of("inventory"), *found.of("telemetry")[::2]],
        found.of("bill"),
        found.of("telemetry")[1::2],
    ],
}
SLOW_ORDERS: dict[str, Callable[[Deliveries], Batches]] = {
    "shuffled": lambda found: found.shuffled(1, 3),
    "everything twice": lambda found: [found.all, found.all],
    "bill, then inventory, then telemetry": lambda found: [
        found.of("bill"),
        found.of("inventory"),
        found.of("telemetry"),
    ],
    "telemetry, then bill, inventory last": lambda found: [
        found.of("telemetry"),
        found.of("bill"),
        found.of("inventory"),
    ],
    "newest first": lambda found: in_parts(found.all[::-1], 3),
    "shuffled again": lambda found: found.shuffled(4, 5),
}
ORDERS = FAST_ORDERS | SLOW_ORDERS
EVERY_ORDER = [*FAST_ORDERS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW_ORDERS)]


def deliver(home: Path, batches: Sequence[Sequence[Unit]], *, one_sweep: bool = True) -> Ledger:
    """A ledger that got `batches` a minute apart, with a build after each, and published at CLOCK.

    With `one_sweep` a batch is one sweep, else each delivery of it is swept alone.
    """
    ledger = Ledger(home)
    for number, batch in enumerate(batches):
        at = CLOCK - timedelta(minutes=len(batches) - number)
        for paths in [[path for unit in batch for path in unit]] if one_sweep else batch:
            assert not ledger.ingest(*paths, at=at).refused
        ledger.build(at)
    ledger.publish()
    return ledger


@dataclass(frozen=True)
class Expected:
    """A ledger that got everything in one sweep, and its exports."""

    ledger: Ledger
    exports: dict[str, bytes]


def in_one_sweep(deliveries: Deliveries, folder: Path) -> Expected:
    ledger = ledgers.published(folder / "ledger", deliveries.landing)
    return Expected(ledger, ledgers.exports(ledger.home, folder / "exports"))


def assert_same(ours: Ledger, expected: Expected, into: Path) -> None:
    differing = ledgers.differing(ledgers.exports(ours.home, into), expected.exports)
    assert not differing, f"not byte-identical: {', '.join(differing)}; ours lie in {into}"


class TestOneDay:
    """The fast tier: a small part of one day."""

    @pytest.fixture(scope="class")
    def deliveries(
        self, world_of: WriteWorld, no_settings: None, tmp_path_factory: pytest.TempPathFactory
    ) -> Deliveries:
        whole = world_of(seed=3, days=1)
        small = trimmed(whole, tmp_path_factory.mktemp("order") / "world")
        bring_work(whole, small.folder)
        return Deliveries(small)

    @pytest.fixture(scope="class")
    def expected(self, deliveries: Deliveries, tmp_path_factory: pytest.TempPathFactory) -> Expected:
        return in_one_sweep(deliveries, tmp_path_factory.mktemp("expected"))

    def test_there_is_something_to_compare(self, expected: Expected) -> None:
        parts = ("dim_", "fct_", "mart_")
        marts = {name: content for name, content in expected.exports.items() if name.startswith(parts)}
        # these files came without a request, nothing is distributed where no setting says so, no month was closed
        for empty in ("mart_own_spend_daily", "mart_distributed_cost_daily", "mart_period_actions"):
            assert b"\n" not in marts.pop(f"{empty}.csv").strip()
            marts.pop(f"{empty}.parquet")
        assert [name for name, content in marts.items() if len(content) <= 400] == []
        assert b"idle_while_paid" in expected.exports["mart_anomalies.csv"]

    @pytest.mark.parametrize("order", EVERY_ORDER)
    def test_the_order_of_deliveries_leaves_no_trace(
        self, order: str, deliveries: Deliveries, expected: Expected, tmp_path: Path
    ) -> None:
        assert_same(deliver(tmp_path / "ledger", ORDERS[order](deliveries)), expected, tmp_path / "ours")

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", range(3))
    def test_deliveries_one_by_one_with_a_build_after_each_leave_no_trace(
        self, seed: int, deliveries: Deliveries, expected: Expected, tmp_path: Path
    ) -> None:
        one_by_one = deliveries.shuffled(seed, len(deliveries.all))
        assert_same(deliver(tmp_path / "ledger", one_by_one), expected, tmp_path / "ours")

    def test_the_same_objects_again_and_another_publication_give_the_same_files(
        self, deliveries: Deliveries, expected: Expected
    ) -> None:
        before = ledgers.parquet(expected.ledger.home)
        again = expected.ledger.ingest(deliveries.landing)
        assert {result.status for result in again.results} == {"repeat"}
        assert expected.ledger.build().rebuilt == 0
        expected.ledger.publish()
        assert ledgers.differing(ledgers.parquet(expected.ledger.home), before) == []


@pytest.mark.slow
class TestWeek:
    """Seed 3, seven days, whole."""

    @pytest.fixture(scope="class")
    def deliveries(self, world_of: WriteWorld, no_settings: None) -> Deliveries:
        return Deliveries(world_of(seed=3, days=7))

    @pytest.fixture(scope="class")
    def expected(self, deliveries: Deliveries, tmp_path_factory: pytest.TempPathFactory) -> Expected:
        return in_one_sweep(deliveries, tmp_path_factory.mktemp("expected"))

    @pytest.mark.parametrize("order", ORDERS)
    def test_the_order_of_deliveries_leaves_no_trace(
        self, order: str, deliveries: Deliveries, expected: Expected, tmp_path: Path
    ) -> None:
        assert_same(deliver(tmp_path / "ledger", ORDERS[order](deliveries)), expected, tmp_path / "ours")

    def test_each_delivery_in_a_sweep_of_its_own_leaves_no_trace(
        self, deliveries: Deliveries, expected: Expected, tmp_path: Path
    ) -> None:
        ledger = deliver(tmp_path / "ledger", deliveries.shuffled(2, 3), one_sweep=False)
        assert_same(ledger, expected, tmp_path / "ours")
