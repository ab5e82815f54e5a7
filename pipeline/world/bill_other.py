"""The rest of the bill: storage, traffic, control planes, plain boxes, an unused reservation, fees, tax and credits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from pipeline.world.chips import CPU_BOX, SPECS
from pipeline.world.fleet import Fleet
from pipeline.world.lines import CREDIT, FEE, REFUND, TAX, USAGE, Line, for_seconds, hours, units
from pipeline.world.options import END, SECONDS_PER_DAY, SECONDS_PER_HOUR, WorldOptions, instant
from pipeline.world.plan import EKS, STANDING, Account
from pipeline.world.seeds import hexadecimal, stream

# List prices, USD: gp3 per GB-month, EKS control plane per hour, internet and NAT traffic per GB.
GP3_USD_PER_GB_MONTH = Decimal("0.08")
EKS_USD_PER_HOUR = Decimal("0.10")
TRANSFER_USD_PER_GB = Decimal("0.09")
NAT_USD_PER_GB = Decimal("0.045")
HOURS_PER_MONTH = 720

# Hours of each day in which a capacity reservation stands empty.
RESERVED_TYPE = "g6.12xlarge"
RESERVED_HOURS = range(1, 5)

SUPPORT_USD_PER_DAY = Decimal(500)
TAX_RATE = Decimal("0.07")

_PREFIXES = {"us-east-1": "", "us-west-2": "USW2-"}


def usage_type(region: str, kind: str) -> str:
    """A usage type as the bill prints it: us-east-1 has no prefix (but for EKS)."""
    return _PREFIXES[region] + kind


def _line(start: int, seconds: int, account: Account, product: str, kind: str, operation: str, resource: str,
          amount: Decimal, cost: int, **more: str) -> Line:  # fmt: skip
    return Line(
        start, start + seconds, account.account_id, USAGE, product, kind, operation, resource,
        more.get("instance_type", ""), account.region, amount, cost, list_cost=cost,
        description=more.get("description", ""),
    )  # fmt: skip


def other_lines(options: WorldOptions, fleet: Fleet) -> list[Line]:
    """Usage lines that bill no accelerator in use."""
    hours_of_world = range(options.start, END, SECONDS_PER_HOUR)
    lines = [line for hour in hours_of_world for line in _hourly(options, fleet, hour)]
    for day in range(options.start, END, SECONDS_PER_DAY):
        lines.extend(_daily(options, fleet, day))
    return lines


def _hourly(options: WorldOptions, fleet: Fleet, hour: int) -> Iterator[Line]:
    for cluster in fleet.clusters:
        if cluster.kind == EKS:
            account = cluster.account
            arn = f"arn:aws:eks:{account.region}:{account.account_id}:cluster/{cluster.name}"
            kind = (_PREFIXES[account.region] or "USE1-") + "AmazonEKS-Hours:perCluster"
            cost = units(EKS_USD_PER_HOUR)
            yield _line(hour, 3600, account, "AmazonEKS", kind, "CreateOperation", arn, Decimal(1), cost)
    yield _plain_box(fleet, hour)
    if instant(hour).hour in RESERVED_HOURS:
        yield _empty_reservation(options, fleet, hour)


def _plain_box(fleet: Fleet, hour: int) -> Line:
    account = fleet.accounts["research"]
    name, price = CPU_BOX
    box = "i-0" + hexadecimal(16, account.account_id, "login box")
    return _line(
        hour, 3600, account, "AmazonEC2", f"BoxUsage:{name}", "RunInstances", box, hours(3600), units(price),
        instance_type=name, description=f"${price} per On Demand Linux {name} Instance Hour",
    )  # fmt: skip


def _empty_reservation(options: WorldOptions, fleet: Fleet, hour: int) -> Line:
    account = fleet.accounts["serving"]
    reservation = "cr-0" + hexadecimal(16, options.seed, "reservation")
    arn = f"arn:aws:ec2:{account.region}:{account.account_id}:capacity-reservation/{reservation}"
    cost = for_seconds(units(SPECS[RESERVED_TYPE].list_usd_per_hour or Decimal(0)), 3600)
    kind = usage_type(account.region, f"UnusedBox:{RESERVED_TYPE}")
    return _line(
        hour, 3600, account, "AmazonEC2", kind, "RunInstances", arn, hours(3600), cost,
        instance_type=RESERVED_TYPE, description=f"Unused Reservation Linux {RESERVED_TYPE}",
    )  # fmt: skip


def _daily(options: WorldOptions, fleet: Fleet, day: int) -> Iterator[Line]:
    standing = {node_plan.role for node_plan in STANDING}
    for node in fleet.nodes:
        if node.role in standing:
            yield _volume(day, node.account, node.instance_id, 500 if node.spec.devices == 1 else 2000)
    for key in ("training", "serving", "research"):
        account = fleet.accounts[key]
        draw = stream(options.seed, "traffic", key, day)
        for kind, low, price in (
            ("DataTransfer-Out-Bytes", 60, TRANSFER_USD_PER_GB),
            ("NatGateway-Bytes", 200, NAT_USD_PER_GB),
        ):
            amount = Decimal(low * 1000 + draw.randrange(low * 500)) / 1000
            yield _line(
                day, SECONDS_PER_DAY, account, "AmazonEC2", usage_type(account.region, kind), kind.split("-")[0], "",
                amount, units(amount * price),
            )  # fmt: skip


def _volume(day: int, account: Account, instance_id: str, gigabytes: int) -> Line:
    amount = (Decimal(gigabytes * 24) / HOURS_PER_MONTH).quantize(Decimal("1e-10"))
    volume = "vol-0" + hexadecimal(16, "volume", instance_id)
    kind = usage_type(account.region, "EBS:VolumeUsage.gp3")
    cost = units(amount * GP3_USD_PER_GB_MONTH)
    return _line(day, SECONDS_PER_DAY, account, "AmazonEC2", kind, "CreateVolume-Gp3", volume, amount, cost)


def period_starts(options: WorldOptions) -> list[int]:
    """The first second of the world in each billing period it touches."""
    starts = [options.start]
    for day in range(options.start + SECONDS_PER_DAY, END, SECONDS_PER_DAY):
        if instant(day).day == 1:
            starts.append(day)
    return starts


def period_lines(options: WorldOptions, fleet: Fleet, usage: list[Line]) -> list[Line]:
    """Support, tax, a credit and a refund of each billing period, dated on its first day in the world."""
    starts = period_starts(options)
    lines: list[Line] = []
    for start, end in zip(starts, [*starts[1:], END], strict=True):
        days = (end - start) // SECONDS_PER_DAY
        payer = fleet.accounts["payer"]
        lines.append(_charge(payer, FEE, "AWSSupportEnterprise", start, end, units(SUPPORT_USD_PER_DAY * days)))
        for account in fleet.accounts.values():
            spent = sum(
                line.unblended for line in usage if line.account_id == account.account_id and start <= line.start < end
            )
            tax = units((Decimal(spent) / 10**10 * TAX_RATE).quantize(Decimal("0.01")))
            lines.append(_charge(account, TAX, "AmazonEC2", start, end, tax))
        lines.extend(_returned(options, fleet, start))
    return lines


def _returned(options: WorldOptions, fleet: Fleet, start: int) -> Iterator[Line]:
    draw = stream(options.seed, "returned", start)
    credit = -units(Decimal(draw.randrange(20_000, 90_000)) / 100)
    yield _charge(fleet.accounts["training"], CREDIT, "AmazonEC2", start, start + SECONDS_PER_DAY, credit)
    refund = -units(Decimal(draw.randrange(1_000, 9_000)) / 100)
    yield _charge(fleet.accounts["serving"], REFUND, "AmazonEC2", start, start + SECONDS_PER_DAY, refund)


def _charge(account: Account, record_type: str, product: str, start: int, end: int, cost: int) -> Line:
    month: datetime = instant(start)
    text = f"{record_type} for {month:%Y-%m}"
    return Line(
        start, end, account.account_id, record_type, product, "", "", "", "", "global", Decimal(1), cost,
        description=text,
    )  # fmt: skip
