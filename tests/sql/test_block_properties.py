"""The fee of any Capacity Block, however long, however used, is spread exactly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.models import bind
from pipeline.windows import ALL_TIME

if TYPE_CHECKING:
    from tests.sql.conftest import Bench

HOUR = timedelta(hours=1)
FIRST = datetime(2026, 1, 30, tzinfo=UTC)
MONTH = date(2026, 1, 1)
MODELS = ("int_capacity_block_hours", "int_capacity_block_pieces")


@dataclass(frozen=True)
class Ran:
    """Hours of an instance, told by the bill, from the start of the block on; more than 1 is no use of the block."""

    first_hour: int
    hours: tuple[Decimal, ...]


@dataclass(frozen=True)
class Case:
    """A fee in units of 1e-10 USD, the minutes after FIRST at which the block starts, its length, and who ran in it."""

    fee: int
    start_minute: int
    minutes: int
    count: int
    known_hours: int
    ran: tuple[Ran, ...]

    @property
    def start_at(self) -> datetime:
        return FIRST + timedelta(minutes=self.start_minute)

    @property
    def end_at(self) -> datetime:
        return self.start_at + timedelta(minutes=self.minutes)


SPREAD = """
    select fee_line_id, sum(effective_cost_usd), min(effective_cost_usd), max(effective_cost_usd)
    from int_capacity_block_pieces group by fee_line_id
"""
HOURS = st.decimals(min_value=0, max_value=Decimal("1.5"), places=10)
RAN = st.builds(Ran, st.integers(0, 30), st.lists(HOURS, max_size=8).map(tuple))
CASES = st.builds(
    Case,
    fee=st.integers(-(10**16), 10**16).filter(bool),
    start_minute=st.integers(0, 3000),
    minutes=st.integers(1, 60 * 50),
    count=st.integers(1, 64),
    known_hours=st.integers(0, 120),
    ran=st.lists(RAN, max_size=3).map(tuple),
)


def _fill(bench: Bench, cases: list[Case]) -> None:
    rows = [(f"f{n}", f"cr-{n:03x}", case) for n, case in enumerate(cases)]
    blocks = [
        {
            "fee_line_id": fee, "block_id": block, "fee_usd": Decimal(case.fee).scaleb(-10), "account_id": fee,
            "instance_count": case.count, "start_at": case.start_at, "end_at": case.end_at,
        }
        for fee, block, case in rows
    ]  # fmt: skip
    known = [
        {"cost_source": "cur", "export_name": fee, "known_until_at": FIRST + case.known_hours * HOUR}
        for fee, _, case in rows
    ]
    lines = [
        {
            "cost_line_id": f"{fee}/{number}/{hour}", "capacity_reservation_id": block, "record_type": "Usage",
            "usage_type": "BoxUsage:p5.48xlarge", "resource_id": f"i-{int(fee[1:]):04x}{number}",
            "usage_amount": amount,
            "usage_hour_at": FIRST + (ran.first_hour + hour) * HOUR, "account_id": fee, "export_name": fee,
            "billing_period": MONTH,
        }
        for fee, block, case in rows
        for number, ran in enumerate(case.ran)
        for hour, amount in enumerate(ran.hours)
    ]  # fmt: skip
    sources = [
        {"account_id": fee, "billing_period": MONTH, "cost_source": "cur", "export_name": fee} for fee, _, _ in rows
    ]
    tables = {"int_capacity_blocks": blocks, "int_bill_progress": known, "stg_cur_lines": lines}
    for table, filled in (tables | {"int_bill_sources": sources}).items():
        if filled:
            given_rows = pa.Table.from_pylist(filled)
            bench.conn.register("given_rows", given_rows)
            bench.conn.execute(f"insert into {table} by name select * from given_rows")
            bench.conn.unregister("given_rows")


def _build(bench: Bench) -> None:
    for name in MODELS:
        model = bench.models[name]
        bounds = {"start_at": ALL_TIME.start_at, "end_at": ALL_TIME.end_at}
        sql = bind(model, **bounds, seeds_dir=bench.models.seeds_dir, as_of=FIRST)
        bench.conn.execute(f"insert into {name} by name select * from ({sql})")


@pytest.mark.slow
@settings(max_examples=20)
@given(st.lists(CASES, min_size=1, max_size=30))
def test_the_pieces_of_every_block_sum_to_what_is_known_of_its_fee_and_to_the_fee_at_its_end(
    bench: Bench, cases: list[Case]
) -> None:
    bench.conn.begin()
    try:
        _fill(bench, cases)
        _build(bench)
        found = {fee: (int(usd.scaleb(10)), low, high) for fee, usd, low, high in bench.conn.execute(SPREAD).fetchall()}
    finally:
        bench.conn.rollback()
    for number, case in enumerate(cases):
        spread, smallest, largest = found.get(f"f{number}", (0, 0, 0))
        minutes = min(max(60 * case.known_hours - case.start_minute, 0), case.minutes)
        if minutes == case.minutes:
            assert spread == case.fee, case
        # each hour lies within one unit of its share, and hours are known whole
        assert abs(spread * case.minutes - case.fee * minutes) <= (case.known_hours + 1) * case.minutes, case
        assert (smallest >= 0) if case.fee > 0 else (largest <= 0), case
