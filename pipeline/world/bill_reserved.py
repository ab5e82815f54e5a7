"""Reserved instances: what they cover, the fee paid in advance, and each month's fee with what nobody used.

As AWS bills regional ones: covered usage costs nothing by itself (DiscountedUsage), each month's recurring fee stands
in one line (RIFee), which also says how much of that fee and of the upfront fee nobody used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from pipeline.world.bill_other import period_starts, usage_type
from pipeline.world.chips import SPECS
from pipeline.world.events import RESERVED_INSTANCES
from pipeline.world.fleet import Fleet, Node
from pipeline.world.lines import FEE, RI_COVERED, RI_FEE, Line, units
from pipeline.world.options import END, SECONDS_PER_HOUR, WorldOptions
from pipeline.world.plan import STANDING, Account
from pipeline.world.seeds import uuid_text

ROLE = "inf2-serve"
PLAN = next(node_plan for node_plan in STANDING if node_plan.role == ROLE)
# One year, partial upfront: parts of the list price, per hour paid in advance and per hour paid each month.
UPFRONT_SHARE = Decimal("0.31")
RECURRING_SHARE = Decimal("0.33")
HOURS_PAID = 365 * 24
# Bought for each instance that runs, and one more for each.
BOUGHT_PER_INSTANCE = 2


def is_reserved(options: WorldOptions, node: Node) -> bool:
    """Whether reserved instances cover what the node runs."""
    return RESERVED_INSTANCES in options.events and node.role == ROLE


def hourly_units() -> tuple[int, int]:
    """What an hour of one reserved instance costs: paid in advance, and paid each month."""
    price = SPECS[PLAN.instance_type].list_usd_per_hour or Decimal(0)
    return units(price * UPFRONT_SHARE), units(price * RECURRING_SHARE)


def reserved_arn(account: Account) -> str:
    """The ARN of the account's reserved instances."""
    name = uuid_text("reserved instances", account.account_id)
    return f"arn:aws:ec2:{account.region}:{account.account_id}:reserved-instances/{name}"


def reserved_fees(options: WorldOptions, fleet: Fleet, usage: Sequence[Line]) -> Iterator[Line]:
    """The upfront fee in the first hour of the world, and a fee for the part of each month that lies in it."""
    if RESERVED_INSTANCES not in options.events:
        return
    account = fleet.accounts[PLAN.account]
    upfront, recurring = hourly_units()
    count = BOUGHT_PER_INSTANCE * len(fleet.with_role(ROLE))
    yield _fee(account, FEE, options.start, options.start + SECONDS_PER_HOUR, count, upfront * HOURS_PAID * count)
    starts = period_starts(options)
    for start, end in zip(starts, [*starts[1:], END], strict=True):
        paid_hours = (end - start) // SECONDS_PER_HOUR * count
        used = sum(line.drawn or 0 for line in usage if line.record_type == RI_COVERED and start <= line.start < end)
        total = (upfront + recurring) * paid_hours
        yield _fee(account, RI_FEE, start, end, count, recurring * paid_hours, commitment=total, used=used)


def _fee(account: Account, record_type: str, start: int, end: int, count: int, cost: int, *,
         commitment: int | None = None, used: int | None = None) -> Line:  # fmt: skip
    kind = usage_type(account.region, f"HeavyUsage:{PLAN.instance_type}")
    return Line(
        start, end, account.account_id, record_type, "AmazonEC2", kind, "RunInstances", "", PLAN.instance_type,
        account.region, Decimal(count), cost, commitment=commitment, used=used,
        description=f"{count} {PLAN.instance_type} reserved for a year, partial upfront",
        reserved_instances=reserved_arn(account),
    )  # fmt: skip
