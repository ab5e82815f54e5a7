"""Whatever goes wrong at AWS: after enough passes the published tables are those of passes without faults."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alerts import steps as telling
from pipeline import steps
from pipeline.settings import Settings
from pipeline.snapshots import open_snapshot
from pipeline.world import END_AT, World, WorldOptions, simulate
from pipeline.world.serve_faults import FAULTS, LASTING
from tests.integration.conftest import WriteWorld
from tests.support.doubles import ask_here, at, do_not_wait, serving
from tests.support.ledgers import ARRIVAL_COLUMNS, differing, exports

OPTIONS = {"seed": 7, "days": 1}
REGION = "us-west-2"
NEVER_SURVIVED = {"forbidden", "wrong_credentials", "expired_token", "skewed_signature"}
NOT_ABOUT_TRANSPORT = {"first_runtime_memory", "synthetic_zeros"}
SURVIVED = sorted({*FAULTS, *LASTING} - NEVER_SURVIVED - NOT_ABOUT_TRANSPORT)
# Passes at noon, as the day ends, when its late points are there, and when its bill is settled. The first pull asks for
# a day: at noon it reaches back before the telemetry begins, however many passes it takes.
HOURS = (-12, 0, 2.5, 120)
MOMENTS = tuple(END_AT + timedelta(hours=hours) for hours in HOURS)
MOST_PASSES = 30
# What a pass has asked and paid for, and when it was told what of a bill, differs by the calls that failed, and so does
# how much of that was checked. What the tellings of a bill add up to does not.
HISTORY = {"mart_own_spend_daily", "mart_restatements"}
CHECKS_OF_HISTORY = {b"stg_api_requests", b"stg_cost_explorer_pulls", b"int_cost_explorer_totals", b"int_bill_changes"}
CHECKS_OF_HISTORY |= {name.encode() for name in HISTORY}
TOLD_IN_ALL = """
    select billing_period, account_id, record_type, status, sum(change_usd), sum(change_effective_usd)
    from mart_restatements group by all order by all
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldOptions(**OPTIONS))  # type: ignore[arg-type]


def tables(world: World, inventory: Path, home: Path, *faults: str) -> dict[str, Any]:
    """Every published table after all passes, without what tells when data came and what it cost to ask."""
    with serving(world, faults=faults) as server, pytest.MonkeyPatch.context() as patch:
        do_not_wait(patch)
        ask_here(patch, server)
        for moment in MOMENTS:
            for number in range(MOST_PASSES):
                now = at(server, moment + timedelta(minutes=10 * number))
                values = settings_at(home, inventory)
                if not (steps.ingest_metrics(values, now) + steps.ingest_costs(values, now)).refused:
                    break
            else:
                pytest.fail(f"AWS has not answered everything after {MOST_PASSES} passes")
    return publish(home, inventory)


def settings_at(home: Path, inventory: Path) -> Settings:
    return Settings(home=home, regions=(REGION,), cost_explorer=True, inbox=(str(inventory),), threads=2)


def publish(home: Path, inventory: Path) -> dict[str, Any]:
    values, now = settings_at(home, inventory), MOMENTS[-1] + timedelta(days=1)
    steps.build(values, now)
    steps.check(values, now)
    telling.detect(values, now)
    steps.publish(values, now)
    found = exports(home, home.parent / "exports", ARRIVAL_COLUMNS)
    checks = found["mart_data_quality.csv"].splitlines()
    kept: dict[str, Any] = {name: content for name, content in found.items() if name.partition(".")[0] not in HISTORY}
    kept["mart_data_quality.csv"] = [row for row in checks if row.partition(b":")[0] not in CHECKS_OF_HISTORY]
    del kept["mart_data_quality.parquet"]
    with open_snapshot(values.place.snapshot) as conn:
        kept["told in all"] = conn.execute(TOLD_IN_ALL).fetchall()
    return kept


@pytest.fixture(scope="module")
def inventory(world_of: WriteWorld) -> Path:
    return world_of(**OPTIONS).landing / "inventory"


@pytest.fixture(scope="module")
def clean(world: World, inventory: Path, no_settings: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("clean") / "ledger"
    found = tables(world, inventory, home)
    with open_snapshot(settings_at(home, inventory).place.snapshot) as conn:
        busy = conn.execute("select sum(busy_seconds) from fct_workload_usage_hourly").fetchone()
        cost = conn.execute("select sum(billed_cost_usd) from mart_workload_cost_daily").fetchone()
    assert busy is not None
    assert busy[0] > 0
    assert cost is not None
    assert cost[0] > 0
    return found


@pytest.mark.parametrize("fault", SURVIVED)
def test_the_marts_are_those_of_passes_without_faults(
    world: World, inventory: Path, clean: dict[str, Any], tmp_path: Path, fault: str
) -> None:
    assert differing(tables(world, inventory, tmp_path / "ledger", fault), clean) == []
