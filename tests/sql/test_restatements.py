"""What deliveries change adds up to the bill: random deliveries of every source, hundreds of cases in one batch.

Each case is an account with exports of its own, so that one build judges all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa
import pytest

from pipeline.models import bind
from pipeline.windows import ALL_TIME
from tests.sql.conftest import AS_OF, Bench

Row = dict[str, Any]
CASES = 200
PERIODS = [date(2026, month, 1) for month in range(1, 11)]
RECORD_TYPES = ("Usage", "Tax", "Credit", "SavingsPlanCoveredUsage")
BILL = (
    "select billing_period, account_id, record_type, sum(billed_cost_usd), sum(effective_cost_usd) "
    "from int_bills group by all having sum(billed_cost_usd) <> 0 or sum(effective_cost_usd) <> 0 order by all"
)
TOLD = (
    "select billing_period, account_id, record_type, sum(change_usd), sum(change_effective_usd) "
    "from mart_restatements where {} group by all "
    "having sum(change_usd) <> 0 or sum(change_effective_usd) <> 0 order by all"
)


@dataclass
class Deliveries:
    """Rows of the ledger and of the raw cost tables, drawn at random."""

    random: random.Random
    rows: dict[str, list[Row]] = field(default_factory=dict)
    half: int = 0

    def draw(self, case: int) -> None:
        """One account's month, as two exports of CUR, one of FOCUS, files without a Manifest and Cost Explorer say."""
        period = PERIODS[case % len(PERIODS)]
        makers: list[Callable[[int, date, datetime], None]] = [self._cur, self._focus, self._files, self._pull]
        for maker in self.random.sample(makers, self.random.randint(1, len(makers))):
            for _ in range(self.random.randint(1, 4)):
                hours = self.random.randint(0, 75) * 12
                maker(case, period, datetime(period.year, period.month, 1, tzinfo=UTC) + timedelta(hours=hours))

    def add(self, table: str, **row: Any) -> None:
        self.rows.setdefault(table, []).append(row)

    def _deliver(self, source: str, at: datetime, **row: Any) -> str:
        delivery_id = str(UUID(int=self.random.getrandbits(128)))
        self.add("raw_deliveries", delivery_id=delivery_id, source=source, delivered_at=at, **row)
        return delivery_id

    def _amount(self) -> Decimal:
        return Decimal(self.random.randint(-500, 1000)) / 100

    def _lines(self, most: int = 4) -> Iterator[tuple[int, str, Decimal, Decimal]]:
        for number in range(self.random.randint(0, most)):
            yield number + 1, self.random.choice(RECORD_TYPES), self._amount(), self._amount()

    def _cur(self, case: int, period: date, at: datetime) -> None:
        export = self.random.choice("ab")
        named = f"cur-{case}-{export}"
        # who pays: nobody says, or one organisation, or the account moved, and each of the two has its export
        payer = ("", f"P{case}", f"{export}{case}")[case % 3]
        delivery = self._deliver("cur", at, export_name=named, billing_period=period, execution_id=str(at))
        for number, record_type, billed, effective in self._lines():
            self.add(
                "raw_cur_lines", delivery_id=delivery, line_number=number, line_item_id=f"l{number}",
                billing_period=period, usage_start_at=_day(period, number), usage_end_at=_day(period, number + 1),
                account_id=f"A{case}", payer_account_id=payer, record_type=record_type, unblended_cost=billed,
                sp_effective_cost=effective, has_net_columns=False, usage_amount=Decimal(1),
            )  # fmt: skip

    def _focus(self, case: int, period: date, at: datetime) -> None:
        named = {"export_name": f"focus-{case}", "billing_period": period, "execution_id": str(at)}
        self._focus_lines(self._deliver("focus", at, object="Manifest", **named), case, period)

    def _files(self, case: int, period: date, at: datetime) -> None:
        """A set of one or two files, seconds or hours apart."""
        name = f"files-{case}-{self.random.choice('ab')}"
        for shard in range(self.random.randint(1, 2)):
            moment = at + shard * self.random.choice([timedelta(seconds=9), timedelta(hours=3)])
            named = {"export_name": name, "execution_id": name, "object": f"{name}-{shard}"}
            self._focus_lines(self._deliver("focus", moment, **named), case, period)

    def _focus_lines(self, delivery: str, case: int, period: date) -> None:
        for number, record_type, billed, effective in self._lines():
            start_at = _day(period, self.random.randint(1, 3))
            self.add(
                "raw_focus_lines", delivery_id=delivery, line_number=number, focus_version="1.0",
                billing_period=period, charge_start_at=start_at, charge_end_at=start_at + timedelta(days=1),
                provider="AWS", billing_account_id=f"P{case}", sub_account_id=f"A{case}",
                charge_category=record_type if record_type in ("Tax", "Credit") else "Usage",
                billed_cost=billed, effective_cost=effective,
            )  # fmt: skip

    def _pull(self, case: int, period: date, at: datetime) -> None:
        """Pages a few seconds apart; sometimes the next pull comes within minutes."""
        for page in range(self.random.randint(1, 3)):
            moment = at + page * self.random.choice([timedelta(seconds=2), timedelta(minutes=10)])
            delivery = self._deliver("cost_explorer", moment, account=case)
            for number, record_type, billed, effective in self._lines():
                day = _day(period, self.random.randint(1, 3)).date()
                self.add(
                    "raw_cost_explorer_groups", delivery_id=delivery, group_number=number, usage_date=day,
                    end_date=day + timedelta(days=1), account_id=f"A{case}", record_type=record_type,
                    usage_type=self.random.choice(["BoxUsage:p5.48xlarge", "EBS"]), unblended_cost=billed,
                    amortized_cost=effective, estimated=True,
                )  # fmt: skip

    def number(self) -> None:
        """Give the ledger its order of arrival; the files of a set and the pages of a pull arrive together."""
        together: dict[tuple[Any, ...], list[Row]] = {}
        for row in self.rows["raw_deliveries"]:
            key = (row["source"], row.get("export_name"), row.get("billing_period"), row.get("account"))
            together.setdefault((*key, f"{row['delivered_at']:%Y%m%d%H}"), []).append(row)
        groups = list(together.values())
        self.random.shuffle(groups)
        self.half = sum(len(group) for group in groups[: len(groups) // 2])
        for number, row in enumerate((row for group in groups for row in group), start=1):
            row["landed_number"] = number
            row.pop("account", None)


def _day(period: date, number: int) -> datetime:
    return datetime(period.year, period.month, number, tzinfo=UTC)


class Built:
    """The models up to mart_restatements and int_bills over some of the deliveries."""

    def __init__(self, bench: Bench, rows: dict[str, list[Row]], closed: dict[date, int] | None = None) -> None:
        self.conn, self.models = bench.conn, bench.models
        for table, content in rows.items():
            self._insert(bench, table, content)
        for number, (period, seen) in enumerate((closed or {}).items(), start=1):
            values = [number, period, "close", AS_OF, "me", "", AS_OF, seen]
            self.conn.execute(f"insert into raw_period_actions values ({', '.join('?' * len(values))})", values)
        wanted = self._above("mart_restatements") | self._above("int_bills")
        for name in self.models:
            if name in wanted:
                times = {"start_at": ALL_TIME.start_at, "end_at": ALL_TIME.end_at, "as_of": AS_OF}
                sql = bind(self.models[name], seeds_dir=self.models.seeds_dir, **times)
                self.conn.execute(f"insert into {name} by name select * from ({sql})")

    def _above(self, name: str) -> set[str]:
        if name not in self.models:
            return set()
        return {name}.union(*(self._above(above) for above in self.models[name].inputs))

    def _insert(self, bench: Bench, table: str, content: list[Row]) -> None:
        columns = {name: [row.get(name) for row in content] for name in {name for row in content for name in row}}
        absent = "".join(
            f", '' as {name}" for name in bench.texts[table] if name not in columns and table != "raw_deliveries"
        )
        self.conn.register("drawn", pa.table(columns))
        self.conn.execute(f"insert into {table} by name select *{absent} from drawn")
        self.conn.unregister("drawn")

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self.conn.execute(sql).fetchall()


@pytest.fixture
def build(bench: Bench) -> Callable[..., Built]:
    """Build in a transaction that leaves nothing behind; each call begins anew."""

    def begin(*given: Any) -> Built:
        bench.conn.begin()
        return Built(bench, *given)

    return begin


@pytest.fixture(autouse=True)
def leave_nothing(bench: Bench) -> Iterator[None]:
    yield
    _undo(bench.conn)


def _undo(conn: duckdb.DuckDBPyConnection) -> None:
    try:
        conn.rollback()
    except duckdb.TransactionException:
        return


def drawn(seed: int) -> Deliveries:
    deliveries = Deliveries(random.Random(seed))
    for case in range(CASES):
        deliveries.draw(case)
    deliveries.number()
    return deliveries


def known(rows: dict[str, list[Row]], is_known: Callable[[Row], bool]) -> dict[str, list[Row]]:
    """The rows of some deliveries only."""
    ids = {row["delivery_id"] for row in rows["raw_deliveries"] if is_known(row)}
    return {table: [row for row in content if row["delivery_id"] in ids] for table, content in rows.items()}


SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 26))]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_changes_of_any_deliveries_add_up_to_the_bill(seed: int, build: Callable[..., Built]) -> None:
    built = build(drawn(seed).rows)
    bill = built.ask(BILL)
    assert len(bill) > CASES
    assert built.ask(TOLD.format("true")) == bill
    (check,) = [one.query for one in built.models["mart_restatements"].checks if "add up" in one.why]
    assert check is not None
    assert built.ask(check) == []
    assert built.ask("select * from mart_restatements where status <> 'applied'") == []


