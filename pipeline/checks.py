"""Who judges the data: header checks in SQL gate publication, great_expectations documents the newest batches.

A failure stands until a later run of the same check over the same days passes. This is the only file that touches
great_expectations, and only inside a function: its import costs about 10 s.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from pipeline.check_results import (
    GX_PREFIX,
    CheckReport,
    CheckResult,
    Judged,
    claim,
    drop_orphans,
    hand_on,
    queue,
    standing,
    store,
)
from pipeline.check_sql import Outcome, evaluate, failing_rows_sql, grain_check, sample_keys, within
from pipeline.errors import CheckFailed
from pipeline.expectations import Expectation, Kind, compile_model
from pipeline.failpoints import failpoint
from pipeline.headers import Check
from pipeline.models import Model
from pipeline.warehouse import scalar, transaction
from pipeline.windows import ALL_TIME, DAY, Window, merge, whole_days

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CheckReport", "CheckResult", "gate", "judge_views", "run", "standing", "validate_batches"]

Connection = duckdb.DuckDBPyConnection
Opened = Callable[[], AbstractContextManager[Connection]]  # the warehouse, for as long as the block lasts
BATCH_ROWS = 1_000_000
BATCH_LAYERS = frozenset({"staging", "marts"})
GX_SEVERITY = {"fail": "warning", "warn": "info"}
SHOWN_FAILURES = 10


def run(conn: Connection, models: Mapping[str, Model], *, now: datetime) -> CheckReport:
    """Judge every window in `state_unchecked`, store the results and hand the windows on to `validate_batches`.

    `models` are all models: results of models and checks that no longer exist are dropped. `now` is the data clock; it
    only dates first failures. One transaction.
    """
    with transaction(conn):
        unchecked = queue(conn, "state_unchecked")
        judged = []
        for name, model in models.items():
            days = merge(whole_days(window) for window in ([ALL_TIME] if model.is_state else unchecked.get(name, [])))
            if days and not _is_late(model):
                judged.append(Judged(name, days, evaluate(conn, model, days)))
        store(conn, judged, is_gx=False, now=now)
        drop_orphans(conn, models)
        hand_on(conn)
        failpoint("checks.before_commit")
    failpoint("checks.after_commit")
    return standing(conn, is_gx=False)


def _is_late(model: Model) -> bool:
    """A view of what later steps of a pass write (findings, these results): it is judged when it is published."""
    return model.is_state and not all(name.startswith(("raw_", "seed_")) for name in model.inputs)


def gate(conn: Connection) -> None:
    """Raise CheckFailed while any critical failure stands; the message names each with keys and SQL to see the rows."""
    failed = standing(conn, is_gx=False).failed
    if failed:
        raise CheckFailed(_refusal(failed))


def _refusal(failed: list[CheckResult]) -> str:
    shown = "\n".join(str(result) for result in failed[:SHOWN_FAILURES])
    more = len(failed) - SHOWN_FAILURES
    rest = f"\n… and {more} more in mart_data_quality (state_check_results)" if more > 0 else ""
    return (
        f"{len(failed)} failed check{'s' if len(failed) > 1 else ''} stop{'' if len(failed) > 1 else 's'} publication; "
        f"the last good one stands. Mend the data or the model, then run: chipledger build\n{shown}{rest}"
    )


def judge_views(conn: Connection, models: Iterable[Model], *, now: datetime) -> None:
    """Raise CheckFailed when a view that `run` leaves out breaks a `fail` check; nothing is stored."""
    outcomes = [out for model in models if _is_late(model) for out in evaluate(conn, model, [ALL_TIME])]
    failed = [CheckResult.of(out.row() | {"first_failed_at": now}) for out in outcomes if out.status == "failed"]
    if failed:
        raise CheckFailed(_refusal(failed))


@dataclass(frozen=True)
class _Batch:
    """The newest rows of one model: whole days that hold at most `BATCH_ROWS` rows, or the newest day cut to that."""

    model: Model
    expectations: list[Expectation]
    window: Window | None
    row_count: int


def validate_batches(
    opened: Opened, models: Mapping[str, Model], *, now: datetime, docs_dir: Path | None
) -> CheckReport:
    """Let great_expectations judge the newest rows of each window in `state_unvalidated`, and clear it.

    Staging and marts only, at most a million rows per model; the expectations come from the same headers. Results are
    stored as `gx:…` and never stop publication. `docs_dir` receives the Data Docs (None: none are written). The
    warehouse is held only while a batch is read and while results are stored: other writers go on meanwhile.
    """
    with opened() as conn:
        waiting = claim(conn)
        batches = [
            batch for name in waiting if name in models and (batch := _newest(conn, models[name], waiting[name]))
        ]
    results = _validate(opened, batches, docs_dir) if batches else {}
    with opened() as conn, transaction(conn):
        judged = [
            Judged(name, merge(map(whole_days, waiting[name])), _outcomes(conn, batch, results[name]))
            for name, batch in ((batch.model.name, batch) for batch in batches)
        ]
        store(conn, judged, is_gx=True, now=now)
        conn.execute("delete from state_validating")
        failpoint("validate.before_commit")
    failpoint("validate.after_commit")
    with opened() as conn:
        return standing(conn, is_gx=True)


def _newest(conn: Connection, model: Model, windows: Iterable[Window]) -> _Batch | None:
    if model.layer not in BATCH_LAYERS or model.is_state:
        return None
    expectations = compile_model(model)
    if model.window is None:
        count = scalar(conn, f"select count(*) from {model.name}")
        return _Batch(model, expectations, None, int(count)) if count else None
    spans = " or ".join(f"({within(model, whole_days(window))})" for window in windows)
    days = conn.execute(
        f"select cast({model.window} as date) as day, count(*) as row_count from {model.name} where {spans} "
        "group by 1 order by 1 desc"
    ).fetchall()
    chosen: list[datetime] = []
    total = 0
    for day, count in days:
        if chosen and total + count > BATCH_ROWS:
            break
        chosen.append(datetime.combine(day, time(), UTC))
        total += count
    return _Batch(model, expectations, Window(chosen[-1], chosen[0] + DAY), total) if chosen else None


def _validate(opened: Opened, batches: Sequence[_Batch], docs_dir: Path | None) -> dict[str, list[Any]]:
    """Model → what great_expectations says of each of its expectations."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    stores = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    config = DataContextConfig(store_backend_defaults=stores, analytics_enabled=False)
    context = gx.get_context(mode="ephemeral", project_config=config)
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("warehouse")
    judgements = {}
    for batch in batches:
        name = batch.model.name
        asset = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("newest rows")
        expectations = [_native(gx, expectation) for expectation in batch.expectations]
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
        definition = gx.ValidationDefinition(name=name, data=asset, suite=suite)
        with opened() as conn:
            frame = _frame(conn, batch)
        judged = context.validation_definitions.add(definition).run(
            batch_parameters={"dataframe": frame}, result_format="BASIC"
        )
        judgements[name] = judged.results
    if docs_dir:
        _write_docs(context, docs_dir)
    return judgements


