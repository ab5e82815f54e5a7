"""The expectations say what the header says: the same rows fail in pandas as in SQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.expectations import Expectation, Kind, compile_expression, compile_model
from tests.unit.toy_marts import toy_models

COLUMNS = frozenset({"a", "b", "s"})
Row = dict[str, object]


def forms(expression: str) -> list[tuple[object, ...]] | None:
    found = compile_expression(expression, COLUMNS)
    return None if found is None else [(e.kind, e.columns, e.low, e.high, e.is_strict, e.values) for e in found]


def not_null(column: str) -> tuple[object, ...]:
    return (Kind.NOT_NULL, (column,), None, None, False, ())


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a >= 0", [not_null("a"), (Kind.BETWEEN, ("a",), 0, None, False, ())]),
        ("a < -1.5", [not_null("a"), (Kind.BETWEEN, ("a",), None, -1.5, True, ())]),
        ("a between 0 and 1", [not_null("a"), (Kind.BETWEEN, ("a",), 0, 1, False, ())]),
        ("a is null or a between 0 and 1", [(Kind.BETWEEN, ("a",), 0, 1, False, ())]),
        ("a is not null", [not_null("a")]),
        ("s in ('x', 'y')", [not_null("s"), (Kind.IN_SET, ("s",), None, None, False, ("x", "y"))]),
        ("s not in ('x')", [not_null("s"), (Kind.NOT_IN_SET, ("s",), None, None, False, ("x",))]),
        ("s <> ''", [not_null("s"), (Kind.NOT_IN_SET, ("s",), None, None, False, ("",))]),
        ("s = 'x'", [not_null("s"), (Kind.IN_SET, ("s",), None, None, False, ("x",))]),
        (
            "(a >= 0) and (b > 1)",
            [
                not_null("a"),
                (Kind.BETWEEN, ("a",), 0, None, False, ()),
                not_null("b"),
                (Kind.BETWEEN, ("b",), 1, None, True, ()),
            ],
        ),
    ],
)
def test_a_column_form_becomes_expectations(expression: str, expected: list[tuple[object, ...]]) -> None:
    assert forms(expression) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "a >= b",
        "abs(a) >= 0",
        "a >= 0 and a + b > 1",
        "a >= 0 or b >= 0",
        "b is null or a >= 0",
        "unknown >= 0",
        "s like '%x%'",
        "a between b and 1",
        "s >= 'x'",
        "a in (select 1)",
        "not a",
        "a >=",
    ],
)
def test_anything_richer_is_left_to_sql(expression: str) -> None:
    assert forms(expression) is None


def test_every_model_has_the_expectations_of_its_grain(tmp_path: Path) -> None:
    models = toy_models(tmp_path / "sql")
    kinds = [(e.kind, e.columns) for e in compile_model(models["fct_hours"]) if e.slug == "grain"]
    assert kinds == [
        (Kind.NOT_NULL, ("hour_at",)),
        (Kind.NOT_NULL, ("chip",)),
        (Kind.UNIQUE_TOGETHER, ("hour_at", "chip")),
    ]
    assert [e.kind for e in compile_model(models["dim_chip"])][:2] == [Kind.NOT_NULL, Kind.UNIQUE]
    assert {e.slug: e.severity for e in compile_model(models["fct_hours"])} == {
        "grain": "fail",
        "cost_usd_gte_0": "fail",
        "kind_in_gpu_trn": "warn",
    }


def holds(expectation: Expectation, row: Row) -> bool:
    """What great_expectations says of one row: NULL passes everything but NOT_NULL."""
    value = row[expectation.columns[0]]
    if value is None:
        return expectation.kind is not Kind.NOT_NULL
    judge: dict[Kind, Callable[[], bool]] = {
        Kind.NOT_NULL: lambda: True,
        Kind.IN_SET: lambda: value in expectation.values,
        Kind.NOT_IN_SET: lambda: value not in expectation.values,
        Kind.BETWEEN: lambda: in_range(expectation, float(str(value))),
    }
    return judge[expectation.kind]()


def in_range(expectation: Expectation, value: float) -> bool:
    low = float("-inf") if expectation.low is None else expectation.low
    high = float("inf") if expectation.high is None else expectation.high
    return low < value < high if expectation.is_strict else low <= value <= high


numbers = st.sampled_from([-1, 0, 1, 2])
tests = st.one_of(
    st.builds("{} {} {}".format, st.sampled_from("ab"), st.sampled_from([">=", ">", "<=", "<", "=", "<>"]), numbers),
    st.builds("{} between {} and {}".format, st.sampled_from("ab"), numbers, numbers),
    st.builds("{0} is null or {0} > {1}".format, st.sampled_from("ab"), numbers),
    st.sampled_from(["s in ('x', 'y')", "s not in ('x')", "s <> ''", "a is not null", "s is null or s = 'y'"]),
)


@given(
    parts=st.lists(tests, min_size=1, max_size=3),
    row=st.fixed_dictionaries(
        {
            "a": st.none() | numbers,
            "b": st.none() | numbers,
            "s": st.none() | st.sampled_from(["x", "y", ""]),
        }
    ),
)
def test_expectations_and_sql_agree_on_every_row(parts: list[str], row: Row) -> None:
    expression = " and ".join(f"({part})" for part in parts)
    compiled = compile_expression(expression, COLUMNS)
    assert compiled is not None
    sql = f"select coalesce(({expression}), false) from (select $a::int as a, $b::int as b, $s::varchar as s)"
    with duckdb.connect() as conn:
        assert conn.execute(sql, row).fetchall() == [(all(holds(e, row) for e in compiled),)]
