"""Which format an object has, told by its content alone; a name is never believed."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.errors import RefusedDelivery, UsageError
from pipeline.sources import job_attempts
from pipeline.sources.base import SourceObject
from pipeline.sources.damage import read_head, refuse_damage
from pipeline.sources.focus_columns import has_manifest, is_focus
from pipeline.sources.lake_mapping import LakeMapping
from pipeline.sources.metric_stream_otlp import looks_framed

HEAD_BYTES = 65_536
EXPORT_CHUNK = "export_chunk"
CUR_MARKS = ("line_item_", "bill_", "identity_line_item")
KNOWN_FORMATS = (
    "neuron-monitor JSON, dcgm-exporter and neuron-monitor-prometheus text, CloudWatch metric streams, Container "
    "Insights log events, EC2 instance, capacity reservation and Kubernetes pod listings, Cost Explorer pages, CUR 2.0 "
    "exports with Manifest, FOCUS bills, mapped GPU dumps, EC2 price lists, spot price histories, work units, "
    "job attempts, benchmarks"
)
EC2_KEYS = {"InstanceType", "LaunchTime", "Placement", "PrivateDnsName", "State"}
LAKE = "lake"
DETECTABLE = (
    *("neuron_monitor", "neuron_prometheus", "dcgm", "metric_stream", "emf", LAKE),
    *("inventory", "pods", "reservations", "cost_explorer", "cur", "focus", "price_list", "spot_prices", "work_units"),
    *("job_attempts", "benchmarks"),
)
STREAM_MARKS = (b"aws.exporter.arn", b"amazonaws.com/")

_JSON_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?|[{}\[\]]')
_NEURON_METRIC = re.compile(r"^(?:# (?:HELP|TYPE) )?neuron(?:core|_runtime|_hardware)_", re.MULTILINE)
_COMMENT = re.compile(r"# (HELP|TYPE|UNIT) \S|# EOF$")
_FLOAT = r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+|[iI]nf|NaN|nan)"
_SAMPLE = re.compile(rf"[a-zA-Z_:][\w:]*\s*(?:\{{.*\}}\s*|\s){_FLOAT}(?:\s|$)|\{{\s*\".*\}}\s*{_FLOAT}(?:\s|$)")


def detect(obj: SourceObject, source: str | None = None, lake: LakeMapping | None = None) -> str:
    """Source name of the object: one of DETECTABLE (`cur` is a Manifest), or `export_chunk`, which its Manifest reads.

    A table of unknown columns is a dump where `lake` maps all that it needs of them. `source` (from --source) overrides
    the content. Empty, damaged and unknown objects raise RefusedDelivery naming what was seen and what is known.
    """
    if source is not None and source not in DETECTABLE:
        raise UsageError(f"--source {source} names no file format; choose one of {', '.join(DETECTABLE)}")
    with refuse_damage(obj.name):
        if obj.path.stat().st_size == 0:
            raise RefusedDelivery(obj.name, "empty", "deliver it again, or remove it")
        if source == LAKE and lake is None:
            raise UsageError("--source lake needs CHIPLEDGER_LAKE_MAPPING, the file that says what its columns mean")
        if source is not None:
            return source
        return _of_content(obj, lake)


def _of_content(obj: SourceObject, lake: LakeMapping | None) -> str:
    head = read_head(obj.path, HEAD_BYTES)
    if not head.strip():
        raise RefusedDelivery(obj.name, "empty: nothing but blanks inside", "deliver it again, or remove it")
    if head.startswith(b"PAR1"):
        return _parquet(obj, lake)
    if looks_framed(head) and any(mark in head for mark in STREAM_MARKS):
        return "metric_stream"
    text = _as_text(head)
    if text is None:
        raise _unknown(obj, f"binary content, starting with {head[:8].hex(' ')}")
    if text[0] in "{[" and (kind := _json(obj, text)):
        return kind
    if _is_exposition(text):
        return _exposition(text)
    return _table(obj, text, lake)


def _as_text(head: bytes) -> str | None:
    if b"\0" in head:
        return None
    try:
        return head.decode().lstrip("\ufeff \t\r\n")
    except UnicodeDecodeError as error:
        # A character cut at the end of the head, or one bad line of many, does not make a text binary.
        text = head.decode(errors="replace")
        return text.lstrip() if error.start > 0 and text.count("\ufffd") < 1 + len(text) // 50 else None


def _json(obj: SourceObject, text: str) -> str | None:
    if text.startswith('{"') and _is_exposition(text):
        return None
    outer, inner = json_keys(text)
    for keys in (outer, inner):
        names = {key.lower().replace("_", "") for key in keys}
        if names & {"neuronruntimedata", "systemdata", "neuronhardwareinfo"}:
            return "neuron_monitor"
        if "metricstreamname" in names:
            return "metric_stream"
        if "cloudwatchmetrics" in names or "logevents" in names:
            return "emf"
        if "resultsbytime" in names:
            return "cost_explorer"
        if "reportkeys" in names:
            raise RefusedDelivery(
                obj.name,
                "Manifest of a legacy Cost and Usage Report",
                "create a CUR 2.0 export instead",
            )
        if "datafiles" in names or {"blobs", "exportconfig"} <= names:
            return "cur"
        if "Reservations" in outer or ("InstanceId" in keys and keys & EC2_KEYS):
            return "inventory"
        if "CapacityReservations" in outer or {"CapacityReservationId", "TotalInstanceCount"} <= keys:
            return "reservations"
        if {"offercode", "publicationdate"} <= names:
            return "price_list"
        if "spotpricehistory" in names or {"spotprice", "availabilityzone"} <= names:
            return "spot_prices"
        if {"apiVersion", "kind"} <= keys and keys & {"items", "metadata"}:
            return "pods"
    shown = ", ".join(sorted(outer)[:6]) or "none"
    raise _unknown(obj, f"JSON with the keys {shown}")


def json_keys(text: str) -> tuple[set[str], set[str]]:
    """Keys at the first and the second level of the JSON that `text` begins, even when it is cut anywhere."""
    levels: tuple[set[str], set[str]] = (set(), set())
    depth = 0
    for token in _JSON_TOKEN.finditer(text):
        mark = token[0][0]
        if mark in "{[":
            depth += 1
        elif mark in "}]":
            depth -= 1
        elif token[2] and 1 <= depth <= 2:
            levels[depth - 1].add(token[1])
    return levels


def _is_exposition(text: str) -> bool:
    lines = [line for line in text[:16_384].split("\n")[:200] if line.strip()]
    if any(_COMMENT.match(line) for line in lines):
        return True
    samples = sum(1 for line in lines if _SAMPLE.match(line.lstrip()))
    return samples * 2 >= len([line for line in lines if not line.startswith("#")]) > 0


def _exposition(text: str) -> str:
    return "neuron_prometheus" if "DCGM_" not in text and _NEURON_METRIC.search(text) else "dcgm"


def _table(obj: SourceObject, text: str, lake: LakeMapping | None) -> str:
    first = text.split("\n", 1)[0].strip()
    columns = [column.strip('" ') for column in first[:HEAD_BYTES].split(",")]
    if "line_item_line_item_type" in columns:
        return EXPORT_CHUNK
    if is_focus(columns):
        return EXPORT_CHUNK if has_manifest(columns) else "focus"
    if columns[0] == "FormatVersion":
        return "price_list"
    if {"unit", "units"} <= set(columns):
        return "work_units"
    if job_attempts.is_table(columns):
        return "job_attempts"
    if {"instance_type", "throughput_per_second"} <= set(columns):
        return "benchmarks"
    if "\n" not in text and len(text) > HEAD_BYTES // 2:
        raise _unknown(obj, f"a first line of more than {len(text) - 1:,} characters, starting with {text[:20]!r}")
    if len(columns) > 1:
        return _dump(obj, "CSV", columns, lake)
    raise _unknown(obj, f"text starting with {first[:40]!r}")


def _parquet(obj: SourceObject, lake: LakeMapping | None) -> str:
    columns = parquet_columns(obj.path)
    if any(column.startswith(CUR_MARKS) for column in columns):
        return EXPORT_CHUNK
    if is_focus(columns):
        return EXPORT_CHUNK if has_manifest(columns) else "focus"
    return _dump(obj, "Parquet", columns, lake)


def _dump(obj: SourceObject, kind: str, columns: list[str], lake: LakeMapping | None) -> str:
    if lake is not None and lake.fits(columns):
        return LAKE
    lacks = ", ".join(repr(name) for name in lake.needed_columns if name not in columns) if lake else ""
    hint = f"no {lacks}, which {lake.path} needs" if lake else "no CHIPLEDGER_LAKE_MAPPING says what they mean"
    raise _unknown(obj, f"{kind} with the columns {', '.join(columns[:5])[:120]} ({hint})")


def parquet_columns(path: Path) -> list[str]:
    """Top-level column names of a Parquet file; raises pyarrow.ArrowInvalid when its footer is damaged."""
    return [str(name) for name in pq.read_schema(path).names]


def _unknown(obj: SourceObject, seen: str) -> RefusedDelivery:
    return RefusedDelivery(
        obj.name,
        f"unknown format: {seen}",
        f"known are {KNOWN_FORMATS}; name the format by --source if it is one of them",
    )
