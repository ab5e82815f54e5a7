"""`chipledger close`, `reopen`, `verify`: published figures that stay until a person reopens them, and their proof."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline import cli_pass
from pipeline.cli_output import say, show

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    from pipeline.settings import Settings

Period = Annotated[str, typer.Argument(metavar="PERIOD", help="Billing period, as 2026-10.")]
Why = Annotated[str, typer.Option("--why", help="Why; it stands in mart_period_actions.")]
Who = Annotated[str | None, typer.Option("--who", help="Who decides; default: the user of this machine.")]


def close(period: Period, why: Why = "", who: Who = None) -> None:
    """Let a billing period keep its published figures, whatever bills or telemetry still come.

    What comes later is landed and kept. Bills among it stand as pending in mart_restatements.
    """
    from pipeline import periods, settings, steps

    values = settings.load()
    now, month = values.clock(), periods.parse_period(period)
    closing = steps.close_period(values, now, month, actor=who or getpass.getuser(), reason=why)
    say(f"{month:%Y-%m} is closed since {closing.acted_at:%Y-%m-%d %H:%M:%S} UTC by {closing.actor}: its figures stay")
    say(f"  those of the publication of {closing.published_at:%Y-%m-%d %H:%M:%S} UTC")
    if closing.window.end_at > now:
        say(f"  the month is not over: what its later days cost is shown after chipledger reopen {month:%Y-%m}")
    cli_pass.build_and_publish(values, now)


def reopen(period: Period, why: Why = "", who: Who = None) -> None:
    """Show again all that is known of a closed billing period, what came since it was closed included."""
    from pipeline import periods, settings, steps

    values = settings.load()
    now, month = values.clock(), periods.parse_period(period)
    before = _bill(values, month)
    closing = steps.reopen_period(values, now, month, actor=who or getpass.getuser(), reason=why)
    say(f"{month:%Y-%m} is open again; it was closed on {closing.acted_at:%Y-%m-%d %H:%M:%S} UTC by {closing.actor}")
    cli_pass.build_and_publish(values, now)
    after = _bill(values, month)
    for basis, old, new in zip(("billed", "effective"), before, after, strict=True):
        say(f"  {basis}: {old:f} → {new:f} USD ({new - old:+f})")


def verify(
    periods: Annotated[
        list[str] | None, typer.Argument(metavar="[PERIOD…]", help="As 2026-10; none: the last two.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="Verify the publication that was current at this UTC time.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="An array of objects instead of a table.")] = False,
) -> None:
    """Make published figures again from the deliveries, rules and SQL of then; exit code 1 where one differs.

    It takes as long as a full build for each publication concerned; writers wait meanwhile.
    """
    from pipeline import settings, steps
    from pipeline.periods import parse_period

    values = settings.load()
    moment = settings.parse_time(as_of, "--as-of") if as_of else None
    verdicts = steps.verify(values, values.clock(), [parse_period(period) for period in periods or ()], moment)
    rows = [(f"{one.period:%Y-%m}", one.status, one.published_at, one.words) for one in verdicts]
    if not (rows or as_json):
        say("nothing to verify: no bill is published yet")
        return
    show(("billing_period", "status", "published_at", "what"), rows, as_json=as_json)
    raise typer.Exit(1 if any(one.status == "different" for one in verdicts) else 0)


def _bill(values: Settings, month: date) -> tuple[Decimal, Decimal]:
    """Billed and effective USD of the month's days, as published."""
    from pipeline import periods, reading
    from pipeline.models import date_literal

    window = periods.period_window(month)
    bases = ", ".join(
        f"coalesce(sum(bill_usd) filter (where basis = '{basis}'), 0)::decimal(38, 2)"
        for basis in ("billed", "effective")
    )
    days = f"usage_date >= {date_literal(window.start_at)} and usage_date < {date_literal(window.end_at)}"
    billed, effective = reading.query(
        values.place.root, f"select {bases} from mart_reconciliation_daily where {days}"
    ).rows[0]
    return billed, effective
