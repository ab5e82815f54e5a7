"""A drawn bill as the CUR 2.0 export that AWS writes: one Parquet chunk and its Manifest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.sources.base import IngestOptions, ParsedDelivery, SourceObject
from pipeline.sources.cur import read_export
from pipeline.sources.cur_manifest import read_manifest
from tests.properties.bills import HOUR
from tests.properties.exports import account, hours, usd
from tests.properties.lines import Line

AT = datetime(2026, 10, 4, tzinfo=UTC)
USD = pa.decimal128(38, 10)


def deliver(
    lines: list[Line], currencies: list[str], folder: Path, *, drifted_from: int | None = None
) -> ParsedDelivery:
    """The lines, each in its currency, as the reader of CUR exports reads them.

    From the line `drifted_from` on they stand in a chunk that AWS wrote by a newer schema.
    """
    chunk = folder / "a.parquet"
    table = _table(lines, currencies)
    pq.write_table(table[:drifted_from], chunk)
    chunks = [chunk]
    if drifted_from is not None:
        chunks.append(folder / "b.parquet")
        pq.write_table(_drifted(table[drifted_from:]), chunks[1])
    month = {"billingPeriod": f"{AT:%Y-%m}", "creationTime": f"{AT:%Y-%m-%dT%H:%M:%SZ}"}
    manifest = folder / "m-Manifest.json"
    names = [f"s3://b/{path.name}" for path in chunks]
    manifest.write_text(json.dumps({"exportName": "e", "executionId": "1", "dataFiles": names, **month}))
    objects = [SourceObject(path.name, path, AT) for path in (manifest, *chunks)]
    return read_export(read_manifest(objects[0], IngestOptions()), objects[1:])


def _drifted(table: pa.Table) -> pa.Table:
    """A new column, new keys in the maps, and the columns in another order."""
    names = reversed(table.column_names)
    told = pa.array([[("user_team", "alpha"), ("user_new", "x")]] * len(table), pa.map_(pa.string(), pa.string()))
    news = {"line_item_iam_principal": pa.array(["role/x"] * len(table)), "resource_tags": told, "product": told}
    return pa.table({**news, **{name: table[name] for name in names}})


def _table(lines: list[Line], currencies: list[str]) -> pa.Table:
    amounts: dict[str, list[int | None]] = {
        "line_item_unblended_cost": [line.billed for line in lines],
        "reservation_effective_cost": [line.reservation_effective for line in lines],
        "reservation_unused_recurring_fee": [line.unused_recurring for line in lines],
        "reservation_unused_amortized_upfront_fee_for_billing_period": [line.unused_upfront for line in lines],
        "savings_plan_savings_plan_effective_cost": [line.plan_effective for line in lines],
        "savings_plan_total_commitment_to_date": [line.commitment for line in lines],
        "savings_plan_used_commitment": [line.commitment_used for line in lines],
    }
    return pa.table(
        {
            "identity_line_item_id": [line.key for line in lines],
            "line_item_usage_start_date": [line.start_at for line in lines],
            "line_item_usage_end_date": [line.start_at + HOUR for line in lines],
            "line_item_usage_account_id": [account(1, line) for line in lines],
            "line_item_line_item_type": [line.record_type for line in lines],
            "line_item_product_code": [line.product_code for line in lines],
            "line_item_usage_type": [line.usage_type for line in lines],
            "line_item_resource_id": [line.resource_id for line in lines],
            "line_item_currency_code": currencies,
            "line_item_usage_amount": pa.array([hours(line.seconds) for line in lines], USD),
            **{name: pa.array([usd(amount) for amount in column], USD) for name, column in amounts.items()},
        }
    )
