"""`chipledger benchmark`: what was measured, by whom, and whether it may speak."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli_output import say, show, warn

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.steps import Ingested

app = typer.Typer(
    help="How much of a workload's work an instance type does: what the chip comparison rests on.",
    epilog="Example: chipledger benchmark list",
    no_args_is_help=True,
    rich_markup_mode=None,
)
AsJson = Annotated[bool, typer.Option("--json", help="An array of objects instead of a table.")]
LISTED = """
select workload_id, instance_type, unit, throughput_per_second, latency_metric, latency_percentile, latency_bar_ms,
    fill_ratio, software, measured_date, evidence_grade, is_admissible, refused_because, origin, source, note
from mart_benchmarks
"""
SHOWN = ("workload_id", "instance_type", "unit", "throughput_per_second", "evidence_grade", "measured_date", "speaks")


@app.command(
    epilog="Example: chipledger benchmark add ranker --instance-type trn2.48xlarge --throughput 9800 "
    "--unit output_tokens --date 2026-11-02 --software 'Neuron 2.27'"
)
def add(
    workload: Annotated[str, typer.Argument(help="Workload id, or a workload's name.")],
    instance_type: Annotated[str, typer.Option(help="EC2 instance type or TPU slice.")],
    throughput: Annotated[str, typer.Option(help="Units per second, of all instances together.")],
    unit: Annotated[str, typer.Option(help="What was counted, as output_tokens.")],
    date: Annotated[str, typer.Option(help="Day of the measurement, as 2026-11-02.")],
    software: Annotated[str, typer.Option(help="Versions of what ran.")] = "",
    instances: Annotated[str, typer.Option(help="Instances that gave it together.")] = "",
    fill: Annotated[str, typer.Option(help="Part of the instance's chips that the job used, as 0.125.")] = "",
    latency_metric: Annotated[str, typer.Option(help="Latency that was kept under a bar, as ttft.")] = "",
    latency_percentile: Annotated[str, typer.Option(help="Percentile of it, as 90.")] = "",
    latency_bar_ms: Annotated[str, typer.Option(help="The bar in milliseconds.")] = "",
    run: Annotated[str, typer.Option(help="Which of several runs.")] = "",
    grade: Annotated[str, typer.Option(help="Evidence grade; default: own measurement.")] = "",
    source: Annotated[str, typer.Option(help="Where it was published, if it is not yours.")] = "",
    note: Annotated[str, typer.Option(help="What a reader must know.")] = "",
) -> None:
    """Keep one figure. The same again changes nothing; another throughput of the same setup and day replaces it."""
    given = {
        "workload": workload,
        "instance_type": instance_type,
        "unit": unit,
        "throughput_per_second": throughput,
        "measured_date": date,
        "software": software,
        "instance_count": instances,
        "fill_ratio": fill,
        "run": run,
        "latency_metric": latency_metric,
        "latency_percentile": latency_percentile,
        "latency_bar_ms": latency_bar_ms,
        "evidence_grade": grade,
        "source": source,
        "note": note,
    }
    _keep(given)


def _keep(given: dict[str, str]) -> None:
    """Write the figure into the home and take it in."""
    from pipeline import benchmark_files, settings
    from pipeline.home import refuse_strangers
    from pipeline.sources.base import Seeds
    from pipeline.warehouse import SQL_DIR

    values = settings.load()
    text = benchmark_files.one_line_file(given, Seeds(SQL_DIR / "seeds"))
    path = benchmark_files.file_for(values.place, text)
    refuse_strangers(values.place, [str(path)])
    benchmark_files.keep(path, text)
    _take(values, path)


@app.command("import", epilog="Example: chipledger benchmark import figures.csv")
def import_file(file: Annotated[Path, typer.Argument(help="CSV; docs/chip-comparison.md lists its columns.")]) -> None:
    """Keep the figures of a CSV file. The same file again changes nothing; rejected lines are shown."""
    from pipeline import settings
    from pipeline.sources.objects import require_root

    require_root(str(file))
    _take(settings.load(), file)


def _take(values: Settings, path: Path) -> None:
    from pipeline import benchmark_files, steps
    from pipeline.sources.base import IngestOptions
    from pipeline.sources.benchmarks import SOURCE

    ingested = steps.ingest(values, [str(path)], values.clock(), IngestOptions(source=SOURCE))
    for one in ingested.refused:
        warn(one.words)
    landed = [one.delivery_id for one in ingested.results if one.rejects and one.delivery_id]
    if landed:
        with steps.warehouse(values) as conn:
            rejected = benchmark_files.rejected_lines(conn, landed)
        for name, line_number, reason, text in rejected:
            warn(f"{name}, line {line_number}: {reason}: {text}")
    _say_what_came(ingested)
    raise typer.Exit(1 if ingested.refused else 0)


def _say_what_came(ingested: Ingested) -> None:
    say(ingested.summary)
    if ingested.rows:
        say("They speak after the next build: chipledger build")


@app.command("list", epilog="Example: chipledger benchmark list ranker")
def list_figures(
    workload: Annotated[str | None, typer.Argument(help="Only figures of this workload or model.")] = None,
    delivered: Annotated[bool, typer.Option("--delivered", help="Without the published figures built in.")] = False,
    as_json: AsJson = False,
) -> None:
    """Every figure that the published comparison knows, and why it may not speak where it may not."""
    from pipeline import reading, settings
    from pipeline.headers import literal

    wanted = ["origin = 'delivered'"] if delivered else []
    if workload:
        wanted.append(f"(workload_id = {literal(workload)} or benchmark = {literal(workload)}")
        wanted[-1] += f" or ends_with(workload_id, {literal('/' + workload)}))"
    where = f"where {' and '.join(wanted)} " if wanted else ""
    result = reading.query(settings.load().place.root, f"{LISTED}{where}order by workload_id, unit, instance_type, run")
    if as_json:
        show(result.columns, result.rows, as_json=True)
        return
    rows = [(*(row[name] for name in SHOWN[:-1]), _speaks(row)) for row in result.records()]
    show(SHOWN, rows, as_json=False)


def _speaks(row: dict[str, Any]) -> str:
    return "yes" if row["is_admissible"] else f"no: {row['refused_because']}"
