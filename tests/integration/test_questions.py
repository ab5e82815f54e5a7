"""Every named question, asked of a published world: it answers, and its sums are those of the marts it came from."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pipeline import questions, reading
from pipeline.world.work import NEXT_IS_FASTER
from tests.integration.conftest import WriteWorld
from tests.support import truth
from tests.support.ledgers import Ledger, published
from tests.support.worlds import WorldFiles

pytestmark = pytest.mark.slow

QUESTIONS = questions.load()
ANSWERS_NOTHING = {"own_spend"}  # this world's ledger pulls nothing from AWS
ATTEMPTS = """
    select replica, submitted_at, ours.effective_cost_usd, t.effective_cost_usd as true_usd, reason_if_null
    from (select * from mart_job_attempts where start_at is not null) as ours
    full join {truth} as t using (replica, submitted_at)
    where coalesce(abs(ours.effective_cost_usd - t.effective_cost_usd) > 1e-6, true)
"""
LOST = "select sum(effective_cost_usd) from {truth} where outcome in ('failed', 'restarted', 'preempted')"
WORK = """
    with ours as (
        select usage_date, workload_id, unit, sum(units) as units
        from mart_unit_cost_daily where units is not null group by all
    )
    select * from ours full join {truth} as t using (usage_date, workload_id, unit)
    where ours.units is distinct from t.units
"""
RULE = '[[rule]]\ncluster = ".*"\nteam = "ml"\n'


@pytest.fixture(scope="module")
def ledger(world_of: WriteWorld, no_settings: None, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """Nine days of bill and telemetry, so that a day has its weekday before it and a month's end can be foretold."""
    home = tmp_path_factory.mktemp("asked") / "ledger"
    home.mkdir()
    (home / "workloads.toml").write_text(RULE, "utf-8")
    return published(home, world_of(seed=3, days=9, interval_seconds=300, work=True).landing)


@pytest.fixture(scope="module")
def world(world_of: WriteWorld) -> WorldFiles:
    return world_of(seed=3, days=9, interval_seconds=300, work=True)


def answer(ledger: Ledger, name: str, **values: str) -> list[dict[str, object]]:
    return reading.query(ledger.home, questions.find(QUESTIONS, name).bound(values)).records()


def total(rows: list[dict[str, object]], column: str) -> Decimal:
    return sum((Decimal(str(row[column])) for row in rows if row[column] is not None), Decimal(0))


def one(ledger: Ledger, sql: str) -> Decimal:
    return Decimal(str(reading.query(ledger.home, sql).rows[0][0]))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.name)
def test_a_question_has_an_answer_with_exact_money(ledger: Ledger, question: questions.Question) -> None:
    rows = answer(ledger, question.name)
    assert bool(rows) == (question.name not in ANSWERS_NOTHING)
    money = [row[name] for row in rows for name in row if name.endswith("_usd")]
    assert all(value is None or isinstance(value, Decimal) for value in money)
    ratios = [row[name] for row in rows for name in row if name in ("known_ratio", "utilization_ratio")]
    assert all(value is None or 0 <= value <= 1 for value in ratios)  # type: ignore[operator]


@pytest.mark.parametrize("basis", ["effective", "billed"])
def test_costs_of_all_classes_are_the_bill(ledger: Ledger, basis: str) -> None:
    bill = one(ledger, f"select sum({basis}_cost_usd) from fct_cost_allocated_hourly")
    assert total(answer(ledger, "workload_cost", basis=basis), "cost_usd") == bill


def test_idle_money_is_that_of_the_mart(ledger: Ledger) -> None:
    idle = one(
        ledger,
        "select sum(effective_cost_usd) + coalesce(sum(estimated_cost_usd), 0) from mart_idle_cost_daily "
        "where cost_class like 'idle.%'",
    )
    assert total(answer(ledger, "idle_cost"), "idle_cost_usd") == idle


def test_a_change_is_price_and_volume_and_mix_to_the_unit(ledger: Ledger) -> None:
    rows = answer(ledger, "cost_change")
    assert total(rows, "change_usd") != 0
    parts = sum((total(rows, name) for name in ("price_usd", "volume_usd", "mix_usd")), Decimal(0))
    assert parts == total(rows, "change_usd")
    assert all(row["reason_if_null"] is None for row in rows)


def test_a_forecast_lies_in_its_interval_above_what_is_spent(ledger: Ledger) -> None:
    (row,) = answer(ledger, "month_end_forecast", team="ml", budget_usd="1000")
    assert row["month_to_date_usd"] <= row["forecast_low_usd"] < row["forecast_usd"] < row["forecast_high_usd"]  # type: ignore[operator]
    assert row["over_budget_usd"] == row["forecast_usd"] - 1000  # type: ignore[operator]


def test_unattributed_rows_reach_the_whole(ledger: Ledger) -> None:
    rows = answer(ledger, "unattributed_cost")
    shares = [row["cumulative_ratio"] for row in rows]
    assert shares == sorted(shares)  # type: ignore[type-var]
    assert rows[-1]["cumulative_ratio"] == 1 or len(rows) == 10


def test_attempts_cost_what_is_true_of_them(ledger: Ledger, world: WorldFiles) -> None:
    true = world.truth("job_attempts")
    assert not truth.rows(ledger, ATTEMPTS, truth=true)
    [[lost]] = truth.rows(ledger, LOST, truth=true)
    assert abs(total(answer(ledger, "lost_attempts"), "lost_cost_usd") - lost) < Decimal("0.00001")


def test_every_unit_of_work_is_counted_once(ledger: Ledger, world: WorldFiles) -> None:
    assert not truth.rows(ledger, WORK, truth=world.truth("work_unit_daily"))


def test_a_release_is_as_fast_as_it_is(ledger: Ledger) -> None:
    rows = [row for row in answer(ledger, "release_unit_cost") if row["unit"] == "requests" and row["software_before"]]
    assert rows
    assert all(abs(float(row["speed_ratio"]) - NEXT_IS_FASTER) < 0.05 for row in rows)  # type: ignore[arg-type]


def test_what_cannot_be_placed_is_a_part_of_what_is_free(ledger: Ledger) -> None:
    for row in answer(ledger, "fragmentation"):
        if not row["reason_if_null"]:
            low, high = row["unallocatable_cost_usd_low"], row["unallocatable_cost_usd_high"]
            assert 0 <= low <= high <= row["free_cost_usd"]  # type: ignore[operator]


def test_idle_money_is_divided_by_whether_anything_waited(ledger: Ledger) -> None:
    for row in answer(ledger, "queueing"):
        if row["over_provision_usd"] is not None:
            parts = ("idle_while_waiting_usd", "over_provision_usd", "idle_untold_usd")
            assert sum(row[name] for name in parts) == row["idle_cost_usd"]  # type: ignore[misc]
