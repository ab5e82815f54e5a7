"""Lines of the events: the fee of a Capacity Block, a credit that outweighs a day, a refund of last month."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from pipeline.world.bill_other import usage_type
from pipeline.world.events import large_credit_day, late_refund_at
from pipeline.world.fleet import Fleet
from pipeline.world.lines import CREDIT, FEE, REFUND, Line
from pipeline.world.options import END, SECONDS_PER_DAY, SECONDS_PER_HOUR, WorldOptions
from pipeline.world.plan import BLOCKED, Account


def reservation_arn(account: Account, reservation_id: str) -> str:
    """The ARN of a capacity reservation."""
    return f"arn:aws:ec2:{account.region}:{account.account_id}:capacity-reservation/{reservation_id}"


def block_fees(fleet: Fleet) -> Iterator[Line]:
    """One line per block, in the hour in which it was paid for; no effective cost stands anywhere else on the bill."""
    account, kind = fleet.accounts[BLOCKED.account], BLOCKED.instance_type
    for block in fleet.blocks:
        yield Line(
            block.booked_at, block.booked_at + SECONDS_PER_HOUR, account.account_id, FEE, "AmazonEC2",
            usage_type(account.region, f"CapacityBlockFee:{kind}"), "", "", kind, account.region, Decimal(block.count),
            block.fee, description=f"Capacity Block of {block.count} {kind}",
            reservation=reservation_arn(account, block.reservation_id),
        )  # fmt: skip


def late_returns(options: WorldOptions, fleet: Fleet, usage: Sequence[Line]) -> Iterator[Line]:
    """A credit of one and a half times the training account's day, and a refund of an instance-hour in a later bill."""
    account = fleet.accounts["training"]
    day = large_credit_day(options)
    if day is not None:
        of_day = (line for line in usage if line.account_id == account.account_id and day <= line.start < day + 86400)
        credit = -sum(line.unblended for line in of_day) * 3 // 2
        yield Line(
            day, day + SECONDS_PER_DAY, account.account_id, CREDIT, "AmazonEC2", "", "", "", "", "global", Decimal(1),
            credit, description="Migration credit",
        )  # fmt: skip
    if refund := late_refund_at(options, END):
        hour, month = refund
        line = next(line for line in usage if line.is_box and line.account_id == account.account_id)
        yield Line(
            hour, hour + SECONDS_PER_HOUR, account.account_id, REFUND, "AmazonEC2", line.usage_type, "",
            line.resource_id, line.instance_type, line.region, Decimal(1), -line.unblended // 2,
            description="Refund of last month", billed_in=month,
        )  # fmt: skip
