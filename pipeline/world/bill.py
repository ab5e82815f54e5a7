"""The bill of the accelerator instances and of their Savings Plan, hour by hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from pipeline.world import events, plan
from pipeline.world.bill_events import block_fees, late_returns, reservation_arn
from pipeline.world.bill_managed import managed_lines
from pipeline.world.bill_other import other_lines, period_lines, usage_type
from pipeline.world.bill_reserved import hourly_units, is_reserved, reserved_arn, reserved_fees
from pipeline.world.chips import PRIVATE_USD_PER_HOUR, SAVINGS_PLAN_SHARE, SPOT_SHARE
from pipeline.world.fleet import Fleet, Node
from pipeline.world.lines import (
    RI_COVERED,
    SP_COVERED,
    SP_NEGATION,
    SP_RECURRING,
    SP_UPFRONT,
    USAGE,
    Line,
    for_seconds,
    hours,
    units,
)
from pipeline.world.options import END, SECONDS_PER_HOUR, WorldOptions, hour_of
from pipeline.world.seeds import stream, uuid_text

# The part of a partly covered instance that the plan pays.
COVERED_SECONDS_PER_HOUR = 2160

# The plan was bought this much larger than what the fleet uses of it.
COMMITMENT_MARGIN = Decimal("1.06")

# A plan bought in mid-month is paid half in advance, for a year.
UPFRONT_HOURS = 365 * 24


def write_bill(options: WorldOptions, fleet: Fleet) -> tuple[Line, ...]:
    """Every line of the final bill for the days of the world, in the order of time, account and resource."""
    lines = [line for node in fleet.nodes for line in node_lines(options, node)]
    lines += savings_plan_lines(options, fleet, lines)
    lines += other_lines(options, fleet)
    lines += managed_lines(options, fleet)
    lines += block_fees(fleet)
    lines += list(reserved_fees(options, fleet, lines))
    lines += list(late_returns(options, fleet, lines))
    lines += period_lines(options, fleet, lines)
    return tuple(sorted(lines, key=_order))


def _order(line: Line) -> tuple[int, str, str, str, str]:
    return line.start, line.account_id, line.record_type, line.usage_type, line.resource_id


def plan_arn(fleet: Fleet) -> str:
    """The Compute Savings Plan, owned by the payer."""
    payer = fleet.accounts["payer"].account_id
    return f"arn:aws:savingsplans::{payer}:savingsplan/{uuid_text('plan', payer)}"


def node_lines(options: WorldOptions, node: Node) -> Iterator[Line]:
    """One or two lines for each hour (or part of it) that the instance runs."""
    start, end = node.runs(options.start, END)
    planned = events.plan_bought_at(options)
    write = {
        plan.SPOT: _spot,
        plan.PRIVATE: _private,
        plan.SAVINGS_PLAN: _covered,
        plan.PARTIAL_SAVINGS_PLAN: _partly_covered,
        plan.BLOCK: _in_block,
    }.get(node.plan.purchase, _discounted if is_reserved(options, node) else _on_demand)
    for hour in range(hour_of(start), end, SECONDS_PER_HOUR):
        seconds = min(end, hour + SECONDS_PER_HOUR) - max(start, hour)
        if seconds > 0:
            is_early = hour < planned and node.plan.purchase in (plan.SAVINGS_PLAN, plan.PARTIAL_SAVINGS_PLAN)
            yield from (_on_demand if is_early else write)(_BoxHour(options, node, hour, seconds))


@dataclass(frozen=True)
class _BoxHour:
    options: WorldOptions
    node: Node
    hour: int
    seconds: int

    @property
    def list_units(self) -> int:
        """The list price of a whole hour."""
        price = self.node.spec.list_usd_per_hour
        if price is None:
            raise ValueError(f"{self.node.spec.name} has no list price; give role {self.node.role} a private one")
        return units(price * events.price_share(self.options, self.node.spec.name, self.hour))

    def line(self, record_type: str, seconds: int, unblended: int, *, kind: str = "BoxUsage",
             list_cost: int | None = None, drawn: int | None = None, description: str = "",
             tags: tuple[tuple[str, str], ...] = (), reserved_instances: str = "") -> Line:  # fmt: skip
        node = self.node
        return Line(
            start=self.hour,
            end=self.hour + SECONDS_PER_HOUR,
            account_id=node.account.account_id,
            record_type=record_type,
            product="AmazonEC2",
            usage_type=usage_type(node.region, f"{kind}:{node.spec.name}"),
            operation="RunInstances:SV001" if kind == "SpotUsage" else "RunInstances",
            resource_id=node.instance_id,
            instance_type=node.spec.name,
            region=node.region,
            amount=hours(seconds),
            unblended=unblended,
            list_cost=list_cost,
            drawn=drawn,
            description=description,
            tags=(("user_name", node.role), *tags),
            reservation=reservation_arn(node.account, node.reservation_id) if node.reservation_id else "",
            reserved_instances=reserved_instances,
        )


def _on_demand(box: _BoxHour) -> Iterator[Line]:
    cost = for_seconds(box.list_units, box.seconds)
    price = (box.node.spec.list_usd_per_hour or 0) * events.price_share(box.options, box.node.spec.name, box.hour)
    text = f"${price} per On Demand Linux {box.node.spec.name} Instance Hour"
    yield box.line(USAGE, box.seconds, cost, list_cost=cost, description=text)


def _discounted(box: _BoxHour) -> Iterator[Line]:
    """Nothing by itself: what it costs was paid in advance and is paid each month."""
    yield box.line(
        RI_COVERED, box.seconds, 0, list_cost=for_seconds(box.list_units, box.seconds),
        drawn=for_seconds(sum(hourly_units()), box.seconds), reserved_instances=reserved_arn(box.node.account),
        description=f"USD 0.0 per {box.node.spec.name} reserved instance applied",
    )  # fmt: skip


def _spot(box: _BoxHour) -> Iterator[Line]:
    draw = stream(box.options.seed, "spot price", box.node.spec.name, box.node.availability_zone, box.hour)
    share = SPOT_SHARE * (Decimal(970 + draw.randrange(61)) / 1000)
    cost = for_seconds(int(box.list_units * share), box.seconds)
    listed = for_seconds(box.list_units, box.seconds)
    yield box.line(
        USAGE, box.seconds, cost, kind="SpotUsage", list_cost=listed, description="Linux/UNIX Spot Instances"
    )


def _private(box: _BoxHour) -> Iterator[Line]:
    rate = PRIVATE_USD_PER_HOUR[box.node.spec.name]
    text = f"${rate} per {box.node.spec.name} Instance Hour (private pricing agreement)"
    cost = for_seconds(units(rate), box.seconds)
    yield box.line(USAGE, box.seconds, cost, description=text, tags=(("user_price", "private"),))


def _in_block(box: _BoxHour) -> Iterator[Line]:
    """The operating system alone: the fee of the block has paid for the instance."""
    cost = for_seconds(units(events.OS_USD_PER_HOUR), box.seconds)
    yield box.line(USAGE, box.seconds, cost, list_cost=cost, description="Linux in a Capacity Block, per second")


def _covered(box: _BoxHour) -> Iterator[Line]:
    yield _covered_part(box, box.seconds)


def _partly_covered(box: _BoxHour) -> Iterator[Line]:
    part = min(box.seconds, COVERED_SECONDS_PER_HOUR)
    yield _covered_part(box, part)
    if box.seconds > part:
        cost = for_seconds(box.list_units, box.seconds - part)
        yield box.line(
            USAGE, box.seconds - part, cost, list_cost=cost, description="On Demand, beyond the Savings Plan"
        )


def _covered_part(box: _BoxHour, seconds: int) -> Line:
    cost = for_seconds(box.list_units, seconds)
    effective = for_seconds(int(box.list_units * SAVINGS_PLAN_SHARE), seconds)
    text = f"{box.node.spec.name} covered by Compute Savings Plans"
    return box.line(SP_COVERED, seconds, cost, list_cost=cost, drawn=effective, description=text)


def savings_plan_lines(options: WorldOptions, fleet: Fleet, lines: list[Line]) -> list[Line]:
    """The negation of what the plan covers, per hour and usage type, and its hourly fee with the unused rest."""
    covered: dict[tuple[int, str, str, str, str], list[Line]] = defaultdict(list)
    used: dict[int, int] = defaultdict(int)
    for line in lines:
        if line.record_type == SP_COVERED:
            covered[(line.start, line.account_id, line.usage_type, line.instance_type, line.region)].append(line)
            used[line.start] += line.drawn or 0
    commitment = units((Decimal(max(used.values())) / 10**10 * COMMITMENT_MARGIN).quantize(Decimal("0.001")))
    out = [_negation(key, group) for key, group in covered.items()]
    bought_at = events.plan_bought_at(options)
    hourly_upfront = commitment // 2 if bought_at > options.start else 0
    if hourly_upfront:
        out.append(_upfront(fleet, bought_at, hourly_upfront * UPFRONT_HOURS))
    for hour in range(bought_at, END, SECONDS_PER_HOUR):
        out.append(_recurring(fleet, hour, commitment, used[hour], hourly_upfront))
    return out


def _negation(key: tuple[int, str, str, str, str], group: list[Line]) -> Line:
    hour, account_id, kind, instance_type, region = key
    amount = sum((line.amount for line in group), Decimal(0))
    cost = -sum(line.unblended for line in group)
    return Line(
        hour, hour + SECONDS_PER_HOUR, account_id, SP_NEGATION, "AmazonEC2", kind, "RunInstances", "", instance_type,
        region, amount, cost, description="SavingsPlanNegation used by the Compute Savings Plan",
    )  # fmt: skip


def _upfront(fleet: Fleet, hour: int, fee: int) -> Line:
    return Line(
        hour, hour + SECONDS_PER_HOUR, fleet.accounts["payer"].account_id, SP_UPFRONT, "ComputeSavingsPlans",
        "ComputeSP:1yrPartialUpfront", "", plan_arn(fleet), "", "global", Decimal(1), fee,
        description="1 year Partial Upfront Compute Savings Plan",
    )  # fmt: skip


def _recurring(fleet: Fleet, hour: int, commitment: int, used: int, hourly_upfront: int) -> Line:
    """One hour of the plan: billed is what was not paid upfront, committed is all of it."""
    kind = "PartialUpfront" if hourly_upfront else "NoUpfront"
    return Line(
        hour, hour + SECONDS_PER_HOUR, fleet.accounts["payer"].account_id, SP_RECURRING, "ComputeSavingsPlans",
        f"ComputeSP:1yr{kind}", "", plan_arn(fleet), "", "global", Decimal(1), commitment - hourly_upfront,
        commitment=commitment, used=used, description=f"1 year {kind.replace('Up', ' Up')} Compute Savings Plan",
    )  # fmt: skip
