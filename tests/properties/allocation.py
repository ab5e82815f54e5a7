"""Many drawn bills allocated in one batch: each has eight twins with ids of their own; one run of the models for all.

A twin is the bill told otherwise (permuted, scaled, without telemetry, as FOCUS …); the invariants compare them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.models import Models, bind
from pipeline.warehouse import bootstrap
from pipeline.windows import ALL_TIME
from tests.properties.bills import TYPES, Bill
from tests.properties.exports import (
    Delivery,
    Row,
    account,
    by_payer,
    cur_rows,
    explorer_rows,
    focus_rows,
    in_focus,
    period_of,
    split_rows,
    usd,
)
from tests.properties.lines import TRAINING, Line, block_id, instance_id, lines_of, restated
from tests.properties.telemetry import inventory_rows, meanings, telemetry_rows, with_more

TWINS = ("base", "again", "scaled", "blind", "more", "first", "focus", "explorer")
AS_OF = datetime(2029, 1, 1, tzinfo=UTC)
SETTLED = timedelta(days=50)
RESULTS = (
    "fct_cost_allocated_hourly",
    "fct_accelerator_usage_hourly",
    "fct_workload_usage_hourly",
    "mart_reconciliation_daily",
    "mart_workload_cost_daily",
    "mart_idle_cost_daily",
    "mart_restatements",
    "int_bills",
    "mart_distributed_cost_daily",
    "stg_cur_splits",
    "mart_unit_cost_daily",
    "mart_chargeback_daily",
)
TRUTH = """
create table true_lines (
    twin integer, line_key varchar, account_id varchar, billing_period date, usage_date date, usage_hour_at timestamptz,
    record_type varchar, cost_class varchar, instance_id varchar, block varchar, billed_usd decimal(38, 10),
    effective_usd decimal(38, 10), list_usd decimal(38, 10), commitment_usd decimal(38, 10), device_seconds bigint,
    team varchar, job varchar
);
create table true_hours (
    twin integer, usage_hour_at timestamptz, instance_id varchar, workload varchar, held bigint, total bigint,
    is_exact boolean
);
create table true_bills (
    number integer, has_net boolean, factor integer, tokens bigint, node_count integer,
    restated_usd decimal(38, 10), explorer_off_usd decimal(38, 10)
);
-- the twin that an account belongs to, its bill, and how it is told
create macro twin_of(account_id) as cast(left(account_id, 10) as integer);
create macro bill_of(twin) as twin // 8;
create macro told_as(twin) as ['base', 'again', 'scaled', 'blind', 'more', 'first', 'focus', 'explorer'][twin % 8 + 1];
-- words apart from the names of the twin
create macro plain(words) as regexp_replace(words, 't\\d{7}', '', 'g');
-- key of the line as it was drawn; a line that the models make of it has a longer one
create macro line_key(cost_line_id) as
    regexp_replace(regexp_extract(cost_line_id, '^[^/]*/[^/]*/[^/]*/(.*)$', 1), 'i-[0-9a-f]{10}', 'i-');
create macro units(cost_usd) as cast(cost_usd * 10000000000 as hugeint);
"""


@dataclass(frozen=True)
class Batch:
    """Allocated bills on a connection of their own."""

    conn: duckdb.DuckDBPyConnection
    bills: Sequence[Bill]

    def violations(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of an invariant's query; the first column is the number of the bill that breaks it."""
        return self.conn.execute(sql).fetchall()


def twin_lines(bill: Bill, twin: int) -> list[Line]:
    """The lines that the twin's newest bill holds."""
    lines = lines_of(bill, twin)
    match TWINS[twin % len(TWINS)]:
        case "again":
            return restated(lines, bill)[::-1]
        case "scaled":
            return [line.times(bill.factor) for line in restated(lines, bill)]
        case "first":
            return lines
        case "focus":
            return in_focus(restated(lines, bill))
        case "explorer":
            return [replace(line, public=None) for line in restated(lines, bill)]
    return restated(lines, bill)


