"""`chipledger compare`: would a workload be cheaper on another chip, told with all that the answer rests on."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli_output import in_words, say, show, usd

if TYPE_CHECKING:
    from pipeline.reading import Result

AsJson = Annotated[bool, typer.Option("--json", help="An array of objects instead of a text.")]
DEFAULT_BASIS = "on_demand_or_block"
DECIDED = ("cheaper", "dearer", "overlapping")


def compare(
    workload: Annotated[str, typer.Argument(help="Workload id, its name, or a published benchmark.")],
    basis: Annotated[
        str, typer.Option(help="Price basis, or all. on_demand_or_block is what can be rented without a commitment.")
    ] = DEFAULT_BASIS,
    to: Annotated[str | None, typer.Option(help="Only this instance type.")] = None,
    price_date: Annotated[str | None, typer.Option(help="At the prices of this day, as 2025-06-01.")] = None,
    as_json: AsJson = False,
) -> None:
    """Would it be cheaper on another chip: the answer with price basis, interval, evidence and reason."""
    from pipeline import settings
    from pipeline.comparing import BASES, Question
    from pipeline.comparing import compare as ask
    from pipeline.errors import UsageError

    if basis not in (*BASES, "all"):
        raise UsageError(f"--basis {basis!r}: choose one of {', '.join(BASES)}, or all")
    values = settings.load()
    day = settings.parse_day(price_date, "--price-date") if price_date else None
    if day and day > values.clock().date():
        raise UsageError(f"--price-date {day}: nobody knows the prices of a day to come")
    question = Question(workload, None if basis == "all" else basis, to, day)
    result = ask(values.place.root, question)
    if as_json:
        show(result.columns, result.rows, as_json=True)
    else:
        _tell(result, basis)


def _tell(result: Result, basis: str) -> None:
    rows = result.records()
    first = rows[0]
    say(f"{first['workload_id']}, {'by all price bases' if basis == 'all' else f'price basis {basis}'}")
    for runs_on in sorted({_runs_on(row) for row in rows if row["cost_usd_per_month"] is not None}):
        say(runs_on)
    if first["migration_cost_usd"]:
        say(f"A move costs {usd(first['migration_cost_usd'])}.")
    for row in (row for row in rows if row["verdict"] in DECIDED):
        _tell_verdict(row)
    _tell_unmeasured([row for row in rows if row["verdict"] == "not measured"])
    if unpriced := sorted({row["instance_type_to"] for row in rows if row["verdict"] == "no price"}):
        say(f"\nno price: {', '.join(unpriced)}")


def _runs_on(row: dict[str, Any]) -> str:
    place, month = f"{row['instance_type_from']} ({row['chip_from']})", usd(row["cost_usd_per_month"])
    return f"Runs on {place}: {month} in 30 days at {row['price_basis']} prices."


def _tell_verdict(row: dict[str, Any]) -> None:
    cost = [f"{row[f'cost_ratio_{end}']:.2f}" for end in ("low", "high", "mid")]
    low, high = (_percent(row[f"throughput_ratio_{end}"]) for end in ("low", "high"))
    say(f"\n{row['instance_type_from']} → {row['instance_type_to']}: {row['verdict'].upper()}, {row['why']}")
    lines = {
        "the same work": f"costs {cost[0]} to {cost[1]} times as much, about {cost[2]}",
        "one instance": f"does {low} to {high} of what one {row['instance_type_from']} does; "
        f"it breaks even at {_percent(row['break_even_throughput_ratio'])}{_with_move(row)}",
        "prices": f"{row['price_basis']}, {row['price_region']}: {in_words(row['usd_per_hour_from'])} and "
        f"{in_words(row['usd_per_hour_to'])} USD/h, as of {row['price_date']}",
        "evidence": f"{row['evidence_grade']}, {row['figure_count']} figures of {row['unit']}/s, latency bar: "
        f"{row['latency_bar']}{_filling(row)}" + (f"; {row['source']}" if row["source"] else ""),
    }
    if row["saving_usd_per_month_low"] is not None:
        least, most = usd(row["saving_usd_per_month_low"]), usd(row["saving_usd_per_month_high"])
        lines["saves in 30 days"] = f"{least} to {most}{_payback(row)}"
    for name, text in lines.items():
        say(f"  {name + ':':<18}{text}")


def _with_move(row: dict[str, Any]) -> str:
    if not row["migration_cost_usd"] or row["cost_usd_per_month"] is None:
        return ""
    if row["required_throughput_ratio"] is None:
        return ", and the move never pays within the horizon"
    return f", with the move at {_percent(row['required_throughput_ratio'])}"


def _payback(row: dict[str, Any]) -> str:
    if not row["migration_cost_usd"] or row["payback_days_low"] is None:
        return ""
    longest = row["payback_days_high"]
    until = f"{longest:.0f} days" if longest is not None else "never"
    return f"; the move is paid back after {row['payback_days_low']:.0f} days at best, {until} at worst"


def _filling(row: dict[str, Any]) -> str:
    ends = [row[f"fill_ratio_{side}_{end}"] for side in ("from", "to") for end in ("low", "high")]
    if all(end == 1 for end in ends):
        return ""
    low_from, high_from, low_to, high_to = map(_percent, ends)
    return f"; instances filled {low_from} to {high_from} and {low_to} to {high_to}"


def _tell_unmeasured(rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    say("\nnot measured; it would be cheaper above this part of the present throughput per instance:")
    for row in sorted(rows, key=lambda row: row["break_even_throughput_ratio"]):
        needs = _percent(row["required_throughput_ratio"] or row["break_even_throughput_ratio"])
        pair = f"{row['instance_type_from']} → {row['instance_type_to']}"
        say(f"  {pair:<34}{needs:>8}  {row['price_basis']}  {row['why']}")


def _percent(ratio: Decimal) -> str:
    return f"{ratio * 100:.1f} %"
