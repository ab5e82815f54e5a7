"""Hands the marts out: one read-only DuckDB file by atomic rename, dated copies of it, and Parquet beside it.

The file is written under a hidden name, synced, then renamed; a reader has the old publication or the new one, never a
mixture. A crash or a full disk at any point leaves the old one, and the next publication clears what was left behind.
Closed billing periods keep the figures they were closed with (periods.py).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from pipeline import checks, manifest, periods
from pipeline.errors import ChipledgerError
from pipeline.failpoints import failpoint
from pipeline.headers import comment_sql, literal
from pipeline.home import Home
from pipeline.models import Model, Models, time_literal
from pipeline.snapshots import dated_copies, dated_name, note_dropped, published_at_of

STORAGE_VERSION = "v1.2.0"
# Dated copies that stay: the newest, the last of each day for two billing periods and a few days, of each month always.
KEPT_COPIES = 30
KEPT_DAYS = timedelta(days=65)
PUBLIC_PREFIXES = ("dim_", "fct_", "mart_")
TEMPORARY = ".publishing-"
READ_ONLY = 0o444
PUBLICATION = {
    "published_at": "when this publication was made, by the clock of the run",
    "data_through_at": "end of the newest event in any delivery; NULL without deliveries",
    "checks_failed": "standing failures of critical checks; 0, as they stop publication",
    "checks_warned": "standing warnings; mart_data_quality names them",
    "code_version": "version of chipledger that made it",
} | manifest.COLUMNS

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Published:
    """The publication as it stands: its file, how many tables it holds and how many rows in all."""

    path: Path
    tables: int
    rows: int

    def __str__(self) -> str:
        """One line for a terminal."""
        return f"{self.tables} tables, {self.rows:,} rows in {self.path}"


def publish(
    conn: Connection,
    home: Home,
    models: Models,
    *,
    published_at: datetime,
    as_of: datetime,
    code_version: str,
) -> Published:
    """Publish every dim_, fct_ and mart_ table into `home`, rows ordered by grain.

    Views become tables as they stand at `as_of`. Raises CheckFailed while a critical failure stands, ChipledgerError
    when the disk refuses or a table is missing; the last publication stays in each case.
    """
    checks.gate(conn)
    public = [model for name, model in models.items() if name.startswith(PUBLIC_PREFIXES)]
    try:
        home.parquet.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(home)
        _keep_dated_copy(home)
        fresh = home.published / f"{TEMPORARY}marts.duckdb"
        sql_sha256 = manifest.keep_sql(home, models.sql_dir)
        with _attached(conn, fresh), periods.kept_rows(conn, home) as kept:
            checks.judge_views(conn, public, now=as_of)
            _write_tables(conn, public, as_of, kept)
            _write_publication(conn, published_at, code_version, sql_sha256)
            rows = _write_parquet(conn, public, home.parquet)
        _put_in_place(fresh, home.snapshot)
        _keep_dated_copy(home)
        _put_parquet_in_place(home.parquet, public)
        _prune(home)
        periods.drop_reopened(home, periods.closings(conn))
    except (OSError, duckdb.Error) as error:
        _clear_leftovers(home)
        raise ChipledgerError(_failure(home, error)) from error
    return Published(home.snapshot, len(public), rows)


def _failure(home: Home, error: OSError | duckdb.Error) -> str:
    first_line = str(error).partition("\n")[0]
    is_unbuilt = isinstance(error, duckdb.CatalogException | duckdb.BinderException)
    remedy = "build the tables first: chipledger build" if is_unbuilt else "free space there, then: chipledger publish"
    standing = "nothing is published yet"
    if home.snapshot.exists():
        standing = f"the publication of {published_at_of(home.snapshot):%Y-%m-%d %H:%M:%S} UTC stands"
    return f"could not publish to {home.published}: {first_line}; {standing}; {remedy}"


def _clear_leftovers(home: Home) -> None:
    """Remove what a killed or refused publication left behind."""
    for folder in (home.published, home.parquet):
        for path in folder.glob(f"{TEMPORARY}*"):
            path.unlink(missing_ok=True)


@contextmanager
def _attached(conn: Connection, fresh: Path) -> Iterator[None]:
    """The new file as database `publication`; what is written inside is committed and complete on disk afterwards."""
    conn.execute(f"attach {literal(str(fresh))} as publication (storage_version '{STORAGE_VERSION}')")
    try:
        yield
        conn.execute("checkpoint publication")
    finally:
        conn.execute("detach publication")


def _write_tables(conn: Connection, public: Iterable[Model], as_of: datetime, kept: periods.Kept) -> None:
    for model in public:
        view = model.sql.replace("$as_of", time_literal(as_of))
        source = f"({view if model.is_view else kept.select(model)}) as rows"
        table, order = f"publication.{model.name}", ", ".join(f"{column} nulls last" for column in model.grain)
        conn.execute(f"create table {table} as select * from {source} order by {order}")
        conn.execute(comment_sql(table, "table", f"{model.purpose} Grain: {', '.join(model.grain)}.", model.columns))


def _write_publication(conn: Connection, published_at: datetime, code_version: str, sql_sha256: str) -> None:
    conn.execute(
        f"create table publication.publication as select {time_literal(published_at)} as published_at, "
        "(select max(event_end_at) from raw_deliveries) as data_through_at, "
        "(select count(*) from state_check_results where status = 'failed') as checks_failed, "
        "(select count(*) from state_check_results where status = 'warned') as checks_warned, "
        f"{literal(code_version)} as code_version, {manifest.columns_sql(sql_sha256)}"
    )
    conn.execute(comment_sql("publication.publication", "table", "This publication, one row.", PUBLICATION))


def _write_parquet(conn: Connection, public: Iterable[Model], folder: Path) -> int:
    """Write hidden Parquet files of the tables just made; returns how many rows they hold."""
    rows = 0
    for model in public:
        target = literal(str(folder / f"{TEMPORARY}{model.name}.parquet"))
        copied = conn.execute(
            f"copy publication.{model.name} to {target} (format parquet, compression zstd)"
        ).fetchone()
        rows += int(copied[0]) if copied else 0
    return rows


def _put_in_place(fresh: Path, target: Path) -> None:
    """Rename `fresh`, read-only and safe on disk, to `target`."""
    fresh.chmod(READ_ONLY)
    _sync(fresh)
    failpoint("publish.before_rename")
    fresh.replace(target)
    _sync(target.parent)
    failpoint("publish.after_rename")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep_dated_copy(home: Home) -> None:
    """Give the current publication its dated name too; one that a crash left without is caught up by the next run."""
    if not home.snapshot.exists():
        return
    dated = home.published / dated_name(published_at_of(home.snapshot))
    if dated.exists() and dated.samefile(home.snapshot):
        return
    fresh = home.published / f"{TEMPORARY}{dated.name}"
    try:
        fresh.hardlink_to(home.snapshot)
    except OSError:  # a file system without hard links
        shutil.copy(home.snapshot, fresh)
    failpoint("publish.before_dated_rename")
    fresh.replace(dated)
    failpoint("publish.after_dated_rename")


def _put_parquet_in_place(folder: Path, public: Iterable[Model]) -> None:
    names = {f"{model.name}.parquet" for model in public}
    for name in sorted(names):
        failpoint("publish.before_parquet_rename")
        (folder / f"{TEMPORARY}{name}").replace(folder / name)
        failpoint("publish.after_parquet_rename")
    for path in folder.glob("*.parquet"):
        if path.name not in names:
            path.unlink()


def _prune(home: Home) -> None:
    """Remove the dated copies that are not to stay, each noted first: whoever asks for that time is told."""
    copies = dated_copies(home.published)
    moments = sorted(copies)
    stay = set(moments[-KEPT_COPIES:])
    stay.update({moment.strftime("%Y-%m"): moment for moment in moments}.values())
    recent = [moment for moment in moments if moment > moments[-1] - KEPT_DAYS]
    stay.update({moment.date(): moment for moment in recent}.values())
    dropped = [moment for moment in moments if moment not in stay]
    note_dropped(home.published, dropped)
    for moment in dropped:
        copies[moment].unlink()
