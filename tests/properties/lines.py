"""The lines of a drawn bill as CUR words them, with the effective cost and the class that the contract gives them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tests.properties.bills import HOUR, Bill, Charge, Node

ACCELERATOR = "accelerator"
PLAN = "arn:aws:savingsplans::1:savingsplan/p"
RESERVATION = "arn:aws:ec2:us-east-1:1:reserved-instances/r"
TRAINING = "arn:aws:sagemaker:us-east-1:1:training-job/"
# how long before it begins a Capacity Block is booked and paid
BOOKED_BEFORE = timedelta(days=20)
# what an instance becomes when it is stopped and started as another type
OTHER_TYPE = "g5.12xlarge"


@dataclass(frozen=True)
class Line:
    """One line; money in 1e-10 USD. `cost_class` is '' where the contract leaves the class to the attribution."""

    key: str
    start_at: datetime
    record_type: str
    usage_type: str
    billed: int
    effective: int
    cost_class: str
    seconds: int = 0
    product_code: str = "AmazonEC2"
    resource_id: str = ""
    instance_type: str = ""
    public: int | None = None
    net: int | None = None
    plan_effective: int | None = None
    net_plan_effective: int | None = None
    commitment: int | None = None
    commitment_used: int | None = None
    reservation_effective: int | None = None
    net_reservation_effective: int | None = None
    unused_upfront: int | None = None
    unused_recurring: int | None = None
    block: str = ""
    is_in_account_two: bool = False
    period_at: datetime | None = None
    tag: str = ""

    def times(self, factor: int) -> Line:
        """The same line with all its money multiplied."""
        money = (
            "billed", "effective", "public", "net", "plan_effective", "net_plan_effective", "commitment",
            "commitment_used", "reservation_effective", "net_reservation_effective", "unused_upfront",
            "unused_recurring",
        )  # fmt: skip
        scaled: dict[str, Any] = {name: getattr(self, name) * factor for name in money if getattr(self, name)}
        return replace(self, **scaled)


def after_discount(amount: int, bill: Bill) -> int | None:
    """The net amount where the payer has private discounts: a tenth less."""
    return amount - amount // 10 if bill.has_net else None


def instance_id(number: int, node: int) -> str:
    """Id of an instance of the numbered twin."""
    return f"i-{number:010x}{node:07x}"


def block_id(number: int, node: int) -> str:
    """Id of the Capacity Block of an instance."""
    return f"cr-{number:010x}{node:07x}"


def hours_of(node: Node, bill: Bill) -> Iterator[tuple[int, datetime, int]]:
    """(number, UTC hour, billed seconds) of each billed hour; a node billed for no time has one empty hour."""
    if node.billed_minutes < 0:
        return
    start_at = bill.first_at + timedelta(minutes=node.start_minute)
    end_at = start_at + timedelta(minutes=node.billed_minutes)
    hour_at = start_at.replace(minute=0)
    number = 0
    while hour_at < end_at or (node.billed_minutes == 0 and number == 0):
        held = min(end_at, hour_at + HOUR) - max(start_at, hour_at)
        yield number, hour_at, int(held.total_seconds())
        hour_at, number = hour_at + HOUR, number + 1


def node_lines(node: Node, which: int, bill: Bill, twin: int) -> Iterator[Line]:
    """The instance-hours of a node by its purchase option, with the lines that come with them."""
    for number, hour_at, seconds in hours_of(node, bill):
        instance_type = OTHER_TYPE if node.changes_type and number > 0 else node.instance_type
        usage = "SpotUsage" if node.purchase == "spot" else "BoxUsage"
        gross = node.rates[number % len(node.rates)] * seconds // 3600
        base = Line(
            key=f"n{which}h{number}",
            start_at=hour_at,
            record_type="Usage",
            usage_type=f"USE1-{usage}:{instance_type}",
            billed=gross,
            effective=gross,
            cost_class=ACCELERATOR,
            seconds=seconds,
            resource_id=instance_id(twin, which),
            instance_type=instance_type,
            public=gross,
            is_in_account_two=node.changes_account and number > 0,
        )
        yield from _purchased(node, base, bill, block_id(twin, which), is_first=number == 0)


def _purchased(node: Node, base: Line, bill: Bill, block: str, *, is_first: bool) -> Iterator[Line]:
    if node.purchase == "plan_bought" and is_first:
        yield _on_demand(base, bill)
    elif node.purchase in ("savings_plan", "partly_covered", "plan_bought"):
        covered = _part(base, base.seconds // 2, "c") if node.purchase == "partly_covered" else base
        yield from _covered(covered, bill)
        if covered is not base:
            yield _on_demand(_part(base, base.seconds - covered.seconds, "d"), bill)
    elif node.purchase == "reserved":
        drawn = base.billed // 2
        net = after_discount(drawn, bill)
        yield replace(
            base,
            record_type="DiscountedUsage",
            billed=0,
            effective=drawn if net is None else net,
            reservation_effective=drawn,
            net_reservation_effective=net,
            net=0 if bill.has_net else None,
        )
    elif node.purchase == "block":
        yield replace(base, billed=0, effective=0, net=0 if bill.has_net else None, block=block)
        if is_first:
            yield _block_fee(base, node, bill, block)
    else:
        yield _on_demand(base, bill)


def _part(line: Line, seconds: int, name: str) -> Line:
    money = line.billed * seconds // max(line.seconds, 1)
    return replace(line, key=line.key + name, seconds=seconds, billed=money, effective=money, public=money)


def _on_demand(line: Line, bill: Bill) -> Line:
    net = after_discount(line.billed, bill)
    return replace(line, net=net, effective=line.billed if net is None else net)


def _covered(line: Line, bill: Bill) -> Iterator[Line]:
    """What a Savings Plan covers: its use, the negation, and the plan's fee of the hour, a part of it unused."""
    drawn = line.billed * 6 // 10
    net = after_discount(drawn, bill)
    yield replace(
        line,
        record_type="SavingsPlanCoveredUsage",
        effective=drawn if net is None else net,
        plan_effective=drawn,
        net_plan_effective=net,
    )
    yield replace(
        line,
        key=line.key + "neg",
        record_type="SavingsPlanNegation",
        cost_class="adjustment",
        billed=-line.billed,
        effective=0,
        public=None,
    )
    unused = line.billed // 100 + 1
    yield replace(
        line,
        key=line.key + "fee",
        record_type="SavingsPlanRecurringFee",
        cost_class="idle.reserved_unused",
        usage_type="ComputeSP:1yrNoUpfront",
        product_code="ComputeSavingsPlans",
        resource_id=PLAN,
        instance_type="",
        public=None,
        seconds=0,
        billed=drawn + unused,
        effective=unused,
        commitment=drawn + unused,
        commitment_used=drawn,
    )


