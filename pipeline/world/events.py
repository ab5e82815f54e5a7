"""What may happen to a bill besides its usage: commitments of every kind, a price cut, credits, refunds, late tags.

Events are chosen by name (`WorldOptions.events`); without them a world is what it was. When they happen follows from
the options alone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from pipeline.world.lines import units
from pipeline.world.seeds import hexadecimal

if TYPE_CHECKING:
    from pipeline.world.options import WorldOptions

CAPACITY_BLOCK = "capacity_block"
LATE_PLAN = "savings_plan_mid_month"
PRICE_CUT = "price_cut"
LARGE_CREDIT = "large_credit"
LATE_REFUND = "refund_of_last_month"
RESERVED_INSTANCES = "reserved_instances"
MONTH_CREDIT = "credit_beyond_month"
LATE_TAGS = "late_tags"

# How many days of bill each event needs; a refund of last month needs one that begins in the month before the end.
LEAST_DAYS = {CAPACITY_BLOCK: 4, LATE_PLAN: 2, PRICE_CUT: 2, LARGE_CREDIT: 2, LATE_REFUND: 16}
LEAST_DAYS |= dict.fromkeys((RESERVED_INSTANCES, MONTH_CREDIT, LATE_TAGS), 1)
EVENTS = tuple(LEAST_DAYS)

# A block ends at 11:30 UTC on the last whole day; AWS takes its instances back half an hour before.
BLOCK_HOURS = 48
BLOCK_END_SECONDS = 11 * 3600 + 1800
TAKEN_BACK_SECONDS = 1800
BLOCK_INSTANCES = 2
BLOCK_USD_PER_HOUR = Decimal("39.33")
OS_USD_PER_HOUR = Decimal("1.248")  # invented: a Linux that costs something per second of running

CUT_TYPES = frozenset({"p5.48xlarge", "p6-b200.48xlarge"})
CUT_TO = Decimal("0.5598")  # p5 in June 2025: 98.32 to 55.04 USD

_DAY = 86400


@dataclass(frozen=True)
class Block:
    """One Capacity Block: when it was paid for, and the time [start, end) it pays for; epoch seconds, fee in units."""

    reservation_id: str
    booked_at: int
    start: int
    end: int
    count: int
    fee: int


def refuse_early(events: Collection[str], days: int) -> None:
    """Raise ValueError for an unknown event, and for one that needs more days."""
    if unknown := sorted(set(events) - set(EVENTS)):
        raise ValueError(f"{unknown[0]!r} is no event; choose among {', '.join(EVENTS)}")
    for event in sorted(events):
        if days < LEAST_DAYS[event]:
            raise ValueError(f"the event {event} needs at least {LEAST_DAYS[event]} days, not days={days}")


def block_of(options: WorldOptions, number: int, end: int) -> Block | None:
    """The Capacity Block of a copy of the fleet; `end` is the end of the world. It is paid for on the first day."""
    if CAPACITY_BLOCK not in options.events:
        return None
    until = end - _DAY + BLOCK_END_SECONDS
    fee = units(BLOCK_USD_PER_HOUR * BLOCK_HOURS * BLOCK_INSTANCES) + number
    name = "cr-0" + hexadecimal(16, options.seed, "capacity block", number)
    return Block(name, options.start + 9 * 3600, until - BLOCK_HOURS * 3600, until, BLOCK_INSTANCES, fee)


def plan_bought_at(options: WorldOptions) -> int:
    """The hour from which the Savings Plan covers something: the start of the world, or the middle of it."""
    return _middle(options) + 13 * 3600 if LATE_PLAN in options.events else options.start


def price_share(options: WorldOptions, instance_type: str, hour: int) -> Decimal:
    """What an hour's list price is of the price list's."""
    is_cut = PRICE_CUT in options.events and instance_type in CUT_TYPES and hour >= _middle(options)
    return CUT_TO if is_cut else Decimal(1)


def large_credit_day(options: WorldOptions) -> int | None:
    """The midnight of the day that a credit outweighs."""
    return options.start + _DAY if LARGE_CREDIT in options.events else None


def late_refund_at(options: WorldOptions, end: int) -> tuple[int, int] | None:
    """The hour that is refunded, and the month in whose bill: the first hours of the world, and its last month."""
    if LATE_REFUND not in options.events:
        return None
    moment = datetime.fromtimestamp(end, UTC)
    return options.start + 5 * 3600, int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp())


def month_credit_day(options: WorldOptions) -> int | None:
    """The midnight of the day whose whole month an account is credited more than it used."""
    return _middle(options) if MONTH_CREDIT in options.events else None


def tags_known_at(options: WorldOptions, end: int) -> int:
    """The instant from which an instance that still runs shows its tags: the end of the world, or always."""
    return end if LATE_TAGS in options.events else 0


def event_moments(options: WorldOptions, end: int) -> list[int]:
    """When the events of a world happen, `end` being its end; a Capacity Block on its second day."""
    block = block_of(options, 0, end)
    moments = {
        CAPACITY_BLOCK: block.start + _DAY if block else end,
        LATE_PLAN: plan_bought_at(options),
        PRICE_CUT: _middle(options),
        LARGE_CREDIT: options.start + _DAY,
        LATE_REFUND: options.start + 5 * 3600,
        RESERVED_INSTANCES: options.start,
        MONTH_CREDIT: _middle(options),
        LATE_TAGS: end - 1,
    }
    return [moments[event] for event in options.events]


def _middle(options: WorldOptions) -> int:
    return options.start + options.days // 2 * _DAY
