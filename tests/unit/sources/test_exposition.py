"""Exposition text: three speeds, one result; every line is a sample, a comment or a reject."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_oracle
from prometheus_client.parser import text_string_to_metric_families as prometheus_oracle

from pipeline.sources.base import Reject
from pipeline.sources.exposition import ExpositionReader
from pipeline.sources.exposition_document import ends_openmetrics
from pipeline.sources.exposition_lines import Labels, LineError, parse_line

Found = tuple[str, Labels, str, float | None]
TOLERATED = Path(__file__).resolve().parents[2] / "golden" / "openmetrics_tolerated.txt"


def read(
    text: bytes, size: int | None = None, openmetrics: bool | None = None
) -> tuple[list[Found], list[Reject], list[int]]:
    """(samples, rejects, scrape numbers) of a text given in chunks of `size` bytes."""
    labels: list[Labels] = []
    rejects: list[Reject] = []
    samples: list[Found] = []
    scrapes: list[int] = []
    if openmetrics is None:
        openmetrics = ends_openmetrics(text)
    reader = ExpositionReader(labels.append, rejects.append, openmetrics=openmetrics)
    chunks = [text[at : at + size] for at in range(0, len(text), size)] if size else [text]
    for block in reader.blocks(chunks):
        scrapes += block.scrapes.tolist()
        columns = (block.names, block.label_sets, block.values, block.timestamps)
        for name, label_set, value, stamp in zip(*(column.tolist() for column in columns), strict=True):
            pairs = tuple(sorted(labels[label_set]))
            samples.append((reader.names[name], pairs, repr(value), None if math.isnan(stamp) else stamp))
    return samples, rejects, scrapes


def line_by_line(text: bytes) -> tuple[list[Found], list[tuple[int, str]]]:
    """The slow and simple reading of ended Prometheus lines: each by the strict grammar."""
    samples: list[Found] = []
    rejects = []
    for number, line in enumerate(text.split(b"\n")[:-1], 1):
        try:
            sample = parse_line(line, openmetrics=False)
        except LineError as error:
            rejects.append((number, str(error)))
            continue
        if sample:
            samples.append((sample.name, tuple(sorted(sample.labels)), repr(sample.value), sample.timestamp))
    return samples, rejects


def told_by(families: Iterator[Any], factor: float) -> list[Found]:
    return [
        (s.name, tuple(sorted(s.labels.items())), repr(float(s.value)), s.timestamp and float(s.timestamp) * factor)
        for family in families
        for s in family.samples
    ]


def vectors(shared_data: Path) -> list[tuple[str, bytes, bool]]:
    folder = shared_data / "dcgm" / "vectors" / "openmetrics_parsers" / "parsers"
    return [
        (case.name, (case / "metrics").read_bytes(), json.loads((case / "test.json").read_text())["shouldParse"])
        for case in sorted(folder.iterdir())
    ]


def test_valid_openmetrics_vectors_give_the_samples_of_prometheus_client(shared_data: Path) -> None:
    valid = [(name, text) for name, text, should_parse in vectors(shared_data) if should_parse]
    assert len(valid) == 44
    for name, text in valid:
        samples, rejects, _ = read(text)
        oracle = [(*s[:3], s[3]) for s in told_by(openmetrics_oracle(text.decode()), 1)]
        assert ([(*s[:3], s[3] or None) for s in samples], rejects) == ([(*s[:3], s[3] or None) for s in oracle], []), (
            name
        )


def test_invalid_openmetrics_vectors_are_rejected_by_line_or_stand_in_the_pinned_list(shared_data: Path) -> None:
    tolerated = [name for name, text, should_parse in vectors(shared_data) if not should_parse and not read(text)[1]]
    assert tolerated == TOLERATED.read_text().split()


def test_chunk_size_changes_nothing(shared_data: Path) -> None:
    for _, text, _ in vectors(shared_data):
        assert read(text, 1) == read(text, 7) == read(text)


@pytest.mark.parametrize("name", ["from_test_parse_0", "from_test_parse_1", "from_test_parse_3", "minimal", "text"])
def test_valid_prometheus_vectors_give_the_samples_of_prometheus_client(shared_data: Path, name: str) -> None:
    text = (shared_data / "dcgm" / "vectors" / "prometheus_common_expfmt" / name).read_bytes()
    samples, rejects, _ = read(text)
    assert sorted(map(repr, samples)) == sorted(map(repr, told_by(prometheus_oracle(text.decode()), 1000)))
    assert rejects == []


def test_vectors_of_go_errors_are_rejected_but_for_violations_of_the_whole_document(shared_data: Path) -> None:
    folder = shared_data / "dcgm" / "vectors" / "prometheus_common_expfmt"
    accepted = {path.name for path in folder.glob("*error*") if not read(path.read_bytes())[1]}
    of_documents = {7, 12, 13, 14, 19}  # quantile and le of no number, second HELP or TYPE, TYPE after samples
    assert accepted == {f"from_test_parse_error_{number}" for number in of_documents}


@pytest.mark.parametrize(
    ("name", "count"),
    [("alltypes.237mfs.prom.txt", 1857), ("alltypes.237mfs.nometa.prom.txt", 1857), ("1histogram.om.txt", 42)],
)
def test_big_prometheus_vectors_lose_no_line(shared_data: Path, name: str, count: int) -> None:
    samples, rejects, _ = read((shared_data / "dcgm" / "vectors" / "prometheus_textparse" / name).read_bytes())
    assert (len(samples), rejects) == (count, [])


NAMES = st.from_regex(r"[a-z_:][a-z0-9_:]{0,6}", fullmatch=True)
LABEL_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True)
LABEL_VALUES = st.text(st.sampled_from('ab \\"n\n{}=,#é\t') | st.characters(exclude_categories=["Cs"]), max_size=12)


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@given(NAMES, st.dictionaries(LABEL_NAMES, LABEL_VALUES, max_size=4), st.floats(allow_nan=False))
def test_escaped_labels_come_back_as_they_were_and_as_prometheus_client_reads_them(
    name: str, labels: dict[str, str], value: float
) -> None:
    inside = ",".join(f'{label}="{escaped(text)}"' for label, text in labels.items())
    line = f"{name}{{{inside}}} {value!r}\n"
    sample = parse_line(line[:-1].encode(), openmetrics=False)
    assert sample is not None
    assert (sample.name, dict(sample.labels), sample.value) == (name, labels, value)
    if not any(mark in line[:-1] for mark in "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"):
        oracle = next(iter(next(iter(prometheus_oracle(line))).samples))
        assert dict(sample.labels) == oracle.labels


PIECES = st.sampled_from(
    [
        *(b"up", b" ", b"\t", b"{", b"}", b'a="b"', b",", b"=", b'"', b"\\", b"#", b"# TYPE up gauge", b"# EOF"),
        *(b"1", b"-2.5e3", b"NaN", b"+Inf", b"1_0", b"0x1p-2", b"1795370400000", b"\xff", b"\r", b"\0", b'{"my.name"}'),
    ]
)
LINES = st.lists(PIECES | st.binary(max_size=6).map(lambda raw: raw.replace(b"\n", b"")), max_size=6).map(b"".join)


@given(st.lists(LINES, max_size=12), st.integers(1, 40), st.booleans())
def test_arbitrary_lines_never_crash_and_each_has_one_fate(lines: list[bytes], size: int, openmetrics: bool) -> None:
    samples, rejects, _ = read(b"".join(line + b"\n" for line in lines), size, openmetrics)
    blank = sum(1 for line in lines if is_passed_over(line, openmetrics))
    doubles = len(lines) - len(samples) - len(rejects) - blank
    assert doubles == 0 if not openmetrics else doubles >= 0
    assert [reject.line_number for reject in rejects] == sorted({reject.line_number for reject in rejects})


def is_passed_over(line: bytes, openmetrics: bool) -> bool:
    try:
        return parse_line(line, openmetrics=openmetrics) is None
    except LineError:
        return False


SERIES = [b"up", b'gpu{i="0"}', b'gpu{i="1"}', b"# HELP gpu x", b'x{a="b c"}', b'x{a="} 1 # {"}', b"", b'y{a="b",}']
TAILS = st.sampled_from([b" 1", b" 0.5", b" NaN", b" +Inf", b" 1_0", b"  2", b" 1e400", b"", b" 3 # {} 1", b" nan(1)"])
STAMPS = st.sampled_from([b" 1795370400000", b" 1795370430000", b"", b" -5", b" 1.5"])
USUAL = st.just(b" 7")


@st.composite
def scrape_texts(draw: st.DrawFn) -> list[bytes]:
    """Scrapes that mostly repeat one order of lines, now and then with an odd value, stamp or extra line."""
    order = draw(st.lists(st.sampled_from(SERIES), min_size=1, max_size=6))
    stamp = draw(st.sampled_from([b"", b" 1795370400000"]))
    scrapes = []
    for _ in range(draw(st.integers(2, 7))):
        odd = draw(st.integers(0, 3)) == 0
        lines = [
            head if head[:1] in (b"", b"#") else head + draw(TAILS if odd else USUAL) + (draw(STAMPS) if odd else stamp)
            for head in order
        ]
        if odd and draw(st.booleans()):
            lines.insert(draw(st.integers(0, len(lines))), draw(LINES))
        scrapes.append(b"".join(line + b"\n" for line in lines))
    return scrapes


@given(scrape_texts(), st.sampled_from([None, 1, 13, 100]))
def test_the_fast_ways_read_what_the_strict_grammar_reads(scrapes: list[bytes], size: int | None) -> None:
    text = b"".join(scrapes)
    samples, rejects, _ = read(text, size, openmetrics=False)
    strict_samples, strict_rejects = line_by_line(text)
    assert samples == strict_samples
    assert [(reject.line_number, reject.reason) for reject in rejects] == strict_rejects


@given(scrape_texts(), st.sampled_from([1, 13, 100]))
def test_a_series_met_again_starts_the_next_scrape_at_every_speed(scrapes: list[bytes], size: int) -> None:
    text = b"".join(scrapes)
    expected, seen, number = [], set[str](), 0
    for line in text.split(b"\n")[:-1]:
        if is_passed_over(line, False) or not (sample := _sample(line)):
            continue
        if (key := f"{sample.name}|{sample.label_text}") in seen:
            number += 1
            seen.clear()
        seen.add(key)
        expected.append(number)
    assert read(text, size, openmetrics=False)[2] == read(text, openmetrics=False)[2] == expected


def _sample(line: bytes) -> Any:
    try:
        return parse_line(line, openmetrics=False)
    except LineError:
        return None


def test_a_repeated_scrape_is_compared_as_bytes_and_a_changed_comment_is_still_seen() -> None:
    scrape = b"# TYPE up gauge\nup 1\n" + b"".join(b'gpu{i="%d"} 5\n' % index for index in range(50))
    broken = scrape.replace(b"gauge", b"gouge")
    samples, rejects, scrapes = read(scrape * 3 + broken + scrape * 2, len(scrape))
    assert (len(samples), scrapes[-1]) == (51 * 6, 5)
    assert [(reject.line_number, reject.reason) for reject in rejects] == [(157, "unknown metric type 'gouge'")]


def test_timestamps_and_exemplars_are_kept_apart() -> None:
    text = b'a_bucket{le="1"} 5 # {trace_id="x"} 0.0005\na_bucket{le="2"} 6 1795370400000\na_bucket{le="1"} 7\n'
    assert [sample[2:] for sample in read(text)[0]] == [("5.0", None), ("6.0", 1795370400000.0), ("7.0", None)]


def test_quoted_utf8_names_are_read() -> None:
    samples, rejects, _ = read('{"my.metrik","größe"="x"} 1\n{"my.metrik"} 2\n'.encode())
    assert [(name, labels) for name, labels, *_ in samples] == [("my.metrik", (("größe", "x"),)), ("my.metrik", ())]
    assert rejects == []


def test_a_bad_line_costs_only_itself() -> None:
    samples, rejects, _ = read(b'up 1\nup{a="b} 2\nup{c="d"} 3\n')
    assert [sample[2] for sample in samples] == ["1.0", "3.0"]
    assert rejects == [Reject(2, "label braces are not closed", 'up{a="b} 2')]


def test_a_line_without_its_newline_may_be_cut_and_is_rejected() -> None:
    samples, rejects, _ = read(b"up 1\nup 95")
    assert (len(samples), rejects[0].line_number) == (1, 2)
    assert "may be cut" in rejects[0].reason


def test_a_line_past_the_limit_is_rejected_without_being_held() -> None:
    long = b"x" * (3 << 20)
    samples, rejects, _ = read(b"up 1\n" + long + b"\nup 2\n", 1 << 18)
    assert [sample[2] for sample in samples] == ["1.0", "2.0"]
    assert [(reject.line_number, len(reject.text)) for reject in rejects] == [(2, 500)]


def test_the_number_of_an_exemplar_is_never_taken_for_the_value() -> None:
    scrapes = [b'x_bucket{le="1"} 5 # {id="a"} 0.%d\n' % number for number in range(6)]
    samples, rejects, _ = read(b"".join(scrapes), len(scrapes[0]))
    assert ([sample[2] for sample in samples], rejects) == (["5.0"] * 6, [])


@pytest.mark.parametrize("bad", range(1, 5))
def test_a_bad_number_in_a_repeated_block_keeps_the_count_of_scrapes(bad: int) -> None:
    lines = [b'gpu{i="%d"} 5\n' % index for index in range(5)]
    odd = [*lines[:bad], b'gpu{i="%d"} 1_0\n' % bad, *lines[bad + 1 :]]
    expected = [number for number in range(6) for index in range(5) if (number, index) != (4, bad)]
    for size in (len(lines[0]), len(lines[0]) * 2, len(lines[0]) * 3):
        _, rejects, scrapes = read(b"".join(lines * 4 + odd + lines), size)
        assert (scrapes, [reject.line_number for reject in rejects]) == (expected, [21 + bad])
