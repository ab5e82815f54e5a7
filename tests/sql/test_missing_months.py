"""A month that no bill holds, while a later one has a bill, is no longer estimated: its money is missing, and told."""

from __future__ import annotations

import pytest

from pipeline.windows import ALL_TIME
from tests.sql.conftest import Bench

MAY, JUNE = "2026-05-20 04:00:00+00", "2026-06-02 04:00:00+00"


@pytest.mark.parametrize(
    ("billed", "explored", "seen", "noticed"),
    [(JUNE, None, MAY, True), (MAY, None, MAY, False), (JUNE, MAY, MAY, False), (JUNE, None, JUNE, False)],
    ids=["later bill alone", "bill of the month", "Cost Explorer of the month", "not watched"],
)
def test_a_month_without_a_bill_is_told(
    bench: Bench, billed: str, explored: str | None, seen: str, noticed: bool
) -> None:
    (check,) = [check for check in bench.models["int_hour_estimates"].checks if "no bill of their account" in check.why]
    bench.conn.begin()
    try:
        bench.conn.execute(
            "insert into int_hour_estimates by name select 'a' as account_id, 'i-1' as instance_id, "
            "true as is_covered, 3600000 as usage_ms, cast(? as timestamptz) as usage_hour_at",
            [MAY],
        )
        bench.conn.execute(
            "insert into int_accelerator_hours by name select 'i-1' as instance_id, cast(? as timestamptz) as "
            "usage_hour_at",
            [seen],
        )
        bench.conn.execute(
            "insert into int_bill_sources by name select 'a' as account_id, "
            "cast(date_trunc('month', cast(? as timestamptz)) as date) as billing_period",
            [billed],
        )
        bench.conn.execute(
            "insert into int_cost_explorer_days by name select 'a' as account_id, "
            "cast(cast(? as timestamptz) as date) as usage_date where usage_date is not null",
            [explored],
        )
        bounds = {"start_at": ALL_TIME.start_at, "end_at": ALL_TIME.end_at}
        found = bench.conn.execute(check.query or "", bounds).fetchall()
    finally:
        bench.conn.rollback()
    assert [account for account, *_ in found] == (["a"] if noticed else [])
