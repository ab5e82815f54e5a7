"""Brings the tables of sql/ up to date: only what was touched, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import duckdb

from pipeline.failpoints import failpoint
from pipeline.materialise import (
    compute_fresh,
    create_empty,
    fits_fresh,
    fresh_differs_since,
    keep_fresh,
    replace_view,
    replace_window,
)
from pipeline.models import Model, Models, bind, time_literal
from pipeline.warehouse import existing_tables, keeping_threads, scalar, transaction, utc_rows
from pipeline.windows import (
    ALL_TIME,
    DAY,
    Window,
    chunks,
    clip,
    merge,
    split_days,
    subtract,
    whole_days,
    whole_hours,
    widen,
)

# A bit less than four row groups of the file (122,880 rows), two for each thread: larger chunks outgrow caches and
# memory and scatter the days; others leave broken row groups, which DuckDB joins at a commit by writing them anew.
CHUNK_ROWS = 450_000
# The next hours replace the rows of the newest days: written last and alone, they leave few holes among older ones.
NEWEST = 2 * DAY
# Hours of days with fewer rows take longer to plan than to run: more threads cost a fifth more and save no time.
LIGHT_ROWS = 1_000_000
LEDGER_TABLES = frozenset({"raw_deliveries", "raw_rejects"})
DELIVERED = "delivered_at"  # window of the models that go by when a bill was delivered, not by when things happened

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class BuildResult:
    """What a build changed: the rebuilt windows per model (`ALL_TIME` for one without window), and its duration."""

    rebuilt: dict[str, list[Window]]
    seconds: float

    @property
    def is_noop(self) -> bool:
        """Nothing was touched since the last build."""
        return not self.rebuilt


@dataclass(frozen=True)
class _State:
    """One row of state_models."""

    definition_hash: str
    content_hash: str | None = None
    built: Window | None = None


@dataclass
class _Build:
    """One build under way: what is known of the past, and what changed so far."""

    conn: duckdb.DuckDBPyConnection
    models: Models
    as_of: datetime
    states: dict[str, _State]
    tables: dict[str, str]
    touched: dict[str, list[Window]]
    delivered: list[Window] = field(default_factory=list)
    extent: Window | None = None
    day_rows: dict[datetime, float] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    reach: dict[str, timedelta] = field(default_factory=dict)
    changed: dict[str, list[Window]] = field(default_factory=dict)
    rebuilt: dict[str, list[Window]] = field(default_factory=dict)

    def is_new(self, model: Model) -> bool:
        """Never built, built from another definition, or its table is gone."""
        state = self.states.get(model.name)
        kind = "view" if model.is_view else "table"
        return state is None or state.definition_hash != model.definition_hash or self.tables.get(model.name) != kind

    def bind(self, model: Model, window: Window) -> str:
        return bind(
            model,
            start_at=window.start_at,
            end_at=window.end_at,
            seeds_dir=self.models.seeds_dir,
            as_of=self.as_of,
        )

    def rows_read(self, model: Model) -> dict[datetime, float]:
        """About how many rows of its largest input the model reads for each day."""
        every = sum(self.day_rows.values()) or 1.0
        return {day: rows * min(self.largest_input(model) / every, 1) for day, rows in self.day_rows.items()}

    def largest_input(self, model: Model) -> int:
        return max((self.sizes[name] for name in model.inputs), default=0)

    def save(self, model: Model, state: _State, rebuilt: list[Window], changed: list[Window]) -> None:
        if rebuilt:
            self.rebuilt[model.name] = rebuilt
        if changed:
            self.changed[model.name] = changed
        if state != self.states.get(model.name):
            built = (state.built.start_at, state.built.end_at) if state.built else (None, None)
            self.conn.execute("delete from state_models where model = ?", [model.name])
            self.conn.execute(
                "insert into state_models values (?, ?, ?, ?, ?)",
                [model.name, state.definition_hash, state.content_hash, *built],
            )


def build(
    conn: duckdb.DuckDBPyConnection, models: Models, *, as_of: datetime, on_progress: Progress | None = None
) -> BuildResult:
    """Rebuild what deliveries, rules, seeds and changed files touched since the last build.

    `as_of` is the data's clock for mart_freshness, aware. `on_progress(model, done, total)` is called before each
    model. All or nothing: a failure leaves every table as it was and raises ModelError.
    """
    started = time.perf_counter()
    with keeping_threads(conn), transaction(conn):
        touched = _read_touched(conn)
        delivered = touched.pop(DELIVERED, [])
        work = _Build(conn, models, as_of, _read_states(conn), existing_tables(conn), touched, delivered)
        _drop_removed(work)
        work.sizes |= dict(conn.execute("select table_name, estimated_size from duckdb_tables()").fetchall())
        if work.touched or any(work.is_new(model) for model in models.values()):
            _build_all(work, on_progress)
        else:
            _refresh_views(work)
        _note_seen(conn)
        failpoint("build.before_commit")
    failpoint("build.after_commit")
    return BuildResult(work.rebuilt, time.perf_counter() - started)


def _read_states(conn: duckdb.DuckDBPyConnection) -> dict[str, _State]:
    rows = utc_rows(conn, "select model, definition_hash, content_hash, built_start_at, built_end_at from state_models")
    return {
        name: _State(definition, content, Window(start_at, end_at) if start_at else None)
        for name, definition, content, start_at, end_at in rows
    }


def _read_touched(conn: duckdb.DuckDBPyConnection) -> dict[str, list[Window]]:
    """What was touched per raw table; under DELIVERED when bills were delivered, which is the ledger's own time."""
    touched: dict[str, list[Window]] = {}
    for table, start_at, end_at in utc_rows(conn, "select distinct table_name, start_at, end_at from state_touched"):
        name = DELIVERED if table in LEDGER_TABLES else table
        touched.setdefault(name, []).extend(clip([whole_hours(Window(start_at, end_at))], ALL_TIME))
    every = merge(window for table, windows in touched.items() if table != DELIVERED for window in windows)
    merged = {table: merge(windows) for table, windows in touched.items()}
    return merged | dict.fromkeys(LEDGER_TABLES, every) if merged else {}


