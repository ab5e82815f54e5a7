"""Work units come from CSV, whole numbers only, and a bad line spoils nothing but itself."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.detect import detect
from pipeline.sources.work_units import read
from pipeline.staged import Staged

HEADER = "start_at,end_at,namespace,pod,unit,units"
GOOD = "2026-11-01T00:00:00Z,2026-11-01T01:00:00Z,search,ranker-0,output_tokens,1200000"


def _read(path: Path, content: str | bytes) -> ParsedDelivery:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    obj = SourceObject(path.name, path, datetime(2026, 12, 1, tzinfo=UTC))
    assert detect(obj) == "work_units"
    return read(obj, IngestOptions(), Seeds(path.parent))


def _rows(delivery: ParsedDelivery) -> list[dict[str, Any]]:
    return [row for _, rows in delivery.batches for row in rows.to_pylist()]


def test_a_line_tells_who_did_how_much_and_when(tmp_path: Path) -> None:
    [row] = _rows(_read(tmp_path / "x", f"{HEADER}\n{GOOD}\n"))
    assert row == {
        "line_number": 2,
        "start_at": datetime(2026, 11, 1, tzinfo=UTC),
        "end_at": datetime(2026, 11, 1, 1, tzinfo=UTC),
        "cluster": "",
        "namespace": "search",
        "pod": "ranker-0",
        "container": "",
        "hpc_job": "",
        "runtime_tag": "",
        "instance_id": "",
        "unit": "output_tokens",
        "units": 1_200_000,
        "software": "",
        "latency_p95_ms": None,
    }


def test_packed_with_a_mark_and_windows_line_ends_it_reads_alike(tmp_path: Path) -> None:
    text = f"\ufeff{HEADER}\r\n{GOOD}\r\n"
    assert [row["units"] for row in _rows(_read(tmp_path / "x", gzip.compress(text.encode())))] == [1_200_000]


def test_without_an_end_it_is_a_moment(tmp_path: Path) -> None:
    [row] = _rows(_read(tmp_path / "x", "start_at,hpc_job,unit,units\n2026-11-01 02:30:00,4711,steps,7.0\n"))
    assert row["start_at"] == datetime(2026, 11, 1, 2, 30, tzinfo=UTC)
    assert row["end_at"] - row["start_at"] == timedelta(microseconds=1)
    assert (row["hpc_job"], row["units"]) == ("4711", 7)


def test_requests_tell_their_latency_and_everything_its_software(tmp_path: Path) -> None:
    header = "start_at,pod,unit,units,software,latency_p95_ms"
    text = "2026-11-01,a,requests,7,vLLM 0.11.0,840.25\n2026-11-01,a,output_tokens,7,vLLM 0.11.0,\n"
    requests, tokens = _rows(_read(tmp_path / "x", f"{header}\n{text}"))
    assert (requests["software"], requests["latency_p95_ms"]) == ("vLLM 0.11.0", Decimal("840.250"))
    assert tokens["latency_p95_ms"] is None


@pytest.mark.parametrize(
    ("unit", "latency", "words"),
    [
        ("output_tokens", "8", "not of output_tokens"),
        ("requests", "0", "no latency"),
        ("requests", "nan", "no latency"),
        ("requests", "1e12", "no latency"),
        ("requests", "fast", "no latency in milliseconds"),
    ],
)
def test_a_latency_is_one_of_requests(tmp_path: Path, unit: str, latency: str, words: str) -> None:
    delivery = _read(tmp_path / "x", f"start_at,pod,unit,units,latency_p95_ms\n2026-11-01,a,{unit},7,{latency}\n")
    assert not _rows(delivery)
    assert words in delivery.rejects[0].reason


def test_the_delivery_touches_the_hour_of_its_last_moment(tmp_path: Path) -> None:
    last = "2026-11-01T02:00:00Z,,search,ranker-0,output_tokens,5"
    delivery = _read(tmp_path / "x", f"{HEADER}\n{GOOD}\n{last}\n")
    staged = Staged(delivery)
    for table, rows in delivery.batches:
        staged.add(table, rows)
    assert staged.span is not None
    assert staged.span.end_at > datetime(2026, 11, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (GOOD.replace("1200000", "-1"), "whole number"),
        (GOOD.replace("1200000", "1.5"), "whole number"),
        (GOOD.replace("1200000", "nan"), "whole number"),
        (GOOD.replace("1200000", "1e99"), "whole number"),
        (GOOD.replace("1200000", "many"), "no number"),
        (GOOD.replace("1200000", ""), "no number"),
        (GOOD.replace("output_tokens", "apples"), "prompt_tokens"),
        (GOOD.replace("ranker-0", ""), "nobody is named"),
        (GOOD.replace("T01:00", "T00:00").replace("01T00:00:00Z,", "02T00:00:00Z,", 1), "an end comes after"),
        (GOOD.replace("2026-11-01T01", "2026-12-09T01"), "31 days"),
        (GOOD.replace("2026-11-01T00", "soon"), "isoformat"),
        (GOOD.replace("2026", "0001"), "no time of ours"),
        (GOOD + ",x", "7 fields"),
        (GOOD.replace("search", '"search'), "not a line of CSV"),
        (GOOD.replace("search", "a\x1fb"), "unit separator"),
        (GOOD, "the same workload"),
    ],
)
def test_a_bad_line_is_rejected_and_the_next_is_kept(tmp_path: Path, line: str, words: str) -> None:
    last = GOOD.replace("ranker-0", "ranker-1")
    delivery = _read(tmp_path / "x", f"{HEADER}\n{GOOD}\n{line}\n\n{last}")
    assert [row["pod"] for row in _rows(delivery)] == ["ranker-0", "ranker-1"]
    [reject] = delivery.rejects
    assert (reject.line_number, words in reject.reason) == (3, True), reject.reason


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (HEADER.replace("namespace", "nmespace"), "did you mean namespace"),
        (HEADER.replace("start_at,", ""), "without the column start_at"),
        (HEADER + ",pod", "stands twice"),
    ],
)
def test_a_wrong_header_refuses_the_file(tmp_path: Path, header: str, words: str) -> None:
    with pytest.raises(RefusedDelivery, match=words):
        _rows(_read(tmp_path / "x", f"{header}\n{GOOD}\n"))


@given(st.binary(max_size=200))
def test_no_bytes_stop_the_reader(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("junk") / "x"
    path.write_bytes(f"{HEADER}\n{GOOD}\n".encode() + junk + b"\n" + GOOD.replace("ranker-0", "last").encode())
    obj = SourceObject("x", path, datetime(2026, 12, 1, tzinfo=UTC))
    pods = [row["pod"] for row in _rows(read(obj, IngestOptions(), Seeds(path.parent)))]
    assert (pods[0], pods[-1]) == ("ranker-0", "last")
