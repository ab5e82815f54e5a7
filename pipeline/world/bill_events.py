"""Lines of the events: the fee of a Capacity Block, credits that outweigh a day and a month, a refund of last month."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from pipeline.world.bill_other import usage_type
from pipeline.world.events import large_credit_day, late_refund_at, month_credit_day
from pipeline.world.fleet import Fleet
from pipeline.world.lines import CREDIT, FEE, REFUND, Line
from pipeline.world.options import END, SECONDS_PER_DAY, SECONDS_PER_HOUR, WorldOptions, month_end, month_start
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
    """Credits beyond the training account's day and the research account's month, and a refund in a later bill."""
    training, research = fleet.accounts["training"], fleet.accounts["research"]
    if (day := large_credit_day(options)) is not None:
        spent = _spent(usage, training, day, day + SECONDS_PER_DAY)
        yield _credit(day, training, -spent * 3 // 2, "Migration credit")
    if (day := month_credit_day(options)) is not None:
        spent = _spent(usage, research, month_start(day), month_end(day))
        yield _credit(day, research, -spent * 5 // 4, "Research programme credit")
    if refund := late_refund_at(options, END):
        yield _refund(training, usage, *refund)


def _spent(usage: Sequence[Line], account: Account, start: int, end: int) -> int:
    """What the account was billed for [start, end)."""
    own = (line for line in usage if line.account_id == account.account_id)
    return sum(line.unblended for line in own if start <= line.start < end)


def _credit(day: int, account: Account, cost: int, text: str) -> Line:
    return Line(
        day, day + SECONDS_PER_DAY, account.account_id, CREDIT, "AmazonEC2", "", "", "", "", "global", Decimal(1), cost,
        description=text,
    )  # fmt: skip


def _refund(account: Account, usage: Sequence[Line], hour: int, month: int) -> Line:
    """Half of an instance-hour, in the bill of a later month."""
    line = next(line for line in usage if line.is_box and line.account_id == account.account_id)
    return Line(
        hour, hour + SECONDS_PER_HOUR, account.account_id, REFUND, "AmazonEC2", line.usage_type, "", line.resource_id,
        line.instance_type, line.region, Decimal(1), -line.unblended // 2, description="Refund of last month",
        billed_in=month,
    )  # fmt: skip
