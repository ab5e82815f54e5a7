"""Attempts of jobs from CSV files: when each was submitted, ran and ended, and how; as `sacct` prints them, too.

submitted_at,start_at,end_at,namespace,pod,outcome,device_count
2026-11-01T00:00:00Z,2026-11-01T00:10:00Z,2026-11-01T07:45:00Z,training,llama-0,preempted,8
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
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

SOURCE = "job_attempts"
TABLE = "raw_job_attempts"
# columns of Slurm's sacct → ours
SACCT = {"jobid": "hpc_job", "state": "outcome", "submit": "submitted_at", "start": "start_at", "end": "end_at"}
IDENTITY = ("cluster", "namespace", "pod", "hpc_job")
TIMES = ("submitted_at", "start_at", "end_at")
FILE = Columns("job attempts", known=(*TIMES, *IDENTITY, "outcome", "device_count", "reqtres"),
               needed=("submitted_at", "outcome"))  # fmt: skip
# words of Slurm, Kubernetes and people → outcome
OUTCOMES = {
    **dict.fromkeys(("completed", "succeeded"), "completed"),
    **dict.fromkeys(("failed", "out_of_memory", "boot_fail", "node_fail", "timeout", "deadline"), "failed"),
    **dict.fromkeys(("preempted", "evicted"), "preempted"),
    **dict.fromkeys(("restarted", "requeued", "revoked"), "restarted"),
    "cancelled": "cancelled",
    **dict.fromkeys(("running", "completing", "suspended"), "running"),
    **dict.fromkeys(("waiting", "pending"), "waiting"),
}
OPEN = ("running", "waiting")
UNTOLD = ("", "Unknown", "None", "N/A")
MAX_SPAN = timedelta(days=366)
MOMENT = timedelta(microseconds=1)
MAX_DEVICES = 10**6
ROWS_PER_BATCH = 10_000
_GRES = re.compile(r"(?:^|[,;])gres/[a-z]+(?::[^=,;]*)?=(\d+)")
_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [("line_number", pa.int64())]
    + [(name, _TIME) for name in (*TIMES, "known_until_at")]
    + [(name, pa.string()) for name in (*IDENTITY, "outcome")]
    + [("device_count", pa.int64())]
)


def is_table(columns: list[str]) -> bool:
    """Whether a CSV header is that of attempts: of ours, or of sacct."""
    names = {column.strip().lower() for column in columns}
    return {"submitted_at", "outcome"} <= names or {"jobid", "state", "submit"} <= names


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """Lines of the object as raw_job_attempts rows; an unknown column refuses the file, a bad line is a reject."""
    info = describe(obj, SOURCE, observation_time(obj, options))
    rejects: list[Reject] = []
    return ParsedDelivery(info, _batches(obj, info.observed_at, rejects), rejects)


def _batches(obj: SourceObject, told_at: datetime, rejects: list[Reject]) -> Iterator[tuple[str, pa.RecordBatch]]:
    rows = _rows(obj, told_at, rejects)
    while batch := list(islice(rows, ROWS_PER_BATCH)):
        yield TABLE, pa.RecordBatch.from_pylist(batch, SCHEMA)


def _rows(obj: SourceObject, told_at: datetime, rejects: list[Reject]) -> Iterator[dict[str, Any]]:
    def reject(one: Reject) -> None:
        add_reject(rejects, one, obj.name)

    seen: set[tuple[Any, ...]] = set()
    for number, line in csv_rows(obj, FILE, reject, SACCT):
        try:
            row = _row(number, line, told_at)
            key = tuple(row[name] for name in ("submitted_at", *IDENTITY))
            if key in seen:
                raise ValueError("the same job and time of submission again")
        except ValueError as error:
            reject(Reject.of(number, str(error), ",".join(line.values())))
            continue
        seen.add(key)
        yield row


def _row(number: int, line: Mapping[str, str], told_at: datetime) -> dict[str, Any]:
    outcome = _outcome(line["outcome"])
    identity = {name: line.get(name, "") for name in IDENTITY}
    _require_job(identity)
    submitted_at, start_at, end_at = (_time(line.get(name, "")) for name in TIMES)
    if submitted_at is None:
        raise ValueError("it has no submitted_at")
    # a scheduler may print when it expects to start what waits
    start_at = None if outcome == "waiting" else start_at
    end_at = None if outcome in OPEN else end_at
    if outcome not in OPEN and end_at is None:
        raise ValueError(f"{outcome}, but it has no end_at")
    if outcome in ("running", "completed") and start_at is None:
        raise ValueError(f"{outcome}, but it has no start_at")
    _require_order(submitted_at, start_at, end_at)
    return {
        "line_number": number,
        "submitted_at": submitted_at,
        "start_at": start_at,
        "end_at": end_at,
        "known_until_at": end_at or max(told_at, (start_at or submitted_at) + MOMENT),
        **identity,
        "outcome": outcome,
        "device_count": _devices(line.get("device_count", ""), line.get("reqtres", "")),
    }


def _outcome(text: str) -> str:
    word = text.split()[0].lower() if text else ""  # CANCELLED by 1000
    if word not in OUTCOMES:
        raise ValueError(f"outcome {text!r} is none of {', '.join(sorted(set(OUTCOMES.values())))}")
    return OUTCOMES[word]


def _require_job(identity: Mapping[str, str]) -> None:
    if bool(identity["pod"]) == bool(identity["hpc_job"]):
        raise ValueError("name one of pod, hpc_job")
    if any("\x1f" in text for text in identity.values()):
        raise ValueError("a name holds a unit separator")
    if "." in identity["hpc_job"]:
        raise ValueError("a step of a job: sacct -X prints the jobs alone")


def _require_order(submitted_at: datetime, start_at: datetime | None, end_at: datetime | None) -> None:
    if not ALL_TIME.start_at <= submitted_at <= ALL_TIME.end_at - MAX_SPAN:
        raise ValueError(f"{submitted_at} is no time of ours")
    told = [moment for moment in (submitted_at, start_at, end_at) if moment]
    if told != sorted(told) or told[-1] - told[0] > MAX_SPAN:
        raise ValueError("a job is submitted, starts and ends in this order, within 366 days")


def _time(text: str) -> datetime | None:
    return None if text in UNTOLD else utc_time(text)


def _devices(count: str, requested: str) -> int | None:
    """Accelerators asked for: as told, else from Slurm's `cpu=96;gres/gpu:h100=8`; None where neither says."""
    found = count or next(iter(_GRES.findall(requested)), "")
    if not found:
        return None
    if not found.isdecimal() or not 1 <= int(found) <= MAX_DEVICES:
        raise ValueError(f"device_count {found!r} is no whole number from 1 to 10^6")
    return int(found)
