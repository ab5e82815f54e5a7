from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.world.lines import for_seconds, split, units, usd


@given(st.integers(-(10**15), 10**15), st.lists(st.integers(0, 10**9), min_size=1, max_size=12).filter(any))
def test_parts_sum_to_the_amount_and_lie_within_one_unit_of_their_share(amount: int, weights: list[int]) -> None:
    parts = split(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(amount * weight, sum(weights))) < 1
        assert weight or not part


def test_nothing_can_be_split_over_no_weight() -> None:
    with pytest.raises(ValueError, match="cannot split 5"):
        split(5, [0, 0])


def test_three_equal_parts_of_one_cent_keep_the_cent() -> None:
    assert [usd(part) for part in split(units(Decimal("0.01")), [1, 1, 1])] == [
        Decimal("0.0033333334"),
        Decimal("0.0033333333"),
        Decimal("0.0033333333"),
    ]


def test_part_of_an_hour_is_rounded_half_up_at_ten_decimals() -> None:
    assert for_seconds(units(Decimal("55.04")), 2820) == 431_146_666_667
    assert for_seconds(1, 1800) == 1
