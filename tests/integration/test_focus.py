"""mart_focus of fresh worlds through the FinOps Foundation's own validator: `make focus` builds its environment."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pipeline import reading, steps
from tests.focus.validator import PROGRAM, known_defects, validate
from tests.support.ledgers import Ledger, published
from tests.support.worlds import write_world

pytestmark = pytest.mark.slow
needs_validator = pytest.mark.skipif(not PROGRAM.is_file(), reason="no .venv-focus: run `make focus`")
DAYS = 20  # over two months: one is invoiced, the other open


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    folder = tmp_path_factory.mktemp("focus")
    world = write_world(folder, seed=11, days=DAYS, telemetry_days=1, managed=True)
    return published(folder / "home", world.landing)


@pytest.fixture(scope="module")
def exported(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "focus.parquet"
    assert reading.export(ledger.home, "mart_focus", path) > 0
    return path


@needs_validator
@pytest.mark.parametrize("all_criteria", [False, True], ids=["default", "all-criteria"])
def test_the_validator_finds_nothing_but_its_own_defects(exported: Path, tmp_path: Path, all_criteria: bool) -> None:
    verdict = validate(exported, tmp_path / "report.xml", all_criteria=all_criteria)
    print(f"{verdict.rules} rules: {verdict.passed} pass, {len(verdict.failed)} fail, {verdict.skipped} skipped")
    assert verdict.failed <= known_defects(all_criteria=all_criteria).keys()


@needs_validator
def test_the_validator_notices_a_broken_bill(exported: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    duckdb.sql(
        f"from '{exported}' select * replace (nullif(ServiceName, 'Amazon Elastic Compute Cloud') as ServiceName)"
    ).write_parquet(str(broken))
    failed = validate(broken, tmp_path / "report.xml").failed - known_defects().keys()
    assert "ServiceName-C-003-M" in failed


def test_charges_of_a_line_sum_to_the_line_in_every_summable_metric(ledger: Ledger) -> None:
    with steps.warehouse(ledger.settings) as conn:
        assert conn.sql(SUMS).fetchall() == []


def test_account_ids_are_text_and_money_is_decimal(exported: Path) -> None:
    relation = duckdb.sql(f"from '{exported}'")
    kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
    assert {kinds[name] for name in ("BillingAccountId", "SubAccountId", "ResourceId")} == {"VARCHAR"}
    assert {kinds[name] for name in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")} == {"DECIMAL(38,10)"}
    assert kinds["ChargePeriodStart"] == "TIMESTAMP WITH TIME ZONE"
    assert kinds["x_UsageDate"] == "DATE"


SUMS = """
    with charges as (
        select
            x_CostLineId as cost_line_id, sum(BilledCost) as billed, sum(EffectiveCost) as effective,
            sum(PricingQuantity) as quantity, sum(ConsumedQuantity) as consumed, sum(ContractedCost) as contracted,
            sum(cast(json_extract(AllocatedMethodDetails, '$.Elements[0].AllocatedRatio') as decimal(13, 12))) as ratio
        from mart_focus group by all
    )
    select l.cost_line_id
    from int_cost_lines as l join int_line_terms as t using (cost_line_id) left join charges as c using (cost_line_id)
    where l.billed_cost_usd is distinct from c.billed
        or l.effective_cost_usd is distinct from c.effective
        or (l.line_class = 'accelerator' and (
            t.pricing_quantity is distinct from c.quantity
            or t.consumed_quantity is distinct from c.consumed
            or t.contracted_cost_usd is distinct from c.contracted
            or coalesce(c.ratio, 1) <> 1
        ))
"""
