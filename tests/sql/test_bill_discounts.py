"""Private discounts that an export tells in columns alone are in no line: its billed basis is above the invoice."""

from __future__ import annotations

import pytest

from tests.sql.conftest import Bench

DELIVERY = "00000000-0000-0000-0000-000000000001"


@pytest.mark.parametrize(
    ("lines", "noticed"),
    [
        ([("Usage", 10, 9), ("Tax", 1, None)], True),
        ([("Usage", 10, 9), ("EdpDiscount", -1, 0)], False),
        ([("Usage", 10, 10), ("Tax", 1, None)], False),
    ],
    ids=["in columns alone", "as lines", "no discount"],
)
def test_an_export_without_discount_lines_is_told(
    bench: Bench, lines: list[tuple[str, int, int | None]], noticed: bool
) -> None:
    (check,) = [check for check in bench.models["stg_cur_lines"].checks if "private discounts" in check.why]
    assert check.severity == "warn"
    bench.conn.begin()
    try:
        bench.conn.execute(
            "insert into raw_deliveries by name select cast(? as uuid) as delivery_id, 'cur' as source, 'main' as "
            "export_name, date '2026-01-01' as billing_period, timestamptz '2026-01-20 06:00:00+00' as delivered_at",
            [DELIVERY],
        )
        bench.conn.executemany(
            "insert into stg_cur_costs by name select cast(? as uuid) as delivery_id, date '2026-01-01' as "
            "billing_period, true as has_net_columns, ? as record_type, ? as unblended_cost, ? as net_unblended_cost",
            [[DELIVERY, *line] for line in lines],
        )
        found = bench.conn.execute(check.query or "").fetchall()
    finally:
        bench.conn.rollback()
    assert [(name, billed, net) for name, _, billed, net in found] == ([("main", 11, 10)] if noticed else [])
