"""Metric streams read by blocks give what a plain loop over their lines with orjson gives, rows and rejects alike."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.base import IngestOptions, Seeds, SourceObject
from pipeline.sources.cloudwatch_series import COLUMN_OF_DIMENSION, RULES
from pipeline.sources.metric_stream import read
from tests.support.series import named_rows

START_MS, MINUTE_MS = 1795370400000, 60_000
TEXTS = st.sampled_from(["core1", "core2", "", "é\u2028", 'a","b', "\\", "]],[[", "\x1f", "\U0001f600", "1"])
WRONG: list[dict[str, Any]] = [{"timestamp": 5}, {"value": {"max": 1}}, {"dimensions": {"a": 1}}, {"region": 0}]
DAMAGE = [b"", b"}", b'"', b"\\", b"\xff", b",", b"\r", b"\n"]
Point = dict[str, Any]
Row = tuple[Any, ...]


def by_loop(content: bytes) -> tuple[dict[Row, float], list[int]]:
    """The value of each series and minute that is read, and the numbers of the lines that are rejected."""
    told: dict[Row, tuple[float, float]] = {}
    rejects = []
    for number, line in enumerate(content.split(b"\n"), 1):
        try:
            point = orjson.loads(line) if line.strip() else None
            if point is not None and (found := _read(point)):
                row, count, value = found
                told[row] = max(told.get(row, (0.0, 0.0)), (count, value))
        except (ValueError, LookupError, TypeError):
            rejects.append(number)
    return {row: value for row, (_, value) in told.items()}, rejects


def _read(point: Point) -> tuple[Row, float, float] | None:
    name, dimensions = _text(point["metric_name"]), point["dimensions"]
    if name not in RULES:
        return None
    told = {_text(key): _text(value) for key, value in dimensions.items()} if isinstance(dimensions, dict) else _text(0)
    if RULES[name].dimension_names != told.keys():
        return None
    account, region, namespace = (_text(point[key]) for key in ("account_id", "region", "namespace"))
    value = {key: float(point["value"][key]) for key in ("max", "min", "sum", "count")}
    minute = point["timestamp"] // MINUTE_MS
    if not 0 < point["timestamp"] - START_MS + 10**12 < 2 * 10**12 or value["count"] <= 0:
        raise ValueError("a time or a number without sense")
    if namespace != "ContainerInsights":
        return None
    said = {"Average": value["sum"] / value["count"], "Maximum": value["max"]}[RULES[name].statistic]
    return (name, account, region, minute, *sorted(told.items())), value["count"], said


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def by_blocks(path: Path, content: bytes) -> tuple[dict[Row, float], list[int]]:
    path.write_bytes(content)
    delivery = read(SourceObject("x-20261122T180000Z", path), IngestOptions(), Seeds(path.parent))
    rows = {}
    for row in named_rows(delivery):
        names = RULES[row["metric_name"]].dimension_names
        told = sorted((name, row[column]) for name, column in COLUMN_OF_DIMENSION.items() if name in names)
        minute = int(row["sample_at"].timestamp()) // 60
        rows[row["metric_name"], row["account_id"], row["region"], minute, *told] = row["value"]
    return rows, [reject.line_number for reject in delivery.rejects]


@st.composite
def datapoints(draw: st.DrawFn) -> bytes:
    """A line as AWS or another writer of JSON writes it: of any order, spacing and escaping, maybe damaged."""
    name = draw(st.sampled_from([*RULES, "pod_neuroncore_utilization"]))
    names = RULES[name].dimension_names if name in RULES and draw(st.booleans()) else {"ClusterName", "NeuronCore"}
    value = {key: draw(st.sampled_from([1.0, 3, 0.1, 2.5e-3, 7e22])) for key in ("p99", "max", "min", "sum", "count")}
    point = {
        "metric_stream_name": "fleet", "account_id": draw(st.sampled_from(["1", "2"])), "region": "us-west-2",
        "namespace": draw(st.sampled_from(["ContainerInsights"] * 3 + ["AWS/EC2"])), "metric_name": name,
        "dimensions": {each: draw(TEXTS) for each in sorted(names)},
        "timestamp": START_MS + draw(st.sampled_from([0, 1, MINUTE_MS - 1, MINUTE_MS])), "value": value, "unit": "é",
    }  # fmt: skip
    if draw(st.integers(0, 3)) == 0:
        point |= draw(
            st.sampled_from([{"timestamp": 5}, {"value": {"max": 1}}, {"dimensions": {"a": 1}}, {"region": 0}])
        )
    keys = draw(st.permutations(list(point))) if draw(st.booleans()) else list(point)
    spaces = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    line = json.dumps({key: point[key] for key in keys}, separators=spaces, ensure_ascii=draw(st.booleans())).encode()
    if draw(st.integers(0, 3)) == 0:
        at, much = draw(st.integers(0, len(line) - 1)), draw(st.integers(0, 2))
        line = (
            line[:at] + draw(st.sampled_from([b"", b"}", b'"', b"\\", b"\xff", b",", b"\r", b"\n"])) + line[at + much :]
        )
    return line.replace(b"}{", b"} {")  # documents without a newline between them are not of the loop


@settings(max_examples=30, deadline=None)
@given(lines=st.lists(datapoints(), max_size=6), copies=st.integers(1, 3), chunk=st.sampled_from([300, 2000, 1 << 18]),
       packed=st.booleans(), ended=st.booleans())  # fmt: skip
def test_blocks_give_the_rows_and_rejects_of_a_loop_over_the_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], copies: int, chunk: int, packed: bool, ended: bool
) -> None:
    content = b'{"metric_name":"first","dimensions":{}}\n' + b"\n".join(lines * copies) + b"\n" * ended
    path = tmp_path_factory.mktemp("stream") / "x"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.sources.content.CHUNK_BYTES", chunk)
        assert by_blocks(path, gzip.compress(content, 1) if packed else content) == by_loop(content)
