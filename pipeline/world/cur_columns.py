"""The columns of CUR 2.0 that the world's bill fills, and how a line fills them.

Names: AWS Data Exports, CUR 2.0 table dictionary. Amounts are DOUBLE there: the nearest double of ten decimals, whose
shortest text gives the decimal back. Timestamps are UTC without a zone, as in Athena.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipeline.world.lines import RI_COVERED, RI_FEE, SP_COVERED, SP_RECURRING, UNITS_PER_USD, USAGE, Line
from pipeline.world.options import instant, iso
from pipeline.world.seeds import hexadecimal

_TEXT, _NUMBER, _TIME = pa.string(), pa.float64(), pa.timestamp("ms")
_MAP = pa.map_(pa.string(), pa.string())

SCHEMA = pa.schema(
    [
        ("bill_bill_type", _TEXT),
        ("bill_billing_entity", _TEXT),
        ("bill_billing_period_end_date", _TIME),
        ("bill_billing_period_start_date", _TIME),
        ("bill_invoice_id", _TEXT),
        ("bill_payer_account_id", _TEXT),
        ("capacity_reservation_capacity_reservation_arn", _TEXT),
        ("capacity_reservation_capacity_reservation_status", _TEXT),
        ("capacity_reservation_capacity_reservation_type", _TEXT),
        ("identity_line_item_id", _TEXT),
        ("identity_time_interval", _TEXT),
        ("line_item_availability_zone", _TEXT),
        ("line_item_currency_code", _TEXT),
        ("line_item_legal_entity", _TEXT),
        ("line_item_line_item_description", _TEXT),
        ("line_item_line_item_type", _TEXT),
        ("line_item_operation", _TEXT),
        ("line_item_product_code", _TEXT),
        ("line_item_resource_id", _TEXT),
        ("line_item_unblended_cost", _NUMBER),
        ("line_item_usage_account_id", _TEXT),
        ("line_item_usage_account_name", _TEXT),
        ("line_item_usage_amount", _NUMBER),
        ("line_item_usage_end_date", _TIME),
        ("line_item_usage_start_date", _TIME),
        ("line_item_usage_type", _TEXT),
        ("pricing_public_on_demand_cost", _NUMBER),
        ("pricing_term", _TEXT),
        ("pricing_unit", _TEXT),
        ("product", _MAP),
        ("product_instance_type", _TEXT),
        ("product_region_code", _TEXT),
        ("product_servicecode", _TEXT),
        ("reservation_effective_cost", _NUMBER),
        ("reservation_unused_amortized_upfront_fee_for_billing_period", _NUMBER),
        ("reservation_unused_recurring_fee", _NUMBER),
        ("resource_tags", _MAP),
        ("savings_plan_savings_plan_a_r_n", _TEXT),
        ("savings_plan_savings_plan_effective_cost", _NUMBER),
        ("savings_plan_total_commitment_to_date", _NUMBER),
        ("savings_plan_used_commitment", _NUMBER),
    ]
)

# An export with these, where reserved instances are billed: the world leaves them out elsewhere.
RESERVED_SCHEMA = pa.schema(
    sorted(
        [
            *SCHEMA,
            pa.field("reservation_amortized_upfront_fee_for_billing_period", _NUMBER),
            pa.field("reservation_reservation_a_r_n", _TEXT),
        ],
        key=lambda field: field.name,
    )
)

_Fill = Callable[[Line], Any]


def delivery_table(
    lines: Sequence[Line],
    *,
    payer: str,
    names: Mapping[str, str],
    period: tuple[int, int],
    execution_id: str,
    invoiced: bool,
    plan_arn: str,
    schema: pa.Schema = SCHEMA,
) -> pa.Table:
    """One delivery as a table of `schema`; line ids belong to the execution and change with the next one."""
    begin, end = _time(period[0]), _time(period[1])
    invoice = str(int(hexadecimal(8, "invoice", payer, period[0]), 16)) if invoiced else ""
    fills: dict[str, _Fill] = {
        "bill_bill_type": lambda _: "Anniversary",
        "bill_billing_entity": lambda _: "AWS",
        "bill_billing_period_end_date": lambda _: end,
        "bill_billing_period_start_date": lambda _: begin,
        "bill_invoice_id": lambda _: invoice,
        "bill_payer_account_id": lambda _: payer,
        "line_item_usage_account_name": lambda line: names[line.account_id],
        "savings_plan_savings_plan_a_r_n": lambda line: plan_arn if line.record_type.startswith("SavingsPlan") else "",
    }
    columns = {**_LINE_FILLS, **fills}
    table = {field.name: [columns[field.name](line) for line in lines] for field in schema if field.name in columns}
    table["identity_line_item_id"] = [hexadecimal(40, execution_id, number) for number in range(len(lines))]
    return pa.table([pa.array(table[field.name], field.type) for field in schema], schema=schema)


def _time(at: int) -> datetime:
    return instant(at).replace(tzinfo=None)


def _dollars(amount: int | None) -> float | None:
    return None if amount is None else amount / UNITS_PER_USD


def _product(line: Line) -> list[tuple[str, str]]:
    named = {"instance_type": line.instance_type, "region": line.region, "product_name": line.product}
    return [(key, value) for key, value in named.items() if value]


def _is_reserved(line: Line) -> bool:
    return bool(line.reservation) or "UnusedBox" in line.usage_type


def _reservation_status(line: Line) -> str:
    if line.record_type != USAGE or not _is_reserved(line):
        return ""
    return "Unused" if "UnusedBox" in line.usage_type else "Used"


def _reservation_type(line: Line) -> str:
    if not _is_reserved(line):
        return ""
    return "EC2 Capacity Block for ML" if line.reservation else "ODCR"


def _term(line: Line) -> str:
    if line.record_type == RI_COVERED:
        return "Reserved"
    if line.record_type != USAGE:
        return ""
    return "Spot" if "SpotUsage" in line.usage_type else "OnDemand"


def _unused_recurring(line: Line) -> int:
    """The part of a month's recurring fee that paid for nothing: hours count alike in it and in the upfront fee."""
    committed, used = line.commitment or 0, line.used or 0
    return line.unblended * (committed - used) // committed


