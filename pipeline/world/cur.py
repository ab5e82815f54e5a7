"""CUR 2.0 exports: Snappy Parquet chunks and a Manifest per delivery, an early and a final one per period.

A month that ends within the world is restated once more: after its end, before it is invoiced.

Layout and manifest keys (`executionId`, `columns`, `dataFiles`, `additionalOutputFiles`): AWS Data Exports user guide,
"Understanding export delivery", with "create new" deliveries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.world.bill import plan_arn
from pipeline.world.cur_columns import RESERVED_SCHEMA, SCHEMA, delivery_table
from pipeline.world.events import LATE_TAGS, RESERVED_INSTANCES
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
    Line,
)
from pipeline.world.options import (
    END,
    SECONDS_PER_DAY,
    SECONDS_PER_HOUR,
    WorldOptions,
    hour_of,
    instant,
    iso,
    month_end,
    month_start,
    stamp,
)
from pipeline.world.seeds import uuid_text
from pipeline.world.writer import write_json, write_parquet

EXPORT_NAME = "org-cur2-hourly"
BUCKET = "org-billing-exports"
CHUNKS = 2

# The early delivery comes six hours after what it knows, the final one more than two days after the last usage.
EARLY_DELAY_SECONDS = 6 * SECONDS_PER_HOUR
FINAL_DELAY_SECONDS = 2 * SECONDS_PER_DAY + 6 * SECONDS_PER_HOUR
INVOICE_DELAY_SECONDS = 9 * SECONDS_PER_DAY + 6 * SECONDS_PER_HOUR

# What the early delivery knows of its period, and how far its metered amounts are off.
EARLY_SHARE = 0.6
_RESTATED = frozenset({TAX, CREDIT, REFUND, FEE})
_CERTAIN = frozenset({SP_COVERED, SP_NEGATION, SP_RECURRING, SP_UPFRONT, RI_COVERED, RI_FEE})


@dataclass(frozen=True)
class Delivery:
    """One execution of the export for one billing period."""

    period_start: int
    delivered_at: int
    lines: tuple[Line, ...]
    is_final: bool

    @property
    def period(self) -> str:
        """`YYYY-MM`."""
        return f"{instant(self.period_start):%Y-%m}"

    @property
    def execution_id(self) -> str:
        """The UUID of the execution."""
        return uuid_text("execution", EXPORT_NAME, self.period, self.delivered_at)

    @property
    def folder(self) -> str:
        """`<partition>/<stamp>-<execution>`, the same for data and metadata."""
        return f"BILLING_PERIOD={self.period}/{stamp(self.delivered_at)}-{self.execution_id}"


def deliveries(options: WorldOptions, lines: Sequence[Line]) -> list[Delivery]:
    """An early and a final delivery of each billing period, in the order of delivery.

    A month that is over is delivered once between: whole, but before its amounts, credits and refunds were settled.
    """
    out: list[Delivery] = []
    for month in sorted({_billed_in(line) for line in lines}):
        own = tuple(line for line in lines if _billed_in(line) == month)
        first, last = max(month, options.start), min(month_end(month), END)
        known = hour_of(first + int((last - first) * EARLY_SHARE))
        early = tuple(_as_known_early(line) for line in own if line.end <= known and line.record_type not in _RESTATED)
        out.append(Delivery(month, known + EARLY_DELAY_SECONDS, early, False))
        if month_end(month) > END:
            out.append(Delivery(month, last + FINAL_DELAY_SECONDS, own, True))
            continue
        unsettled = tuple(_as_unsettled(options, line) for line in own if line.record_type not in {CREDIT, REFUND})
        out.append(Delivery(month, last + FINAL_DELAY_SECONDS, unsettled, False))
        out.append(Delivery(month, last + INVOICE_DELAY_SECONDS, own, True))
    return sorted(out, key=lambda delivery: (delivery.delivered_at, delivery.period_start))


def _billed_in(line: Line) -> int:
    return month_start(line.start) if line.billed_in is None else line.billed_in


def _as_known_early(line: Line) -> Line:
    """The line before metering settled and tags were activated: on-demand and traffic costs read two percent low."""
    if line.record_type in _CERTAIN:
        return replace(line, tags=())
    return replace(line, unblended=line.unblended * 98 // 100, tags=())


def _as_unsettled(options: WorldOptions, line: Line) -> Line:
    """The line before the month was rated anew: spot costs read half a percent high; late tags are not active yet."""
    if LATE_TAGS in options.events:
        line = replace(line, tags=())
    if "SpotUsage" not in line.usage_type:
        return line
    return replace(line, unblended=line.unblended * 201 // 200)


def write_exports(options: WorldOptions, fleet: Fleet, lines: Sequence[Line], landing: Path) -> Iterator[Path]:
    """Write every delivery under `landing/cur`; yields each manifest's path."""
    root = landing / "cur" / EXPORT_NAME
    schema = RESERVED_SCHEMA if RESERVED_INSTANCES in options.events else SCHEMA
    for delivery in deliveries(options, lines):
        table = delivery_table(
            delivery.lines,
            payer=fleet.accounts["payer"].account_id,
            names={account.account_id: account.name for account in fleet.accounts.values()},
            period=(delivery.period_start, month_end(delivery.period_start)),
            execution_id=delivery.execution_id,
            invoiced=delivery.is_final and month_end(delivery.period_start) <= END,
            plan_arn=plan_arn(fleet),
            schema=schema,
        )
        size = -(-table.num_rows // CHUNKS)
        for chunk in range(CHUNKS):
            path = root / "data" / delivery.folder / f"{EXPORT_NAME}-{chunk + 1:05d}.snappy.parquet"
            write_parquet(path, table.slice(chunk * size, size))
        manifest = root / "metadata" / delivery.folder / f"{EXPORT_NAME}-Manifest.json"
        write_json(manifest, _manifest(fleet, delivery, schema))
        yield manifest


def _manifest(fleet: Fleet, delivery: Delivery, schema: pa.Schema) -> dict[str, Any]:
    payer = fleet.accounts["payer"].account_id
    prefix = f"s3://{BUCKET}/cur/{EXPORT_NAME}/data/{delivery.folder}"
    end = month_end(delivery.period_start)
    return {
        "executionId": delivery.execution_id,
        "exportArn": f"arn:aws:bcm-data-exports:us-east-1:{payer}:export/{EXPORT_NAME}-{uuid_text('export', payer)}",
        "exportName": EXPORT_NAME,
        "accountId": payer,
        "createdAt": iso(delivery.delivered_at),
        "billingPeriod": {"start": iso(delivery.period_start), "end": iso(end)},
        "contentType": "Parquet",
        "columns": [{"name": field.name, "type": _athena_type(field.type)} for field in schema],
        "dataFiles": [f"{prefix}/{EXPORT_NAME}-{chunk + 1:05d}.snappy.parquet" for chunk in range(CHUNKS)],
        "additionalOutputFiles": [],
    }


def _athena_type(kind: pa.DataType) -> str:
    if pa.types.is_map(kind):
        return "map<string,string>"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    return "double" if pa.types.is_floating(kind) else "string"
