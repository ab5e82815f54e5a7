"""A workload's dollar is followed back to lines, shares, devices and deliveries, and every step sums."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

import duckdb
import pytest

from pipeline.errors import ChipledgerError
from pipeline.trail import trail

if TYPE_CHECKING:
    from tests.sql.conftest import Bench

DAY = date(2026, 1, 1)
RANKER = "prod/ml/-/ranker's"
HOUR = "timestamptz '2026-01-01 05:00:00+00' as usage_hour_at, date '2026-01-01' as usage_date"
FILL = f"""
insert into mart_workload_cost_daily by name
select date '2026-01-01' as usage_date, $name as workload_id, 'L4' as chip, 'billed' as cost_status,
    7.5 as effective_cost_usd, 9 as billed_cost_usd;
insert into fct_cost_allocated_hourly by name
select {HOUR}, 'l' as cost_line_id, 'workload' as cost_class, $name as workload_id, 'i-1' as instance_id,
    '1' as account_id, 'billed' as cost_status, 7.5 as effective_cost_usd, 9 as billed_cost_usd
union all by name
select {HOUR}, 'l' as cost_line_id, 'idle.unallocated' as cost_class, '' as workload_id, 'i-1' as instance_id,
    '1' as account_id, 'billed' as cost_status, 2.5 as effective_cost_usd, 3 as billed_cost_usd;
insert into int_cost_parts by name
select {HOUR}, 'l' as cost_line_id, 'workload' as cost_class, $name as workload_id, 3 as weight
union all by name
select {HOUR}, 'l' as cost_line_id, 'idle.unallocated' as cost_class, '' as workload_id, 1 as weight;
insert into int_bill_sources by name
select '1' as account_id, date '2026-01-01' as billing_period, 'cur' as cost_source, 'x' as export_name;
insert into raw_deliveries by name
select uuid() as delivery_id, 'cur' as source, 'x' as export_name, date '2026-01-01' as billing_period,
    'x-' || day as object, timestamptz '2026-01-01 00:00:00+00' + to_days(day) as delivered_at
from (values (2), (3)) as d(day)
"""


@pytest.fixture
def filled(bench: Bench) -> Iterator[duckdb.DuckDBPyConnection]:
    bench.conn.begin()
    for statement in FILL.split(";"):
        bench.conn.execute(statement, {"name": RANKER} if "$name" in statement else None)
    yield bench.conn
    bench.conn.rollback()


def test_hours_and_lines_sum_to_the_day(filled: duckdb.DuckDBPyConnection) -> None:
    found = trail(filled, RANKER, DAY)
    assert found.is_whole
    assert str(found.day_usd) == "7.5000000000"


def test_a_line_shows_its_whole_cost_and_the_share_of_the_workload(filled: duckdb.DuckDBPyConnection) -> None:
    lines = next(step for step in trail(filled, RANKER, DAY).steps if step.name == "3_lines")
    (row,) = [dict(zip(lines.result.columns, row, strict=True)) for row in lines.result.rows]
    assert (str(row["line_effective_cost_usd"]), row["share"]) == ("10.0000000000", 0.75)
    assert (row["workload_weight"], row["line_weight"], row["part_count"]) == (3, 4, 2)


def test_lost_money_is_said(filled: duckdb.DuckDBPyConnection) -> None:
    filled.execute("update mart_workload_cost_daily set effective_cost_usd = 7.4")
    assert not trail(filled, RANKER, DAY).is_whole


def test_the_bill_that_speaks_is_named_not_the_one_before(filled: duckdb.DuckDBPyConnection) -> None:
    deliveries = trail(filled, RANKER, DAY).steps[-1].result
    assert [row[deliveries.columns.index("object")] for row in deliveries.rows] == ["x-3"]


def test_the_bill_that_holds_the_fee_of_a_capacity_block_is_named_too(filled: duckdb.DuckDBPyConnection) -> None:
    filled.execute(
        "insert into int_capacity_blocks by name select 'fee' as fee_line_id, date '2025-12-01' as billing_period, "
        "'cur' as cost_source, 'x' as export_name; insert into int_capacity_block_pieces by name select "
        "'l' as cost_line_id, 'fee' as fee_line_id, timestamptz '2026-01-01 05:00:00+00' as usage_hour_at; "
        "insert into raw_deliveries by name select uuid() as delivery_id, 'cur' as source, 'x' as export_name, "
        "date '2025-12-01' as billing_period, 'december' as object, timestamptz '2025-12-20' as delivered_at"
    )
    deliveries = trail(filled, RANKER, DAY).steps[-1].result
    assert [row[deliveries.columns.index("object")] for row in deliveries.rows] == ["december", "x-3"]


def test_the_sql_of_each_step_gives_its_rows_when_pasted(filled: duckdb.DuckDBPyConnection) -> None:
    for step in trail(filled, RANKER, DAY).steps:
        assert filled.execute(step.sql).fetchall() == step.result.rows


def test_a_misspelt_workload_is_answered_with_its_neighbours(filled: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(ChipledgerError, match="near it: prod/ml/-/ranker's"):
        trail(filled, "prod/ml/-/rancer", DAY)


def test_a_day_without_cost_is_answered_with_the_days_that_have_one(filled: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(ChipledgerError, match="it has costs from 2026-01-01 to 2026-01-01"):
        trail(filled, RANKER, date(2026, 1, 2))