_LINE_FILLS: dict[str, _Fill] = {
    "capacity_reservation_capacity_reservation_arn": lambda line: (
        line.reservation or (line.resource_id if _is_reserved(line) else "")
    ),
    "capacity_reservation_capacity_reservation_status": _reservation_status,
    "capacity_reservation_capacity_reservation_type": _reservation_type,
    "identity_time_interval": lambda line: f"{iso(line.start)}/{iso(line.end)}",
    "line_item_availability_zone": lambda _: "",
    "line_item_currency_code": lambda _: "USD",
    "line_item_legal_entity": lambda _: "Amazon Web Services, Inc.",
    "line_item_line_item_description": lambda line: line.description,
    "line_item_line_item_type": lambda line: line.record_type,
    "line_item_operation": lambda line: line.operation,
    "line_item_product_code": lambda line: line.product,
    "line_item_resource_id": lambda line: line.resource_id,
    "line_item_unblended_cost": lambda line: _dollars(line.unblended),
    "line_item_usage_account_id": lambda line: line.account_id,
    "line_item_usage_amount": lambda line: float(line.amount),
    "line_item_usage_end_date": lambda line: _time(line.end),
    "line_item_usage_start_date": lambda line: _time(line.start),
    "line_item_usage_type": lambda line: line.usage_type,
    "pricing_public_on_demand_cost": lambda line: _dollars(line.list_cost),
    "pricing_term": _term,
    "pricing_unit": lambda line: "Hrs" if line.is_box else "",
    "product": _product,
    "product_instance_type": lambda line: line.instance_type,
    "product_region_code": lambda line: line.region,
    "product_servicecode": lambda line: line.product,
    "reservation_amortized_upfront_fee_for_billing_period": lambda line: (
        _dollars((line.commitment or 0) - line.unblended) if line.record_type == RI_FEE else None
    ),
    "reservation_effective_cost": lambda line: _dollars(line.drawn) if line.record_type == RI_COVERED else None,
    "reservation_reservation_a_r_n": lambda line: line.reserved_instances,
    "reservation_unused_amortized_upfront_fee_for_billing_period": lambda line: (
        _dollars((line.commitment or 0) - (line.used or 0) - _unused_recurring(line))
        if line.record_type == RI_FEE
        else None
    ),
    "reservation_unused_recurring_fee": lambda line: (
        _dollars(_unused_recurring(line)) if line.record_type == RI_FEE else None
    ),
    "resource_tags": lambda line: list(line.tags),
    "savings_plan_savings_plan_effective_cost": lambda line: (
        _dollars(line.drawn) if line.record_type == SP_COVERED else None
    ),
    "savings_plan_total_commitment_to_date": lambda line: (
        _dollars(line.commitment) if line.record_type == SP_RECURRING else None
    ),
    "savings_plan_used_commitment": lambda line: _dollars(line.used) if line.record_type == SP_RECURRING else None,
}
