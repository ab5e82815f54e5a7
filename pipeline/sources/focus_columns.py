"""How columns of a FOCUS bill become columns of raw_focus_lines, which version they tell, and which must be there.

Names: FOCUS 1.0 to 1.3; `x_` columns are the suppliers' own (AWS: x_UsageType in 1.0, SkuMeter since 1.1; Azure:
x_SkuMeterName; Google Cloud: x_SkuDescription).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    is_blank,
    months,
    pairs_text,
    texts,
    times,
    without_bad_lines,
)

BILLED, EFFECTIVE, PERIOD = "BilledCost", "EffectiveCost", "BillingPeriodStart"
TIMES = {"charge_start_at": "ChargePeriodStart", "charge_end_at": "ChargePeriodEnd"}
TEXTS = {
    "provider": "ProviderName",
    "publisher": "PublisherName",
    "billing_account_id": "BillingAccountId",
    "sub_account_id": "SubAccountId",
    "charge_category": "ChargeCategory",
    "charge_class": "ChargeClass",
    "charge_frequency": "ChargeFrequency",
    "charge_description": "ChargeDescription",
    "pricing_category": "PricingCategory",
    "commitment_discount_category": "CommitmentDiscountCategory",
    "commitment_discount_id": "CommitmentDiscountId",
    "commitment_discount_status": "CommitmentDiscountStatus",
    "capacity_reservation_id": "CapacityReservationId",
    "capacity_reservation_status": "CapacityReservationStatus",
    "service_category": "ServiceCategory",
    "service_name": "ServiceName",
    "service_code": "x_ServiceCode",
    "operation": "x_Operation",
    "region": "RegionId",
    "resource_id": "ResourceId",
    "resource_type": "ResourceType",
    "sku_id": "SkuId",
    "sku_price_id": "SkuPriceId",
    "consumed_unit": "ConsumedUnit",
    "pricing_unit": "PricingUnit",
    "invoice_id": "InvoiceId",
    "currency": "BillingCurrency",
    "billing_account_name": "BillingAccountName",
    "sub_account_name": "SubAccountName",
    "invoice_issuer": "InvoiceIssuerName",
    "availability_zone": "AvailabilityZone",
    "resource_name": "ResourceName",
    "service_subcategory": "ServiceSubcategory",
    "commitment_discount_type": "CommitmentDiscountType",
    "commitment_discount_name": "CommitmentDiscountName",
}
# the first that a line fills
METERS = ("SkuMeter", "x_UsageType", "x_SkuMeterName", "x_SkuDescription")
AMOUNTS = {
    "billed_cost": BILLED,
    "effective_cost": EFFECTIVE,
    "list_cost": "ListCost",
    "contracted_cost": "ContractedCost",
    "consumed_quantity": "ConsumedQuantity",
    "pricing_quantity": "PricingQuantity",
}
TAGS = "Tags"
REQUIRED = (
    BILLED,
    EFFECTIVE,
    "BillingAccountId",
    "BillingCurrency",
    PERIOD,
    "ChargeCategory",
    *TIMES.values(),
    "ProviderName",
    "ServiceName",
)
USED = (*TIMES.values(), PERIOD, *TEXTS.values(), *METERS, *AMOUNTS.values(), TAGS)
MARKS = frozenset({BILLED, "ChargePeriodStart", "ChargeCategory"})
# AWS Data Exports add these to their FOCUS tables, and write a Manifest beside the chunks
AWS_MARKS = frozenset({"x_ServiceCode", "x_Operation", "x_Discounts"})
# what came with each version, newest first
SINCE = (
    ("1.3", ("AllocatedMethodId", "ServiceProviderName", "HostProviderName", "ContractApplied")),
    ("1.2", ("InvoiceId", "BillingAccountType", "SubAccountType", "PricingCurrency")),
    ("1.1", ("SkuMeter", "SkuPriceDetails", "ServiceSubcategory", "CapacityReservationId")),
)
RENAMED = {"ServiceProviderName": "ProviderName"}  # since 1.3, where ProviderName may be left out
INCLUDE_IT = "export the whole FOCUS table, version 1.0 or 1.2"
NULLS = ("", "NULL", "null", "None")


def canonical_names(columns: Iterable[str]) -> dict[str, str]:
    """FOCUS name → the file's own name of each column that is read; case and underscores do not matter."""
    known = {_plain(name): name for name in (*USED, *(new for _, names in SINCE for new in names), *AWS_MARKS)}
    found: dict[str, str] = {}
    for column in columns:
        if name := known.get(_plain(column)):
            found.setdefault(name, column)
    for new, old in RENAMED.items():
        if new in found and old not in found:
            found[old] = found[new]
    return found


def is_focus(columns: Iterable[str]) -> bool:
    """Whether these are the columns of a FOCUS bill."""
    return canonical_names(columns).keys() >= MARKS


def has_manifest(columns: Iterable[str]) -> bool:
    """Whether a file with these columns is a chunk of an AWS export, to be read through its Manifest."""
    return bool(AWS_MARKS & canonical_names(columns).keys())


def version_of(names: Iterable[str]) -> str:
    """The FOCUS version that the (canonical) columns tell."""
    present = set(names)
    return next((version for version, marks in SINCE if present.intersection(marks)), "1.0")


def require_columns(name: str, names: Iterable[str]) -> None:
    """Refuse a bill that lacks a column without which no line can be booked."""
    present = set(names)
    if missing := [column for column in REQUIRED if column not in present]:
        raise RefusedDelivery(name, f"the FOCUS column {', '.join(missing)} is missing", INCLUDE_IT)


def focus_rows(
    lines: pa.RecordBatch, numbers: pa.Array, name: str, version: str, rejects: list[Reject]
) -> pa.RecordBatch:
    """The lines (with canonical column names) as raw_focus_lines rows without delivery_id.

    A line with an unreadable time, or without billed and effective cost, is rejected; another currency than USD
    refuses the delivery.
    """
    marks = bad_marks(lines, (*TIMES.values(), PERIOD), list(AMOUNTS.values()), (BILLED, EFFECTIVE))
    lines, numbers = without_bad_lines(lines, numbers, marks, name, rejects)
    columns: dict[str, pa.Array] = {"line_number": numbers}
    columns["billing_period"] = months(times(lines.column(PERIOD)))
    columns |= {to: times(lines.column(of)) for to, of in TIMES.items()}
    columns |= {to: texts(lines, of) for to, of in TEXTS.items()}
    columns["sku_meter"] = _first_filled([texts(lines, of) for of in METERS])
    columns |= {to: amounts(lines, of, never_null=False) for to, of in AMOUNTS.items()}
    columns["currency"] = dollars(columns["currency"], name)
    columns["tags"] = canonical_json(pairs_text(lines, TAGS))
    columns["focus_version"] = constant(version, len(lines), pa.string())
    return pa.RecordBatch.from_pydict(columns)


def _first_filled(columns: Sequence[pa.Array]) -> pa.Array:
    found = columns[0]
    for column in columns[1:]:
        found = pc.if_else(is_blank(found), column, found)
    return found


def _plain(name: str) -> str:
    return name.lower().replace("_", "")