def _block_fee(line: Line, node: Node, bill: Bill, block: str) -> Line:
    """The fee of a Capacity Block, charged twenty days before it begins: often in the month before."""
    fee = node.rates[0]
    net = after_discount(fee, bill)
    return replace(
        line,
        key=line.key + "fee",
        record_type="Fee",
        cost_class="block_fee",
        seconds=0,
        public=None,
        start_at=bill.first_at - BOOKED_BEFORE,
        usage_type=f"USE1-CapacityBlock:{line.instance_type}",
        resource_id=block,
        billed=fee,
        effective=fee if net is None else net,
        net=net,
        block=block,
    )


# kind → (record type, usage type, product, resource, sign, class)
WORDS: dict[str, tuple[str, str, str, str, int, str]] = {
    "storage": ("Usage", "EBS:VolumeUsage.gp3", "AmazonEC2", "vol-1", 1, "shared"),
    "transfer": ("Usage", "DataTransfer-Regional-Bytes", "AWSDataTransfer", "", 1, "shared"),
    "control_plane": ("Usage", "USE1-AmazonEKS-Hours:perCluster", "AmazonEKS", "", 1, "shared"),
    "support": ("Fee", "Dollar", "AWSSupportEnterprise", "", 1, "shared"),
    "tax": ("Tax", "", "AmazonEC2", "", 1, "adjustment"),
    "credit": ("Credit", "USE1-BoxUsage:p5.48xlarge", "AmazonEC2", "", -1, "adjustment"),
    "refund": ("Refund", "USE1-BoxUsage:p5.48xlarge", "AmazonEC2", "", -1, "adjustment"),
    "edp": ("EdpDiscount", "", "AmazonEC2", "", -1, "adjustment"),
    "private_rate": ("PrivateRateDiscount", "", "AmazonEC2", "", -1, "adjustment"),
    "bundled": ("BundledDiscount", "", "AmazonEC2", "", -1, "adjustment"),
    "rounding": ("Rounding", "", "AmazonEC2", "", -1, "adjustment"),
    "plan_upfront": ("SavingsPlanUpfrontFee", "", "ComputeSavingsPlans", PLAN, 1, "adjustment"),
    "plan_unused": (
        "SavingsPlanRecurringFee", "ComputeSP:1yrNoUpfront", "ComputeSavingsPlans", PLAN, 1, "idle.reserved_unused"
    ),
    "reservation_unused": ("RIFee", "USE1-HeavyUsage:p4d.24xlarge", "AmazonEC2", RESERVATION, 1,
    "idle.reserved_unused"),
    "reservation_upfront": ("Fee", "", "AmazonEC2", RESERVATION, 1, "adjustment"),
    "unused_box": ("Usage", "USE1-UnusedBox:p5.48xlarge", "AmazonEC2", "cr-1", 1, "idle.reserved_unused"),
    "empty_reservation": ("Usage", "USE1-Reservation:p5.48xlarge", "AmazonEC2", "cr-1", 0, ""),
    "marketplace": ("Usage", "SoftwareUsage:p5.48xlarge", "5xwhat3v3r", "", 1, ""),
    "training_job": ("Usage", "USE1-Train:ml.p5.48xlarge", "AmazonSageMaker", TRAINING, 1, ""),
    "free_tier": ("Usage", "USE1-Requests-Tier1", "AmazonS3", "bucket", 0, ""),
    "discounted_hour": ("Usage", "USE1-BoxUsage:p5.48xlarge", "AmazonEC2", "", -1, ACCELERATOR),
}  # fmt: skip
USAGES = ("Usage", "Fee")