def _bill_rows(bill: Bill, twin: int, lines: list[Line], at: datetime) -> Iterator[tuple[str, Row]]:
    cur = [Delivery(twin, "cur", rank, at) for rank in range(3)]
    pulls = [Delivery(twin, "cost_explorer", rank, at) for rank in range(3)]
    match TWINS[twin % len(TWINS)]:
        case "focus":
            yield from _focus(lines, bill, Delivery(twin, "focus", 0, at))
        case "explorer":
            # what AWS called estimated is another amount when it is final
            estimates = [line.times(2) for line in lines_of(bill, twin)]
            yield from explorer_rows(estimates, pulls[0], estimated=True)
            yield from explorer_rows(lines, pulls[1])
        case "base":
            for own, delivery in by_payer(lines, cur[1], bill):
                yield from split_rows(own, delivery)
            yield from _cur(lines_of(bill, twin), bill, cur[0])
            yield from _cur(lines, bill, cur[1])
            # a pull reaches back to the days of the bill, not to those that a refund corrects
            pulled = [line for line in lines if line.period_at is None]
            yield from explorer_rows(pulled, pulls[2], off=bill.explorer_off)
        case "again":
            for delivery in (cur[2], cur[1]):
                yield from _cur(lines, bill, delivery)
            # the same bill in another export: one speaks, the other is silent
            yield from _focus(in_focus(lines), bill, Delivery(twin, "focus", 0, at))
        case _:
            yield from _cur(lines, bill, cur[0])


def _cur(lines: list[Line], bill: Bill, delivery: Delivery) -> Iterator[tuple[str, Row]]:
    for own, of_payer in by_payer(lines, delivery, bill):
        yield from cur_rows(own, of_payer, has_net=bill.has_net)


def _focus(lines: list[Line], bill: Bill, delivery: Delivery) -> Iterator[tuple[str, Row]]:
    for own, of_payer in by_payer(lines, delivery, bill):
        yield from focus_rows(own, of_payer)


def _telemetry(bill: Bill, twin: int, at: datetime) -> Iterator[tuple[str, Row]]:
    name = TWINS[twin % len(TWINS)]
    if name != "blind":
        told = list(telemetry_rows(with_more(bill) if name == "more" else bill, twin, f"t{twin:07d}"))
        for rank in (0, 1) if name == "again" else (0,):
            for source in ("dcgm", "neuron_monitor"):
                yield "raw_deliveries", Delivery(twin, source, rank, at).row(None)
            for _, table, row in reversed(told) if rank else told:
                source = "dcgm" if table.startswith("raw_dcgm") else "neuron_monitor"
                landed = {**row, "delivery_id": Delivery(twin, source, rank, at).id(None)}
                yield table, landed
                if rank:
                    yield from _copies(table, landed)
    inventory = Delivery(twin, "inventory", 0, at)
    yield "raw_deliveries", inventory.row(None)
    for which, node in enumerate(bill.nodes):
        for row in inventory_rows(node, which, bill, twin, account(twin)):
            yield "raw_inventory", {**row, "delivery_id": inventory.id(None)}
        if node.purchase == "block":
            yield "raw_capacity_reservations", {
                "delivery_id": inventory.id(None), "observed_at": at, "reservation_id": block_id(twin, which),
                "account_id": account(twin), "region": "us-east-1", "instance_type": node.instance_type,
                "state": "expired", "reservation_type": "capacity-block", "total_count": 1, "tags": "{}",
                "start_at": bill.first_at, "end_at": bill.first_at + timedelta(hours=2),
            }  # fmt: skip


def _copies(table: str, row: Row) -> Iterator[tuple[str, Row]]:
    """What was written twice into one object: a scrape, or a report on another line."""
    if table == "raw_dcgm_samples":
        yield table, row
    elif table.startswith("raw_neuron"):
        yield table, {**row, "report_number": row["report_number"] + 50}


def _work(bill: Bill, twin: int, at: datetime) -> Iterator[tuple[str, Row]]:
    """What pod a counted in the first hour of each node."""
    delivery = Delivery(twin, "work_units", 0, at)
    yield "raw_deliveries", delivery.row(None)
    for which, _ in enumerate(bill.nodes):
        yield "raw_work_units", {
            "delivery_id": delivery.id(None), "line_number": which + 1, "start_at": bill.first_at,
            "end_at": bill.first_at + timedelta(hours=1), "namespace": f"t{twin:07d}", "pod": "wa-0",
            "container": "main",
            "instance_id": instance_id(twin, which), "unit": "output_tokens", "units": bill.tokens,
        }  # fmt: skip


