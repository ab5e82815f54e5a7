"""What a pass says at its end: money, idleness, workloads, findings, places; read from the published snapshot."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli_output import in_words, say, short, show_aligned, usd

if TYPE_CHECKING:
    from pipeline.settings import Settings

TOP_WORKLOADS = 8
SHOWN_FINDINGS = 10
SHOWN_COMPARISONS = 3

SPEND = """
select min(usage_hour_at)::date as first_day, max(usage_hour_at)::date as last_day,
    sum(billed_cost_usd) as billed_usd, sum(effective_cost_usd) as effective_usd
from fct_cost_allocated_hourly
where cost_status = 'billed'
"""
ESTIMATED = """
select sum(effective_cost_usd) as effective_usd, count(distinct cost_line_id) as hours, min(usage_hour_at) as since_at
from fct_cost_allocated_hourly
where cost_status = 'estimated'
"""
CLASSES = """
with seen as (select distinct cast(usage_hour_at as date) as usage_date from fct_accelerator_usage_hourly)
select cost.cost_class, sum(cost.effective_cost_usd) as effective_usd, (select count(*) from seen) as seen_days,
    coalesce(sum(cost.effective_cost_usd) filter (seen.usage_date is not null), 0) as seen_usd
from fct_cost_allocated_hourly as cost left join seen on seen.usage_date = cast(cost.usage_hour_at as date)
where cost.cost_status = 'billed'
group by cost.cost_class order by seen_usd desc, effective_usd desc
"""
UNUSED = """
select sum(allocated_unused_cost_usd) as unused_usd from mart_workload_cost_daily where cost_status = 'billed'
"""
WORKLOADS = f"""
select cost.workload_id, string_agg(distinct cost.chip, ', ' order by cost.chip) as chip,
    sum(cost.effective_cost_usd) as effective_usd, sum(cost.device_hours) as device_hours,
    sum(cost.busy_device_hours) / nullif(sum(cost.known_device_hours), 0) as busy,
    sum(cost.allocated_unused_cost_usd) as unused_usd,
    coalesce(sum(cost.effective_cost_usd) filter (cost.cost_status = 'estimated'), 0) as estimated_usd
from mart_workload_cost_daily as cost
group by cost.workload_id order by effective_usd desc, cost.workload_id limit {TOP_WORKLOADS}
"""
FINDINGS = f"""
select rule, subject, severity, status, opened_at, closed_at, impact_usd, impact_usd_per_hour,
    count(*) over () as known from mart_anomalies
order by status desc, impact_usd desc, finding_id limit {SHOWN_FINDINGS}
"""
COMPARISONS = f"""
select workload_id, instance_type_from, instance_type_to, verdict, price_basis, evidence_grade, cost_ratio_low,
    cost_ratio_high
