"""What the settings say about moves to other chips, as rows that the models of the comparison read."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import duckdb

from pipeline.settings import Settings
from pipeline.warehouse import transaction
from pipeline.windows import ALL_TIME, HOUR

TABLE = "raw_comparison_settings"
CENT = Decimal("0.01")


class MoveSetting(NamedTuple):
    """One row of raw_comparison_settings; the workload '' stands for every other."""

    workload: str
    migration_cost_usd: Decimal | None
    resembles: str
    horizon_months: int | None


def move_settings(settings: Settings) -> list[MoveSetting]:
    """The general row, then one per workload that the settings name, by workload."""
    general = MoveSetting("", settings.migration_cost_usd.quantize(CENT), "", settings.payback_horizon_months)
    named = sorted({*settings.migration_costs_usd, *settings.resembles})
    costs = {workload: cost.quantize(CENT) for workload, cost in settings.migration_costs_usd.items()}
    return [general, *(MoveSetting(each, costs.get(each), settings.resembles.get(each, ""), None) for each in named)]


def load_move_settings(conn: duckdb.DuckDBPyConnection, rows: Sequence[MoveSetting]) -> bool:
    """Make raw_comparison_settings hold `rows`; True when they differ from before, so that the next build sees them.

    What reads them has no window: any instant tells that they changed.
    """
    if list(rows) == conn.execute(f"select * from {TABLE} order by workload").fetchall():
        return False
    with transaction(conn):
        conn.execute(f"delete from {TABLE}")
        for row in rows:
            conn.execute(f"insert into {TABLE} values (?, ?, ?, ?)", list(row))
        conn.execute("insert into state_touched values (?, ?, ?)", [TABLE, ALL_TIME.start_at, ALL_TIME.start_at + HOUR])
    return True