def _truth(bill: Bill, twin: int, lines: Iterable[Line]) -> Iterator[tuple[str, Row]]:
    for line in lines:
        yield "true_lines", {
            "twin": twin, "line_key": line.key, "account_id": account(twin, line), "billing_period": period_of(line),
            "usage_date": line.start_at.date(), "usage_hour_at": line.start_at, "record_type": line.record_type,
            "cost_class": line.cost_class,
            "instance_id": line.resource_id if line.seconds or line.instance_type else "",
            "block": line.block, "billed_usd": usd(line.billed), "effective_usd": usd(line.effective),
            "list_usd": usd(line.public), "commitment_usd": usd(line.commitment),
            "device_seconds": line.seconds * TYPES[line.instance_type][0] if line.seconds else 0,
            "team": line.tag.partition("=")[2].lower(),
            "job": line.resource_id.removeprefix(TRAINING) if line.resource_id.startswith(TRAINING) else "",
        }  # fmt: skip
    if TWINS[twin % len(TWINS)] not in ("blind", "more", "explorer"):
        for meaning in meanings(bill, twin):
            names = {"a": "wa", "b": "wb", "job": f"t{twin:07d}job", "": ""}
            for owner, seconds in meaning.held.items():
                yield "true_hours", {
                    "twin": twin, "usage_hour_at": meaning.hour_at, "instance_id": meaning.instance_id,
                    "workload": names[owner], "held": seconds, "total": meaning.total, "is_exact": meaning.is_exact,
                }  # fmt: skip


def rows_of(bill: Bill, number: int) -> Iterator[tuple[str, Row]]:
    """(table, row) of all twins of a bill, and what is true of them."""
    at = bill.first_at + SETTLED
    yield "true_bills", {
        "number": number, "has_net": bill.has_net, "factor": bill.factor, "restated_usd": usd(bill.restated),
        "explorer_off_usd": usd(bill.explorer_off), "tokens": bill.tokens, "node_count": len(bill.nodes),
    }  # fmt: skip
    for twin in range(number * len(TWINS), (number + 1) * len(TWINS)):
        lines = twin_lines(bill, twin)
        yield from _bill_rows(bill, twin, lines, at)
        yield from _telemetry(bill, twin, at)
        yield from _work(bill, twin, at)
        yield from _truth(bill, twin, lines)


def load(conn: duckdb.DuckDBPyConnection, rows: Iterable[tuple[str, Row]]) -> None:
    """Rows into their tables; columns that a table lacks are left out, text that a row lacks is empty."""
    tables: dict[str, list[Row]] = defaultdict(list)
    for table, row in rows:
        tables[table].append(row)
    for table, members in tables.items():
        columns = conn.execute(f"select column_name, column_type from (describe {table})")
        kinds = dict(columns.fetchall())
        told = set().union(*members)
        names = [name for name in kinds if name in told]
        arrays = [_array([row.get(name) for row in members], kinds[name]) for name in names]
        given = pa.table(dict(zip(names, arrays, strict=True)))
        texts = [name for name, kind in kinds.items() if kind == "VARCHAR"]
        shown = [f"coalesce({name}, '') as {name}" if name in texts else name for name in names]
        shown += [f"'' as {name}" for name in texts if name not in names]
        conn.register("given", given)
        conn.execute(f"insert into {table} by name select {', '.join(shown)} from given")
        conn.unregister("given")


def _array(values: list[Any], kind: str) -> pa.Array:
    if kind.startswith("DECIMAL"):
        return pa.array(values, pa.decimal128(38, 10))
    return pa.array([None if value is None else str(value) for value in values] if kind == "UUID" else values)


def needed(models: Models) -> list[str]:
    """The models behind the results, in build order; results that are not there yet are left out."""
    found: set[str] = set()
    waiting = [name for name in RESULTS if name in models]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [source for source in models[name].inputs if source in models]
    return [name for name in models if name in found]


def select(
    models: Models, name: str, start_at: datetime = ALL_TIME.start_at, end_at: datetime = ALL_TIME.end_at
) -> str:
    """The model over a window, or all time."""
    return bind(models[name], start_at=start_at, end_at=end_at, seeds_dir=models.seeds_dir, as_of=AS_OF)


def allocate(models: Models, bills: Sequence[Bill], numbers: Sequence[int] | None = None) -> Batch:
    """One run of the models over all twins of all bills."""
    conn = duckdb.connect(config={"threads": 1})
    conn.execute("set TimeZone = 'UTC'")
    bootstrap(conn, comments=False)
    conn.execute(TRUTH)
    named = zip(numbers or range(len(bills)), bills, strict=True)
    load(conn, chain.from_iterable(rows_of(bill, number) for number, bill in named))
    for name in needed(models):
        conn.execute(f"create table {name} as {select(models, name)}")
    return Batch(conn, bills)
