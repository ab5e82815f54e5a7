"""The published marts beside the truth of the world they were made from: queries whose rows are differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.snapshots import open_snapshot
from pipeline.warehouse import utc_rows
from tests.support.ledgers import Ledger
from tests.support.worlds import WorldFiles

Rows = list[tuple[Any, ...]]

RECONCILIATION = "select * from mart_reconciliation_daily where difference_usd <> 0 or difference_usd is null"
BILL = """
    with ours as (
        select
            usage_date, account_id, record_type,
            sum(bill_usd) filter (where basis = 'effective') as effective_usd,
            sum(bill_usd) filter (where basis = 'billed') as billed_usd,
            count(*) as rows
        from mart_reconciliation_daily group by all
    )
    select * from ours full join {truth} as t using (usage_date, account_id, record_type)
    where effective_usd is distinct from t.effective_cost_usd or billed_usd is distinct from t.billed_cost_usd
        or rows <> 2
"""
COSTS = """
    with ours as (
        select {keys}, sum(effective_cost_usd) as effective_usd, sum(billed_cost_usd) as billed_usd
        from {mart} group by all
    )
    select * from ours full join {truth} as t using ({keys})
    where coalesce(abs(effective_usd - t.effective_cost_usd) > 1e-6, true)
        or coalesce(abs(billed_usd - t.billed_cost_usd) > 1e-6, true)
"""
BESIDE = """
    with ours as (
        select {keys}, sum(effective_cost_usd) as effective_usd, sum(billed_cost_usd) as billed_usd
        from {mart} group by all
    )
    select {keys}, effective_usd, billed_usd, t.effective_cost_usd, t.billed_cost_usd
    from ours full join {truth} as t using ({keys})
"""
EFFECTIVE = """
    with ours as (select {keys}, sum(effective_cost_usd) as usd from {mart} group by all)
    select * from ours full join {truth} as t using ({keys})
    where abs(coalesce(usd, 0) - coalesce(t.effective_cost_usd, 0)) > 1e-6
"""
BILLED_DAYS = """
    with ours as (
        select usage_date, account_id, sum(bill_usd) as usd
        from mart_reconciliation_daily where basis = 'billed' group by all
    ), theirs as (
        select usage_date, account_id, sum(billed_cost_usd) as true_usd from {truth} group by all
    )
    select * from ours full join theirs using (usage_date, account_id) where usd is distinct from true_usd
"""
USAGE = """
    select * from fct_accelerator_usage_hourly as a full join {truth} as t
        using (usage_hour_at, accelerator_id, instance_id)
    where coalesce(abs(a.observed_seconds - t.observed_seconds) > greatest(1, 0.001 * t.observed_seconds), true)
        or coalesce(abs(a.allocated_seconds - t.allocated_seconds) > greatest(1, 0.001 * t.allocated_seconds), true)
        or coalesce(abs(a.busy_seconds - t.busy_seconds) > greatest(1, 0.001 * t.busy_seconds), true)
"""
FINDINGS = """
    with ours as (
        select rule, subject, opened_at as start_at, coalesce(closed_at, last_seen_at) as end_at, impact_usd
        from mart_anomalies
    )
    select * from ours full join {truth} as t using (rule, subject, start_at, end_at)
    where coalesce(abs(ours.impact_usd - t.impact_usd) > 1e-6, true)
"""
FOUND = "select rule, count(*), sum(impact_usd) from mart_anomalies group by all order by all"
DISTANCES = """
    with ours as (
        select usage_date, workload_id, chip, sum(effective_cost_usd) as usd from mart_workload_cost_daily group by all
    )
    select
        usage_date, workload_id, chip, coalesce(ours.usd, 0) as usd, coalesce(t.effective_cost_usd, 0) as true_usd,
        abs(coalesce(ours.usd, 0) - true_usd) / nullif(greatest(abs(true_usd), abs(coalesce(ours.usd, 0))), 0) as apart
    from ours full join {truth} as t using (usage_date, workload_id, chip)
    order by apart desc nulls last, usage_date, workload_id, chip
"""

WORKLOAD_KEYS = "usage_date, workload_id, chip"
CLASS_KEYS = "usage_date, cost_class, instance_type, chip, account_id, region, cluster"


def rows(ledger: Ledger, sql: str, **tables: str) -> Rows:
    """What the published snapshot answers."""
    with open_snapshot(ledger.snapshot) as conn:
        return utc_rows(conn, sql.format(**tables))


def differences(ledger: Ledger, world: WorldFiles) -> dict[str, Rows]:
    """Every row that misses the truth, by what it is about; empty when all is true."""
    found = {
        "reconciliation": rows(ledger, RECONCILIATION),
        "bill": bill_differences(ledger, world),
        "workload cost": costs(ledger, world, "mart_workload_cost_daily", WORKLOAD_KEYS, "workload_cost_daily"),
        "cost class": costs(ledger, world, "fct_cost_allocated_hourly", CLASS_KEYS, "cost_class_daily"),
        "usage": rows(ledger, USAGE, truth=world.truth("accelerator_usage_hourly")),
        "findings": rows(ledger, FINDINGS, truth=world.truth("findings")),
    }
    return {name: missed for name, missed in found.items() if missed}


def bill_differences(ledger: Ledger, world: WorldFiles) -> Rows:
    return rows(ledger, BILL, truth=world.truth("bill_daily"))


def costs(ledger: Ledger, world: WorldFiles, mart: str, keys: str, truth: str) -> Rows:
    return rows(ledger, COSTS, mart=mart, keys=keys, truth=world.truth(truth))


def shown(found: dict[str, Rows], most: int = 5) -> str:
    """The first differences of each kind, for a failing test to print."""
    lines = [f"{name}: {len(missed)} rows, as {missed[:most]}" for name, missed in found.items()]
    return "\n".join(lines)


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which `part` of `values` lies; 0 for none."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else 0.0
