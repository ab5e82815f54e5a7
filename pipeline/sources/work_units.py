"""Work units from CSV files: tokens, requests, steps, runs and the like that a workload did in a stretch of time.

start_at,end_at,namespace,pod,unit,units,software,latency_p95_ms
2026-11-01T00:00:00Z,2026-11-01T01:00:00Z,search,ranker-7d9f8b6c5d-x2k4z,requests,12000,vLLM 0.11.0,840
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

import pyarrow as pa

from pipeline.sources.base import (
    IngestOptions,
    ParsedDelivery,
    Reject,
    Seeds,
    SourceObject,
    add_reject,
    describe,
    observation_time,
)
from pipeline.sources.csv_tables import Columns, csv_rows
from pipeline.sources.inventory import utc_time
from pipeline.windows import ALL_TIME

SOURCE = "work_units"
TABLE = "raw_work_units"
UNITS = ("prompt_tokens", "output_tokens", "requests", "steps", "checkpoints", "epochs", "runs")
IDENTITY = ("pod", "hpc_job", "runtime_tag")
FACTS = ("cluster", "namespace", "pod", "container", "hpc_job", "runtime_tag", "instance_id")
FILE = Columns(
    "work units",
    known=("start_at", "end_at", *FACTS, "unit", "units", "software", "latency_p95_ms"),
    needed=("start_at", "unit", "units"),
)
MOMENT = timedelta(microseconds=1)
MAX_SPAN = timedelta(days=31)
MAX_UNITS = 10**15
MAX_LATENCY_MS = 10**9
ROWS_PER_BATCH = 10_000
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [("line_number", pa.int64()), ("start_at", _TIME), ("end_at", _TIME)]
    + [(name, pa.string()) for name in (*FACTS, "unit")]
    + [("units", pa.int64()), ("software", pa.string()), ("latency_p95_ms", pa.decimal128(18, 3))]
)


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """Lines of the object as raw_work_units rows; an unknown column refuses the file, a bad line is a reject."""
    info = describe(obj, SOURCE, observation_time(obj, options))
    rejects: list[Reject] = []
    return ParsedDelivery(info, _batches(obj, rejects), rejects)


def _batches(obj: SourceObject, rejects: list[Reject]) -> Iterator[tuple[str, pa.RecordBatch]]:
    rows = _rows(obj, rejects)
    while batch := list(islice(rows, ROWS_PER_BATCH)):
        yield TABLE, pa.RecordBatch.from_pylist(batch, SCHEMA)


def _rows(obj: SourceObject, rejects: list[Reject]) -> Iterator[dict[str, Any]]:
    def reject(one: Reject) -> None:
        add_reject(rejects, one, obj.name)

    seen: set[tuple[Any, ...]] = set()
    for number, line in csv_rows(obj, FILE, reject):
        try:
            row = _row(number, line)
            key = tuple(row[name] for name in ("start_at", "end_at", *FACTS, "unit"))
            if key in seen:
                raise ValueError("the same workload, unit and time again")
        except ValueError as error:
            reject(Reject.of(number, str(error), ",".join(line.values())))
            continue
        seen.add(key)
        yield row


def _row(number: int, line: Mapping[str, str]) -> dict[str, Any]:
    start_at = utc_time(line["start_at"])
    if start_at is None:
        raise ValueError("it has no start_at")
    end_at = utc_time(line.get("end_at")) or start_at
    if end_at == start_at:
        end_at += MOMENT
    if not ALL_TIME.start_at <= start_at <= ALL_TIME.end_at - MAX_SPAN:
        raise ValueError(f"{start_at} is no time of ours")
    if not timedelta(0) <= end_at - start_at <= MAX_SPAN:
        raise ValueError(f"from {start_at} to {end_at}: an end comes after its start, and 31 days later at most")
    if line["unit"] not in UNITS:
        raise ValueError(f"unit {line['unit']!r} is none of {', '.join(UNITS)}")
    facts = {name: line.get(name, "") for name in FACTS}
    if not any(facts[name] for name in IDENTITY):
        raise ValueError(f"nobody is named: one of {', '.join(IDENTITY)} must be")
    software = line.get("software", "")
    if any("\x1f" in text for text in (*facts.values(), software)):
        raise ValueError("a name holds a unit separator")
    return {
        "line_number": number,
        "start_at": start_at,
        "end_at": end_at,
        **facts,
        "unit": line["unit"],
        "units": _count(line["units"]),
        "software": software,
        "latency_p95_ms": _latency(line.get("latency_p95_ms", ""), line["unit"]),
    }


def _latency(text: str, unit: str) -> Decimal | None:
    """Milliseconds above 0, to a thousandth; None where none is told. Raises ValueError for anything else."""
    if not text:
        return None
    if unit != "requests":
        raise ValueError(f"latency_p95_ms is the latency of requests, not of {unit}")
    try:
        latency = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no latency in milliseconds") from error
    if not latency.is_finite() or not Decimal("0.001") <= latency <= MAX_LATENCY_MS:
        raise ValueError(f"{text} is no latency from 0.001 to 10^9 milliseconds")
    return latency.quantize(Decimal("0.001"))


def _count(text: str) -> int:
    """A whole number, also as 12.0 or 1.2e6; raises ValueError for anything else."""
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no number of units") from error
    if not amount.is_finite() or not 0 <= amount <= MAX_UNITS or amount != int(amount):
        raise ValueError(f"{text} is no whole number of units from 0 to 10^15")
    return int(amount)
