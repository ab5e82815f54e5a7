"""What the shipped prices and published figures say: the break-evens, the costs, the refusals, the claims."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.comparisons import Shipped, shipped_comparison

if TYPE_CHECKING:
    from tests.sql.conftest import Bench

GLM_PEAK = "-/-/published/GLM-5.3-Flash 8192 in 256 out, peak"
GLM_BAR = "-/-/published/GLM-5.3-Flash 8192 in 256 out, TTFT p90 <= 5 s"


@pytest.fixture(scope="module")
def shipped(bench: Bench) -> Iterator[Shipped]:
    with shipped_comparison(bench) as made:
        yield made


def cost_ratio(shipped: Shipped, workload_id: str, one: str, other: str, basis: str) -> tuple[Any, ...]:
    [row] = shipped.ask(
        "select verdict, cost_ratio_low, cost_ratio_mid, cost_ratio_high, latency_bar, evidence_grade "
        f"from mart_chip_comparison where workload_id = '{workload_id}' and instance_type_from = '{one}' "
        f"and instance_type_to = '{other}' and price_basis = '{basis}'"
    )
    return row


@pytest.mark.parametrize(
    ("one", "other", "basis", "day", "ratio"),
    [
        ("p5en.48xlarge", "trn2.48xlarge", "capacity_block", "2026-11-01", "0.566"),
        ("p4d.24xlarge", "trn1.32xlarge", "on_demand", "2026-11-01", "0.979"),
        ("p4d.24xlarge", "trn1.32xlarge", "on_demand", "2025-05-01", "0.656"),
        ("p5.48xlarge", "trn2.48xlarge", "on_demand_or_block", "2026-11-01", "0.650"),
        ("g5.48xlarge", "inf2.48xlarge", "on_demand", "2026-11-01", "0.797"),
        ("p5.48xlarge", "v5p-8", "on_demand", "2026-11-01", "0.305"),  # 4 chips at 4.20: the 8 are cores
    ],
)
def test_break_even_is_the_ratio_of_prices_of_the_same_basis_and_day(
    shipped: Shipped, one: str, other: str, basis: str, day: str, ratio: str
) -> None:
    rows = shipped.ask(
        f"select break_even_throughput_ratio from mart_break_even where instance_type_from = '{one}' and "
        f"instance_type_to = '{other}' and price_basis = '{basis}' and valid_from_date <= date '{day}' "
        f"and valid_until_date > date '{day}'"
    )
    assert [round(row[0], 3) for row in rows] == [Decimal(ratio)]


def test_every_published_cost_is_recomputed_to_its_last_digit(shipped: Shipped) -> None:
    rows = shipped.ask(
        "select round(recomputed_cost_usd, 2) from mart_benchmarks "
        f"where workload_id in ('{GLM_PEAK}', '{GLM_BAR}') and instance_type <> 'trn1.32xlarge' order by all"
    )
    assert [str(row[0]) for row in rows] == ["7.44", "7.44", "15.71", "52.25", "61.51"]
    rows = shipped.ask(
        "select round(recomputed_cost_usd, 1), round(filled_cost_usd, 1) from mart_benchmarks "
        "where unit = 'base_pairs' order by workload_id, instance_type"
    )
    assert [(str(cost), str(filled)) for cost, filled in rows] == [
        *(("217.0", "27.1"), ("56.4", "56.4")),
        *(("341.8", "42.7"), ("75.6", "75.6")),
    ]


def test_a_faster_gpu_node_is_dearer_or_cheaper_by_how_full_it_is(shipped: Shipped) -> None:
    verdict, low, _, high, *_ = cost_ratio(
        shipped, "-/-/published/Carbon-3B direct 6-mer, batch 16", "p4de.24xlarge", "trn2.3xlarge", "capacity_block"
    )
    assert verdict == "overlapping"
    assert low < Decimal("56.4") / Decimal("217.0")  # the whole node for one job
    assert high > Decimal("56.4") / Decimal("27.1")  # its eighth part


def test_trainium2_is_dearer_than_p5en_more_so_under_the_latency_bar(shipped: Shipped) -> None:
    peak = cost_ratio(shipped, GLM_PEAK, "p5en.48xlarge", "trn2.48xlarge", "capacity_block")
    bar = cost_ratio(shipped, GLM_BAR, "p5en.48xlarge", "trn2.48xlarge", "capacity_block")
    assert (peak[0], round(peak[2], 2), *peak[4:]) == ("dearer", Decimal("2.11"), "none", "independent")
    assert (bar[0], *bar[4:]) == ("dearer", "ttft p90 <= 5000 ms", "independent")
    assert bar[1] < Decimal("7.0") < Decimal("8.3") < bar[3]


def test_the_table_that_contradicts_itself_is_refused_with_its_reason(shipped: Shipped) -> None:
    rows = shipped.ask("select is_admissible, refused_because from mart_benchmarks where benchmark like 'Llama 4%'")
    assert len(rows) == 5
    assert not any(is_admissible for is_admissible, _ in rows)
    assert any("give 6.50 USD, it prints 0.85" in reason for _, reason in rows)
    verdicts = shipped.ask(
        "select distinct verdict, cost_ratio_mid from mart_chip_comparison "
        "where workload_id like '%Llama 4%' and verdict <> 'no price'"
    )
    assert verdicts == [("not measured", None)]


def test_no_other_shipped_figure_is_refused(shipped: Shipped) -> None:
    refused = shipped.ask("select distinct benchmark from mart_benchmarks where not is_admissible")
    assert refused == [("Llama 4 Scout 109B",)]


def test_forty_percent_less_than_p5_is_more_since_the_cut(shipped: Shipped) -> None:
    rows = shipped.ask(
        "select valid_from_date::varchar, round(cost_ratio_low, 2), is_flipped from mart_vendor_claims "
        "where claim_id = 'trn2-p5' order by valid_from_date limit 2"
    )
    assert rows == [("2023-09-18", Decimal("0.60"), False), ("2025-06-23", Decimal("1.07"), True)]


def test_nothing_rests_on_a_vendors_claim(shipped: Shipped) -> None:
    rows = shipped.ask("select count(*) from mart_throughput_ratio where evidence_grade = 'vendor claim'")
    assert rows == [(0,)]


def test_the_shipped_prices_are_those_of_the_history(shipped: Shipped, shared_data: Path) -> None:
    shipped.bench.conn.execute(
        "create or replace temp table history as select * from read_csv(?, all_varchar = true)",
        [str(shared_data / "cost" / "aws_accel_price_history_us_east_1.csv")],
    )
    wrong = shipped.ask(
        "select * from seed_price_history as s where price_basis = 'on_demand' and region = 'us-east-1' "
        "and not exists (select 1 from history as h where h.instance_type = s.instance_type and "
        "h.on_demand_usd_per_hour::decimal(18, 10) = s.usd_per_hour and "
        "h.first_seen_in_generated_list::date = s.valid_from_date)"
    )
    assert wrong == []


def test_the_shipped_capacity_block_rates_are_those_of_the_catalogue(shipped: Shipped, shared_data: Path) -> None:
    shipped.bench.conn.execute(
        "create or replace temp table catalogue as select * from read_csv(?, all_varchar = true)",
        [str(shared_data / "cost" / "accelerator_catalogue.csv")],
    )
    both = shipped.ask(
        "select c.instance_type from catalogue as c where c.capacity_block_usd_per_hour is not null except "
        "select s.instance_type from seed_price_history as s join catalogue as c on s.instance_type = c.instance_type "
        "and s.usd_per_hour = c.capacity_block_usd_per_hour::decimal(18, 10) where s.price_basis = 'capacity_block'"
    )
    assert both == []
