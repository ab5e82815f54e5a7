"""What a header's checks say column by column, in the few forms that great_expectations knows; pure.

`busy_seconds >= 0 and kind in ('a', 'b')` becomes four expectations: two not-null (a NULL fails a header check), one
range, one set. A check with anything richer has no expectation: SQL alone judges it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from pipeline.models import Model

GRAIN_SLUG = "grain"
Literal = int | float | str | bool


class Kind(StrEnum):
    """The expectation forms in use; the values are great_expectations' own class names."""

    NOT_NULL = "ExpectColumnValuesToNotBeNull"
    UNIQUE = "ExpectColumnValuesToBeUnique"
    UNIQUE_TOGETHER = "ExpectCompoundColumnsToBeUnique"
    BETWEEN = "ExpectColumnValuesToBeBetween"
    IN_SET = "ExpectColumnValuesToBeInSet"
    NOT_IN_SET = "ExpectColumnValuesToNotBeInSet"


@dataclass(frozen=True)
class Expectation:
    """One expectation about one column, or about all `columns` together when `kind` is UNIQUE_TOGETHER."""

    slug: str
    severity: str
    kind: Kind
    columns: tuple[str, ...]
    low: float | int | None = None
    high: float | int | None = None
    is_strict: bool = False
    values: tuple[Literal, ...] = ()


def compile_model(model: Model) -> list[Expectation]:
    """Expectations of the grain and of every check that has a column form; checks without one are left out."""
    found = _grain(model)
    for check in model.checks:
        tests = compile_expression(check.expression, frozenset(model.columns)) if check.expression else None
        found += [replace(test, slug=check.slug, severity=check.severity) for test in tests or ()]
    return found


def compile_expression(expression: str, columns: frozenset[str]) -> list[Expectation] | None:
    """Expectations that together say `expression`, or None when some part of it has no column form."""
    try:
        tree = parse_one(expression, dialect="duckdb")
    except SqlglotError:
        return None
    found: list[Expectation] = []
    for part in _conjuncts(tree):
        tests = _part(part)
        if tests is None or not {column for test in tests for column in test.columns} <= columns:
            return None
        found += tests
    return list(dict.fromkeys(found))


def _grain(model: Model) -> list[Expectation]:
    kind = Kind.UNIQUE if len(model.grain) == 1 else Kind.UNIQUE_TOGETHER
    not_null = [Expectation(GRAIN_SLUG, "fail", Kind.NOT_NULL, (column,)) for column in model.grain]
    return [*not_null, Expectation(GRAIN_SLUG, "fail", kind, model.grain)]


def _conjuncts(tree: exp.Expr) -> Iterable[exp.Expr]:
    tree = tree.unnest()
    if isinstance(tree, exp.And):
        yield from _conjuncts(tree.left)
        yield from _conjuncts(tree.right)
    else:
        yield tree


def _part(tree: exp.Expr) -> list[Expectation] | None:
    """One conjunct: a test that forbids NULL too, or `column is null or <test>`, which allows it."""
    if isinstance(tree, exp.Or):
        test = _test(tree.right.unnest())
        return [test] if test and _is_null(tree.left.unnest()) == test.columns[0] else None
    if isinstance(tree, exp.Not) and (column := _is_null(tree.this.unnest())):
        return [_new(Kind.NOT_NULL, column)]
    test = _test(tree)
    return None if test is None else [_new(Kind.NOT_NULL, test.columns[0]), test]


def _new(kind: Kind, column: str) -> Expectation:
    return Expectation("", "", kind, (column,))


def _is_null(tree: exp.Expr) -> str | None:
    is_null = isinstance(tree, exp.Is) and isinstance(tree.expression, exp.Null)
    return tree.this.name if is_null and isinstance(tree.this, exp.Column) else None


def _test(tree: exp.Expr) -> Expectation | None:
    if isinstance(tree, exp.Not):
        inner = _test(tree.this.unnest())
        return replace(inner, kind=Kind.NOT_IN_SET) if inner and inner.kind is Kind.IN_SET else None
    if isinstance(tree, exp.Between):
        low, high = _literal(tree.args["low"]), _literal(tree.args["high"])
        return None if low is None or high is None else _range(tree.this, low, high)
    if isinstance(tree, exp.In):
        return _set(tree.this, [_literal(item) for item in tree.expressions])
    if isinstance(tree, exp.EQ):
        return _set(tree.this, [_literal(tree.expression)])
    if isinstance(tree, exp.NEQ):
        one = _set(tree.this, [_literal(tree.expression)])
        return replace(one, kind=Kind.NOT_IN_SET) if one else None
    return _comparison(tree)


def _comparison(tree: exp.Expr) -> Expectation | None:
    if isinstance(tree, exp.GTE | exp.GT):
        return _range(tree.this, _literal(tree.expression), None, is_strict=isinstance(tree, exp.GT))
    if isinstance(tree, exp.LTE | exp.LT):
        return _range(tree.this, None, _literal(tree.expression), is_strict=isinstance(tree, exp.LT))
    return None


def _range(
    column: exp.Expr, low: Literal | None, high: Literal | None, *, is_strict: bool = False
) -> Expectation | None:
    if not isinstance(column, exp.Column) or isinstance(low, str) or isinstance(high, str) or low is high is None:
        return None
    return replace(_new(Kind.BETWEEN, column.name), low=low, high=high, is_strict=is_strict)


def _set(column: exp.Expr, values: list[Literal | None]) -> Expectation | None:
    known = tuple(value for value in values if value is not None)
    if not isinstance(column, exp.Column) or not known or len(known) < len(values):
        return None
    return replace(_new(Kind.IN_SET, column.name), values=known)


def _literal(tree: exp.Expr) -> Literal | None:
    tree = tree.unnest()
    if isinstance(tree, exp.Neg):
        value = _literal(tree.this)
        return -value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if isinstance(tree, exp.Boolean):
        return bool(tree.this)
    if not isinstance(tree, exp.Literal):
        return None
    if tree.is_string:
        return str(tree.this)
    text = str(tree.this)
    return int(text) if text.isdigit() else float(text)
