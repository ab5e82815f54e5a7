"""The commands for readers: they open the published snapshot only, so they never wait for the pipeline."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli_output import say, show

AsJson = Annotated[bool, typer.Option("--json", help="An array of objects instead of a table.")]
AsOf = Annotated[
    str | None, typer.Option(help="Ask the publication that was current at this UTC time, as 2026-11-01T00:00:00Z.")
]


def query(
    statement: Annotated[str, typer.Argument(metavar="SQL", help="One read-only statement in DuckDB's SQL.")],
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Ask the published snapshot; `chipledger tables` lists what is in it."""
    from pipeline import reading, settings

    result = reading.query(settings.load().place.root, statement, as_of=_moment(as_of))
    show(result.columns, result.rows, as_json=as_json)


def tables(
    name: Annotated[str | None, typer.Argument(help="One table: its columns and what they mean.")] = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """List the published tables with grain and rows, or the columns of one."""
    from pipeline import reading, settings

    result = reading.tables(settings.load().place.root, name, as_of=_moment(as_of))
    show(result.columns, result.rows, as_json=as_json)


def export(
    table: Annotated[str, typer.Argument(help="A published table.")],
    to: Annotated[Path, typer.Option(help="File to write: .csv, .parquet or .json.")],
    as_of: AsOf = None,
) -> None:
    """Write a published table to a file; the suffix names the format.

    In CSV a text that begins with = + - @, tab or carriage return gets a single quote in front, so that no spreadsheet
    runs it as a formula. Numbers, Parquet and JSON stay as they are.
    """
    from pipeline import reading, settings

    count = reading.export(settings.load().place.root, table, to, as_of=_moment(as_of))
    say(f"{to}: {count:,} rows of {table}")


def statement(
    period: Annotated[str, typer.Argument(metavar="PERIOD", help="Billing period, as 2026-11.")],
    to: Annotated[Path, typer.Option(help="Folder to write the files into.")],
    team: Annotated[str | None, typer.Option(help="This team alone.")] = None,
    as_of: AsOf = None,
) -> None:
    """Write the chargeback statements of a month: a CSV and a printable page per team, and of all teams together.

    Figures are rounded by largest remainder: every table sums to its total, and all teams to the bill.
    """
    from difflib import get_close_matches

    from pipeline import settings
    from pipeline.errors import UsageError
    from pipeline.statement import read_statements
    from pipeline.statement_files import write_statements

    moment = settings.parse_time(as_of, "--as-of") if as_of else None
    month = _month(period)
    statements = read_statements(settings.load().place.root, month, moment)
    teams = [one.team for one in statements]
    if team is not None and team not in teams:
        near = get_close_matches(team, teams, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(teams)}"
        raise UsageError(f"team {team!r} is not on the bill of {period}; {hint}")
    for path in write_statements(statements, to, team):
        say(str(path))


def _month(period: str) -> date:
    from pipeline.errors import UsageError

    try:
        return date.fromisoformat(f"{period}-01")
    except ValueError as error:
        raise UsageError(f"PERIOD {period!r} is no billing period; write YYYY-MM, as 2026-11") from error


def sql(model: Annotated[str, typer.Argument(help="A model of sql/, such as mart_workload_cost_daily.")]) -> None:
    """Print a model with its parameters bound: exactly what the build runs, ready to paste."""
    from difflib import get_close_matches

    from pipeline import settings, steps
    from pipeline.errors import UsageError
    from pipeline.models import bind
    from pipeline.windows import ALL_TIME

    models = steps.models_here()
    if model not in models:
        near = get_close_matches(model, models, n=1)
        raise UsageError(f"no model {model!r}" + (f"; did you mean {near[0]}?" if near else "; see sql/"))
    text = bind(
        models[model],
        start_at=ALL_TIME.start_at,
        end_at=ALL_TIME.end_at,
        seeds_dir=models.seeds_dir,
        as_of=settings.load().clock(),
    )
    say(text.rstrip())


def _moment(as_of: str | None) -> datetime | None:
    from pipeline import settings

    return settings.parse_time(as_of, "--as-of") if as_of else None
