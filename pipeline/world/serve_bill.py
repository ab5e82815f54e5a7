"""The bill that Cost Explorer answers from, and how it looked before it was settled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from pipeline.world.lines import CREDIT, FEE, REFUND, TAX

SETTLES_AFTER = timedelta(days=2)
LATE_TYPES = frozenset({CREDIT, FEE, REFUND, TAX})
LATE_BY = timedelta(days=4)
EARLY_SHARE = Decimal("0.9")
COST_STEP = Decimal("1e-10")


@dataclass(frozen=True)
class BilledHour:
    """One account's bill of an hour (or a longer line, from its start) for one record type, usage type and resource.

    Costs in USD; net costs are None for a payer without private discounts.
    """

    start_at: datetime
    account_id: str
    record_type: str
    usage_type: str
    service: str
    instance_type: str
    region: str
    resource_id: str
    unblended_cost: Decimal
    amortized_cost: Decimal
    usage_quantity: Decimal
    net_unblended_cost: Decimal | None = None
    net_amortized_cost: Decimal | None = None


def as_known(bill: Sequence[BilledHour], now: int, *, is_restated: bool) -> list[BilledHour]:
    """What the service knows at `now` (epoch seconds): nothing of the future.

    Where bills are restated, credits, refunds, taxes and fees come four days late, and nine tenths of a day's usage are
    known until two days after it.
    """
    moment = datetime.fromtimestamp(now, UTC)
    known = (hour for hour in bill if hour.start_at < moment)
    return list(_early(known, moment) if is_restated else known)


def _early(bill: Iterator[BilledHour], moment: datetime) -> Iterator[BilledHour]:
    for hour in bill:
        if hour.record_type in LATE_TYPES:
            if hour.start_at + LATE_BY <= moment:
                yield hour
        elif hour.start_at.date() + timedelta(days=1) + SETTLES_AFTER > moment.date():
            yield replace(
                hour,
                unblended_cost=_part(hour.unblended_cost),
                amortized_cost=_part(hour.amortized_cost),
                usage_quantity=_part(hour.usage_quantity),
            )
        else:
            yield hour


def _part(amount: Decimal) -> Decimal:
    return (amount * EARLY_SHARE).quantize(COST_STEP, ROUND_HALF_UP)