def _native(gx: Any, expectation: Expectation) -> Any:
    """The great_expectations object that says `expectation`; its `meta` carries the check's slug."""
    kind, arguments = expectation.kind, dict[str, Any](meta={"slug": expectation.slug})
    if kind is Kind.UNIQUE_TOGETHER:
        arguments |= {"column_list": list(expectation.columns)}
    else:
        arguments |= {"column": expectation.columns[0]}
    if kind is Kind.BETWEEN:
        arguments |= {"min_value": expectation.low, "max_value": expectation.high}
        arguments |= {"strict_min": expectation.is_strict, "strict_max": expectation.is_strict}
    if kind in (Kind.IN_SET, Kind.NOT_IN_SET):
        arguments |= {"value_set": list(expectation.values)}
    return getattr(gx.expectations, kind.value)(**arguments)


def _frame(conn: Connection, batch: _Batch) -> pd.DataFrame:
    """The columns that the expectations name, exact numbers as floats (pandas compares Decimals one by one)."""
    model = batch.model
    needed = dict.fromkeys(column for expectation in batch.expectations for column in expectation.columns)
    types = dict(conn.execute(f"select column_name, column_type from (describe {model.name})").fetchall())
    columns = [
        f"cast({name} as double) as {name}" if str(types[name]).startswith(("DECIMAL", "HUGEINT")) else name
        for name in needed
    ]
    where = f"where {within(model, batch.window)}" if batch.window else ""
    order = f"order by {model.window or ', '.join(model.grain)} desc limit {BATCH_ROWS}"
    sql = f"select {', '.join(columns)} from {model.name} {where} {order if batch.row_count > BATCH_ROWS else ''}"
    frame: pd.DataFrame = conn.sql(sql).to_arrow_table().to_pandas()
    return frame


def _outcomes(conn: Connection, batch: _Batch, results: Iterable[Any]) -> list[Outcome]:
    """One outcome per check of the header: its expectations stand or fall together."""
    counts: dict[str, list[int | None]] = {}
    for result in results:
        counts.setdefault(result.expectation_config.meta["slug"], []).append(result.result.get("unexpected_count"))
    checks = [check for check in (grain_check(batch.model), *batch.model.checks) if check.slug in counts]
    return [_outcome(conn, batch, check, counts[check.slug]) for check in checks]


def _outcome(conn: Connection, batch: _Batch, check: Check, counts: list[int | None]) -> Outcome:
    """A count of None means that great_expectations could not judge; keys come from the same check in SQL."""
    failed = max((count for count in counts if count is not None), default=0)
    model, window = batch.model, batch.window
    start_at = window.start_at if window else ALL_TIME.start_at
    return Outcome(
        check_id=f"{GX_PREFIX}{model.name}:{check.slug}",
        model=model.name,
        why=check.why,
        severity=GX_SEVERITY[check.severity],
        window_start_at=start_at,
        window_end_at=window.end_at if window else start_at,
        failed_count=failed,
        checked_count=min(batch.row_count, BATCH_ROWS),
        sample_keys=sample_keys(conn, model, check, window) if failed else None,
        reproduce_sql=failing_rows_sql(model, check, window),
        is_judged=None not in counts,
    )


def _write_docs(context: Any, docs_dir: Path) -> None:
    """Build the Data Docs beside `docs_dir`, then put them in its place."""
    fresh = docs_dir.with_name(f".{docs_dir.name}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(fresh.resolve())}
    index = {"class_name": "DefaultSiteIndexBuilder"}
    site = {"class_name": "SiteBuilder", "site_index_builder": index, "store_backend": backend}
    context.add_data_docs_site("docs", site)
    context.build_data_docs()
    shutil.rmtree(docs_dir, ignore_errors=True)
    fresh.rename(docs_dir)
