"""Every named question, asked of a published world: it answers, and its sums are those of the marts it came from."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from pipeline import questions, reading
from tests.integration.conftest import WriteWorld
from tests.support.ledgers import Ledger, published

pytestmark = pytest.mark.slow

QUESTIONS = questions.load()
ANSWERS_NOTHING = {"own_spend"}  # this world's ledger pulls nothing from AWS
RULE = '[[rule]]\ncluster = ".*"\nteam = "ml"\n'


@pytest.fixture(scope="module")
def ledger(world_of: WriteWorld, no_settings: None, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """Nine days of bill and telemetry, so that a day has its weekday before it and a month's end can be foretold."""
    home = tmp_path_factory.mktemp("asked") / "ledger"
    home.mkdir()
    (home / "workloads.toml").write_text(RULE, "utf-8")
    asked = published(home, world_of(seed=3, days=9, interval_seconds=300).landing)
    (home / "work.csv").write_text(work_of(asked), "utf-8")
    asked.ingest(home / "work.csv")
    asked.publish()
    return asked


def work_of(ledger: Ledger) -> str:
    """A day's tokens of each workload that serves and a day's steps of each that trains, as a CSV of work units."""
    days = reading.query(
        ledger.home,
        "select cost.usage_date, w.cluster, w.namespace, w.workload from mart_workload_cost_daily as cost "
        "join dim_workload as w using (workload_id) where w.namespace in ('serving', 'training') order by all",
    )
    lines = ["start_at,end_at,cluster,namespace,pod,unit,units"]
    for day, cluster, namespace, workload in days.rows:
        for unit in ("output_tokens", "prompt_tokens") if namespace == "serving" else ("steps",):
            until = day + timedelta(days=1)
            lines.append(f"{day}T00:00:00Z,{until}T00:00:00Z,{cluster},{namespace},{workload}-0,{unit},1000003")
    return "\n".join(lines)


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
