"""`chipledger compare` and `benchmark list` as a person types them, over a small publication."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.comparing import Question, compare, find_workload
from pipeline.errors import UsageError
from tests.conftest import Run
from tests.support.comparisons import shipped_comparison

if TYPE_CHECKING:
    from tests.sql.conftest import Bench

RANKER = "prod/search/deployment/ranker"
BESIDE = (
    "insert into raw_deliveries by name select uuid '00000000-0000-0000-0000-000000000001' as delivery_id, "
    "timestamptz '2026-11-01 00:00:00+00' as delivered_at",
    *(
        "insert into raw_benchmarks by name select uuid '00000000-0000-0000-0000-000000000001' as delivery_id, "
        f"{number} as line_number, '{workload}' as workload, '{instance_type}' as instance_type, 1 as instance_count, "
        f"1 as fill_ratio, 'requests' as unit, {throughput} as throughput_per_second, '' as software, '' as "
        "latency_metric, '' as run, '' as source, '' as note, '' as published_cost_usd, date '2026-10-01' as "
        f"measured_date, '{grade}' as evidence_grade"
        for number, (workload, instance_type, throughput, grade) in enumerate(
            [
                ("ranker", "p5.48xlarge", 100, "own measurement"),
                ("ranker", "trn2.48xlarge", 90, "own measurement"),
                ("ranker", "inf2.48xlarge", 90, "vendor claim"),
                ("trainer", "p4d.24xlarge", 100, "own measurement"),
                ("trainer", "trn1.32xlarge", 80, "own measurement"),
            ]
        )
    ),
    f"insert into dim_workload by name select '{RANKER}' as workload_id, 'ranker' as workload",
    "insert into mart_workload_placement_daily by name select date '2026-11-01' as usage_date, workload_id, 'H100' as "
    "chip, 'p5.48xlarge' as instance_type, 'us-east-1' as region, 192 as device_hours, 192 as node_device_hours "
    f"from (values ('{RANKER}'), ('prod/a/-/twin'), ('prod/b/-/twin')) as v(workload_id)",
    "insert into raw_comparison_settings values ('', 5000, '', 12)",
)


@pytest.fixture(scope="module")
def published(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with shipped_comparison(bench, BESIDE) as shipped:
        tables = ("mart_chip_comparison", "mart_break_even", "mart_benchmarks")
        return shipped.publish(tmp_path_factory.mktemp("published"), tables)


@pytest.fixture
def chipledger(published: Path, chipledger: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("CHIPLEDGER_HOME", str(published))
    return chipledger


def test_the_answer_states_verdict_interval_prices_evidence_and_payback(chipledger: Run) -> None:
    code, out, _ = chipledger("compare", "ranker")
    assert code == 0
    assert f"{RANKER}, price basis on_demand_or_block" in out
    assert "Runs on p5.48xlarge (H100): $39,628.80 in 30 days" in out
    verdict = out[out.index("p5.48xlarge → trn2.48xlarge: CHEAPER") :].split("\n\n")[0]
    for words in (
        *("costs 0.65 to 0.80 times as much, about 0.72", "does 81.4 % to 99.5 %", "breaks even at 65.0 %"),
        *("with the move at 65.7 %", "55.04 and 35.7608 USD/h, as of 2026-07-20"),
        *("own measurement, 2 figures of requests/s, latency bar: none", "paid back after 11 days at best, 19 days"),
    ):
        assert words in verdict, verdict
    assert "no price: Maia 100, Maia 200" in out


def test_a_vendors_claim_and_silence_both_read_not_measured(chipledger: Run) -> None:
    _, out, _ = chipledger("compare", "ranker")
    unmeasured = out[out.index("not measured;") :]
    assert "p5.48xlarge → inf2.48xlarge" in unmeasured
    assert "figures are refused: vendor claim" in unmeasured
    assert "nobody measured it on p5en.48xlarge" in unmeasured


def test_json_holds_every_column_of_every_basis(chipledger: Run) -> None:
    _, out, _ = chipledger("compare", "ranker", "--basis", "all", "--to", "trn2.48xlarge", "--json")
    rows = json.loads(out)
    assert {row["price_basis"] for row in rows} == {
        *("on_demand", "reserved_1y", "reserved_3y", "spot", "capacity_block", "on_demand_or_block", "own_effective")
    }
    assert {row["verdict"] for row in rows} == {"cheaper", "no price", "overlapping"}


def test_at_the_prices_of_another_day_the_evidence_stays_and_the_verdict_turns(published: Path) -> None:
    def on(day: str | None) -> tuple[str, Decimal | None]:
        question = Question("trainer", "on_demand", "trn1.32xlarge", date.fromisoformat(day) if day else None)
        [row] = compare(published, question).records()
        assert not day or f"at the prices of {day}" in row["why"]
        return row["verdict"], row["cost_ratio_mid"]

    assert on(None) == ("dearer", Decimal("1.223947"))
    assert on("2026-11-01") == on(None)
    assert on("2025-05-01") == ("cheaper", Decimal("0.820045"))
    assert on("2020-01-01") == ("no price", None)


def test_a_name_that_two_workloads_have_must_be_written_out(published: Path) -> None:
    with pytest.raises(UsageError, match="2 workloads; write one of prod/a/-/twin, prod/b/-/twin"):
        find_workload(published, "twin")
    assert find_workload(published, "prod/a/-/twin") == "prod/a/-/twin"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("compare", "rankr"), "did you mean ranker"),
        (("compare", "zzz"), "held no accelerator in the last 30 days"),
        (("compare", "ranker", "--basis", "free"), "choose one of on_demand"),
        (("compare", "ranker", "--to", "abacus"), "it is with"),
        (("compare", "ranker", "--price-date", "once"), "--price-date"),
    ],
)
def test_a_question_without_an_answer_says_what_can_be_asked(
    chipledger: Run, words: tuple[str, ...], hint: str
) -> None:
    code, _, err = chipledger(*words)
    assert (code, hint in err) == (2, True), err


def test_the_list_says_what_may_not_speak_and_why(chipledger: Run) -> None:
    _, out, _ = chipledger("benchmark", "list")
    assert "no: its own price and throughput give 6.50 USD, it prints 0.85" in out
    _, out, _ = chipledger("benchmark", "list", "ranker", "--json")
    rows = json.loads(out)
    assert [(row["instance_type"], row["is_admissible"]) for row in rows] == [
        *(("inf2.48xlarge", False), ("p5.48xlarge", True), ("trn2.48xlarge", True))
    ]
    _, out, _ = chipledger("benchmark", "list", "--delivered")
    assert "published" not in out
