"""A ledger in a folder of its own, driven by the step functions of the product, and what it publishes as bytes."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from alerts import steps as telling
from pipeline import steps
from pipeline.settings import Settings
from pipeline.snapshots import open_snapshot

# three days after a world's last usage: its bill is final by then
CLOCK = datetime(2026, 11, 18, tzinfo=UTC)

# What tells when data reached this ledger, not what the data says.
ARRIVAL_COLUMNS = {
    "mart_freshness": ("last_arrival_at",),
    "mart_data_quality": ("first_failed_at",),
}


@dataclass(frozen=True)
class Ledger:
    """One home and its clock."""

    home: Path
    now: datetime = CLOCK

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, now=self.now, inbox=(), workloads=self.home / "workloads.toml", threads=2)

    @property
    def snapshot(self) -> Path:
        return self.settings.place.snapshot

    def ingest(self, *paths: Path, at: datetime | None = None) -> steps.Ingested:
        return steps.ingest(self.settings, [str(path) for path in paths], at or self.now)

    def build(self, at: datetime | None = None) -> steps.Built:
        """Build, check and detect, as `chipledger build --no-publish` does."""
        now = at or self.now
        built = steps.build(self.settings, now)
        steps.check(self.settings, now)
        telling.detect(self.settings, now)
        return built

    def publish(self) -> Path:
        """Build at the ledger's clock and publish; a failed check raises."""
        self.build()
        return steps.publish(self.settings, self.now).path


def published(home: Path, *paths: Path) -> Ledger:
    """A ledger that swept `paths` once and published."""
    ledger = Ledger(home)
    ledger.ingest(*paths)
    ledger.publish()
    return ledger


def exports(home: Path, into: Path, aside: dict[str, Sequence[str]] | None = None) -> dict[str, bytes]:
    """Every published table as an ordered CSV and an ordered Parquet file, columns named in `aside` left out."""
    aside = ARRIVAL_COLUMNS if aside is None else aside
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    with open_snapshot(Ledger(home).snapshot) as conn:
        tables = conn.execute("select table_name from duckdb_tables() where table_name <> 'publication'").fetchall()
        for (table,) in sorted(tables):
            kept = f"* exclude ({', '.join(aside[table])})" if table in aside else "*"
            for suffix, options in (("csv", "format csv, header true"), ("parquet", "format parquet")):
                target = into / f"{table}.{suffix}"
                conn.execute(f"copy (select {kept} from {table} order by all) to '{target}' ({options})")
    return contents(into.iterdir())


def parquet(home: Path) -> dict[str, bytes]:
    """The published Parquet files as they lie there."""
    return contents(Ledger(home).settings.place.parquet.iterdir())


def contents(paths: Iterable[Path]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in paths}


def differing(ours: Mapping[str, object], theirs: Mapping[str, object]) -> list[str]:
    """Names that only one side has or whose contents differ."""
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
