"""The truth as Parquet: one file per question, sorted by its key, money as DECIMAL(38,10) USD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from pipeline.world.attempts import Attempt
from pipeline.world.findings import Finding
from pipeline.world.lines import usd
from pipeline.world.options import END, instant
from pipeline.world.truth import Truth
from pipeline.world.usage import Usage

_TEXT, _DAY, _TIME = pa.string(), pa.date32(), pa.timestamp("us", tz="UTC")
_USD, _SECONDS = pa.decimal128(38, 10), pa.float64()
_COSTS = [("effective_cost_usd", _USD), ("billed_cost_usd", _USD)]

_WORKLOADS = pa.schema([("usage_date", _DAY), ("workload_id", _TEXT), ("chip", _TEXT), *_COSTS])
_CLASSES = pa.schema(
    [
        ("usage_date", _DAY),
        ("cost_class", _TEXT),
        ("instance_type", _TEXT),
        ("chip", _TEXT),
        ("account_id", _TEXT),
        ("region", _TEXT),
        ("cluster", _TEXT),
        *_COSTS,
    ]
)
_BILL = pa.schema([("usage_date", _DAY), ("account_id", _TEXT), ("record_type", _TEXT), *_COSTS])
_USAGE = pa.schema(
    [
        ("usage_hour_at", _TIME),
        ("accelerator_id", _TEXT),
        ("instance_id", _TEXT),
        ("observed_seconds", _SECONDS),
        ("allocated_seconds", _SECONDS),
        ("busy_seconds", _SECONDS),
    ]
)
_FINDINGS = pa.schema(
    [("rule", _TEXT), ("subject", _TEXT), ("start_at", _TIME), ("end_at", _TIME), ("impact_usd", _USD)]
)
_WORK = pa.schema([("usage_date", _DAY), ("workload_id", _TEXT), ("unit", _TEXT), ("units", pa.int64())])
_ATTEMPTS = pa.schema(
    [("workload_id", _TEXT), ("replica", _TEXT), ("outcome", _TEXT)]
    + [(name, _TIME) for name in ("submitted_at", "start_at", "end_at")]
    + [("effective_cost_usd", _USD)]
)


def truth_tables(truth: Truth, usage: Usage, findings: Sequence[Finding]) -> Iterator[tuple[str, pa.Table]]:
    """(file name, table) of every truth."""
    yield "workload_cost_daily.parquet", _costs(_WORKLOADS, truth.workloads)
    yield "cost_class_daily.parquet", _costs(_CLASSES, truth.classes)
    yield "bill_daily.parquet", _costs(_BILL, truth.bill)
    hours = [
        (instant(hour), accelerator_id, instance_id, *(float(part) for part in seconds))
        for (hour, accelerator_id, instance_id), seconds in sorted(usage.accelerators.items())
    ]
    yield "accelerator_usage_hourly.parquet", _table(_USAGE, hours)
    found = sorted((item.rule, item.subject, instant(item.start), instant(item.end), item.impact_usd)
                   for item in findings)  # fmt: skip
    yield "findings.parquet", _table(_FINDINGS, found)


def work_tables(
    work: Mapping[tuple[int, str, str], int], attempts: Sequence[tuple[Attempt, int]]
) -> Iterator[tuple[str, pa.Table]]:
    """(file name, table) of the truths about counted work and attempts that ran."""
    yield "work_unit_daily.parquet", _table(_WORK, [(_day(key[0]), *key[1:], n) for key, n in sorted(work.items())])
    ran = []
    for one, cost in attempts:
        owner = one.holding.owner
        replica = owner.hpc_job or f"{owner.namespace}/{owner.pod}"
        times = (one.submitted, one.start or END, END if one.end is None else one.end)
        ran.append((owner.workload_id, replica, one.outcome, *map(instant, times), usd(cost)))
    yield "job_attempts.parquet", _table(_ATTEMPTS, sorted(ran))


def _costs(schema: pa.Schema, sums: Any) -> pa.Table:
    rows = [(_day(key[0]), *key[1:], usd(effective), usd(billed)) for key, (effective, billed) in sorted(sums.items())]
    return _table(schema, rows)


def _day(at: int) -> date:
    moment: datetime = instant(at)
    return moment.date()


def _table(schema: pa.Schema, rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)