def charge_line(charge: Charge, which: int, bill: Bill, twin: int) -> Line:
    """A charge by its kind; a refund of an earlier month stands in the bill of this one."""
    record_type, usage_type, product, resource, sign, cost_class = WORDS[charge.kind]
    amount = sign * charge.amount
    line = Line(
        key=f"x{which}",
        start_at=bill.first_at + charge.hour * HOUR,
        record_type=record_type,
        usage_type=usage_type,
        billed=amount,
        effective=amount,
        cost_class=cost_class,
        product_code=product,
        resource_id=resource,
        tag=charge.tag,
        instance_type=usage_type.partition(":")[2] if "p5.48" in usage_type and "ml." not in usage_type else "",
    )
    match charge.kind:
        case "refund":
            return replace(line, start_at=line.start_at - timedelta(days=40), period_at=bill.first_at)
        case "training_job":
            line = replace(line, resource_id=f"{TRAINING}t{twin:07d}j")
        case "discounted_hour":
            # money back for an hour of the first node; for an instance that nobody knows where there is none
            if not bill.nodes or bill.nodes[0].changes_type:
                return replace(line, resource_id=instance_id(twin, 99))
            instance_type = bill.nodes[0].instance_type
            usage_type = f"USE1-BoxUsage:{instance_type}"
            return replace(line, resource_id=instance_id(twin, 0), instance_type=instance_type, usage_type=usage_type)
        case "plan_upfront" | "reservation_upfront":
            return replace(line, effective=0)
        case "plan_unused":
            return replace(line, effective=amount - amount // 3, commitment=amount, commitment_used=amount // 3)
        case "reservation_unused":
            recurring, upfront = amount // 2, amount // 5
            return replace(line, effective=recurring + upfront, unused_recurring=recurring, unused_upfront=upfront)
        case "edp" | "private_rate" if bill.has_net:
            return replace(line, effective=0)
    net = after_discount(amount, bill) if sign > 0 and record_type in USAGES else None
    return line if net is None else replace(line, net=net, effective=net)


def lines_of(bill: Bill, twin: int) -> list[Line]:
    """All lines of the bill; instance ids are those of the numbered twin."""
    nodes = [line for which, node in enumerate(bill.nodes) for line in node_lines(node, which, bill, twin)]
    return nodes + [charge_line(charge, which, bill, twin) for which, charge in enumerate(bill.charges)]


def restated(lines: list[Line], bill: Bill) -> list[Line]:
    """What a later delivery says: the amount of one line changed (a tax came to its end)."""
    tax = Line("late", bill.first_at, "Tax", "", bill.restated, bill.restated, "adjustment")
    return [*lines, tax] if bill.restated else lines
