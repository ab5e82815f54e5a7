"""What bill lines of every supplier share: columns of text, time, money and tags as raw tables keep them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import Reject, add_reject
from pipeline.sources.decimals import decimal_column, exact_decimal, unreadable_amounts

TIME = pa.timestamp("us", tz="UTC")
NO_BILL = 1e11  # USD: no line of a bill is larger, and shares of it still fit exact arithmetic
_QUANTITY = re.compile(r"Quantity$|_usage(_amount|_ratio)?$")
_PAIR, _ENTRY = "\x1f", "\x1e"
_ZONE_WORDS = (" UTC", " utc")  # how BigQuery ends a timestamp


def without_bad_lines(
    lines: pa.RecordBatch,
    numbers: pa.Array,
    bad: Mapping[str, pa.Array],
    name: str,
    rejects: list[Reject],
) -> tuple[pa.RecordBatch, pa.Array]:
    """Drop and note the lines that `bad` marks, by the column at fault; `numbers` are the lines' numbers."""
    good = pa.repeat(True, len(lines))
    for column, is_bad in bad.items():
        for index in pc.indices_nonzero(pc.and_(is_bad, good)).to_pylist():
            text = json.dumps(_shown(lines, index), default=str, ensure_ascii=False)
            reason = f"{column} cannot be read: {lines.column(column)[index].as_py()!r}"
            add_reject(rejects, Reject.of(numbers[index].as_py(), reason, text), name)
        good = pc.and_(good, pc.invert(is_bad))
    return (lines, numbers) if pc.all(good).as_py() is not False else (lines.filter(good), numbers.filter(good))


def bad_marks(
    lines: pa.RecordBatch, times: Sequence[str], amounts: Sequence[str], required: Sequence[str]
) -> dict[str, pa.Array]:
    """Per column which of its values cannot be read; a blank amount is bad only where the line needs it.

    A cost of 1e11 USD or more counts as unreadable; a quantity may be as large as it likes.
    """
    marks = {column: unreadable_times(lines.column(column)) for column in times}
    for column in (column for column in amounts if column in lines.schema.names):
        limit = {} if _QUANTITY.search(column) else {"limit": NO_BILL}
        marks[column] = unreadable_amounts(lines.column(column), **limit)
    return marks | {column: pc.or_(marks[column], is_blank(lines.column(column))) for column in required}


def is_blank(values: pa.Array) -> pa.Array:
    """True where there is no value: NULL or empty text."""
    missing = values.is_null()
    return pc.or_(missing, pc.equal(values, "").fill_null(False)) if pa.types.is_string(values.type) else missing


def unreadable_times(values: pa.Array) -> pa.Array:
    """True where a value is no instant; NULL is none either."""
    if pa.types.is_timestamp(values.type):
        return values.is_null()
    encoded = pc.dictionary_encode(values)
    marks = [not _is_time(value) for value in encoded.dictionary.to_pylist()]
    return pa.array(marks, pa.bool_()).take(encoded.indices).fill_null(True)


def _is_time(value: object) -> bool:
    try:
        _read_time(value)
    except (ValueError, OverflowError):
        return False
    return True


def _read_time(value: object) -> datetime:
    text = str(value)
    for word in _ZONE_WORDS:
        text = text.removesuffix(word)
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _shown(lines: pa.RecordBatch, index: int) -> dict[str, object]:
    row = lines.slice(index, 1).to_pylist()[0]
    return {column: value for column, value in row.items() if value not in (None, "", [])}


def constant(value: object, count: int, kind: pa.DataType) -> pa.Array:
    """A column that says the same on every line."""
    return pa.repeat(pa.scalar(value, kind), count)


def times(values: pa.Array) -> pa.Array:
    """Instants in UTC; a time without a zone is UTC."""
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.timestamp("us", tz=values.type.tz), safe=False).cast(TIME)
    encoded = pc.dictionary_encode(values)
    return pa.array([_read_time(value) for value in encoded.dictionary.to_pylist()], TIME).take(encoded.indices)


