"""AI that the bill alone knows: managed services are workloads, to the cent; teams are charged the whole bill."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.statement import read_statements
from tests.support import truth
from tests.support.ledgers import Ledger
from tests.support.worlds import WorldFiles, write_world

pytestmark = pytest.mark.slow
DAYS = 20  # over two months
RULES = """
[[rule]]
namespace = "^serving$"
team = "serving"
[[rule]]
service = "^AmazonBedrock$"
team = "assistants"
[[rule]]
account = "^{account}$"
team = "research"
"""
KINDS = "select distinct kind from dim_workload where attribution_rule in ('tag', 'arn', 'usage_type') order by kind"
SEEN = "select count(*) from mart_workload_cost_daily where not is_seen and device_hours is not null"
BILL = """
    select sum(effective_cost_usd), sum(billed_cost_usd) from mart_chargeback_monthly
    where billing_period = date '2026-11-01' and cost_status = 'billed'
"""
FACT = "select sum(effective_cost_usd) from fct_cost_allocated_hourly where usage_date >= date '2026-11-01'"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ledger, WorldFiles]:
    folder: Path = tmp_path_factory.mktemp("managed")
    world = write_world(folder, seed=11, days=DAYS, telemetry_days=1, managed=True)
    ledger = Ledger(folder / "home")
    ledger.ingest(world.landing)
    ledger.publish()
    return ledger, world


def test_managed_services_cost_what_is_true(made: tuple[Ledger, WorldFiles]) -> None:
    ledger, world = made
    assert not (found := truth.differences(ledger, world)), truth.shown(found)
    kinds = [row[0] for row in truth.rows(ledger, KINDS)]
    assert kinds == ["batch-job", "bedrock-model", "hyperpod", "sagemaker-endpoint", "sagemaker-training"]
    assert truth.rows(ledger, SEEN) == [(0,)]


def test_statements_of_all_teams_sum_to_the_bill(made: tuple[Ledger, WorldFiles]) -> None:
    ledger, _ = made
    account = truth.rows(ledger, "select max(account_id) from fct_cost_allocated_hourly where cost_class = 'shared'")
    ledger.settings.workloads.write_text(RULES.format(account=account[0][0]))
    ledger.publish()
    statements = read_statements(ledger.home, date(2026, 11, 1))
    assert [one.team for one in statements][-1] == "no team"
    assert {"assistants", "pretraining", "research", "search"} <= {one.team for one in statements}
    effective, billed = truth.rows(ledger, BILL)[0]
    assert truth.rows(ledger, FACT) == [(effective,)]
    cent = Decimal("0.01")
    assert sum(one.effective_usd for one in statements) == effective.quantize(cent)
    assert sum(one.billed_usd for one in statements) == billed.quantize(cent)
