"""Attempts of jobs come from CSV, ours or sacct's, and a bad line spoils nothing but itself."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.detect import detect
from pipeline.sources.job_attempts import read
from pipeline.staged import Staged

TOLD_AT = datetime(2026, 12, 1, tzinfo=UTC)
HEADER = "submitted_at,start_at,end_at,namespace,pod,outcome,device_count"
GOOD = "2026-11-01T00:00:00Z,2026-11-01T00:10:00Z,2026-11-01T08:00:00Z,ml,llama-0,preempted,8"
SACCT = "JobID,State,Submit,Start,End,Cluster,ReqTRES"


def _read(path: Path, content: str) -> ParsedDelivery:
    path.write_text(content, "utf-8")
    obj = SourceObject(path.name, path, TOLD_AT)
    assert detect(obj) == "job_attempts"
    return read(obj, IngestOptions(observed_at=TOLD_AT), Seeds(path.parent))


def _rows(delivery: ParsedDelivery) -> list[dict[str, Any]]:
    return [row for _, rows in delivery.batches for row in rows.to_pylist()]


def test_a_line_tells_when_it_ran_and_how_it_ended(tmp_path: Path) -> None:
    [row] = _rows(_read(tmp_path / "x", f"{HEADER}\n{GOOD}\n"))
    end = datetime(2026, 11, 1, 8, tzinfo=UTC)
    assert row == {
        "line_number": 2,
        "submitted_at": datetime(2026, 11, 1, tzinfo=UTC),
        "start_at": datetime(2026, 11, 1, 0, 10, tzinfo=UTC),
        "end_at": end,
        "known_until_at": end,
        "cluster": "",
        "namespace": "ml",
        "pod": "llama-0",
        "hpc_job": "",
        "outcome": "preempted",
        "device_count": 8,
    }


@pytest.mark.parametrize(
    ("line", "outcome", "start_at", "end_at", "devices"),
    [
        ("7,COMPLETED,2026-11-01T00:00Z,2026-11-01T01:00Z,2026-11-01T02:00Z,c,gres/gpu=4", "completed", 1, 2, 4),
        ("7,FAILED,2026-11-01T00:00Z,2026-11-01T01:00Z,2026-11-01T02:00Z,c,cpu=96;gres/gpu:h100=8", "failed", 1, 2, 8),
        ("7,TIMEOUT,2026-11-01T00:00Z,2026-11-01T01:00Z,2026-11-01T02:00Z,c,", "failed", 1, 2, None),
        ("7,CANCELLED by 12,2026-11-01T00:00Z,None,2026-11-01T02:00:00Z,c,cpu=8", "cancelled", None, 2, None),
        ("7,RUNNING,2026-11-01T00:00Z,2026-11-01T01:00:00Z,Unknown,c,cpu=8,", "", None, None, None),
        ("7,RUNNING,2026-11-01T00:00Z,2026-11-01T01:00:00Z,Unknown,c,x", "running", 1, None, None),
        ("7,PENDING,2026-11-01T00:00Z,2026-11-01T09:00:00Z,Unknown,c,gres/gpu=1", "waiting", None, None, 1),
    ],
)
def test_what_sacct_prints_is_read_as_it_is(
    tmp_path: Path, line: str, outcome: str, start_at: int | None, end_at: int | None, devices: int | None
) -> None:
    rows = _rows(_read(tmp_path / "x", f"{SACCT}\n{line}\n"))
    if not outcome:
        assert not rows
        return
    [row] = rows
    hours = [row[name] and row[name].hour for name in ("start_at", "end_at")]
    assert (row["hpc_job"], row["outcome"], hours, row["device_count"]) == ("7", outcome, [start_at, end_at], devices)
    assert row["known_until_at"] == (row["end_at"] or TOLD_AT)


def test_what_still_runs_touches_the_time_until_it_was_told(tmp_path: Path) -> None:
    line = GOOD.replace("2026-11-01T08:00:00Z", "").replace("preempted", "running")
    delivery = _read(tmp_path / "x", f"{HEADER}\n{line}\n")
    staged = Staged(delivery)
    for table, rows in delivery.batches:
        staged.add(table, rows)
    assert staged.span is not None
    assert staged.span.end_at == TOLD_AT


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (GOOD.replace("preempted", "lost"), "cancelled, completed, failed"),
        (GOOD.replace("preempted", ""), "none of"),
        (GOOD.replace("llama-0", ""), "name one of pod, hpc_job"),
        (GOOD.replace("2026-11-01T00:00:00Z", ""), "no submitted_at"),
        (GOOD.replace("2026-11-01T08:00:00Z", ""), "no end_at"),
        (GOOD.replace("2026-11-01T00:10:00Z", "").replace("preempted", "completed"), "no start_at"),
        (GOOD.replace("T08:00", "T00:05"), "in this order"),
        (GOOD.replace("2026-11-01T08", "2028-11-01T08"), "within 366 days"),
        (GOOD.replace("2026", "0001"), "no time of ours"),
        (GOOD.replace(",8", ",0"), "no whole number"),
        (GOOD.replace(",8", ",many"), "no whole number"),
        (GOOD.replace("ml", "a\x1fb"), "unit separator"),
        (GOOD.replace("T00:10", "soon"), "isoformat"),
        (GOOD, "the same job"),
    ],
)
def test_a_bad_line_is_rejected_and_the_next_is_kept(tmp_path: Path, line: str, words: str) -> None:
    last = GOOD.replace("llama-0", "llama-1")
    delivery = _read(tmp_path / "x", f"{HEADER}\n{GOOD}\n{line}\n{last}")
    assert [row["pod"] for row in _rows(delivery)] == ["llama-0", "llama-1"]
    [reject] = delivery.rejects
    assert (reject.line_number, words in reject.reason) == (3, True), reject.reason


def test_steps_of_a_job_are_no_jobs(tmp_path: Path) -> None:
    delivery = _read(tmp_path / "x", f"{SACCT}\n7.batch,FAILED,2026-11-01,2026-11-01,2026-11-02,c,\n")
    assert not _rows(delivery)
    assert "sacct -X" in delivery.rejects[0].reason


def test_a_wrong_header_refuses_the_file(tmp_path: Path) -> None:
    with pytest.raises(RefusedDelivery, match="did you mean namespace"):
        _rows(_read(tmp_path / "x", f"{HEADER.replace('namespace', 'nmespace')}\n{GOOD}\n"))


@given(st.binary(max_size=200))
def test_no_bytes_stop_the_reader(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("junk") / "x"
    path.write_bytes(f"{HEADER}\n{GOOD}\n".encode() + junk + b"\n" + GOOD.replace("llama-0", "last").encode())
    obj = SourceObject("x", path, TOLD_AT)
    pods = [row["pod"] for row in _rows(read(obj, IngestOptions(), Seeds(path.parent)))]
    assert (pods[0], pods[-1]) == ("llama-0", "last")