@pytest.mark.parametrize("seed", SEEDS)
def test_up_to_any_moment_they_add_up_to_the_bill_known_then(
    seed: int, bench: Bench, build: Callable[..., Built]
) -> None:
    rows = drawn(seed).rows
    cut = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=random.Random(seed).randint(24 * 20, 24 * 300))
    told = build(rows).ask(TOLD.format(f"delivered_at <= timestamptz '{cut.isoformat()}'"))
    _undo(bench.conn)
    then = build(known(rows, lambda row: row["delivered_at"] <= cut))
    assert then.ask(BILL) == told


@pytest.mark.parametrize("seed", SEEDS)
def test_in_a_closed_period_what_is_not_pending_is_the_bill_it_was_closed_with(
    seed: int, bench: Bench, build: Callable[..., Built]
) -> None:
    deliveries = drawn(seed)
    rows, seen = deliveries.rows, deliveries.half
    built = build(rows, dict.fromkeys(PERIODS, seen))
    applied = built.ask(TOLD.format("status = 'applied'"))
    assert built.ask(TOLD.format("true")) == built.ask(BILL)
    assert built.ask("select * from mart_restatements where status = 'pending'")
    _undo(bench.conn)
    then = build(known(rows, lambda row: row["landed_number"] <= seen))
    assert then.ask(BILL) == applied