from mart_chip_comparison
where cost_usd_per_month is not null and cost_ratio_mid is not null and price_basis = 'on_demand_or_block'
order by saving_usd_per_month_high desc, workload_id, instance_type_to limit {SHOWN_COMPARISONS}
"""
RECONCILIATION = """
select count(*) as row_count, coalesce(max(abs(difference_usd)), 0) as largest_usd from mart_reconciliation_daily
"""


def show_summary(settings: Settings) -> None:
    """Print the summary of the current publication."""
    root = settings.place.root
    _show_spend(root)
    _show_workloads(root)
    _show_comparisons(root)
    _show_findings(root)
    _show_places(settings)


def _ask(root: Path, sql: str) -> list[dict[str, Any]]:
    from pipeline import reading

    return reading.query(root, sql).records()


def _show_spend(root: Path) -> None:
    spend = _ask(root, SPEND)[0]
    if spend["first_day"] is None:
        say("\nSpend           no bill yet: sweep a CUR 2.0 export or set CHIPLEDGER_COST_EXPLORER=true")
        _show_estimated(root)
        return
    total = spend["effective_usd"]
    say(f"\nSpend           {spend['first_day']} to {spend['last_day']} (UTC days)")
    say(f"  billed        {usd(spend['billed_usd']):>16}")
    say(f"  effective     {usd(total):>16}")
    _show_estimated(root)
    _show_classes(root, total)
    check = _ask(root, RECONCILIATION)[0]
    say(
        f"Reconciliation  bill against allocation: difference {check['largest_usd']:.2f} in {check['row_count']:,} rows"
    )


def _show_estimated(root: Path) -> None:
    """What no bill covers yet: never added to the spend above it."""
    row = _ask(root, ESTIMATED)[0]
    if row["hours"]:
        what = f"for {row['hours']:,} instance-hours since {in_words(row['since_at'])} that no bill covers yet"
        say(f"  estimated     {usd(row['effective_usd']):>16}  {what}")


def _show_classes(root: Path, total: Decimal) -> None:
    rows = _ask(root, CLASSES)
    days = rows[0]["seen_days"]
    seen = sum((row["seen_usd"] for row in rows), Decimal(0))
    say("\nEffective cost by class; hours without telemetry are unattributed, never idle")
    columns = ("", "all days", "", f"{days} {'day' if days == 1 else 'days'} with telemetry", "")
    shown = [
        (
            row["cost_class"],
            usd(row["effective_usd"]),
            _share(row["effective_usd"], total),
            usd(row["seen_usd"]),
            _share(row["seen_usd"], seen),
        )
        for row in rows
    ]
    show_aligned(columns, shown)
    say(f"  {usd(_ask(root, UNUSED)[0]['unused_usd'])} of the workloads' cost paid for held chips that stood still")


def _share(part: Decimal, total: Decimal) -> str:
    return f"{float(part / total):.1%}" if total else ""


def _show_workloads(root: Path) -> None:
    rows = _ask(root, WORKLOADS)
    if not rows:
        return
    say("\nTop workloads")
    columns = ["workload", "chip", "effective", "device hours", "busy", "paid, not used"]
    shown = [
        [
            row["workload_id"],
            row["chip"],
            usd(row["effective_usd"]),
            f"{float(row['device_hours'] or 0):,.1f}",
            "no data" if row["busy"] is None else f"{float(row['busy']):.1%}",
            "no data" if row["unused_usd"] is None else usd(row["unused_usd"]),
        ]
        for row in rows
    ]
    if any(row["estimated_usd"] for row in rows):  # the classes above are billed alone
        columns.insert(3, "of it estimated")
        for cells, row in zip(shown, rows, strict=True):
            cells.insert(3, usd(row["estimated_usd"]))
    show_aligned(columns, shown)


def _show_comparisons(root: Path) -> None:
    rows = _ask(root, COMPARISONS)
    if rows:
        say("\nOther chips, by the figures that were brought; chipledger compare WORKLOAD says what they rest on")
    for row in rows:
        low, high = (f"{row[f'cost_ratio_{end}']:.2f}" for end in ("low", "high"))
        say(
            f"  {row['workload_id']}  {row['instance_type_from']} → {row['instance_type_to']}: {row['verdict']}, "
            f"{low} to {high} times the cost  [{row['price_basis']}, {row['evidence_grade']}]"
        )


def _show_findings(root: Path) -> None:
    rows = _ask(root, FINDINGS)
    say("\nFindings" if rows else "\nFindings        none")
    for row in rows:
        is_open = row["status"] == "open"
        per_hour = f", {usd(row['impact_usd_per_hour'])}/h" if is_open else ""
        start, end = in_words(row["opened_at"]), in_words(row["closed_at"])
        when = f"open since {start}" if is_open else f"{row['status']}, {start} to {end}"
        say(f"  {usd(row['impact_usd'])}{per_hour}  {row['rule']}  {row['subject']}  [{row['severity']}, {when}]")
    if rows and rows[0]["known"] > len(rows):
        say(f'  … and {rows[0]["known"] - len(rows):,} more: chipledger query "from mart_anomalies"')


def _show_places(settings: Settings) -> None:
    place = settings.place
    snapshot, parquet = short(place.snapshot), short(place.parquet)
    messages = (
        f"Slack channel {settings.slack_channel}" if settings.has_slack else f"{short(place.outbox)}/ (no Slack is set)"
    )
    home = "" if place.root == Path("ledger").absolute() else f"CHIPLEDGER_HOME={short(place.root)} "
    say(f"\nSnapshot        {snapshot}\nParquet         {parquet}/\nMessages        {messages}")
    say(f'Ask             {home}.venv/bin/chipledger query "select * from mart_workload_cost_daily limit 5"')
