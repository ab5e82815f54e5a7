"""What can be wrong around a ledger, one examination per part; each says what it saw and what to do."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from pipeline import reading
from pipeline.errors import ChipledgerError, NothingPublished, OlderHome, SourceError, UsageError, WarehouseLocked
from pipeline.home import Home
from pipeline.sources.cost_explorer import USD_PER_REQUEST
from pipeline.sources.objects import StoredObject as Stored
from pipeline.warehouse import lacking, open_warehouse, scalar

FAILED_CHECKS = "select count(distinct check_id) from state_check_results where status = 'failed'"
GIB = 2**30
LOW_DISK_BYTES, FULL_DISK_BYTES = 5 * GIB, GIB // 4
STALE_PUBLICATION = timedelta(hours=24)
HOURS_PER_DAY = 24
DAYS_PER_MONTH = 30
LOCK_PATIENCE_SECONDS = 1.0


@dataclass(frozen=True)
class Finding:
    """One examined part: `ok`, `warn` (works, but look) or `fail` (a command will fail)."""

    part: str
    status: str
    what: str


def examine_disk(place: Home) -> Finding:
    """Whether the home can be written and has room."""
    if place.root.exists() and not place.root.is_dir():
        return Finding("disk", "fail", f"{place.root} is a file; set CHIPLEDGER_HOME to a folder")
    parent = next(folder for folder in (place.root, *place.root.parents) if folder.is_dir())
    if not os.access(parent, os.W_OK):
        return Finding("disk", "fail", f"{parent} cannot be written; set CHIPLEDGER_HOME to a folder that can")
    free = shutil.disk_usage(parent).free
    words = f"{free / GIB:.1f} GiB free at {parent}"
    if free >= LOW_DISK_BYTES:
        return Finding("disk", "ok", words)
    return Finding("disk", "fail" if free < FULL_DISK_BYTES else "warn", f"{words}; keep 5 GiB")


def examine_warehouse(place: Home) -> Iterator[Finding]:
    """Whether the warehouse opens and is of this version, who holds it otherwise, and what its checks say."""
    if not place.warehouse.is_file():
        yield Finding("warehouse", "warn", f"{place.warehouse} does not exist yet: run chipledger build")
        return
    try:
        with open_warehouse(place.warehouse, wait_seconds=LOCK_PATIENCE_SECONDS) as conn:
            missing, _ = lacking(conn)
            failed = 0 if missing else scalar(conn, FAILED_CHECKS)
    except WarehouseLocked as error:
        yield Finding("warehouse", "warn", str(error))
    except OlderHome as error:
        yield Finding("warehouse", "fail", str(error))
    except (OSError, duckdb.Error) as error:
        mend = "put a backup in its place, or move it away and ingest everything again"
        yield Finding("warehouse", "fail", f"{place.warehouse} does not open: {_first_line(error)}; {mend}")
    else:
        yield Finding("warehouse", "ok", f"{place.warehouse} opens, {_mib(place.warehouse)}")
        yield _of_checks(failed)


def _of_checks(failed: int) -> Finding:
    """Whether failed checks hold publication back: the published tables cannot tell, they are those of before."""
    if not failed:
        return Finding("checks", "ok", "none fails")
    return Finding(
        "checks",
        "fail",
        f"{failed} failed check{'s' * (failed != 1)} held the publication back: chipledger check names what to mend",
    )


def examine_publication(place: Home, now: datetime) -> Iterator[Finding]:
    """Age of the snapshot, and sources that fell behind."""
    try:
        published = reading.query(place.root, "select published_at from publication").records()[0]
        late = reading.query(
            place.root, "select source, status, last_event_at from mart_freshness where status = 'late' order by source"
        ).records()
    except NothingPublished as error:
        yield Finding("publication", "warn", str(error))
        return
    except (OSError, duckdb.Error) as error:
        mend = "move it away, then: chipledger publish"
        yield Finding("publication", "fail", f"{place.snapshot} cannot be read: {_first_line(error)}; {mend}")
        return
    age = now - published["published_at"]
    words = f"{place.snapshot} was published {published['published_at']:%Y-%m-%d %H:%M} UTC"
    stale = age > STALE_PUBLICATION
    yield Finding("publication", "warn" if stale else "ok", words + ("; run: chipledger run" if stale else ""))
    for row in late:
        yield Finding(
            "freshness",
            "warn",
            f"{row['source']}: newest event {row['last_event_at']:%Y-%m-%d %H:%M} UTC; look at its agent",
        )
    if not late:
        yield Finding("freshness", "ok", "no source is late")


def examine_inbox(
    roots: tuple[str, ...], list_root: Callable[[str], list[Stored]], probe: Callable[[Stored], None]
) -> Iterator[Finding]:
    """Whether each swept folder or prefix can be listed, and its newest object be read."""
    if not roots:
        yield Finding("inbox", "warn", "nothing is swept: set CHIPLEDGER_INBOX to folders or s3:// prefixes")
    for root in roots:
        try:
            found = list_root(root)
            yield Finding("inbox", "ok", f"{root}: {len(found):,} objects")
            if found:
                probe(max(found, key=lambda stored: stored.modified_at))
        except ChipledgerError as error:
            yield Finding("inbox", "fail", str(error))


@dataclass(frozen=True)
class Permission:
    """One IAM action that a pull needs, where it is needed, and a request that fails without it."""

    part: str
    action: str
    place: str
    probe: Callable[[], None]


def examine_credentials(regions: tuple[str, ...], identity: Callable[[str], str]) -> Finding:
    """Whose the credentials are; `regions` are those that anything is pulled from."""
    if not regions:
        return Finding("credentials", "ok", "not needed: nothing is pulled from AWS")
    try:
        return Finding("credentials", "ok", f"account {identity(regions[0])}")
    except SourceError as error:
        return Finding("credentials", "fail", str(error))


def examine_permissions(needed: Iterable[Permission]) -> Iterator[Finding]:
    """Each permission by a request that costs next to nothing; the failing ones do not hide the others."""
    for permission in needed:
        try:
            permission.probe()
            yield Finding(permission.part, "ok", f"{permission.place}: {permission.action} is allowed")
        except SourceError as error:
            yield Finding(permission.part, "fail", str(error))


def examine_spend(wants_cost_explorer: bool, account_count: int, interval_hours: float) -> Finding:
    """What the Cost Explorer pulls will cost at most: one request per account and page, every `interval_hours`."""
    if not wants_cost_explorer:
        return Finding("cost explorer", "ok", "not pulled (CHIPLEDGER_COST_EXPLORER is not set), so nothing to pay")
    requests = math.ceil(HOURS_PER_DAY / interval_hours) * max(1, account_count) * DAYS_PER_MONTH
    words = f"about {requests:,} requests a month, {requests * USD_PER_REQUEST} USD at one page per account"
    return Finding("cost explorer", "ok", words)


def examine_rules(read: Callable[[], int], path: Path, *, is_set: bool) -> Finding:
    """Whether workloads.toml can be read, and is there where a setting names it."""
    try:
        count = read()
    except UsageError as error:
        return Finding("workloads", "fail", str(error))
    if path.is_file():
        return Finding("workloads", "ok", f"{count} rules in {path}")
    if is_set:
        return Finding("workloads", "warn", f"CHIPLEDGER_WORKLOADS: no file {path}; owners come from the labels alone")
    return Finding("workloads", "ok", f"no {path}; owners come from the labels")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _mib(path: Path) -> str:
    return f"{path.stat().st_size / 2**20:,.0f} MiB"
