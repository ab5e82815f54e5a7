"""The lines of a bill as rows of raw tables: as CUR, as FOCUS, as daily groups of Cost Explorer."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.properties.bills import HOUR, Bill
from tests.properties.lines import Line

Row = dict[str, Any]
DAY = timedelta(days=1)
# record types that Cost Explorer and FOCUS treat otherwise than CUR: FOCUS has no negations, and discounts no lines
NOT_IN_FOCUS = ("SavingsPlanNegation", "EdpDiscount", "PrivateRateDiscount", "BundledDiscount", "Rounding")


@dataclass(frozen=True)
class Delivery:
    """Who hands a bill out and when; `rank` tells deliveries of one twin apart and orders them."""

    twin: int
    source: str
    rank: int
    delivered_at: datetime
    # the first organisation or the second
    payer: int = 0

    def id(self, period: date | None) -> UUID:
        """One id per twin, source, rank, payer and billing period."""
        month = 0 if period is None else period.year * 12 + period.month
        source = ("cur", "focus", "cost_explorer", "dcgm", "neuron_monitor", "inventory", "work_units").index(
            self.source
        )
        return UUID(int=((((self.twin * 100_000 + month) * 10 + source) * 10 + self.rank) * 10 + self.payer) + 1)

    def row(self, period: date | None) -> Row:
        """Its row in the ledger of deliveries."""
        at = self.delivered_at + self.rank * HOUR
        is_export = self.source in ("cur", "focus")
        return {
            "delivery_id": self.id(period), "source": self.source, "object": f"{self.source}/{self.twin}/{self.rank}",
            "observed_at": at, "delivered_at": at, "arrived_at": at, "time_guessed": False, "row_count": 1,
            "reject_count": 0, "export_name": export_name(self) if is_export else None, "billing_period": period,
            "execution_id": str(self.rank), "landed_number": self.id(period).int,
        }  # fmt: skip


def export_name(delivery: Delivery) -> str:
    """Every payer of every twin has an export of its own."""
    return f"e{delivery.twin:07d}p{delivery.payer}"


def by_payer(lines: list[Line], delivery: Delivery, bill: Bill) -> Iterator[tuple[list[Line], Delivery]]:
    """What each payer's export delivers: of an account that moves, the second's has the lines after the first hour."""
    if not bill.changes_payer:
        yield lines, delivery
        return
    for payer in (0, 1):
        own = [line for line in lines if (line.start_at > bill.first_at) == bool(payer)]
        yield own, replace(delivery, payer=payer)


def account(twin: int, line: Line | None = None) -> str:
    """Twelve digits: the twin, and which of its two accounts."""
    return f"{twin:010d}{2 if line and line.is_in_account_two else 1:02d}"


def payer_of(delivery: Delivery) -> str:
    """The account that pays for the delivery's lines."""
    return f"{delivery.twin:010d}{9 if delivery.payer else 1:02d}"


def tags_of(line: Line) -> str:
    """Its tags as JSON, the key as an export writes it."""
    key, _, value = line.tag.partition("=")
    return json.dumps({f"user_{key}": value} if value else {})


def usd(units: int | None) -> Decimal | None:
    """Units of 1e-10 USD as USD."""
    return None if units is None else Decimal(units).scaleb(-10)


def hours(seconds: int) -> Decimal:
    """Hours to ten places, as CUR prints them."""
    return (Decimal(seconds) / 3600).quantize(Decimal("1e-10"))


def period_of(line: Line) -> date:
    """First day of the billing period that holds the line."""
    return (line.period_at or line.start_at).date().replace(day=1)


def _ledger(delivery: Delivery, lines: Iterable[Line]) -> Iterator[tuple[str, Row]]:
    for period in sorted({period_of(line) for line in lines}):
        yield "raw_deliveries", delivery.row(period)


def cur_rows(lines: list[Line], delivery: Delivery, *, has_net: bool) -> Iterator[tuple[str, Row]]:
    """One delivery per billing period, its lines in the given order."""
    yield from _ledger(delivery, lines)
    for number, line in enumerate(lines, 1):
        period = period_of(line)
        yield "raw_cur_lines", {
            "delivery_id": delivery.id(period), "line_number": number, "line_item_id": line.key,
            "billing_period": period,
            "usage_start_at": line.start_at, "usage_end_at": line.start_at + HOUR,
            "payer_account_id": payer_of(delivery),
            "account_id": account(delivery.twin, line), "record_type": line.record_type,
            "product_code": line.product_code,
            "usage_type": line.usage_type, "resource_id": line.resource_id, "instance_type": line.instance_type,
            "region": "us-east-1", "currency": "USD", "usage_amount": hours(line.seconds),
            "unblended_cost": usd(line.billed),
            "net_unblended_cost": usd(line.net), "public_on_demand_cost": usd(line.public),
            "reservation_effective_cost": usd(line.reservation_effective),
            "net_reservation_effective_cost": usd(line.net_reservation_effective),
            "reservation_unused_amortized_upfront_fee": usd(line.unused_upfront),
            "reservation_unused_recurring_fee": usd(line.unused_recurring),
            "sp_effective_cost": usd(line.plan_effective), "net_sp_effective_cost": usd(line.net_plan_effective),
            "sp_total_commitment": usd(line.commitment), "sp_used_commitment": usd(line.commitment_used),
            "has_net_columns": has_net, "resource_tags": tags_of(line),
            "sp_arn": line.resource_id if "savingsplan/" in line.resource_id else "",
            "reservation_arn": line.resource_id if "reserved-instances/" in line.resource_id else "",
            "capacity_reservation_arn": line.block and f"arn:aws:ec2:us-east-1:1:capacity-reservation/{line.block}",
            "capacity_reservation_type": "EC2 Capacity Block for ML" if line.block else "",
        }  # fmt: skip


