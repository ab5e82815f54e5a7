"""What a publication was made of: the deliveries, the rules and settings, the SQL, the engine; to make it again."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from pipeline.allocation import SettingRow
from pipeline.attribution import WorkloadRule
from pipeline.headers import literal
from pipeline.home import Home
from pipeline.snapshots import open_snapshot
from pipeline.warehouse import utc_rows

COLUMNS = {
    "deliveries_seen": "raw_deliveries.landed_number of the newest delivery in it",
    "workload_rules": "the rules of workloads.toml that it applied, as JSON",
    "allocation_settings": "the rows of the setting `allocation` that it applied, as JSON",
    "sql_sha256": "hash over sql/, whose text lies in published/sql/ under this name",
    "duckdb_version": "engine that computed it",
}
SQL_SUFFIXES = frozenset({".sql", ".csv"})


@dataclass(frozen=True)
class Manifest:
    """What one publication says of its making."""

    published_at: datetime
    deliveries_seen: int
    rules: tuple[WorkloadRule, ...]
    allocation: tuple[SettingRow, ...]
    sql_sha256: str
    duckdb_version: str
    code_version: str


def columns_sql(sql_sha256: str) -> str:
    """The manifest's columns, to be selected from the warehouse that is published."""
    rules = "(select coalesce(to_json(list(r order by r.rule_number)), '[]') from raw_workload_rules as r)"
    allocation = "(select coalesce(to_json(list(a order by a)), '[]') from raw_allocation_settings as a)"
    return (
        f"(select coalesce(max(deliveries_seen), 0) from state_built) as deliveries_seen, "
        f"cast({rules} as varchar) as workload_rules, cast({allocation} as varchar) as allocation_settings, "
        f"{literal(sql_sha256)} as sql_sha256, {literal(duckdb.__version__)} as duckdb_version"
    )


def read_manifest(path: Path) -> Manifest | None:
    """What the publication in `path` was made of; None for one from before this was noted."""
    with open_snapshot(path) as conn:
        if not COLUMNS.keys() <= set(conn.sql("from publication").columns):
            return None
        row = utc_rows(
            conn,
            "select published_at, deliveries_seen, workload_rules, allocation_settings, sql_sha256, duckdb_version, "
            "code_version from publication",
        )[0]
    rules = tuple(WorkloadRule(**rule) for rule in json.loads(row[2]))
    allocation = tuple((one["setting"], one["subject"], one["value"]) for one in json.loads(row[3]))
    return Manifest(row[0], row[1], rules, allocation, *row[4:])


def keep_sql(home: Home, sql_dir: Path) -> str:
    """Keep the text of the models beside the publications, once per version; its hash."""
    files = sorted(path for path in sql_dir.rglob("*") if path.suffix in SQL_SUFFIXES)
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(sql_dir).as_posix()}\n{len(content)}\n".encode() + content)
    name = digest.hexdigest()
    target = home.published_sql / name
    if not target.is_dir():
        fresh = home.published_sql / f".{name}"
        shutil.rmtree(fresh, ignore_errors=True)
        for path in files:
            copy = fresh / path.relative_to(sql_dir)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        fresh.replace(target)
    return name
