"""`chipledger explain`: the way of a workload's dollar back to the bill, each step with its SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli_output import say, show

if TYPE_CHECKING:
    from pipeline.trail import Step


def explain(
    workload: Annotated[str, typer.Argument(help="A workload_id, as in dim_workload.")],
    day: Annotated[str, typer.Argument(metavar="DATE", help="UTC day, as 2026-11-14.")],
    rows: Annotated[int, typer.Option(min=0, help="Rows shown of each step; 0 for all.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="An array of steps, with all rows.")] = False,
) -> None:
    """Follow the cost of one workload and day back to hours, bill lines, shares, devices and deliveries.

    Each step prints the SQL that made it: it runs on the warehouse (`warehouse.duckdb`) while nothing writes to it.
    """
    from pipeline import settings
    from pipeline.trail import trail
    from pipeline.warehouse import open_warehouse

    values = settings.load()
    usage_date = settings.parse_day(day, "DATE")
    with open_warehouse(values.place.warehouse, wait_seconds=values.lock_wait_seconds) as conn:
        found = trail(conn, workload, usage_date)
    if as_json:
        _show_json(found.steps)
        return
    for step in found.steps:
        _show_step(step, rows)
    sums = "sum to the day exactly" if found.is_whole else "DO NOT sum to the day: run chipledger check"
    say(f"\n{workload} on {usage_date}: {found.day_usd:,.2f} USD effective; its hours and its lines {sums}")


def _show_step(step: Step, most: int) -> None:
    shown = step.result.rows[:most] if most else step.result.rows
    say(f"\n{step.name.replace('_', ' ')}: {step.purpose}")
    show(step.result.columns, shown, as_json=False)
    if left := len(step.result.rows) - len(shown):
        say(f"… {left:,} more rows: --rows 0 shows them")
    say("\n".join(f"    {line}" for line in step.sql.strip().splitlines()))


def _show_json(steps: tuple[Step, ...]) -> None:
    columns = ("step", "purpose", "sql", "rows")
    texts = [
        (
            step.name,
            step.purpose,
            step.sql,
            [dict(zip(step.result.columns, map(_plain, row), strict=True)) for row in step.result.rows],
        )
        for step in steps
    ]
    show(columns, texts, as_json=True)


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, str | int | bool) else str(value)