def split_rows(lines: list[Line], delivery: Delivery) -> Iterator[tuple[str, Row]]:
    """How AWS divides an instance-hour: two pods with parts of what nobody used, and what nobody used again."""
    for number, line in enumerate(lines, 10_001):
        if line.seconds:
            parts = [("pod/a", 4, 1), ("pod/b", 3, 2), ("Unused", 3, 0)]
            for place, (pod, used, unused) in enumerate(parts):
                yield "raw_cur_splits", {
                    "delivery_id": delivery.id(period_of(line)), "line_number": number * 3 + place,
                    "billing_period": period_of(line), "usage_start_at": line.start_at,
                    "usage_end_at": line.start_at + HOUR,
                    "account_id": account(delivery.twin, line), "usage_type": "USE1-EKS-EC2-GPU-Hours",
                    "resource_id": pod,
                    "parent_resource_id": line.resource_id, "split_cost": usd(line.effective * used // 10),
                    "unused_cost": usd(line.effective * unused // 10), "unblended_cost": usd(0), "resource_tags": "{}",
                }  # fmt: skip


def _focus_words(line: Line) -> Row:
    """Category, class, commitment and frequency by which FOCUS says the record type."""
    spend, usage = {"commitment_discount_category": "Spend"}, {"commitment_discount_category": "Usage"}
    plan, reserved = {"commitment_discount_id": "plan"}, {"commitment_discount_id": "reservation"}
    words: dict[str, Row] = {
        "Usage": {"charge_category": "Usage"},
        "SavingsPlanCoveredUsage": {"charge_category": "Usage", **spend, **plan, "commitment_discount_status": "Used"},
        "DiscountedUsage": {"charge_category": "Usage", **usage, **reserved, "commitment_discount_status": "Used"},
        "SavingsPlanRecurringFee": {"charge_category": "Purchase", **spend, **plan, "charge_frequency": "Recurring"},
        "RIFee": {"charge_category": "Purchase", **usage, **reserved, "charge_frequency": "Recurring"},
        "SavingsPlanUpfrontFee": {"charge_category": "Purchase", **spend, **plan, "charge_frequency": "One-Time"},
        "Tax": {"charge_category": "Tax"},
        "Credit": {"charge_category": "Credit"},
        "Refund": {"charge_category": "Usage", "charge_class": "Correction"},
    }
    if line.record_type != "Fee":
        return words[line.record_type]
    commitment = {**usage, **reserved} if "reserved-instances/" in line.resource_id else {}
    return {"charge_category": "Purchase", "charge_frequency": "One-Time", **commitment}


def in_focus(lines: list[Line]) -> list[Line]:
    """What a plan covers is billed with nothing, so there is nothing to negate; discounts are no lines."""
    told = [line for line in lines if line.record_type not in NOT_IN_FOCUS]
    return [replace(line, billed=0) if line.record_type == "SavingsPlanCoveredUsage" else line for line in told]


def focus_rows(lines: list[Line], delivery: Delivery) -> Iterator[tuple[str, Row]]:
    """The same bill as FOCUS words it."""
    yield from _ledger(delivery, lines)
    for number, line in enumerate(lines, 1):
        period = period_of(line)
        yield "raw_focus_lines", {
            "delivery_id": delivery.id(period), "line_number": number, "focus_version": "1.2", "billing_period": period,
            "charge_start_at": line.start_at, "charge_end_at": line.start_at + HOUR, "provider": "AWS",
            "publisher": "AWS",
            "billing_account_id": payer_of(delivery), "sub_account_id": account(delivery.twin, line),
            "charge_frequency": "Usage-Based", "service_name": line.product_code, "service_code": line.product_code,
            "region": "us-east-1", "resource_id": line.resource_id, "sku_meter": line.usage_type,
            "charge_description": line.key, "consumed_quantity": hours(line.seconds), "consumed_unit": "Hours",
            "billed_cost": usd(line.billed), "effective_cost": usd(line.effective), "list_cost": usd(line.public),
            "currency": "USD", "tags": tags_of(line), **_focus_words(line),
            "capacity_reservation_id": line.block or (line.resource_id if line.resource_id.startswith("cr-") else ""),
            "capacity_reservation_status": "Unused" if "UnusedBox" in line.usage_type else "",
        }  # fmt: skip


def explorer_rows(
    lines: list[Line], delivery: Delivery, *, off: int = 0, estimated: bool = False
) -> Iterator[tuple[str, Row]]:
    """Daily groups; `off` is added to the amounts of the first, as if Cost Explorer knew otherwise."""
    groups: dict[tuple[date, str, str, str, str], list[Line]] = defaultdict(list)
    for line in lines:
        day = line.start_at.date()
        groups[day, account(delivery.twin, line), line.record_type, line.usage_type, line.product_code].append(line)
    yield "raw_deliveries", delivery.row(None)
    for number, (key, members) in enumerate(groups.items(), 1):
        wrong = off if number == 1 else 0
        billed = usd(sum(line.billed for line in members) + wrong)
        yield "raw_cost_explorer_groups", {
            "delivery_id": delivery.id(None), "group_number": number, "usage_date": key[0], "end_date": key[0] + DAY,
            "account_id": key[1], "record_type": key[2], "usage_type": key[3], "service": key[4],
            "unblended_cost": billed, "amortized_cost": usd(sum(line.effective for line in members) + wrong),
            "usage_quantity": hours(sum(line.seconds for line in members)), "currency": "USD", "estimated": estimated,
        }  # fmt: skip
