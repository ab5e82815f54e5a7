"""Money as suppliers write it, exactly: text, floats by their shortest text, decimals → DECIMAL(38,10)."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

SCALE = 10
MONEY = pa.decimal128(38, SCALE)
_TOO_LARGE = 1e28
_PLAIN_UNITS = 1e15
_UNIT = Decimal(1).scaleb(-SCALE)
_CONTEXT = Context(prec=38, rounding=ROUND_HALF_UP, Emin=-999_999, Emax=999_999)


def exact_decimal(value: str | float | int | Decimal) -> Decimal:
    """The value with ten decimals; a float counts as its shortest text; further decimals round half up.

    Raises ValueError for what is no finite number of at most 28 integer digits.
    """
    text = repr(value) if isinstance(value, float) else value
    try:
        amount = _CONTEXT.plus(_CONTEXT.quantize(Decimal(text), _UNIT))
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is no amount") from error
    if not amount.is_finite():
        raise ValueError(f"{value!r} is no amount")
    return amount


def unreadable_amounts(column: pa.Array, limit: float = _TOO_LARGE) -> pa.Array:
    """True where a value is no amount below `limit`; NULL and empty text are absent amounts, not unreadable ones."""
    if pa.types.is_string(column.type):
        encoded = pc.dictionary_encode(column)
        marks = [not _is_amount(value, limit) for value in encoded.dictionary.to_pylist()]
        return pa.array(marks, pa.bool_()).take(encoded.indices).fill_null(False)
    if pa.types.is_null(column.type):
        return pa.repeat(False, len(column))
    fits = pc.less(pc.abs(column.cast(pa.float64(), safe=False)), limit)
    return pc.fill_null(pc.invert(fits), False)


def decimal_column(column: pa.Array) -> pa.Array:
    """The column as DECIMAL(38,10), value by value as `exact_decimal` reads it; '' becomes NULL.

    Raises ValueError naming the first value that is no amount.
    """
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), MONEY)
    if pa.types.is_decimal(column.type) and column.type.scale <= SCALE and column.type.precision <= 28 + SCALE:
        return column.cast(MONEY)
    return _of_doubles(column) if pa.types.is_float64(column.type) else _of_distinct(column)


def _of_doubles(column: pa.Array) -> pa.Array:
    """Doubles in bulk. A multiple n of 1e-10 with |n| < 1e15 has at most 15 digits, and no two decimals of 15 digits
    share a double: where n / 1e10 is the value again, n is what its shortest text says. The rest is read one by one.
    """
    values = column.to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore", over="ignore"):
        units = np.rint(values * 1e10)
        is_plain = (np.abs(units) < _PLAIN_UNITS) & (units / 1e10 == values)
    plain = _of_units(np.where(is_plain, units, 0).astype(np.int64), is_plain)
    rest = pc.and_(column.is_valid(), pa.array(~is_plain))
    if not pc.any(rest).as_py():
        return plain
    others = _of_distinct(column.filter(rest))
    places = np.arange(len(column), dtype=np.int64)
    places[rest.to_numpy(zero_copy_only=False)] = len(column) + np.arange(len(others))
    return pa.concat_arrays([plain, others]).take(pa.array(places))


def _of_units(units: npt.NDArray[np.int64], is_valid: npt.NDArray[np.bool_]) -> pa.Array:
    """Whole numbers of 1e-10 as DECIMAL(38,10): a decimal128 is the number's 128-bit two's complement."""
    words = np.empty((len(units), 2), np.int64)
    words[:, 0], words[:, 1] = units, units >> 63
    validity = pa.array(is_valid).buffers()[1]
    return pa.Array.from_buffers(MONEY, len(units), [validity, pa.py_buffer(words)])


def _of_distinct(column: pa.Array) -> pa.Array:
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    values = [_or_null(value) for value in encoded.dictionary.to_pylist()]
    return pa.array(values, MONEY).take(encoded.indices)


def _is_amount(value: object, limit: float) -> bool:
    try:
        amount = _or_null(value)
    except ValueError:
        return False
    return amount is None or abs(amount) < limit


def _or_null(value: object) -> Decimal | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str | int | float | Decimal):
        raise ValueError(f"{value!r} is no amount")
    return exact_decimal(value)
