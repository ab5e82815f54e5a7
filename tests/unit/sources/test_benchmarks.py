"""Benchmarks come from CSV: a figure has a workload, type, unit and date; a bad line spoils nothing but itself."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.benchmarks import read
from pipeline.sources.detect import detect
from pipeline.staged import Staged
from pipeline.warehouse import SQL_DIR

SEEDS = Seeds(SQL_DIR / "seeds")
HEADER = "workload,instance_type,unit,throughput_per_second,measured_date"
GOOD = "ranker,p5.48xlarge,output_tokens,14200.5,2026-11-02"
OBSERVED_AT = datetime(2026, 12, 1, tzinfo=UTC)


def _read(path: Path, content: str | bytes) -> ParsedDelivery:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    obj = SourceObject(path.name, path, OBSERVED_AT)
    assert detect(obj) == "benchmarks"
    return read(obj, IngestOptions(), SEEDS)


def _rows(delivery: ParsedDelivery) -> list[dict[str, Any]]:
    return [row for _, rows in delivery.batches for row in rows.to_pylist()]


def _one(path: Path, **fields: str) -> tuple[list[dict[str, Any]], str]:
    """The rows of a file of one line with these fields beside the good ones, and the reason of its reject or ''."""
    line = dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | fields
    delivery = _read(path, ",".join(line) + "\n" + ",".join(f'"{text}"' for text in line.values()) + "\n")
    rows = _rows(delivery)
    return rows, delivery.rejects[0].reason if delivery.rejects else ""


def test_a_short_line_is_an_own_measurement_on_a_whole_instance(tmp_path: Path) -> None:
    [row] = _rows(_read(tmp_path / "x", f"{HEADER}\n{GOOD}\n"))
    assert row == {
        "line_number": 2,
        "observed_at": OBSERVED_AT,
        "workload": "ranker",
        "instance_type": "p5.48xlarge",
        "instance_count": 1,
        "fill_ratio": Decimal("1.000000"),
        "unit": "output_tokens",
        "throughput_per_second": Decimal("14200.500000000"),
        **dict.fromkeys(("software", "latency_metric", "run", "source", "note", "published_cost_usd"), ""),
        **dict.fromkeys(("latency_percentile", "latency_bar_ms", "published_usd_per_hour", "published_cost_units")),
        "measured_date": date(2026, 11, 2),
        "evidence_grade": "own measurement",
    }


def test_a_full_line_keeps_setup_bar_and_what_was_printed(tmp_path: Path) -> None:
    full = {
        "instance_type": "P4DE.24xlarge",
        "instance_count": "2",
        "fill_ratio": "0.125",
        "software": "vLLM, 0.11",
        "latency_metric": "TTFT",
        "latency_percentile": "99.9",
        "latency_bar_ms": "5e3",
        "run": "b",
        "evidence_grade": "partner",
        "source": "a page",
        "published_usd_per_hour": "14.7663",
        "published_cost_usd": "0.850",
        "published_cost_units": "1000000",
    }
    [row], _ = _one(tmp_path / "x", **full)
    assert (row["instance_type"], row["latency_metric"]) == ("p4de.24xlarge", "ttft")
    assert (row["latency_percentile"], row["latency_bar_ms"]) == (Decimal("99.900"), Decimal("5000.000"))
    assert (row["software"], row["published_cost_usd"], row["published_cost_units"]) == ("vLLM, 0.11", "0.850", 10**6)


@pytest.mark.parametrize("other", ["v5p-8", "Maia 100"])
def test_what_other_clouds_offer_can_be_measured_too(tmp_path: Path, other: str) -> None:
    [row], reason = _one(tmp_path / "x", instance_type=other)
    assert (row["instance_type"], reason) == (other, "")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"workload": ""}, "workload is empty"),
        ({"instance_type": "p5.49xlarge"}, "did you mean p5.4"),
        ({"instance_type": "typewriter"}, "'typewriter' is not known"),
        ({"unit": "Tokens/s"}, "write it as output_tokens"),
        ({"throughput_per_second": ""}, "throughput_per_second is empty"),
        ({"throughput_per_second": "0"}, "not above 0"),
        ({"throughput_per_second": "1e-30"}, "too small"),
        ({"throughput_per_second": "nan"}, "not above 0"),
        ({"throughput_per_second": "1e13"}, "at most"),
        ({"throughput_per_second": "fast"}, "is no number"),
        ({"measured_date": "yesterday"}, "write 2026-11-02"),
        ({"measured_date": "1999-01-01"}, "before 2015"),
        ({"instance_count": "1.5"}, "whole number"),
        ({"fill_ratio": "1.5"}, "at most 1"),
        ({"latency_metric": "ttft"}, "go together"),
        ({"latency_bar_ms": "50"}, "go together"),
        ({"latency_percentile": "90"}, "latency_percentile without"),
        ({"evidence_grade": "blog"}, "known are withdrawn, vendor claim"),
        ({"evidence_grade": "independent"}, "needs a source"),
        ({"published_cost_usd": "0.85"}, "go together"),
        ({"published_cost_usd": "1e-5", "published_cost_units": "1"}, "as printed"),
        ({"note": "x" * 301}, "longer than 300"),
    ],
)
def test_a_bad_figure_is_rejected_with_what_would_be_right(tmp_path: Path, fields: dict[str, str], words: str) -> None:
    rows, reason = _one(tmp_path / "x", **fields)
    assert (rows, words in reason) == ([], True), reason


def test_the_same_setup_twice_is_a_reject_unless_its_runs_are_numbered(tmp_path: Path) -> None:
    delivery = _read(tmp_path / "x", f"{HEADER},run\n{GOOD},\n{GOOD.replace('14200.5', '9')},\n{GOOD},2\n{GOOD}\n")
    assert [(row["line_number"], row["run"]) for row in _rows(delivery)] == [(2, ""), (4, "2")]
    assert [(reject.line_number, "run" in reject.reason) for reject in delivery.rejects] == [(3, True), (5, False)]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (HEADER + ",latency", "did you mean latency"),
        (HEADER.replace(",measured_date", ""), "without the column measured_date"),
        (HEADER + ",unit", "stands twice"),
    ],
)
def test_a_wrong_header_refuses_the_file(tmp_path: Path, header: str, words: str) -> None:
    with pytest.raises(RefusedDelivery, match=words):
        _rows(_read(tmp_path / "x", f"{header}\n{GOOD}\n"))


def test_a_figure_moves_neither_how_far_the_data_reaches_nor_what_is_built(tmp_path: Path) -> None:
    delivery = _read(tmp_path / "x", f"{HEADER}\n{GOOD}\n")
    staged = Staged(delivery)
    for table, rows in delivery.batches:
        staged.add(table, rows)
    assert staged.span is None
    assert set(staged.spans) == {"raw_benchmarks"}


@given(st.binary(max_size=200))
def test_no_bytes_stop_the_reader(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("junk") / "x"
    path.write_bytes(f"{HEADER}\n{GOOD}\n".encode() + junk + b"\n" + GOOD.replace("ranker", "last").encode())
    obj = SourceObject("x", path, OBSERVED_AT)
    workloads = [row["workload"] for row in _rows(read(obj, IngestOptions(), SEEDS))]
    assert (workloads[0], workloads[-1]) == ("ranker", "last")


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.decimals().map(str), min_size=5, max_size=5
    )
)
def test_no_five_fields_stop_the_reader(tmp_path_factory: pytest.TempPathFactory, fields: list[str]) -> None:
    path = tmp_path_factory.mktemp("junk") / "x"
    quoted = ",".join('"' + field.replace('"', '""') + '"' for field in fields)
    path.write_text(f"{HEADER}\n{quoted}\n{GOOD}\n", "utf-8")
    rows = _rows(read(SourceObject("x", path, OBSERVED_AT), IngestOptions(), SEEDS))
    assert rows[-1]["workload"] == "ranker"
