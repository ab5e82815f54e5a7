"""Inventory and bill of the benchmark's fleet as deliveries: EC2 listings, and one CUR 2.0 export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from bench.marts_fleet import (
    ENDED_MINUTE,
    HOUR,
    MINUTES,
    REPLACED_MINUTE,
    START_AT,
    UNBILLED_HOURS,
    Fleet,
    info_of,
)
from pipeline.sources.base import ParsedDelivery

ACCOUNTS = ("111111111111", "222222222222", "333333333333")
INSTANCE_TYPE, LIST_USD, PLAN_USD = "p5.48xlarge", Decimal("55.04"), Decimal("31.4064")
UNITS = Decimal("0.0000000001")


def inventory(fleet: Fleet) -> Iterator[ParsedDelivery]:
    """One listing of all instances per day, and one after the last day."""
    for day in range(fleet.days + 1):
        observed_at = START_AT + timedelta(days=day, hours=2)
        hosts = [host for host in range(fleet.hosts) if fleet.is_inventoried(host)]
        batch = pa.RecordBatch.from_pylist([_inventory_row(fleet, host, observed_at) for host in hosts])
        yield ParsedDelivery(info_of("inventory", f"inventory/{day}", observed_at), iter([("raw_inventory", batch)]))


def bill(fleet: Fleet) -> ParsedDelivery:
    """One CUR delivery that ends UNBILLED_HOURS before the last day does."""
    delivered_at = START_AT + timedelta(days=fleet.days + 2)
    rows = [*_box_lines(fleet), *_ebs_lines(fleet), *_plan_fees(fleet), *_other_lines(fleet)]
    numbered = [{"line_number": number, **row} for number, row in enumerate(rows, start=1)]
    schema = pa.schema([(name, _cur_type(name, value)) for name, value in numbered[0].items()])
    batch = pa.Table.from_pylist(numbered, schema).combine_chunks().to_batches()[0]
    info = info_of("cur", "cur/1", delivered_at, export_name="bench", billing_period=START_AT.date(), execution_id="1")
    return ParsedDelivery(info, iter([("raw_cur_lines", batch)]))


def _inventory_row(fleet: Fleet, host: int, observed_at: datetime) -> dict[str, Any]:
    minute = int((observed_at - START_AT).total_seconds()) // 60
    is_second = fleet.instance_id(host, minute) != fleet.instance_id(host, 0)
    return {
        "observed_at": observed_at,
        "instance_id": fleet.instance_id(host, minute),
        "instance_type": INSTANCE_TYPE,
        "account_id": ACCOUNTS[host % 3],
        "region": "us-east-1",
        "availability_zone": "us-east-1a",
        "private_dns_name": fleet.dns_name(host),
        "launch_at": START_AT + timedelta(minutes=REPLACED_MINUTE if is_second else -MINUTES),
        "state": "running",
        "lifecycle": "on-demand",
        "tags": json.dumps({"aws:eks:cluster-name": ("train", "serve", "slurm", "lab")[host % 4]}),
    }


def _box_lines(fleet: Fleet) -> Iterator[dict[str, Any]]:
    """The time of each instance; what a Savings Plan covers also as a negation."""
    for hour in range(fleet.days * 24 - UNBILLED_HOURS):
        for host in range(fleet.hosts):
            for minute, length in _lives(fleet, host, hour * MINUTES):
                yield from _instance_hour(fleet, host, hour, minute, length)


def _lives(fleet: Fleet, host: int, minute: int) -> list[tuple[int, int]]:
    """When in that hour each instance of the host began, and for how many minutes it is billed."""
    if fleet.instance_id(host, minute) == fleet.instance_id(host, minute + MINUTES - 1):
        return [(minute, MINUTES)]
    return [(minute, ENDED_MINUTE - minute), (REPLACED_MINUTE, minute + MINUTES - REPLACED_MINUTE)]


def _instance_hour(fleet: Fleet, host: int, hour: int, minute: int, length: int) -> Iterator[dict[str, Any]]:
    amount = (Decimal(length) / MINUTES).quantize(UNITS)
    is_covered = host % 3 != 0
    line = _line(host, START_AT + hour * HOUR, HOUR, f"BoxUsage:{INSTANCE_TYPE}", (LIST_USD * amount).quantize(UNITS))
    line |= {"usage_amount": amount, "resource_id": fleet.instance_id(host, minute)}
    line["line_item_id"] = f"box-{host}-{hour}-{minute}"
    if not is_covered:
        yield line
        return
    yield line | {
        "record_type": "SavingsPlanCoveredUsage",
        "sp_effective_cost": (PLAN_USD * amount).quantize(UNITS),
    }
    negation = {"record_type": "SavingsPlanNegation", "unblended_cost": -line["unblended_cost"]}
    yield line | negation | {"line_item_id": f"negation-{host}-{hour}-{minute}", "public_on_demand_cost": Decimal(0)}


def _ebs_lines(fleet: Fleet) -> Iterator[dict[str, Any]]:
    for day in range(fleet.days):
        for host in range(fleet.hosts):
            line = _line(host, START_AT + timedelta(days=day), timedelta(days=1), "EBS:VolumeUsage.gp3", Decimal("2.6"))
            yield line | {"line_item_id": f"ebs-{host}-{day}", "resource_id": f"vol-{host:017x}", "instance_type": ""}


def _plan_fees(fleet: Fleet) -> Iterator[dict[str, Any]]:
    """The hourly fee of one Savings Plan, a tenth of which nobody uses."""
    used = PLAN_USD * sum(host % 3 != 0 for host in range(fleet.hosts))
    total = (used * 10 / 9).quantize(UNITS)
    for hour in range(fleet.days * 24 - UNBILLED_HOURS):
        line = _line(1, START_AT + hour * HOUR, HOUR, "ComputeSP:1yrNoUpfront", total)
        line |= {"record_type": "SavingsPlanRecurringFee", "line_item_id": f"fee-{hour}", "instance_type": ""}
        yield line | {"sp_total_commitment": total, "sp_used_commitment": used}


def _other_lines(fleet: Fleet) -> Iterator[dict[str, Any]]:
    for account, _ in zip(range(len(ACCOUNTS)), range(fleet.hosts), strict=False):
        for kind, cost in (("Tax", "1234.56"), ("Credit", "-432.1")):
            line = _line(account, START_AT, HOUR, "", Decimal(cost))
            yield line | {"line_item_id": f"{kind}-{account}", "record_type": kind, "instance_type": ""}


def _line(host: int, start_at: datetime, length: timedelta, usage_type: str, cost: Decimal) -> dict[str, Any]:
    return {
        "line_item_id": "",
        "billing_period": START_AT.date(),
        "usage_start_at": start_at,
        "usage_end_at": start_at + length,
        "account_id": ACCOUNTS[host % 3],
        "record_type": "Usage",
        "product_code": "AmazonEC2",
        "usage_type": usage_type,
        "resource_id": "",
        "instance_type": INSTANCE_TYPE,
        "region": "us-east-1",
        "currency": "USD",
        "usage_amount": Decimal(1),
        "unblended_cost": cost,
        "public_on_demand_cost": cost,
        "sp_effective_cost": None,
        "sp_total_commitment": None,
        "sp_used_commitment": None,
        "has_net_columns": False,
    }


def _cur_type(name: str, value: object) -> pa.DataType:
    if name.endswith(("_cost", "_amount", "_commitment")):
        return pa.decimal128(38, 10)
    if name.endswith("_at"):
        return pa.timestamp("us", tz="UTC")
    return {date: pa.date32(), bool: pa.bool_(), int: pa.int64()}.get(type(value), pa.string())
