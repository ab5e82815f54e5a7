from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rounding import CENT, apportion, rounded

AMOUNTS = st.lists(st.decimals(min_value=-(10**9), max_value=10**9, places=10), max_size=40)


@given(AMOUNTS)
def test_every_column_sums_to_its_rounded_total_and_no_figure_is_a_cent_off(values: list[Decimal]) -> None:
    shown = apportion(values)
    assert sum(shown, Decimal(0)) == rounded(sum(values, Decimal(0)))
    assert all(abs(cents - value) < CENT for cents, value in zip(shown, values, strict=True))


@given(st.lists(AMOUNTS, min_size=1, max_size=8))
def test_teams_sum_to_the_bill_and_rows_to_their_team(teams: list[list[Decimal]]) -> None:
    sums = [sum(rows, Decimal(0)) for rows in teams]
    totals = apportion(sums)
    assert sum(totals, Decimal(0)) == rounded(sum(sums, Decimal(0)))
    for rows, total in zip(teams, totals, strict=True):
        assert sum(apportion(rows, total), Decimal(0)) == total


@pytest.mark.parametrize(
    ("exact", "shown"),
    [
        (("1.9125", "3.2675", "2.41", "2.41"), ("1.91", "3.27", "2.41", "2.41")),
        (("0.3333333333",) * 3, ("0.34", "0.33", "0.33")),
        (("-0.3333333333",) * 3, ("-0.33", "-0.33", "-0.34")),
    ],
)
def test_what_is_missing_goes_to_the_largest_remainders(exact: tuple[str, ...], shown: tuple[str, ...]) -> None:
    assert apportion([Decimal(value) for value in exact]) == [Decimal(value) for value in shown]


def test_a_total_that_the_values_do_not_make_is_refused() -> None:
    with pytest.raises(ValueError, match=r"9\.00 is no rounded sum of values that sum to 1"):
        apportion([Decimal(1)], Decimal("9.00"))