def _note_seen(conn: duckdb.DuckDBPyConnection) -> None:
    """Note how far into the ledger the built tables reach; a publication tells it."""
    seen = scalar(conn, "select coalesce(max(landed_number), 0) from raw_deliveries")
    if conn.execute("select deliveries_seen from state_built").fetchall() != [(seen,)]:
        conn.execute("delete from state_built")
        conn.execute("insert into state_built values (?)", [seen])


def _drop_removed(work: _Build) -> None:
    for name in work.states.keys() - work.models.keys():
        if name in work.tables:
            work.conn.execute(f"drop {work.tables[name]} {name}")
        work.conn.execute("delete from state_models where model = ?", [name])
        work.conn.execute("delete from state_unchecked where model = ?", [name])


def _build_all(work: _Build, on_progress: Progress | None) -> None:
    _measure_extent(work)
    if _is_light(work):
        work.conn.execute("set threads = 1")
    for done, (name, model) in enumerate(work.models.items()):
        if on_progress:
            on_progress(name, done, len(work.models))
        inputs = [work.reach.get(table, timedelta(0)) for table in model.inputs]
        work.reach[name] = max(inputs, default=timedelta(0)) + model.lookback
        if model.is_view:
            _build_view(work, model)
        elif model.window:
            _build_windows(work, model)
        else:
            _build_whole(work, model)
    _record(work)


def _is_light(work: _Build) -> bool:
    """A few hours of days with few rows were touched, and nothing is built anew."""
    windows = merge(window for each in work.touched.values() for window in each)
    if sum((window.end_at - window.start_at for window in windows), timedelta(0)) > DAY:
        return False
    if any(work.is_new(model) for model in work.models.values()):
        return False
    days = {whole_days(day).start_at for window in windows for day in split_days(window)}
    return sum(work.day_rows.get(day, 0.0) for day in days) <= LIGHT_ROWS


def _refresh_views(work: _Build) -> None:
    for model in work.models.values():
        if model.is_view:
            _build_view(work, model)


def _record(work: _Build) -> None:
    """Leave the rebuilt windows to the checks and clear what asked for them."""
    for name, windows in work.rebuilt.items():
        for window in windows:
            work.conn.execute("insert into state_unchecked values (?, ?, ?)", [name, window.start_at, window.end_at])
    work.conn.execute("delete from state_touched")


def _measure_extent(work: _Build) -> None:
    """The days that deliveries speak of, and about how many rows each holds."""
    first, last = time_literal(ALL_TIME.start_at), time_literal(ALL_TIME.end_at - DAY)
    rows = utc_rows(
        work.conn,
        f"select date_trunc('day', greatest(event_start_at, {first})) as first_day, date_trunc('day', "
        f"least(event_end_at, {last})) as last_day, sum(row_count)::bigint as row_count "
        f"from raw_deliveries where event_start_at < {last} and event_end_at > {first} group by all",
    )
    for first_day, last_day, count in rows:
        days = (last_day - first_day) // DAY + 1
        for number in range(days):
            day = first_day + number * DAY
            work.day_rows[day] = work.day_rows.get(day, 0) + count / days
    if rows:
        work.extent = Window(min(row[0] for row in rows), max(row[1] for row in rows) + DAY)


