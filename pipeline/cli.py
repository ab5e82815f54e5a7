"""The command `chipledger`: one function per verb, thin over functions that tests call. Nobody imports this file.

Imports that cost time stand inside the commands, so that `chipledger --help` answers at once.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from pipeline import (
    cli_ask,
    cli_benchmarks,
    cli_compare,
    cli_explain,
    cli_pass,
    cli_periods,
    cli_read,
    cli_up,
    cli_workloads,
    cli_world,
)
from pipeline.cli_output import progress, say, show, trouble_around, warn
from pipeline.errors import ChipledgerError

app = typer.Typer(
    name="chipledger",
    help="What every AI workload on AWS costs, chip by chip and to the cent, and how hard each chip really works.",
    epilog="Start with: chipledger run --sample",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)
AsJson = Annotated[bool, typer.Option("--json", help="An array of objects instead of a table.")]

app.command(epilog="Example: chipledger run --sample")(cli_pass.run)


def main() -> None:
    """Run the command line; chipledger's own errors and those of disk, memory and files end as one sentence."""
    if name := os.environ.get("CHIPLEDGER_FAILPOINT"):
        from pipeline.failpoints import arm

        arm(name)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a locale without é or → gets \u2192, not a traceback
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except ChipledgerError as error:
        warn(f"chipledger: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        if not (words := trouble_around(error)):
            raise
        warn(f"chipledger: {words}")
        sys.exit(1)


@app.command(epilog="Example: chipledger ingest exports/ s3://bucket/dcgm/ --interval 15")
def ingest(
    paths: Annotated[list[str], typer.Argument(metavar="PATH_OR_S3_URI…", help="Files, folders or s3:// prefixes.")],
    source: Annotated[str | None, typer.Option(help="Name the format instead of detecting it.")] = None,
    observed_at: Annotated[
        str | None, typer.Option(help="UTC time of records that carry none, as 2026-11-01T00:00:00Z.")
    ] = None,
    interval: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=3600, help="Seconds between samples, where the file does not say; an hour at most."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Land files or folders, recursively; the format comes from the content. The same object twice changes nothing."""
    from pipeline import settings, steps
    from pipeline.sources.base import IngestOptions
    from pipeline.sources.objects import require_root

    values = settings.load()
    for path in paths:
        require_root(path)
    options = IngestOptions(
        source=source,
        observed_at=settings.parse_time(observed_at, "--observed-at") if observed_at else None,
        interval_ms=round(interval * 1000) if interval else None,
    )
    with progress("ingest") as bar:
        ingested = steps.ingest(values, paths, values.clock(), options, bar.objects)
    cli_pass.show_ingested(ingested, as_json=as_json)
    raise typer.Exit(1 if ingested.refused else 0)


@app.command(epilog="Example: chipledger build")
def build(
    no_publish: Annotated[bool, typer.Option("--no-publish", help="Stop before publication.")] = False,
) -> None:
    """Build the windows that new data touched, check them, detect findings, and publish when the checks pass."""
    from alerts import steps as telling
    from pipeline import settings, steps

    values = settings.load()
    now = values.clock()
    with progress("build") as bar:
        built = steps.build(values, now, bar)
    say(f"build: {built}")
    cli_pass.show_checks(steps.check(values, now))
    say(f"detect: {telling.detect(values, now)}")
    if not no_publish:
        say(f"publish: {steps.publish(values, now)}")


@app.command(epilog="Example: chipledger check --json")
def check(
    rows_of: Annotated[
        str | None, typer.Option("--show", metavar="CHECK_ID", help="Show the rows for which this check fails now.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge what the last build replaced; exit code 1 while a `fail` check stands."""
    from pipeline import settings, steps

    values = settings.load()
    if rows_of:
        cli_pass.show_failing_rows(steps.failing_rows(values, rows_of), as_json=as_json)
        return
    report = steps.check(values, values.clock())
    cli_pass.show_checks(report, as_json=as_json)
    raise typer.Exit(1 if report.failed else 0)


@app.command(epilog="Example: chipledger detect")
def detect() -> None:
    """Write findings (idle while paid, daily cost spike, failed checks) into the warehouse."""
    from alerts import steps as telling
    from pipeline import settings

    values = settings.load()
    say(str(telling.detect(values, values.clock())))


@app.command(epilog="Example: chipledger publish")
def publish() -> None:
    """Publish a snapshot for readers, by atomic rename; a standing `fail` check stops it."""
    from pipeline import settings, steps

    values = settings.load()
    say(str(steps.publish(values, values.clock())))


@app.command(epilog="Example: chipledger notify --dry-run")
def notify(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; send nothing.")] = False,
) -> None:
    """Tell people: Slack where a token and a channel are set, else JSON files in the home's outbox/."""
    from alerts import steps as telling
    from pipeline import settings

    values = settings.load()
    report = telling.notify(values, values.clock(), dry_run=dry_run)
    say(str(report))
    for line in report.lines:
        say(f"  {line.state}  {line.transition}  {line.text}" + (f" ({line.error})" if line.error else ""))
    raise typer.Exit(1 if report.problem else 0)


@app.command(epilog="Example: CHIPLEDGER_REGIONS=us-east-1 chipledger doctor")
def doctor(as_json: AsJson = False) -> None:
    """Look at settings, disk, warehouse, publication, freshness, AWS and Slack, and say what to mend."""
    from pipeline import settings
    from pipeline.cli_doctor import examine

    findings = examine(settings.load())
    show(("part", "status", "what"), [(f.part, f.status, f.what) for f in findings], as_json=as_json)
    raise typer.Exit(1 if any(f.status == "fail" for f in findings) else 0)


app.command(epilog='Example: chipledger query "select * from mart_workload_cost_daily limit 5"')(cli_read.query)
app.command(epilog="Example: chipledger ask idle_cost --param from_date=2026-11-01")(cli_ask.ask)
app.command(epilog="Example: chipledger tables mart_idle_cost_daily")(cli_read.tables)
app.command(epilog="Example: chipledger export mart_workload_cost_daily --to costs.csv")(cli_read.export)
app.command(epilog="Example: chipledger statement 2026-11 --to statements/")(cli_read.statement)
app.command(epilog="Example: chipledger sql mart_workload_cost_daily")(cli_read.sql)
app.command(epilog="Example: chipledger explain prod/ml/-/ranker 2026-11-14")(cli_explain.explain)
app.command(epilog='Example: chipledger close 2026-10 --why "invoice paid"')(cli_periods.close)
app.command(epilog='Example: chipledger reopen 2026-10 --why "refund of 12 November"')(cli_periods.reopen)
app.command(epilog="Example: chipledger verify 2026-10")(cli_periods.verify)
app.command(epilog="Example: chipledger up --port 8080")(cli_up.up)
app.command(epilog="Example: chipledger compare ranker --basis capacity_block")(cli_compare.compare)
app.add_typer(cli_benchmarks.app, name="benchmark")
app.add_typer(cli_workloads.app, name="workloads")
app.add_typer(cli_world.app, name="world")

if __name__ == "__main__":
    main()
