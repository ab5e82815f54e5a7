"""Amounts keep every digit that was written, whatever the type they came in."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.decimals import MONEY, decimal_column, exact_decimal, unreadable_amounts

TEN_PLACES = st.decimals(min_value=-(10**9), max_value=10**9, places=10)
SHORT = st.integers(-(10**15) + 1, 10**15 - 1)


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        (1e-10, "0.0000000001"),
        (-1e-10, "-0.0000000001"),
        (1e9, "1000000000"),
        (55.04, "55.04"),
        (0.1 + 0.2, "0.3000000000"),
        (123456789.12, "123456789.12"),
        (1.5e-05, "0.000015"),
        ("-12.5e3", "-12500"),
        (-0.0, "0"),
        (7, "7"),
        (Decimal("0.00000000005"), "0.0000000001"),
        ("9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999"),
    ],
)
def test_the_shortest_text_of_an_amount_is_the_amount(written: str | float | Decimal, amount: str) -> None:
    assert exact_decimal(written) == Decimal(amount)
    assert str(exact_decimal(-0.0)) == "0E-10"


@pytest.mark.parametrize("nonsense", [float("nan"), float("inf"), "", "1,5", "abc", "1e40", "NaN", "$5"])
def test_what_is_no_amount_is_refused(nonsense: str | float) -> None:
    with pytest.raises(ValueError, match="is no amount"):
        exact_decimal(nonsense)


@given(SHORT)
def test_a_double_of_up_to_fifteen_digits_gives_its_decimal_back(units: int) -> None:
    amount = Decimal(units).scaleb(-10)
    assert exact_decimal(float(amount)) == amount


@given(st.lists(st.one_of(st.none(), TEN_PLACES), max_size=30))
def test_a_text_column_and_a_decimal_column_say_the_same(amounts: list[Decimal | None]) -> None:
    texts = pa.array([None if amount is None else f"{amount:f}" for amount in amounts], pa.string())
    assert decimal_column(texts) == decimal_column(pa.array(amounts, pa.decimal128(30, 10)))
    assert decimal_column(texts).to_pylist() == amounts


DOUBLES = st.one_of(st.none(), st.floats(-1e27, 1e27), SHORT.map(lambda units: units / 1e10), st.floats(-1e-6, 1e-6))


@given(st.lists(DOUBLES, max_size=30))
def test_a_float_column_is_read_value_by_value(amounts: list[float | None]) -> None:
    expected = [None if amount is None else exact_decimal(amount) for amount in amounts]
    column = decimal_column(pa.array(amounts, pa.float64()))
    assert (column.to_pylist(), column.type) == (expected, MONEY)


def test_a_double_of_more_than_fifteen_digits_is_read_by_its_shortest_text_too() -> None:
    written = [12179345.54570487, -68763338.24599761]
    assert decimal_column(pa.array(written)).to_pylist() == [Decimal(repr(value)) for value in written]


def test_unreadable_amounts_are_marked_whatever_the_type() -> None:
    floats = pa.array([1.0, None, float("nan"), float("-inf"), 1e30, -1e27])
    assert unreadable_amounts(floats).to_pylist() == [False, False, True, True, True, False]
    assert unreadable_amounts(pa.array(["1", None, "", "x", "1e40"])).to_pylist() == [False, False, False, True, True]
    assert unreadable_amounts(pa.array([1, 2])).to_pylist() == [False, False]


def test_a_sliced_column_of_doubles_keeps_its_nulls() -> None:
    column = pa.array([1.0, None, 0.1 + 0.2, 5e5, None, 123456.7891011121]).slice(1)
    assert decimal_column(column).to_pylist() == [
        None,
        Decimal("0.3"),
        Decimal(500_000),
        None,
        Decimal("123456.7891011121"),
    ]


def test_empty_text_is_no_amount_but_absent() -> None:
    assert decimal_column(pa.array(["", " ", "1"])).to_pylist() == [None, None, Decimal(1)]
    assert decimal_column(pa.nulls(2)).to_pylist() == [None, None]
