"""A toy ledger for checks, publication and reading: two marts and what they read, filled by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree

import duckdb

from pipeline.models import Models, load_models
from pipeline.warehouse import SQL_DIR
from pipeline.windows import ALL_TIME

DAY_1 = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)

FCT_HOURS = """-- fct_hours: what each chip cost in each hour.
-- grain:  hour_at, chip
-- column: hour_at | start of the hour
-- column: chip | the chip
-- column: cost_usd | USD of the hour
-- column: kind | gpu or trn
-- check:  fail | cost_usd >= 0 | a negative cost is a lost credit row
-- check:  warn | kind in ('gpu', 'trn') | other chips have no price
-- check:  fail | query: select hour_at, chip from fct_hours where chip = 'ghost' | ghosts own no hours
-- check:  fail | query: select sum(cost_usd) as total from fct_hours where hour_at >= $start_at and hour_at < $end_at
--     having sum(cost_usd) > 1000 | a day above 1000 USD is a unit error
-- check:  fail | query: select count(*) as n from fct_hours having count(*) > 900 | more hours than the fleet has
-- window: hour_at
select hour_at, chip, cost_usd, kind from int_hours where hour_at >= $start_at and hour_at < $end_at
"""
INT_HOURS = """-- int_hours: what fct_hours reads.
-- grain:  hour_at, chip
-- column: hour_at | start of the hour
-- column: chip | the chip
-- column: cost_usd | USD of the hour
-- column: kind | gpu or trn
-- check:  fail | chip <> '' | a chip has a name
select hour_at, chip, cost_usd, kind from stg_hours
"""
STG_HOURS = """-- stg_hours: what int_hours reads.
-- grain:  hour_at, chip
-- column: hour_at | start of the hour
-- column: chip | the chip
-- column: cost_usd | USD of the hour
-- column: kind | gpu or trn
-- check:  fail | chip <> '' | a chip has a name
select delivered_at as hour_at, object as chip, row_count as cost_usd, source as kind from raw_deliveries
"""
DIM_CHIP = """-- dim_chip: one row per chip.
-- grain:  chip
-- column: chip | the chip
-- column: price_usd | USD per hour
-- check:  fail | price_usd between 0 and 100 | list prices
select chip, max(cost_usd) as price_usd from int_hours group by chip
"""


def toy_models(folder: Path) -> Models:
    """The toy models on disk under `folder`, with the real raw and state tables and the real mart_data_quality."""
    copytree(SQL_DIR / "raw", folder / "raw")
    for layer in ("seeds", "staging", "intermediate", "marts", "signals"):
        (folder / layer).mkdir()
    texts = {"staging/stg_hours": STG_HOURS, "intermediate/int_hours": INT_HOURS}
    texts |= {"marts/fct_hours": FCT_HOURS, "marts/dim_chip": DIM_CHIP}
    quality = (SQL_DIR / "marts" / "mart_data_quality.sql").read_text("utf-8")
    for name, text in {**texts, "marts/mart_data_quality": quality}.items():
        (folder / f"{name}.sql").write_text(text, "utf-8")
    return load_models(folder)


def create_tables(conn: duckdb.DuckDBPyConnection, models: Models) -> None:
    """Empty tables for fct_hours, dim_chip and int_hours, and the view, as the builder would leave them."""
    for name in ("fct_hours", "int_hours", "stg_hours"):
        conn.execute(f"create table {name} (hour_at timestamptz, chip varchar, cost_usd decimal(38, 10), kind varchar)")
    conn.execute("create table dim_chip (chip varchar, price_usd decimal(38, 10))")
    conn.execute(f"create view mart_data_quality as {models['mart_data_quality'].sql}")


def add_hours(conn: duckdb.DuckDBPyConnection, *rows: tuple[datetime, str | None, float, str]) -> None:
    """Rows (hour, chip, USD, kind) into fct_hours, its day marked unchecked."""
    for row in rows:
        conn.execute("insert into fct_hours values (?, ?, ?, ?)", list(row))
        touch(conn, row[0])


def touch(conn: duckdb.DuckDBPyConnection, hour_at: datetime, hours: int = 1, model: str = "fct_hours") -> None:
    """Mark `hours` from `hour_at` as rebuilt and not yet judged."""
    conn.execute("insert into state_unchecked values (?, ?, ?)", [model, hour_at, hour_at + timedelta(hours=hours)])


def touch_whole(conn: duckdb.DuckDBPyConnection, models: Iterable[str]) -> None:
    """Mark models without window (or over all their windows) as rebuilt and not yet judged."""
    for model in models:
        conn.execute("insert into state_unchecked values (?, ?, ?)", [model, ALL_TIME.start_at, ALL_TIME.end_at])
