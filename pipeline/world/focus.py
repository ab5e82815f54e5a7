"""FOCUS 1.0 and 1.2 exports of the same bill, as AWS Data Exports write them: Parquet chunks with a Manifest.

AWS presents commitments otherwise than in CUR: covered usage is billed 0 and there is no negation; the recurring fee is
a Purchase with effective cost 0, beside a Usage row of what stayed unused. Columns: FOCUS_1_0_AWS and FOCUS_1_2_AWS
tables of the AWS Data Exports dictionary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.world.bill import plan_arn
from pipeline.world.cur import CHUNKS, Delivery, deliveries
from pipeline.world.fleet import Fleet
from pipeline.world.lines import (
    CREDIT,
    FEE,
    REFUND,
    RI_COVERED,
    RI_FEE,
    SP_COVERED,
    SP_NEGATION,
    SP_RECURRING,
    SP_UPFRONT,
    TAX,
    UNITS_PER_USD,
    Line,
)
from pipeline.world.options import END, WorldOptions, instant, iso, month_end, stamp
from pipeline.world.seeds import hexadecimal, uuid_text
from pipeline.world.writer import write_json, write_parquet

BUCKET = "org-billing-exports"
_TEXT, _NUMBER, _TIME = pa.string(), pa.float64(), pa.timestamp("ms", "UTC")
_KINDS = {
    **dict.fromkeys(("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"), _TIME),
    **dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), _NUMBER),
    **dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), _NUMBER),
    "Tags": pa.map_(pa.string(), pa.string()),
    "x_Discounts": pa.map_(pa.string(), pa.float64()),
}
_OF_1_0 = ("x_UsageType",)
_OF_1_2 = (
    *("BillingAccountType", "CapacityReservationId", "CapacityReservationStatus", "InvoiceId", "PricingCurrency"),
    *("ServiceSubcategory", "SkuMeter", "SubAccountType"),
)
_CATEGORIES = {TAX: "Tax", CREDIT: "Credit", **dict.fromkeys((FEE, RI_FEE, SP_RECURRING, SP_UPFRONT), "Purchase")}
_SERVICES = {
    "AmazonEC2": ("Amazon Elastic Compute Cloud", "Compute"),
    "AmazonEKS": ("Amazon Elastic Container Service for Kubernetes", "Compute"),
    "ComputeSavingsPlans": ("Savings Plans for AWS Compute usage", "Compute"),
}

Row = dict[str, Any]


def write_focus(options: WorldOptions, fleet: Fleet, lines: Sequence[Line], landing: Path) -> Iterator[Path]:
    """Write every delivery under `landing/focus`; yields each Manifest's path."""
    export = f"org-focus-{options.focus.replace('.', '-')}"
    for delivery in deliveries(options, lines):
        execution_id = uuid_text("execution", export, delivery.period, delivery.delivered_at)
        folder = f"BILLING_PERIOD={delivery.period}/{stamp(delivery.delivered_at)}-{execution_id}"
        table = _table(options.focus, [row for line in delivery.lines for row in _rows(fleet, delivery, line)])
        size = -(-table.num_rows // CHUNKS)
        names = [f"{export}-{chunk + 1:05d}.snappy.parquet" for chunk in range(CHUNKS)]
        for chunk, name in enumerate(names):
            path = landing / "focus" / export / "data" / folder / name
            write_parquet(path, table.slice(chunk * size, size))
        manifest = landing / "focus" / export / "metadata" / folder / f"{export}-Manifest.json"
        write_json(
            manifest,
            {
                "executionId": execution_id,
                "exportName": export,
                "accountId": fleet.accounts["payer"].account_id,
                "createdAt": iso(delivery.delivered_at),
                "billingPeriod": {"start": iso(delivery.period_start), "end": iso(month_end(delivery.period_start))},
                "contentType": "Parquet",
                "dataFiles": [f"s3://{BUCKET}/focus/{export}/data/{folder}/{name}" for name in names],
            },
        )
        yield manifest


def _table(version: str, rows: Sequence[Row]) -> pa.Table:
    left_out = _OF_1_2 if version == "1.0" else _OF_1_0
    names = [name for name in rows[0] if name not in left_out]
    return pa.table({name: pa.array([row[name] for row in rows], _KINDS.get(name, _TEXT)) for name in names})


def _rows(fleet: Fleet, delivery: Delivery, line: Line) -> Iterator[Row]:
    if line.record_type == SP_NEGATION:
        return
    if line.record_type in (SP_RECURRING, RI_FEE):
        committed, used = line.commitment or 0, line.used or 0
        yield _row(fleet, delivery, line, line.unblended, 0)
        unused = {"ChargeCategory": "Usage", "ChargeFrequency": "Usage-Based", "CommitmentDiscountStatus": "Unused"}
        yield _row(fleet, delivery, line, 0, committed - used) | unused | {"ConsumedQuantity": None}
        return
    yield _row(fleet, delivery, line, 0 if line.record_type == SP_COVERED else line.unblended, line.effective)


def _row(fleet: Fleet, delivery: Delivery, line: Line, billed: int, effective: int) -> Row:
    return {
        **_bill(fleet, delivery),
        "BilledCost": billed / UNITS_PER_USD,
        "EffectiveCost": effective / UNITS_PER_USD,
        "ContractedCost": effective / UNITS_PER_USD,
        "ListCost": None if line.list_cost is None else line.list_cost / UNITS_PER_USD,
        **_charge(line),
        **_commitment(fleet, line),
        **_reservation(line),
        **_resource(line),
    }


def _bill(fleet: Fleet, delivery: Delivery) -> Row:
    payer = fleet.accounts["payer"].account_id
    is_closed = delivery.is_final and month_end(delivery.period_start) <= END
    return {
        "BillingAccountId": payer,
        "BillingAccountType": "Management",
        "BillingCurrency": "USD",
        "BillingPeriodEnd": instant(month_end(delivery.period_start)),
        "BillingPeriodStart": instant(delivery.period_start),
        "InvoiceId": str(int(hexadecimal(8, "invoice", payer, delivery.period_start), 16)) if is_closed else None,
        "InvoiceIssuerName": "Amazon Web Services, Inc.",
        "PricingCurrency": "USD",
        "ProviderName": "AWS",
        "PublisherName": "Amazon Web Services, Inc.",
    }


def _charge(line: Line) -> Row:
    is_usage = line.record_type not in _CATEGORIES
    return {
        "ChargeCategory": _CATEGORIES.get(line.record_type, "Usage"),
        "ChargeClass": "Correction" if line.record_type == REFUND else None,
        "ChargeDescription": line.description,
        "ChargeFrequency": _frequency(line),
        "ChargePeriodEnd": instant(line.end),
        "ChargePeriodStart": instant(line.start),
        "ConsumedQuantity": float(line.amount) if is_usage else None,
        "ConsumedUnit": _unit(line) if is_usage else None,
        "PricingCategory": _pricing(line),
        "PricingQuantity": float(line.amount),
        "PricingUnit": _unit(line),
    }


def _resource(line: Line) -> Row:
    service, category = _SERVICES.get(line.product, (line.product, "Other"))
    return {
        "RegionId": line.region,
        "ResourceId": line.resource_id or None,
        "ServiceCategory": category,
        "ServiceName": service,
        "ServiceSubcategory": "Virtual Machines" if line.instance_type else "Other",
        "SkuMeter": line.usage_type,
        "SubAccountId": line.account_id,
        "SubAccountType": "Linked",
        "Tags": list(line.tags),
        "x_Discounts": [],
        "x_Operation": line.operation,
        "x_ServiceCode": line.product,
        "x_UsageType": line.usage_type,
    }


def _reservation(line: Line) -> Row:
    is_empty = "UnusedBox" in line.usage_type
    is_used = bool(line.reservation) and not line.is_block_fee
    return {
        "CapacityReservationId": line.resource_id if is_empty else line.reservation or None,
        "CapacityReservationStatus": "Unused" if is_empty else "Used" if is_used else None,
    }


def _commitment(fleet: Fleet, line: Line) -> Row:
    is_planned = line.record_type in (SP_COVERED, SP_RECURRING, SP_UPFRONT)
    category, kind = ("Spend", "Compute Savings Plans") if is_planned else ("Usage", "Reserved Instance")
    commitment = plan_arn(fleet) if is_planned else line.reserved_instances
    return {
        "CommitmentDiscountCategory": category if commitment else None,
        "CommitmentDiscountId": commitment or None,
        "CommitmentDiscountStatus": "Used" if line.record_type in (SP_COVERED, RI_COVERED) else None,
        "CommitmentDiscountType": kind if commitment else None,
    }


def _pricing(line: Line) -> str | None:
    if line.record_type in (SP_COVERED, RI_COVERED):
        return "Committed"
    if line.record_type in (TAX, CREDIT):
        return None
    return "Dynamic" if "SpotUsage" in line.usage_type else "Standard"


def _frequency(line: Line) -> str:
    if line.record_type not in _CATEGORIES:
        return "Usage-Based"
    is_once = line.is_upfront or line.is_block_fee or "Fee" not in line.record_type
    return "One-Time" if is_once else "Recurring"


def _unit(line: Line) -> str:
    return "Hours" if line.instance_type else "Units"
