"""How columns of a CUR 2.0 export become columns of raw_cur_lines: whole columns at a time, never row by row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import Reject, add_reject
from pipeline.sources.decimals import decimal_column, exact_decimal, unreadable_amounts

COST, NET_COST = "line_item_unblended_cost", "line_item_net_unblended_cost"
TIME = pa.timestamp("us", tz="UTC")
TIMES = {"usage_start_at": "line_item_usage_start_date", "usage_end_at": "line_item_usage_end_date"}
TEXTS = {
    "line_item_id": "identity_line_item_id",
    "payer_account_id": "bill_payer_account_id",
    "account_id": "line_item_usage_account_id",
    "record_type": "line_item_line_item_type",
    "product_code": "line_item_product_code",
    "usage_type": "line_item_usage_type",
    "operation": "line_item_operation",
    "resource_id": "line_item_resource_id",
    "currency": "line_item_currency_code",
    "invoice_id": "bill_invoice_id",
    "description": "line_item_line_item_description",
}
AMOUNTS = {
    "usage_amount": "line_item_usage_amount",
    "unblended_cost": COST,
    "net_unblended_cost": NET_COST,
    "public_on_demand_cost": "pricing_public_on_demand_cost",
    "reservation_effective_cost": "reservation_effective_cost",
    "net_reservation_effective_cost": "reservation_net_effective_cost",
    "reservation_unused_amortized_upfront_fee": "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_recurring_fee": "reservation_unused_recurring_fee",
    "sp_effective_cost": "savings_plan_savings_plan_effective_cost",
    "net_sp_effective_cost": "savings_plan_net_savings_plan_effective_cost",
    "sp_total_commitment": "savings_plan_total_commitment_to_date",
    "sp_used_commitment": "savings_plan_used_commitment",
}
NEVER_NULL = ("usage_amount",)
# the effective cost of these lines stands in columns of their own: without them it would be made up
COMMITTED = {
    "SavingsPlanCoveredUsage": ("sp_effective_cost",),
    "SavingsPlanRecurringFee": ("sp_total_commitment", "sp_used_commitment"),
    "DiscountedUsage": ("reservation_effective_cost",),
}
FROM_PRODUCT = {
    "instance_type": ("product_instance_type", ("instance_type", "instanceType")),
    "region": ("product_region_code", ("region_code", "regionCode", "region")),
}
PERIOD = "bill_billing_period_start_date"
PRODUCT, TAGS = "product", "resource_tags"
REQUIRED = (
    *TIMES.values(),
    "line_item_usage_account_id",
    "line_item_line_item_type",
    "line_item_product_code",
    "line_item_usage_type",
    "line_item_currency_code",
    "line_item_usage_amount",
    "line_item_unblended_cost",
)
USED = (
    *TIMES.values(),
    *TEXTS.values(),
    *AMOUNTS.values(),
    *(column for column, _ in FROM_PRODUCT.values()),
    PRODUCT,
    TAGS,
)
_PAIR, _ENTRY = "\x1f", "\x1e"


def bill_rows(
    lines: pa.RecordBatch, name: str, period: date, lines_before: int, has_net: bool, rejects: list[Reject]
) -> pa.RecordBatch:
    """The lines as raw_cur_lines rows without delivery_id; a line with an unreadable time or amount is rejected.

    `lines_before` lines of the delivery went before; another currency than USD refuses the delivery, and so do
    committed lines (Savings Plans, reservations) without the columns that hold their effective cost.
    """
    numbers = pa.array(range(lines_before + 1, lines_before + len(lines) + 1), pa.int64())
    lines, numbers = _without_bad_lines(lines, numbers, name, rejects)
    columns: dict[str, pa.Array] = {"line_number": numbers}
    columns["billing_period"] = _constant(period, len(lines), pa.date32())
    columns |= {to: _times(lines.column(of)) for to, of in TIMES.items()}
    columns |= {to: _texts(lines, of) for to, of in TEXTS.items()}
    columns |= {to: _amounts(lines, of, to in NEVER_NULL) for to, of in AMOUNTS.items()}
    columns |= {to: _of_product(lines, of, keys) for to, (of, keys) in FROM_PRODUCT.items()}
    columns["currency"] = _dollars(columns["currency"], name)
    _require_commitments(columns, name)
    columns["has_net_columns"] = _constant(has_net, len(lines), pa.bool_())
    columns["resource_tags"] = _canonical_json(_pairs_text(lines, TAGS))
    return pa.RecordBatch.from_pydict(columns)


def _without_bad_lines(
    lines: pa.RecordBatch, numbers: pa.Array, name: str, rejects: list[Reject]
) -> tuple[pa.RecordBatch, pa.Array]:
    """Drop and note the lines whose times or amounts cannot be read."""
    amounts = [column for column in AMOUNTS.values() if column in lines.schema.names]
    marks = {column: _unreadable_times(lines.column(column)) for column in TIMES.values()}
    marks |= {column: unreadable_amounts(lines.column(column)) for column in amounts}
    marks |= {COST: pc.or_(marks[COST], _is_blank(lines.column(COST)))}
    good = pa.repeat(True, len(lines))
    for column, is_bad in marks.items():
        for index in pc.indices_nonzero(pc.and_(is_bad, good)).to_pylist():
            text = json.dumps(_shown(lines, index), default=str, ensure_ascii=False)
            reason = f"{column} cannot be read: {lines.column(column)[index].as_py()!r}"
            add_reject(rejects, Reject.of(numbers[index].as_py(), reason, text), name)
        good = pc.and_(good, pc.invert(is_bad))
    return (lines, numbers) if pc.all(good).as_py() is not False else (lines.filter(good), numbers.filter(good))


def _is_blank(values: pa.Array) -> pa.Array:
    """A line without a cost cannot be conserved: unlike a missing discount, it is no zero."""
    missing = values.is_null()
    return pc.or_(missing, pc.equal(values, "").fill_null(False)) if pa.types.is_string(values.type) else missing


def _require_commitments(columns: dict[str, pa.Array], name: str) -> None:
    for record_type, needed in COMMITTED.items():
        is_type = pc.equal(columns["record_type"], record_type)
        for column in needed:
            known = columns[column].is_valid()
            known = pc.or_(known, columns[f"net_{column}"].is_valid()) if f"net_{column}" in columns else known
            if pc.any(pc.and_not(is_type, known)).as_py():
                reason = f"{record_type} lines without {AMOUNTS[column]}: their effective cost is unknown"
                raise RefusedDelivery(name, reason, "add that column to the export's query, and deliver it again")


def _unreadable_times(values: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(values.type):
        return values.is_null()
    encoded = pc.dictionary_encode(values)
    marks = [not _is_time(value) for value in encoded.dictionary.to_pylist()]
    return pa.array(marks, pa.bool_()).take(encoded.indices).fill_null(True)


def _is_time(value: object) -> bool:
    try:
        _read_time(value)
    except ValueError:
        return False
    return True


def _read_time(value: object) -> datetime:
    moment = datetime.fromisoformat(str(value))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _shown(lines: pa.RecordBatch, index: int) -> dict[str, object]:
    row = lines.slice(index, 1).to_pylist()[0]
    return {column: value for column, value in row.items() if value not in (None, "", [])}


def _constant(value: object, count: int, kind: pa.DataType) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), count)


def _times(values: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.timestamp("us", tz=values.type.tz), safe=False).cast(TIME)
    encoded = pc.dictionary_encode(values)
    return pa.array([_read_time(value) for value in encoded.dictionary.to_pylist()], TIME).take(encoded.indices)


def _texts(lines: pa.RecordBatch, column: str) -> pa.Array:
    if column not in lines.schema.names:
        return _constant("", len(lines), pa.string())
    return lines.column(column).cast(pa.string()).fill_null("")


def _amounts(lines: pa.RecordBatch, column: str, never_null: bool) -> pa.Array:
    if column not in lines.schema.names:
        return decimal_column(pa.nulls(len(lines)))
    amounts = decimal_column(lines.column(column))
    return amounts.fill_null(pa.scalar(exact_decimal(0), amounts.type)) if never_null else amounts


def _dollars(currency: pa.Array, name: str) -> pa.Array:
    """Every line in USD; lines that name no currency (zero lines of split costs) count as USD."""
    others = sorted(set(pc.unique(currency).to_pylist()) - {"USD", ""})
    if others:
        next_step = "export in USD, or set the exchange rate when chipledger offers it"
        raise RefusedDelivery(name, f"lines in currency {', '.join(others)}, not USD", next_step)
    return _constant("USD", len(currency), pa.string())


def _of_product(lines: pa.RecordBatch, column: str, keys: Sequence[str]) -> pa.Array:
    """A product attribute: its own column where filled, else its entry in the product map."""
    own = _texts(lines, column)
    if PRODUCT not in lines.schema.names:
        return own
    encoded = pc.dictionary_encode(_pairs_text(lines, PRODUCT))
    found = [
        next((pairs[key] for key in keys if pairs.get(key)), "")
        for pairs in map(_pairs, encoded.dictionary.to_pylist())
    ]
    return pc.if_else(pc.equal(own, ""), pa.array(found, pa.string()).take(encoded.indices), own)


def _pairs_text(lines: pa.RecordBatch, column: str) -> pa.Array:
    """A map, struct or JSON column as one comparable text per line."""
    if column not in lines.schema.names:
        return _constant("", len(lines), pa.string())
    values = lines.column(column)
    if pa.types.is_map(values.type):
        return _map_text(values)
    if pa.types.is_struct(values.type):
        return pa.array([orjson.dumps(value or {}).decode() for value in values.to_pylist()], pa.string())
    return values.cast(pa.string()).fill_null("")


def _map_text(values: pa.MapArray) -> pa.Array:
    start, end = values.offsets[0].as_py(), values.offsets[-1].as_py()
    offsets = pc.subtract(values.offsets, start)
    keys, items = (part.slice(start, end - start).cast(pa.string()) for part in (values.keys, values.items))
    joined = pc.binary_join_element_wise(keys, items, _PAIR, null_handling="replace", null_replacement="")
    texts = pc.binary_join(pa.ListArray.from_arrays(offsets, joined), _ENTRY)
    return pc.if_else(values.is_valid(), texts, "")


def _pairs(text: str) -> dict[str, str]:
    if not text:
        return {}
    if _PAIR in text:
        split = (entry.partition(_PAIR) for entry in text.split(_ENTRY))
        return {key: value for key, _, value in split}
    loaded = orjson.loads(text)
    if isinstance(loaded, list):
        return {str(key): str(value or "") for key, value in loaded}
    return {str(key): str(value) for key, value in loaded.items() if value is not None}


def _canonical_json(texts: pa.Array) -> pa.Array:
    encoded = pc.dictionary_encode(texts)
    found = [_dumps(_pairs(text)) for text in encoded.dictionary.to_pylist()]
    return pa.array(found, pa.string()).take(encoded.indices)


def _dumps(pairs: dict[str, str]) -> str:
    return json.dumps(pairs, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
