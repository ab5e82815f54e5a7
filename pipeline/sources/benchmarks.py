"""Benchmarks from CSV files: how much of a workload's work an instance type does in a second, and who says so.

workload,instance_type,unit,throughput_per_second,measured_date,software
prod/search/deployment/ranker,p5.48xlarge,output_tokens,14200,2026-11-02,vLLM 0.11
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
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

SOURCE = "benchmarks"
TABLE = "raw_benchmarks"
OWN = "own measurement"
UNSOURCED = (OWN, "withdrawn")
FILE = Columns(
    "benchmarks",
    known=(
        *("workload", "instance_type", "instance_count", "fill_ratio", "unit", "throughput_per_second", "software"),
        *("latency_metric", "latency_percentile", "latency_bar_ms", "run", "measured_date", "evidence_grade", "source"),
        *("note", "published_usd_per_hour", "published_cost_usd", "published_cost_units"),
    ),
    needed=("workload", "instance_type", "unit", "throughput_per_second", "measured_date"),
)
FACTS = (
    *("workload", "instance_type", "instance_count", "fill_ratio", "unit", "software", "latency_metric"),
    *("latency_percentile", "latency_bar_ms", "run", "measured_date", "source"),
)
ROWS_PER_BATCH = 10_000
MAX_TEXT = 300
FIRST_DATE = date(2015, 1, 1)
_UNIT = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PRINTED = re.compile(r"\d{1,9}(\.\d{1,10})?")
SCALE_OF = {
    "fill_ratio": Decimal("1e-6"),
    "throughput_per_second": Decimal("1e-9"),
    "latency_percentile": Decimal("1e-3"),
    "latency_bar_ms": Decimal("1e-3"),
    "published_usd_per_hour": Decimal("1e-10"),
}
SCHEMA = pa.schema(
    [("line_number", pa.int64()), ("observed_at", pa.timestamp("us", tz="UTC"))]
    + [("workload", pa.string()), ("instance_type", pa.string()), ("instance_count", pa.int32())]
    + [("fill_ratio", pa.decimal128(9, 6)), ("unit", pa.string()), ("throughput_per_second", pa.decimal128(24, 9))]
    + [("software", pa.string()), ("latency_metric", pa.string()), ("latency_percentile", pa.decimal128(6, 3))]
    + [("latency_bar_ms", pa.decimal128(18, 3)), ("run", pa.string()), ("measured_date", pa.date32())]
    + [(name, pa.string()) for name in ("evidence_grade", "source", "note")]
    + [("published_usd_per_hour", pa.decimal128(18, 10)), ("published_cost_usd", pa.string())]
    + [("published_cost_units", pa.int64())]
)


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """Lines of the object as raw_benchmarks rows; an unknown column refuses the file, a bad line is a reject."""
    info = describe(obj, SOURCE, observation_time(obj, options))
    rejects: list[Reject] = []
    return ParsedDelivery(info, _batches(obj, info.observed_at, seeds, rejects), rejects)


def _batches(
    obj: SourceObject, observed_at: datetime, seeds: Seeds, rejects: list[Reject]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    rows = _rows(obj, observed_at, seeds, rejects)
    while batch := list(islice(rows, ROWS_PER_BATCH)):
        yield TABLE, pa.RecordBatch.from_pylist(batch, SCHEMA)


def _rows(obj: SourceObject, observed_at: datetime, seeds: Seeds, rejects: list[Reject]) -> Iterator[dict[str, Any]]:
    def reject(one: Reject) -> None:
        add_reject(rejects, one, obj.name)

    seen: set[tuple[Any, ...]] = set()
    for number, line in csv_rows(obj, FILE, reject):
        try:
            row = figure(line, seeds)
            key = tuple(row[name] for name in FACTS)
            if key in seen:
                raise ValueError("the same figure again: number repeated runs in the column run")
        except ValueError as error:
            reject(Reject.of(number, str(error), ",".join(line.values())))
            continue
        seen.add(key)
        yield {"line_number": number, "observed_at": observed_at, **row}


def figure(line: Mapping[str, str], seeds: Seeds) -> dict[str, Any]:
    """The facts of one figure, checked; raises ValueError naming what is wrong and what would be right."""
    grade = line.get("evidence_grade") or OWN
    _one_of("evidence_grade", grade, [row["evidence_grade"] for row in seeds.rows("evidence_grades")])
    if grade not in UNSOURCED and not line.get("source"):
        raise ValueError(f"evidence_grade {grade} needs a source: say where it was published")
    row = {
        "workload": _text(line, "workload"),
        "instance_type": _instance_type(line["instance_type"], seeds),
        "instance_count": int(_number(line, "instance_count", least=1, most=100_000, whole=True) or 1),
        "fill_ratio": _number(line, "fill_ratio", most=1) or Decimal(1),
        "unit": line["unit"],
        "throughput_per_second": _number(line, "throughput_per_second", most=10**12),
        **{name: _text(line, name) for name in ("software", "run", "source", "note")},
        **_latency(line),
        "measured_date": _date(line["measured_date"]),
        "evidence_grade": grade,
        **_published(line),
    }
    if not row["workload"]:
        raise ValueError("workload is empty: write a workload id, or a workload's name")
    if not _UNIT.fullmatch(line["unit"]):
        raise ValueError(f"unit {line['unit']!r}: write it as output_tokens or requests, in small letters")
    if row["throughput_per_second"] is None:
        raise ValueError("throughput_per_second is empty")
    return row


def _latency(line: Mapping[str, str]) -> dict[str, Any]:
    metric, bar = _text(line, "latency_metric"), _number(line, "latency_bar_ms", most=10**9)
    percentile = _number(line, "latency_percentile", most=100)
    if bool(metric) != (bar is not None):
        raise ValueError("latency_metric and latency_bar_ms go together: which latency was kept under which bar")
    if percentile is not None and not metric:
        raise ValueError("latency_percentile without latency_metric and latency_bar_ms")
    return {"latency_metric": metric.lower(), "latency_percentile": percentile, "latency_bar_ms": bar}


def _published(line: Mapping[str, str]) -> dict[str, Any]:
    cost, units = line.get("published_cost_usd", ""), line.get("published_cost_units", "")
    if bool(cost) != bool(units):
        raise ValueError("published_cost_usd and published_cost_units go together: a cost is for so many units")
    if cost and not _PRINTED.fullmatch(cost):
        raise ValueError(
            f"published_cost_usd {cost!r}: write it as printed, like 0.85; its digits tell how it was rounded"
        )
    count = _number(line, "published_cost_units", least=1, most=10**15, whole=True)
    return {
        "published_usd_per_hour": _number(line, "published_usd_per_hour", most=10**6),
        "published_cost_usd": cost,
        "published_cost_units": None if count is None else int(count),
    }


def _instance_type(text: str, seeds: Seeds) -> str:
    known = {row["instance_type"] for name in ("instance_types", "comparison_types") for row in seeds.rows(name)}
    if text in known:
        return text
    _one_of("instance_type", text.lower(), sorted(known), shown=False)
    return text.lower()


def _one_of(name: str, text: str, known: list[str], *, shown: bool = True) -> None:
    if text not in known:
        near = get_close_matches(text, known, n=1)
        hint = f"did you mean {near[0]}?" if near else ""
        listed = f"known are {', '.join(known)}" if shown else ""
        raise ValueError(f"{name} {text!r} is not known{'; ' if hint or listed else ''}{hint or listed}")


def _text(line: Mapping[str, str], name: str) -> str:
    text = line.get(name, "")
    if len(text) > MAX_TEXT or "\x1f" in text:
        raise ValueError(f"{name} is longer than {MAX_TEXT} characters or holds a separator")
    return text


def _number(
    line: Mapping[str, str], name: str, *, least: int | None = None, most: int, whole: bool = False
) -> Decimal | None:
    """The number in a field, None where it is empty: above 0 (or at least `least`) and at most `most`."""
    if not (text := line.get(name, "")):
        return None
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{name} {text!r} is no number") from error
    fits = value.is_finite() and (value > 0 if least is None else value >= least) and value <= most
    if not fits or (whole and value != int(value)):
        raise ValueError(f"{name} {text} is not {'a whole number ' if whole else ''}above 0 and at most {most:,}")
    rounded = value.quantize(SCALE_OF[name]) if name in SCALE_OF else value
    if not rounded:
        raise ValueError(f"{name} {text} is too small to be kept")
    return rounded


def _date(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"measured_date {text!r} is no date: write 2026-11-02") from error
    if day < FIRST_DATE:
        raise ValueError(f"measured_date {text} is before {FIRST_DATE}")
    return day
