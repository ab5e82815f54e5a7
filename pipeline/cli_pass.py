"""`chipledger run`: one whole pass, through the steps or through the DAGs, and what to read afterwards."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from pipeline.cli_output import progress, say, short, show, warn
from pipeline.errors import CheckFailed, ChipledgerError, NotTold, SourceError

if TYPE_CHECKING:
    from dags.run_in_process import DagOutcome
    from pipeline.check_results import CheckReport, CheckResult, FailingRows
    from pipeline.sample import Sample
    from pipeline.settings import Settings
    from pipeline.steps import Ingested

Answer = TypeVar("Answer")
SAID_ALREADY = (SourceError, NotTold)


def run(
    sample: Annotated[bool, typer.Option("--sample", help="A sample fleet instead of your own sources.")] = False,
    airflow: Annotated[bool, typer.Option("--airflow", help="Through the DAGs, in this process.")] = False,
) -> None:
    """One whole pass: sweep, ingest, build, check, detect, publish, notify. A pass without news changes nothing."""
    from pipeline import settings, steps
    from pipeline.sample import Sample, refuse_plain_run

    started = time.perf_counter()
    values = settings.load()
    if sample:
        fleet = Sample(values.place.sample)
        _write_sample(values, fleet)
        values = fleet.settings(values)
    else:
        refuse_plain_run(values.place)
        steps.require_sources(values)
    is_clean = _through_dags(values) if airflow else _through_steps(values)
    from pipeline.cli_summary import show_summary

    show_summary(values)
    say(f"\n{time.perf_counter() - started:.0f} s in all")
    raise typer.Exit(0 if is_clean else 1)


def _write_sample(values: Settings, fleet: Sample) -> None:
    """Simulate the fleet once; a fleet that was cut off half-way is written anew."""
    from pipeline import sample
    from pipeline.cli_world import generate

    sample.refuse_beside_real_data(values, fleet)
    if fleet.is_there:
        say(f"{'sample fleet:':<16}{short(fleet.folder)}, from an earlier run")
        return
    shutil.rmtree(fleet.unfinished, ignore_errors=True)
    options = {"seed": sample.SEED, "days": sample.DAYS, "telemetry_days": sample.TELEMETRY_DAYS, "size": sample.SIZE}

    def simulate() -> str:
        generate(fleet.unfinished, work=True, **options)
        return short(fleet.bring())

    _timed("sample fleet", simulate)


def _through_steps(values: Settings) -> bool:
    from alerts import steps as telling
    from pipeline import steps

    now = values.clock()
    announced = _timed("ingest events", lambda: steps.ingest_events(values, now)) if values.queues else steps.Ingested()
    with progress("ingest") as on_progress:
        metrics = _timed("ingest metrics", lambda: steps.ingest_metrics(values, now, on_progress.objects))
        costs = _timed("ingest costs", lambda: steps.ingest_costs(values, now, on_progress.objects))
    with progress("build") as on_progress:
        _timed("build", lambda: steps.build(values, now, on_progress))
    show_checks(_timed("check", lambda: steps.check(values, now)), brief=True)
    _timed("detect", lambda: telling.detect(values, now))
    blocked = _publish(values, now)
    told = _timed("notify", lambda: telling.notify(values, now))
    if blocked:
        raise blocked
    return not ((announced + metrics + costs).refused or told.problem)


def _publish(values: Settings, now: datetime) -> CheckFailed | None:
    """Publish; a standing failure is handed back, since on-call must still be told of it."""
    from pipeline import steps

    try:
        _timed("publish", lambda: steps.publish(values, now))
    except CheckFailed as error:
        return error
    return None


def build_and_publish(values: Settings, now: datetime) -> None:
    """Build, check, detect and publish, so that readers see what was decided; a failed check raises CheckFailed."""
    from alerts import steps as telling
    from pipeline import steps

    steps.build(values, now)
    steps.check(values, now)
    telling.detect(values, now)
    say(f"publish: {steps.publish(values, now)}")


def _timed(name: str, work: Callable[[], Answer]) -> Answer:
    started = time.perf_counter()
    answer = work()
    say(f"{name + ':':<16}{answer}  [{time.perf_counter() - started:.1f} s]")
    return answer


def _through_dags(values: Settings) -> bool:
    """The same pass through the DAGs; Airflow's words go to a log file, a failed task's error comes out here.

    A task that failed for an unreachable source, or because people could not be told, has said so already: as through
    the steps, the pass is only unclean.
    """
    from dags import run_in_process as runner

    log = values.place.create().airflow / "run.log"
    outcomes: list[DagOutcome] = []
    with (
        runner.quiet(log) as terminal,
        os.fdopen(os.dup(terminal), "w", buffering=1) as out,
        progress("DAGs", out) as bar,
    ):
        order = runner.ORDER if values.queues else tuple(name for name in runner.ORDER if name != "ingest_events")
        bar("starting Airflow", 0, len(order))
        started = time.perf_counter()
        runner.prepare(values.place.airflow, values.as_environment())
        runner.migrate()
        bar.say(f"{'airflow:':<16}ready  [{time.perf_counter() - started:.1f} s]")
        for dag_id, run_dag in runner.runs(order):
            bar(dag_id, len(outcomes), len(order))
            outcomes.append(run_dag())
            bar.say(_in_words(outcomes[-1]))
    if failed := next((one for one in outcomes if one.error and not isinstance(one.error, SAID_ALREADY)), None):
        raise _surfaced(failed, log)
    firsts = [words.partition("\n")[0] for one in outcomes for words in one.said.values()]
    is_told = not any(isinstance(one.error, NotTold) for one in outcomes)
    return is_told and not any(" refused" in first or " unreachable" in first for first in firsts)


def _in_words(outcome: DagOutcome) -> str:
    lines = [f"{task + ':':<16}{words}" for task, words in outcome.said.items()]
    return "\n".join([*lines, f"{'':<16}DAG {outcome.dag_id}: {outcome.state}  [{outcome.seconds:.1f} s]"])


def _surfaced(failed: DagOutcome, log: Path) -> BaseException:
    """chipledger's own errors come out as they are; any other keeps its traceback and says where Airflow's log lies."""
    if failed.error is None or isinstance(failed.error, ChipledgerError):
        return failed.error or ChipledgerError(f"DAG {failed.dag_id} ended as {failed.state}; see {log}")
    failed.error.add_note(f"in task {failed.failed_task} of DAG {failed.dag_id}; Airflow's log: {log}")
    return failed.error


def show_ingested(ingested: Ingested, *, as_json: bool = False) -> None:
    """Every object that landed or was refused, and why; what was known already is only counted."""
    columns = ("object", "source", "status", "rows", "rejects", "reason", "next_step")
    rows = [tuple(getattr(result, name) for name in columns) for result in ingested.results]
    if as_json:
        show(columns, rows, as_json=True)
        return
    news = [row for row in rows if row[2] in ("refused", "unreachable") or (row[2] == "landed" and row[4])]
    if news:
        show(columns, news, as_json=False)
    for name in ingested.waiting:
        say(f"{name}: waits for its Manifest")
    say(ingested.summary)


def show_failing_rows(found: FailingRows, *, as_json: bool) -> None:
    """The rows of the warehouse for which one check fails, below the SQL that found them."""
    for words in () if as_json else found.words:
        warn(words)
    show(found.columns, found.rows, as_json=as_json)


def in_words_by_check(results: Sequence[CheckResult]) -> Iterator[str]:
    """Each check once, by its newest window: a month of one warning must not bury another check."""
    for check_id, group in groupby(results, key=lambda result: result.check_id):
        *earlier, newest = group
        more = f"\n  and {len(earlier)} more days: chipledger check --show {check_id}" if earlier else ""
        yield f"{newest}{more}"


def show_checks(report: CheckReport, *, as_json: bool = False, brief: bool = False) -> None:
    """Failures and warnings that stand, with counts."""
    columns = ("check_id", "status", "window_start_at", "failed_count", "checked_count", "why", "reproduce_sql")
    standing = [*report.failed, *report.warned]
    if as_json:
        show(columns, [tuple(getattr(result, name) for name in columns) for result in standing], as_json=True)
        return
    for words in in_words_by_check(report.failed if brief else standing):
        warn(words)
    if not brief:
        say(f"check: {report}")
