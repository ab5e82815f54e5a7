"""Makes published figures again from what was known then, in a scratch warehouse, and compares row by row.

A publication says which deliveries, rules, settings, SQL and engine it was made of (manifest.py). All deliveries are
kept, so the same marts must come out. It costs a full build, once for each publication that the periods' figures are
of: one for open periods, and one for each closing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

from pipeline.build import build
from pipeline.errors import ModelError, UsageError
from pipeline.headers import literal
from pipeline.home import Home
from pipeline.manifest import Manifest, read_manifest
from pipeline.models import Models, load_models
from pipeline.periods import inside, is_dated, kept_file
from pipeline.rule_tables import load_allocation, load_rules
from pipeline.snapshots import dated_copies, open_snapshot
from pipeline.warehouse import attach_reading, bootstrap, existing_tables, open_warehouse, utc_rows

PERIODS = 2
CATALOGUES = frozenset({"raw_cloudwatch_series"})  # names what deliveries hold, is of none itself and only grows
# what the pipeline asked AWS is no delivery: it goes on growing
NOT_REBUILT = frozenset({"mart_own_spend_daily"})
IDENTICAL, DIFFERENT, NOT_COMPARABLE = "identical", "different", "not comparable"
SHOWN_KEYS = 3

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Verdict:
    """What came of one billing period: `words` say how much was compared, what differs, or why nothing could be."""

    period: date
    status: str
    published_at: datetime | None
    words: str


@dataclass(frozen=True)
class Machine:
    """What the scratch build may use, and how long to wait for a writer to finish."""

    memory_limit: str = "2GB"
    threads: int | None = None
    wait_seconds: float = 60


def verify(home: Home, publication: Path, periods: Sequence[date], machine: Machine) -> list[Verdict]:
    """Rebuild `periods` (none: the last two) of a publication's file and compare them with what it holds.

    Raises UsageError for a period that it has no bill of.
    """
    known, closed = _periods(publication)
    if unknown := [period for period in periods if period not in known]:
        names = ", ".join(f"{one:%Y-%m}" for one in known) or "none"
        raise UsageError(f"no bill of {unknown[0]:%Y-%m} is published; billing periods there are: {names}")
    by_source: dict[Path | None, list[date]] = {}
    for period in periods or known[-PERIODS:]:
        source = _kept_with(home, period, closed[period]) if period in closed else publication
        by_source.setdefault(source, []).append(period)
    return sorted(
        (
            verdict
            for source, own in by_source.items()
            for verdict in _verify_one(home, publication, source, own, machine)
        ),
        key=lambda verdict: verdict.period,
    )


def _periods(publication: Path) -> tuple[list[date], dict[date, datetime]]:
    """The billing periods in order, and of the closed ones the publication whose figures they keep."""
    with open_snapshot(publication) as conn:
        if not {"mart_restatements", "mart_period_actions"} <= existing_tables(conn).keys():
            return [], {}
        periods = conn.execute("select distinct billing_period from mart_restatements order by 1").fetchall()
        closed = utc_rows(conn, "select billing_period, published_at from mart_period_actions where is_closing")
    return [period for (period,) in periods], dict(closed)


def _kept_with(home: Home, period: date, published_at: datetime) -> Path | None:
    """The file of the publication that a period was closed with; None where it is gone."""
    copies = dated_copies(home.published)
    for path in (kept_file(home, period), copies.get(published_at)):
        if path and path.is_file() and (said := read_manifest(path)) and said.published_at == published_at:
            return path
    return None


def _verify_one(
    home: Home, publication: Path, source: Path | None, periods: Sequence[date], machine: Machine
) -> Iterable[Verdict]:
    """The verdicts of periods whose figures are of one publication, `source`."""
    said = read_manifest(source) if source else None
    why = "the publication that the period was closed with is gone" if source is None else _hindrance(home, said)
    if said and not why:
        try:
            return _rebuild(home, publication, said, periods, machine)
        except ModelError as error:
            why = f"built by version {said.code_version}, whose SQL does not run here: {error}"
    return [Verdict(period, NOT_COMPARABLE, said.published_at if said else None, why) for period in periods]


def _rebuild(home: Home, publication: Path, said: Manifest, periods: Sequence[date], machine: Machine) -> list[Verdict]:
    models = load_models(home.published_sql / said.sql_sha256)
    with _rebuilt(home, models, said, machine) as conn:
        conn.execute(f"attach {literal(str(publication))} as published (read_only)")
        return [_compare(conn, models, said, period) for period in periods]


def _hindrance(home: Home, said: Manifest | None) -> str:
    """Why a publication cannot be made again; '' where it can."""
    if said is None:
        return "the publication is from before it was noted what publications are made of"
    if said.duckdb_version != duckdb.__version__:
        return f"computed by DuckDB {said.duckdb_version}; this is {duckdb.__version__}"
    if not (home.published_sql / said.sql_sha256).is_dir():
        return f"the SQL of version {said.code_version} is gone from {home.published_sql}"
    return ""


@contextmanager
def _rebuilt(home: Home, models: Models, said: Manifest, machine: Machine) -> Iterator[Connection]:
    """A scratch warehouse built from the deliveries and rules of a publication; it goes away afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix=".verify-", dir=home.root) as folder,
        open_warehouse(
            Path(folder) / "scratch.duckdb", memory_limit=machine.memory_limit, threads=machine.threads
        ) as conn,
    ):
        bootstrap(conn, models.sql_dir)
        attach_reading(conn, home.warehouse, "kept", machine.wait_seconds)
        try:
            _show_deliveries(conn, models, said.deliveries_seen)
            load_rules(conn, said.rules)
            load_allocation(conn, said.allocation)
            build(conn, models, as_of=said.published_at)
        finally:
            conn.execute("detach kept")  # the comparison keeps no writer waiting
        yield conn


