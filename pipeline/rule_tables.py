"""Makes the tables of rules and settings hold what the project's files say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from pipeline.attribution import WorkloadRule
from pipeline.errors import UsageError
from pipeline.warehouse import bootstrap, scalar, transaction
from pipeline.windows import ALL_TIME

if TYPE_CHECKING:
    from pipeline.allocation import SettingRow


def load_rules(conn: duckdb.DuckDBPyConnection, rules: Sequence[WorkloadRule]) -> bool:
    """Make raw_workload_rules hold `rules`; True when they differ from before, so that the next build applies them."""
    if len(conn.sql("from raw_workload_rules").columns) != len(fields(WorkloadRule)):
        conn.execute("drop table raw_workload_rules")  # of an older version; it holds nothing but the file's rules
        bootstrap(conn)
    return _load(conn, "raw_workload_rules", [astuple(rule) for rule in rules])


def refuse_lost_rules(conn: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Raise UsageError where the ledger was built with rules and their file, looked for at `path`, is gone.

    A build from another folder would take every name and team that they gave out of all history.
    """
    count = scalar(conn, "select count(*) from raw_workload_rules")
    if count:
        raise UsageError(
            f"no {path.absolute()}, and this ledger was built with {count} rules: without them workloads lose names "
            "and teams. Run it in the folder that has the file, or set CHIPLEDGER_WORKLOADS to it; to go on without "
            "rules, put an empty file there"
        )


def load_allocation(conn: duckdb.DuckDBPyConnection, rows: Sequence[SettingRow]) -> bool:
    """Make raw_allocation_settings hold `rows`; True when they differ from before."""
    return _load(conn, "raw_allocation_settings", rows)


def _load(conn: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[Any, ...]]) -> bool:
    """Make `table` hold `rows`; where they differ from before, all time is touched."""
    if sorted(rows) == conn.execute(f"select * from {table} order by all").fetchall():
        return False
    with transaction(conn):
        conn.execute(f"delete from {table}")
        for row in sorted(rows):
            conn.execute(f"insert into {table} values ({', '.join('?' * len(row))})", list(row))
        conn.execute("insert into state_touched values (?, ?, ?)", [table, ALL_TIME.start_at, ALL_TIME.end_at])
    return True
