"""A line of the bill, with money as whole units of 1e-10 USD, so that every sum is exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

UNITS_PER_USD = 10**10

USAGE = "Usage"
SP_COVERED = "SavingsPlanCoveredUsage"
SP_NEGATION = "SavingsPlanNegation"
SP_RECURRING = "SavingsPlanRecurringFee"
SP_UPFRONT = "SavingsPlanUpfrontFee"
RI_COVERED = "DiscountedUsage"
RI_FEE = "RIFee"
FEE = "Fee"
TAX = "Tax"
CREDIT = "Credit"
REFUND = "Refund"


@dataclass(frozen=True, slots=True)
class Line:
    """One line item over [start, end) epoch seconds. Money in units of 1e-10 USD, `amount` in its own usage unit.

    `list_cost` is None where no public price exists. `drawn` is what usage covered by a Savings Plan or a reserved
    instance takes of it, upfront fee spread; `commitment` and `used` stand on the recurring fee of either.
    `reserved_instances` is the ARN of its reserved instances, `reservation` that of its Capacity Block, `billed_in` the
    month (its first second) of the bill that states it, where that is another than its own.
    `workload` is the workload that a line is whole, by truth; '' elsewhere.
    """

    start: int
    end: int
    account_id: str
    record_type: str
    product: str
    usage_type: str
    operation: str
    resource_id: str
    instance_type: str
    region: str
    amount: Decimal
    unblended: int
    list_cost: int | None = None
    drawn: int | None = None
    commitment: int | None = None
    used: int | None = None
    description: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    reservation: str = ""
    reserved_instances: str = ""
    billed_in: int | None = None
    workload: str = ""

    @property
    def effective(self) -> int:
        """Cost after commitments as AWS spreads it: the fee of a Capacity Block it leaves whole."""
        if self.record_type in (SP_COVERED, RI_COVERED):
            return self.drawn or 0
        if self.record_type == SP_NEGATION or self.is_upfront:
            return 0
        if self.record_type in (SP_RECURRING, RI_FEE):
            return (self.commitment or 0) - (self.used or 0)
        return self.unblended

    @property
    def is_upfront(self) -> bool:
        """Whether it pays once for a commitment, whose use bears it."""
        return self.record_type == SP_UPFRONT or (self.record_type == FEE and bool(self.reserved_instances))

    @property
    def is_block_fee(self) -> bool:
        """Whether it pays for a Capacity Block."""
        return self.record_type == FEE and "CapacityBlockFee" in self.usage_type

    @property
    def is_box(self) -> bool:
        """Whether it bills a running instance."""
        runs = self.record_type in (USAGE, SP_COVERED, RI_COVERED)
        return (
            runs and self.resource_id.startswith("i-") and ("BoxUsage" in self.usage_type or "Spot" in self.usage_type)
        )


def units(usd_amount: Decimal) -> int:
    """USD as whole units of 1e-10, half up."""
    return int((usd_amount * UNITS_PER_USD).quantize(Decimal(1), ROUND_HALF_UP))


def for_seconds(units_per_hour: int, seconds: int) -> int:
    """The cost of some seconds at an hourly rate, half up."""
    return (units_per_hour * seconds * 2 + 3600) // 7200


def hours(seconds: int) -> Decimal:
    """Seconds as hours with the ten decimals of a bill."""
    return (Decimal(seconds) / 3600).quantize(Decimal("1e-10"), ROUND_HALF_UP)


def usd(amount: int) -> Decimal:
    """Units as USD, exact, ten decimals."""
    return Decimal(amount).scaleb(-10)


def split(amount: int, weights: Sequence[int]) -> list[int]:
    """Divide an amount by weights: every part within one unit of its share, the parts sum to the amount.

    Largest remainder first; equal remainders go to the earlier part. All-zero weights are refused.
    """
    total = sum(weights)
    if total <= 0:
        raise ValueError(f"cannot split {amount} over weights {list(weights)}: their sum must be positive")
    sign, size = (1, amount) if amount >= 0 else (-1, -amount)
    parts = [size * weight // total for weight in weights]
    rest = [size * weight % total for weight in weights]
    order = sorted(range(len(weights)), key=lambda part: (-rest[part], part))
    for part in order[: size - sum(parts)]:
        parts[part] += 1
    return [sign * part for part in parts]
