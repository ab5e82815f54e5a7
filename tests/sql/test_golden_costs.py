"""Figures that others published, recomputed: a split whose rounded parts lose a cent, and costs per million units."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models import bind
from pipeline.windows import ALL_TIME

if TYPE_CHECKING:
    from tests.sql.conftest import Bench

UNIT = Decimal("1e-10")
LINE = """
insert into int_cost_lines by name
select 'p3' as cost_line_id, timestamptz '2026-01-01 05:00:00+00' as usage_hour_at, date '2026-01-01' as usage_date,
    'cur' as cost_source, 'accelerator' as line_class, 'i-0aaaaaaaaaaaaaaa1' as instance_id, $cost as billed_cost_usd
"""
WEIGHT = """
insert into int_cost_parts by name
select timestamptz '2026-01-01 05:00:00+00' as usage_hour_at, date '2026-01-01' as usage_date, 'p3' as cost_line_id,
    'workload' as cost_class, $pod as workload_id, 'V100' as chip, $weight as weight
"""


def allocated_units(bench: Bench, units: int, weights: dict[str, int]) -> dict[str, int]:
    """`units` smallest money units (1e-10 USD) as fct_cost_allocated_hourly spreads them over `weights`."""
    sql = bind(
        bench.models["fct_cost_allocated_hourly"],
        start_at=ALL_TIME.start_at,
        end_at=ALL_TIME.end_at,
        seeds_dir=Path(),
        as_of=ALL_TIME.start_at,
    )
    bench.conn.begin()
    try:
        bench.conn.execute(LINE, {"cost": units * UNIT})
        for pod, weight in weights.items():
            bench.conn.execute(WEIGHT, {"pod": pod, "weight": weight})
        rows = bench.conn.execute(f"select workload_id, billed_cost_usd from (\n{sql}\n)").fetchall()
    finally:
        bench.conn.rollback()
    return {pod: int(cost / UNIT) for pod, cost in rows}


def test_the_split_that_aws_rounds_to_9_99_sums_to_10(bench: Bench, shared_data: Path) -> None:
    published = json.loads((shared_data / "cost" / "golden_cases.json").read_text("utf-8"))["aws_scad_accelerated"]
    weights = {pod: int(Decimal(cost) * 10**6) for pod, cost in published["expected_total"].items()}
    cents = int(Decimal(published["hourly_cost"]) * 100)
    assert Decimal(published["published_rounded"]["sum_of_rounded"]) * 100 == cents - 1
    assert allocated_units(bench, cents, weights) == published["largest_remainder_cents"]
    assert sum(published["largest_remainder_cents"].values()) == cents


CASES = Path(__file__).parent / "int_request_weights"
PODS_TAKE_ALL = {
    "aws_scad_accelerated": "aws_scad_p3_with_the_unused_part_laid_on_the_pods",
    "aws_scad_cpu_mem": "aws_scad_m5_without_accelerators",
}


def published(shared_data: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shared_data / "cost" / "golden_cases.json").read_text("utf-8"))[name]
    return found


def weights(bench: Bench, case: str) -> dict[str, int]:
    """Weight of each pod, by its name, as int_request_weights gives it for the case."""
    rows, _ = bench.run("int_request_weights", CASES / case)
    return {str(workload).rpartition("/")[2]: int(weight or 0) for _, workload, weight in rows}


@pytest.mark.parametrize("name", PODS_TAKE_ALL)
def test_scad_weights_give_every_digit_that_aws_publishes(bench: Bench, shared_data: Path, name: str) -> None:
    told, ours = published(shared_data, name), weights(bench, PODS_TAKE_ALL[name])
    cost = Decimal(told["hourly_cost"]) / sum(ours.values())
    assert {pod: str(round(weight * cost, 6)) for pod, weight in ours.items()} == told["expected_total"]


def test_used_and_unused_parts_are_those_that_aws_publishes(bench: Bench, shared_data: Path) -> None:
    told = published(shared_data, "aws_scad_accelerated")
    used = weights(bench, "aws_scad_p3_with_the_unused_part_idle")
    total = weights(bench, PODS_TAKE_ALL["aws_scad_accelerated"])
    cost = Decimal(told["hourly_cost"]) / sum(total.values())
    assert {pod: round(used[pod] * cost, 6) for pod in total} == {
        pod: Decimal(text) for pod, text in told["expected_split"].items()
    }
    assert {pod: round((weight - used[pod]) * cost, 6) for pod, weight in total.items()} == {
        pod: Decimal(text) for pod, text in told["expected_unused"].items()
    }


@pytest.mark.parametrize(
    ("name", "cents"),
    [("aws_scad_accelerated", [191, 327, 241, 241]), ("aws_scad_cpu_mem", [23, 40, 19, 18])],
)
def test_tables_whose_rounded_rows_lose_or_win_a_cent_sum_to_it(
    bench: Bench, shared_data: Path, name: str, cents: list[int]
) -> None:
    whole = int(Decimal(published(shared_data, name)["hourly_cost"]) * 100)
    allocated = allocated_units(bench, whole, weights(bench, PODS_TAKE_ALL[name]))
    assert sorted(allocated.values()) == sorted(cents)
    assert [allocated[pod] for pod in sorted(allocated)] == cents
    assert sum(cents) == whole


DISTRIBUTED = Path(__file__).parent / "mart_distributed_cost_daily"
OPENCOST = {
    "idle_weighted_per_cluster_per_resource": "opencost_idle_is_weighted_by_cluster_and_resource",
    "share_ns3_even": "opencost_a_shared_namespace_is_spread_evenly",
    "share_ns3_weighted": "opencost_a_shared_namespace_is_spread_by_weight",
    "share_label_app1_even": "opencost_a_shared_label_is_spread_evenly",
    "overhead_7_per_hour_24h_weighted": "opencost_overhead_is_charged_by_weight",
}


def direct(case: Path) -> dict[str, Decimal]:
    """Direct cost by namespace, `__idle__` for idle time."""
    sums: dict[str, Decimal] = {}
    for row in csv.DictReader((case / "mart_resource_cost_daily.csv").open(encoding="utf-8")):
        key = row["workload_id"].split("/")[1] if row["workload_id"] else "__idle__"
        sums[key] = sums.get(key, Decimal(0)) + Decimal(row["effective_cost_usd"])
    return sums


@pytest.mark.parametrize("name", OPENCOST)
def test_distribution_gives_every_digit_of_opencost_s_own_fixture(bench: Bench, shared_data: Path, name: str) -> None:
    told = published(shared_data, "opencost_fixture")["cases"]
    case = DISTRIBUTED / OPENCOST[name]
    loaded = direct(case)
    assert {key: str(value) for key, value in loaded.items()} == told["by_namespace_no_share"]
    for _, source, _, _, _, workload, effective, _ in bench.run(case.parent.name, case)[0]:
        key = str(workload).split("/")[1] if workload else {"idle.unallocated": "__idle__"}.get(str(source), "")
        loaded[key] = loaded.get(key, Decimal(0)) + Decimal(str(effective))
    for key, text in told[name].items():
        if key != "total":
            places = len(text.partition(".")[2])
            assert round(loaded[key], places) == Decimal(text), key
    assert loaded.get("", 0) in (0, -168)


def test_the_idle_part_of_a_namespace_is_the_same_filtered_before_or_after(bench: Bench, shared_data: Path) -> None:
    told = published(shared_data, "opencost_fixture")["cases"]["filter_namespace2_idle_follows_filter"]
    case = DISTRIBUTED / OPENCOST["idle_weighted_per_cluster_per_resource"]
    rows, _ = bench.run(case.parent.name, case)
    ours = [Decimal(str(row[6])) for row in rows if "/namespace2/" in str(row[5])]
    assert sum(ours) == Decimal(told["__idle__"])


def unit_cost_checks(shared_data: Path) -> dict[str, Any]:
    """The published unit costs of the golden cases."""
    cases: dict[str, Any] = json.loads((shared_data / "cost" / "golden_cases.json").read_text("utf-8"))
    checks: dict[str, Any] = cases["unit_cost_checks"]
    return checks


def unit_cost_rows(bench: Bench, days: list[tuple[str, Decimal, int | None]]) -> dict[str, tuple[Decimal | None, str]]:
    """(Cost per million units, reason) of each workload, by mart_unit_cost_daily, for its cost and units of a day."""
    conn = bench.conn
    day = "date '2026-11-01' as usage_date, unnest($names) as workload_id"
    told = [(name, units) for name, _, units in days if units is not None]
    bounds = {"start_at": ALL_TIME.start_at, "end_at": ALL_TIME.end_at, "as_of": ALL_TIME.start_at}
    conn.begin()
    try:
        conn.execute(
            f"insert into mart_workload_cost_daily by name select {day}, 'X' as chip, 'billed' as cost_status, "
            "unnest(cast($costs as decimal(38, 10)[])) as effective_cost_usd",
            {"names": [name for name, _, _ in days], "costs": [str(cost) for _, cost, _ in days]},
        )
        conn.execute(
            "insert into int_workload_units by name select unnest($names) as workload_id, 'output_tokens' as unit, "
            "timestamptz '2026-10-01 00:00:00+00' as valid_from_at",
            {"names": [name for name, _, _ in days]},
        )
        conn.execute(
            f"insert into int_work_unit_chips by name select {day}, 'X' as chip, 'output_tokens' as unit, "
            "unnest(cast($units as bigint[])) as units, 'instance' as division",
            {"names": [name for name, _ in told], "units": [units for _, units in told]},
        )
        sql = bind(bench.models["mart_unit_cost_daily"], seeds_dir=Path(), **bounds)
        columns = "workload_id, cost_per_million_units_usd, reason_if_null"
        found = conn.execute(f"select {columns} from (\n{sql}\n)").fetchall()
    finally:
        conn.rollback()
    return {name: (cost, reason) for name, cost, reason in found}


def unit_costs(bench: Bench, rows: list[tuple[str, Decimal, Decimal]]) -> dict[str, Decimal]:
    """USD per million units of an hour at each throughput (per second) and price (USD)."""
    days = [(name, price, int(throughput * 3600)) for name, throughput, price in rows]
    return {name: cost for name, (cost, _) in unit_cost_rows(bench, days).items() if cost is not None}


def neuron_throughputs(shared_data: Path) -> dict[str, Decimal]:
    """Inferences per second by model, as AWS measured them; its pages, and the golden cases, show two decimals."""
    table = shared_data / "cost" / "neuron_benchmarks" / "trn1__throughput_data_encoder.csv"
    with table.open(encoding="utf-8", newline="") as lines:
        return {row["Model"]: Decimal(row["Throughput (inference/sec)"]) for row in csv.DictReader(lines)}


def test_the_unit_costs_that_aws_published_come_out_to_the_last_digit(bench: Bench, shared_data: Path) -> None:
    rows = unit_cost_checks(shared_data)["neuron_cost_per_1M"]["rows"]
    exact = neuron_throughputs(shared_data)
    asked = [(row[0], exact[row[0].partition(" ")[0]], Decimal(row[2])) for row in rows]
    costs = unit_costs(bench, asked)
    for (name, throughput, _), row in zip(asked, rows, strict=True):
        assert round(throughput, 2) == Decimal(row[1])
        assert f"{costs[name]:.3f}" == row[3], row


def test_the_unit_costs_of_the_public_log_come_out_to_the_last_digit(bench: Bench, shared_data: Path) -> None:
    rows = unit_cost_checks(shared_data)["glm_trn2_vs_p5en_capacity_block"]["rows"]
    costs = unit_costs(bench, [(row[3], Decimal(str(row[1])), Decimal(row[2])) for row in rows])
    assert {published: f"{cost:.2f}" for published, cost in costs.items()} == {row[3]: row[3] for row in rows}


def test_the_unit_costs_of_the_inconsistent_table_are_others_than_it_prints(bench: Bench, shared_data: Path) -> None:
    rows = unit_cost_checks(shared_data)["inconsistent_published_table"]["rows"]
    costs = unit_costs(bench, [(row[0], Decimal(row[1]), Decimal(row[2])) for row in rows])
    for name, _, _, printed, recomputed in rows:
        assert f"{costs[name]:.3f}" == f"{Decimal(recomputed.split()[1]):.3f}", name
        assert costs[name] > 4 * Decimal(printed.split()[1]), name


@given(st.lists(st.tuples(st.integers(0, 10**22), st.none() | st.integers(0, 10**15)), min_size=1, max_size=20))
def test_i20_a_unit_cost_is_exact_or_null_with_a_reason(bench: Bench, days: list[tuple[int, int | None]]) -> None:
    """Cost in 1e-10 USD over units: half up at the tenth decimal; no units, or none counted, is NULL and says why."""
    costs = [(cost * UNIT, units) for cost, units in days]
    rows = unit_cost_rows(bench, [(f"{number:02}", cost, units) for number, (cost, units) in enumerate(costs)])
    for number, (cost, units) in enumerate(days):
        per_million, reason = rows[f"{number:02}"]
        if units:
            assert (per_million, reason) == (((cost * 2 * 10**6 + units) // (2 * units)) * UNIT, "")
        else:
            assert (per_million, reason) == (None, "zero units" if units == 0 else "no work counted on this day")
