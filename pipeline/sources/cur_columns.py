"""How columns of a CUR 2.0 export become columns of raw_cur_lines: whole columns at a time, never row by row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import Reject
from pipeline.sources.bill_columns import (
    amounts,
    bad_marks,
    canonical_json,
    constant,
    dollars,
    months,
    pairs,
    pairs_text,
    texts,
    times,
    unreadable_times,
    without_bad_lines,
)

COST, NET_COST = "line_item_unblended_cost", "line_item_net_unblended_cost"
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
    "payer_name": "bill_payer_account_name",
    "account_name": "line_item_usage_account_name",
    "bill_type": "bill_bill_type",
    "billing_entity": "bill_billing_entity",
    "legal_entity": "line_item_legal_entity",
    "availability_zone": "line_item_availability_zone",
    "pricing_unit": "pricing_unit",
    "sku": "product_sku",
    "rate_id": "pricing_rate_id",
    "savings_plan_arn": "savings_plan_savings_plan_a_r_n",
    "reservation_arn": "reservation_reservation_a_r_n",
    "capacity_reservation_arn": "capacity_reservation_capacity_reservation_arn",
    "capacity_reservation_status": "capacity_reservation_capacity_reservation_status",
    "capacity_reservation_type": "capacity_reservation_capacity_reservation_type",
}
AMOUNTS = {
    "usage_amount": "line_item_usage_amount",
    "unblended_cost": COST,
    "net_unblended_cost": NET_COST,
    "public_on_demand_cost": "pricing_public_on_demand_cost",
    "reservation_effective_cost": "reservation_effective_cost",
    "net_reservation_effective_cost": "reservation_net_effective_cost",
    "reservation_amortized_upfront_fee": "reservation_amortized_upfront_fee_for_billing_period",
    "reservation_unused_amortized_upfront_fee": "reservation_unused_amortized_upfront_fee_for_billing_period",
    "net_reservation_unused_amortized_upfront_fee": "reservation_net_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_recurring_fee": "reservation_unused_recurring_fee",
    "net_reservation_unused_recurring_fee": "reservation_net_unused_recurring_fee",
    "sp_effective_cost": "savings_plan_savings_plan_effective_cost",
    "net_sp_effective_cost": "savings_plan_net_savings_plan_effective_cost",
    "sp_total_commitment": "savings_plan_total_commitment_to_date",
    "sp_used_commitment": "savings_plan_used_commitment",
    "reservation_unused_quantity": "reservation_unused_quantity",
}
NEVER_NULL = ("usage_amount",)
# the effective cost of these lines stands in columns of their own (one of each group): without them it would be made up
COMMITTED = {
    "SavingsPlanCoveredUsage": (("sp_effective_cost", "net_sp_effective_cost"),),
    "SavingsPlanRecurringFee": (("sp_total_commitment",), ("sp_used_commitment",)),
    "DiscountedUsage": (("reservation_effective_cost", "net_reservation_effective_cost"),),
    "RIFee": (
        (
            *("reservation_unused_recurring_fee", "net_reservation_unused_recurring_fee"),
            *("reservation_unused_amortized_upfront_fee", "net_reservation_unused_amortized_upfront_fee"),
        ),
    ),
}
FROM_PRODUCT = {
    "instance_type": ("product_instance_type", ("instance_type", "instanceType")),
    "region": ("product_region_code", ("region_code", "regionCode", "region")),
    "product_name": ("", ("product_name", "ProductName")),  # CUR 2.0 has it in the map alone
}
PERIOD = "bill_billing_period_start_date"
PRODUCT, TAGS, COST_CATEGORY = "product", "resource_tags", "cost_category"
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
    *(column for column, _ in FROM_PRODUCT.values() if column),
    PERIOD,
    PRODUCT,
    TAGS,
    COST_CATEGORY,
)


def bill_rows(
    lines: pa.RecordBatch, numbers: pa.Array, name: str, period: date, has_net: bool, rejects: list[Reject]
) -> pa.RecordBatch:
    """The lines as raw_cur_lines rows without delivery_id; a line with an unreadable time or amount is rejected.

    `numbers` are the lines' numbers in the delivery. Refused as a whole: another currency than USD, lines of another
    month than the Manifest's, and committed lines (Savings Plans, reservations) without the columns that hold their
    effective cost.
    """
    _require_period(lines, name, period)
    marks = bad_marks(lines, list(TIMES.values()), list(AMOUNTS.values()), (COST,))
    lines, numbers = without_bad_lines(lines, numbers, marks, name, rejects)
    columns: dict[str, pa.Array] = {"line_number": numbers}
    columns["billing_period"] = constant(period, len(lines), pa.date32())
    columns |= {to: times(lines.column(of)) for to, of in TIMES.items()}
    columns |= {to: texts(lines, of) for to, of in TEXTS.items()}
    columns |= {to: amounts(lines, of, to in NEVER_NULL) for to, of in AMOUNTS.items()}
    columns |= {to: _of_product(lines, of, keys) for to, (of, keys) in FROM_PRODUCT.items()}
    columns["currency"] = dollars(columns["currency"], name)
    _require_commitments(columns, name)
    columns["has_net_columns"] = constant(has_net, len(lines), pa.bool_())
    columns["resource_tags"] = canonical_json(pairs_text(lines, TAGS))
    columns["cost_category"] = canonical_json(pairs_text(lines, COST_CATEGORY))
    return pa.RecordBatch.from_pydict(columns)


def _require_period(lines: pa.RecordBatch, name: str, period: date) -> None:
    """A chunk that was overwritten by another month's delivery would be booked twice, or in the wrong month."""
    if PERIOD not in lines.schema.names:
        return
    starts = lines.column(PERIOD)
    found = set(pc.unique(months(times(starts.filter(pc.invert(unreadable_times(starts)))))).to_pylist())
    if others := sorted(month for month in found if month != period):
        reason = f"lines of {others[0]:%Y-%m} under a Manifest of {period:%Y-%m}: chunks of another delivery"
        raise RefusedDelivery(name, reason, "deliver the Manifest together with its own chunks")


def _require_commitments(columns: dict[str, pa.Array], name: str) -> None:
    for record_type, groups in COMMITTED.items():
        is_type = pc.equal(columns["record_type"], record_type)
        for group in groups:
            known = reduce(pc.or_, (columns[column].is_valid() for column in group))
            if pc.any(pc.and_not(is_type, known)).as_py():
                reason = f"{record_type} lines without {AMOUNTS[group[0]]}: their effective cost is unknown"
                raise RefusedDelivery(name, reason, "add that column to the export's query, and deliver it again")


def _of_product(lines: pa.RecordBatch, column: str, keys: Sequence[str]) -> pa.Array:
    """A product attribute: its own column where filled, else its entry in the product map."""
    own = texts(lines, column)
    if PRODUCT not in lines.schema.names:
        return own
    encoded = pc.dictionary_encode(pairs_text(lines, PRODUCT))
    found = [
        next((named[key] for key in keys if named.get(key)), "") for named in map(pairs, encoded.dictionary.to_pylist())
    ]
    return pc.if_else(pc.equal(own, ""), pa.array(found, pa.string()).take(encoded.indices), own)