def _delivery_extent(work: _Build) -> Window | None:
    """The time in which bills were delivered."""
    rows = utc_rows(
        work.conn,
        "select min(delivered_at), max(delivered_at) from raw_deliveries "
        "where delivered_at >= ? and delivered_at < ? and export_name is not null",
        [ALL_TIME.start_at, ALL_TIME.end_at - DAY],
    )
    first_at, last_at = rows[0]
    return Window(first_at, last_at + DAY) if first_at else None


def _build_view(work: _Build, model: Model) -> None:
    """Views have no rows of their own; the one that knows `$as_of` gets a new text each time.

    What touched the inputs of a view over time touches its readers.
    """
    work.sizes[model.name] = work.largest_input(model)
    sql = work.bind(model, ALL_TIME)
    state = _State(model.definition_hash, content_hash=sql)
    is_new = work.is_new(model)
    if is_new or state != work.states[model.name]:
        replace_view(work.conn, model, sql)
    everything = [ALL_TIME] if is_new else []
    changed = (everything or _reasons(work, model)) if model.window else []
    work.save(model, state, everything or changed, changed)


def _build_whole(work: _Build, model: Model) -> None:
    """A model without window is computed whole; only another content reaches its readers."""
    is_new = work.is_new(model)
    if not is_new and not _reasons(work, model):
        return
    work.sizes[model.name], content_hash = compute_fresh(work.conn, model, work.bind(model, ALL_TIME))
    state = _State(model.definition_hash, content_hash=content_hash)
    before = work.states.get(model.name)
    is_changed = model.name not in work.tables or before is None or before.content_hash != state.content_hash
    if is_changed or is_new:
        fits = work.tables.get(model.name) == "table" and fits_fresh(work.conn, model)
        since = fresh_differs_since(work.conn, model) if fits and "valid_from_at" in model.columns else None
        changed = [Window(since or ALL_TIME.start_at, ALL_TIME.end_at)] if is_changed else []
        keep_fresh(work.conn, model, fits=fits and not is_new)
        work.save(model, state, [ALL_TIME], changed)


def _build_windows(work: _Build, model: Model) -> None:
    """Replace the rows of the touched windows; a new model gets all of them."""
    is_new = work.is_new(model)
    before = work.states.get(model.name)
    if is_new:
        create_empty(work.conn, model, work.bind(model, ALL_TIME))
        work.sizes[model.name] = 0
    built = None if is_new or before is None else before.built
    windows: list[Window] = []
    touched: list[Window] = []
    if extent := _delivery_extent(work) if model.window == DELIVERED else work.extent:
        everything = whole_days(widen(extent, work.reach[model.name]))
        rounded = whole_days if model.is_daily else whole_hours
        touched = [rounded(widen(window, model.lookback)) for window in _reasons(work, model)]
        windows = merge([*clip(touched, everything), *subtract(everything, built)])
        built = everything
    has_rows = _replace_windows(work, model, windows, may_hold_rows=not is_new)
    rebuilt = windows or ([ALL_TIME] if is_new else [])
    # what was touched beyond this model's own rows still reaches readers that look further
    changed = merge([*touched, *windows]) if has_rows or is_new else []
    work.save(model, _State(model.definition_hash, built=built), rebuilt, changed)


def _replace_windows(work: _Build, model: Model, windows: list[Window], *, may_hold_rows: bool) -> bool:
    """Replace windows chunk by chunk; whether any of them held or holds rows: of nothing, readers have nothing new."""
    newest_from_at = work.extent.end_at - NEWEST if work.extent else None
    has_rows = False
    for window in windows:
        for chunk in chunks(window, work.rows_read(model), CHUNK_ROWS, apart_from_at=newest_from_at):
            sql = work.bind(model, chunk)
            held, holds = replace_window(work.conn, model, sql, chunk, may_hold_rows=may_hold_rows)
            work.sizes[model.name] += holds
            has_rows = has_rows or held + holds > 0
    return has_rows


def _reasons(work: _Build, model: Model) -> list[Window]:
    """The windows that changed in what the model reads."""
    if model.window == DELIVERED:
        anew = [ALL_TIME] if any(ALL_TIME in work.changed.get(table, ()) for table in model.inputs) else []
        return merge([*work.delivered, *anew])
    # the ledger is touched by every delivery: beside rows of a delivery it says nothing new
    rows = {name for name in model.inputs if name in work.models.raw or work.models[name].layer == "staging"}
    silent = LEDGER_TABLES if rows - LEDGER_TABLES else frozenset[str]()
    tables = model.inputs - silent
    return merge(window for table in tables for window in (*work.touched.get(table, ()), *work.changed.get(table, ())))
