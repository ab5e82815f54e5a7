"""Figures for people: rounded by largest remainder, so that every table sums to the total it shows."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def rounded(value: Decimal, step: Decimal = CENT) -> Decimal:
    """The nearest multiple of `step`, half away from zero."""
    return (value / step).quantize(Decimal(1), ROUND_HALF_UP) * step


def apportion(values: Sequence[Decimal], total: Decimal | None = None, step: Decimal = CENT) -> list[Decimal]:
    """The values as multiples of `step` that sum to `total`, by default their own rounded sum.

    Each is rounded down, toward minus infinity; what is missing goes, a step each, to the largest remainders, ties to
    the earlier one. `total` must be a multiple of `step` that lies within a step of the values' sum.
    """
    wanted = rounded(sum(values, Decimal(0)), step) if total is None else total
    floors = [(value / step).to_integral_value(ROUND_FLOOR) for value in values]
    missing = int(wanted / step - sum(floors, Decimal(0)))
    if not 0 <= missing <= len(values):
        raise ValueError(f"{wanted} is no rounded sum of values that sum to {sum(values, Decimal(0))}")
    remainders = [value / step - floor for value, floor in zip(values, floors, strict=True)]
    order = sorted(range(len(values)), key=lambda index: (-remainders[index], index))
    for index in order[:missing]:
        floors[index] += 1
    return [floor * step for floor in floors]