def months(moments: pa.Array) -> pa.Array:
    """First day of the UTC month of each instant."""
    encoded = pc.dictionary_encode(moments)
    days = [date(moment.year, moment.month, 1) for moment in encoded.dictionary.to_pylist()]
    return pa.array(days, pa.date32()).take(encoded.indices)


def texts(lines: pa.RecordBatch, column: str) -> pa.Array:
    """The column as text, '' where it is NULL or absent."""
    if column not in lines.schema.names:
        return constant("", len(lines), pa.string())
    return lines.column(column).cast(pa.string()).fill_null("")


def amounts(lines: pa.RecordBatch, column: str, never_null: bool) -> pa.Array:
    """The column as DECIMAL(38,10), NULL where it is absent; with `never_null` 0 there."""
    if column not in lines.schema.names:
        return decimal_column(pa.nulls(len(lines)))
    found = decimal_column(lines.column(column))
    return found.fill_null(pa.scalar(exact_decimal(0), found.type)) if never_null else found


def dollars(currency: pa.Array, name: str) -> pa.Array:
    """Every line in USD; lines that name no currency (zero lines of split costs) count as USD."""
    others = sorted(set(pc.unique(currency).to_pylist()) - {"USD", ""})
    if others:
        next_step = "export in USD, or set the exchange rate when chipledger offers it"
        raise RefusedDelivery(name, f"lines in currency {', '.join(others)}, not USD", next_step)
    return constant("USD", len(currency), pa.string())


def pairs_text(lines: pa.RecordBatch, column: str) -> pa.Array:
    """A map, struct, list of keys and values, or JSON column as one comparable text per line."""
    if column not in lines.schema.names:
        return constant("", len(lines), pa.string())
    values = lines.column(column)
    if pa.types.is_map(values.type):
        return _map_text(values)
    if pa.types.is_struct(values.type) or pa.types.is_list(values.type):
        return pa.array([orjson.dumps(value or {}).decode() for value in values.to_pylist()], pa.string())
    return values.cast(pa.string()).fill_null("")


def _map_text(values: pa.MapArray) -> pa.Array:
    start, end = values.offsets[0].as_py(), values.offsets[-1].as_py()
    offsets = pc.subtract(values.offsets, start)
    keys, items = (part.slice(start, end - start).cast(pa.string()) for part in (values.keys, values.items))
    joined = pc.binary_join_element_wise(keys, items, _PAIR, null_handling="replace", null_replacement="")
    texts = pc.binary_join(pa.ListArray.from_arrays(offsets, joined), _ENTRY)
    return pc.if_else(values.is_valid(), texts, "")


def pairs(text: str) -> dict[str, str]:
    """What `pairs_text` wrote, as a dictionary; text that is no JSON stands under the key ''."""
    if not text:
        return {}
    if _PAIR in text:
        split = (entry.partition(_PAIR) for entry in text.split(_ENTRY))
        return {key: value for key, _, value in split}
    try:
        loaded = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"": text}
    if isinstance(loaded, list):
        return dict(_key_and_value(entry) for entry in loaded)
    if not isinstance(loaded, dict):
        return {"": text}
    return {str(key): str(value) for key, value in loaded.items() if value is not None}


def _key_and_value(entry: object) -> tuple[str, str]:
    if isinstance(entry, Mapping):  # BigQuery's repeated record
        return str(entry.get("key") or ""), str(entry.get("value") or "")
    if isinstance(entry, Sequence) and len(entry) == 2:
        return str(entry[0]), str(entry[1] or "")
    return "", str(entry)


def canonical_json(texts: pa.Array) -> pa.Array:
    """What `pairs_text` wrote, as a JSON object with sorted keys."""
    encoded = pc.dictionary_encode(texts)
    found = [
        json.dumps(pairs(text), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        for text in encoded.dictionary.to_pylist()
    ]
    return pa.array(found, pa.string()).take(encoded.indices)
