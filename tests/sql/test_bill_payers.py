"""An account that moved to another organisation has two bills in its month; a pro forma bill beside it is none."""

from __future__ import annotations

from datetime import date

import pytest

from tests.sql.conftest import Bench

PERIOD, OLD, NEW = date(2026, 10, 1), "777777777777", "888888888888"


def fill(bench: Bench, account: str, payer: str, first_hour: int, hours: int) -> None:
    """An export of the payer that holds an hour of usage after another, and a fee in the first hour of the month."""
    bench.conn.execute(
        "insert into stg_cur_lines by name select ? as account_id, ? as billing_period, ? as payer_account_id, "
        "? as export_name, 'Usage' as record_type, ? + to_hours(h) as usage_hour_at "
        "from generate_series(cast(? as bigint), cast(? as bigint)) as s (h)",
        [account, PERIOD, payer, payer, PERIOD, first_hour, first_hour + hours - 1],
    )
    bench.conn.execute(
        "insert into stg_cur_lines by name select * exclude (record_type, usage_hour_at), 'Fee' as record_type, "
        "cast(billing_period as timestamptz) as usage_hour_at from stg_cur_lines where payer_account_id = ? limit 1",
        [payer],
    )
    bench.conn.execute(
        "insert into int_bill_sources by name select ? as account_id, ? as billing_period, ? as payer_account_id, "
        "? as export_name, 'cur' as cost_source, '' as other_exports",
        [account, PERIOD, payer, payer],
    )


@pytest.mark.parametrize(("last_of_old", "noticed"), [(99, False), (100, False), (140, False), (240, True)])
def test_two_payers_that_tell_the_same_hours_stop_a_publication(bench: Bench, last_of_old: int, noticed: bool) -> None:
    (check,) = [check for check in bench.models["int_bill_sources"].checks if "two payers" in check.why]
    assert (check.severity, check.query is not None) == ("fail", True)
    bench.conn.begin()
    try:
        fill(bench, "111111111111", OLD, 0, last_of_old + 1)
        fill(bench, "111111111111", NEW, 100, 150)
        fill(bench, "222222222222", OLD, 0, 250)
        found = bench.conn.execute(check.query or "").fetchall()
    finally:
        bench.conn.rollback()
    assert [account for account, *_ in found] == (["111111111111"] if noticed else [])