def _show_deliveries(conn: Connection, models: Models, seen: int) -> None:
    """Let each raw table of the scratch warehouse show the kept rows of the deliveries numbered up to `seen`."""
    known = f"(select delivery_id from kept.raw_deliveries where coalesce(landed_number, 0) <= {seen})"
    is_all = not conn.execute(f"select 1 from kept.raw_deliveries where landed_number > {seen} limit 1").fetchall()
    there = conn.execute("select table_name from duckdb_tables() where database_name = 'kept'").fetchall()
    for name, table in models.raw.items():
        is_delivered = name.startswith("raw_") and "delivery_id" in table.columns
        if is_delivered or name in CATALOGUES:
            if (name,) not in there:
                raise ModelError(f"{table.at()}: the warehouse no longer keeps {name}")
            needs_all = is_all or not is_delivered
            rows = f"from kept.{name}" + ("" if needs_all else f" semi join {known} as known using (delivery_id)")
            conn.execute(f"drop table {name}; create view {name} as {rows}")


def _compare(conn: Connection, models: Models, said: Manifest, period: date) -> Verdict:
    tables = [
        model
        for name, model in models.items()
        if model.layer == "marts" and is_dated(model) and not model.is_view and name not in NOT_REBUILT
    ]
    rows, differences = 0, list[str]()
    for model in tables:
        where = inside(model, period)
        columns = ", ".join(model.columns)
        ours, theirs = (f"(select {columns} from {place}{model.name} where {where})" for place in ("", "published."))
        rows += int(conn.sql(f"select count(*) from {theirs}").fetchall()[0][0])
        differences += _differences(conn, model.name, model.grain, ours, theirs)
    if differences:
        return Verdict(period, DIFFERENT, said.published_at, "; ".join(differences))
    words = f"{rows:,} rows of {len(tables)} tables, from {said.deliveries_seen:,} deliveries"
    return Verdict(period, IDENTICAL, said.published_at, words)


def _differences(conn: Connection, table: str, grain: Iterable[str], ours: str, theirs: str) -> Iterator[str]:
    """What a table of the publication and its rebuilt copy do not share, with a few keys."""
    key = "concat_ws(' · ', " + ", ".join(grain) + ")"
    for words, left, right in (("only published", theirs, ours), ("only rebuilt", ours, theirs)):
        rows = f"(select * from {left} as l except all select * from {right} as r) as unshared"
        count, keys = conn.execute(f"select count(*), list_sort(list({key}))[:{SHOWN_KEYS}] from {rows}").fetchall()[0]
        if count:
            yield f"{table}: {count:,} rows {words} ({', '.join(keys)})"
