"""Makes the tables of rules and settings hold what the project's files say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Any

import duckdb

from pipeline.attribution import WorkloadRule
from pipeline.warehouse import bootstrap, transaction
from pipeline.windows import ALL_TIME

if TYPE_CHECKING:
    from pipeline.allocation import SettingRow


def load_rules(conn: duckdb.DuckDBPyConnection, rules: Sequence[WorkloadRule]) -> bool:
    """Make raw_workload_rules hold `rules`; True when they differ from before, so that the next build applies them."""
    if len(conn.sql("from raw_workload_rules").columns) != len(fields(WorkloadRule)):
        conn.execute("drop table raw_workload_rules")  # of an older version; it holds nothing but the file's rules
        bootstrap(conn)
    return _load(conn, "raw_workload_rules", [astuple(rule) for rule in rules])


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
