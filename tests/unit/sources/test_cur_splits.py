"""Split cost allocation in CUR 2.0: the instance's line is the bill, AWS's split of it a hint beside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.sources.base import SourceObject
from pipeline.sources.cur import read_export
from pipeline.sources.cur_manifest import Manifest

AT = datetime(2026, 10, 3, tzinfo=UTC)
KINDS = {"split_line_item_split_cost": pa.float64(), "split_line_item_unused_cost": pa.float64()}
Line = dict[str, Any]


def parent(bill_line: Line, cost: float, **more: Any) -> Line:
    """The instance's line; a column of doubles may hold 0 where it says nothing."""
    columns = {"split_line_item_parent_resource_id": "", "split_line_item_split_usage_ratio": ""}
    zeros = {"split_line_item_split_cost": 0.0, "split_line_item_unused_cost": 0.0}
    return {**bill_line, "line_item_unblended_cost": cost, **columns, **zeros, **more}


def split(bill_line: Line, pod: str, split_cost: str, unused_cost: str, **more: Any) -> Line:
    """A row of one pod: no cost and no currency of its own."""
    own = {"line_item_resource_id": pod, "line_item_unblended_cost": None, "line_item_usage_amount": None}
    columns = {
        "line_item_currency_code": "",
        "split_line_item_parent_resource_id": bill_line["line_item_resource_id"],
        "split_line_item_split_usage_ratio": "0.5",
        "split_line_item_split_cost": float(split_cost),
        "split_line_item_unused_cost": float(unused_cost),
    }
    return {**bill_line, **own, **columns, **more}


def read(folder: Path, lines: Sequence[Line]) -> tuple[list[Line], list[Line], int]:
    """(bill lines, split rows, rejects) of one delivery."""
    path = folder / "a.parquet"
    maps = dict.fromkeys(("product", "resource_tags"), pa.map_(pa.string(), pa.string()))
    names = list(lines[0])
    pq.write_table(pa.table({n: pa.array([line.get(n) for line in lines], (maps | KINDS).get(n)) for n in names}), path)
    manifest = Manifest(SourceObject("m", path), "e", AT.date().replace(day=1), "r", AT, False, ("a.parquet",))
    delivery = read_export(manifest, [SourceObject("a.parquet", path)])
    rows: dict[str, list[Line]] = {"raw_cur_lines": [], "raw_cur_splits": []}
    for table, batch in delivery.batches:
        rows[table] += batch.to_pylist()
    return rows["raw_cur_lines"], rows["raw_cur_splits"], len(delivery.rejects)


@pytest.mark.parametrize("case", ["aws_scad_accelerated", "aws_scad_cpu_mem"])
def test_the_split_that_aws_publishes_is_kept_beside_a_bill_of_the_instance_alone(
    tmp_path: Path, bill_line: Line, shared_data: Path, case: str
) -> None:
    golden = json.loads((shared_data / "cost" / "golden_cases.json").read_text("utf-8"))[case]
    total = golden["expected_total"]
    used = golden.get("expected_split", total)
    unused = golden.get("expected_unused", dict.fromkeys(total, "0"))
    lines = [parent(bill_line, float(golden["hourly_cost"]))]
    lines += [split(bill_line, f"arn:pod/{pod}", used[pod], unused[pod]) for pod in total]

    bill, splits, rejects = read(tmp_path, lines)

    assert (sum(line["unblended_cost"] for line in bill), rejects) == (Decimal(golden["hourly_cost"]), 0)
    shown = {row["resource_id"].removeprefix("arn:pod/"): row["split_cost"] + row["unused_cost"] for row in splits}
    for pod, cost in total.items():
        assert abs(shown[pod] - Decimal(cost)) <= Decimal("0.000001")
    assert abs(sum(shown.values()) - Decimal(golden["hourly_cost"])) <= Decimal("0.00001")
    assert {row["parent_resource_id"] for row in splits} == {bill_line["line_item_resource_id"]}


def test_a_split_row_that_repeats_the_cost_is_not_billed_again(tmp_path: Path, bill_line: Line) -> None:
    twice = split(bill_line, "arn:pod/a", "10", "0", line_item_unblended_cost=10.0, line_item_currency_code="USD")
    bill, splits, _ = read(tmp_path, [parent(bill_line, 10.0), twice])
    assert [line["unblended_cost"] for line in bill] == [Decimal(10)]
    assert [row["unblended_cost"] for row in splits] == [Decimal(10)]


def test_line_numbers_run_over_both(tmp_path: Path, bill_line: Line) -> None:
    lines = [parent(bill_line, 1.0), split(bill_line, "arn:pod/a", "1", "0"), parent(bill_line, 2.0)]
    bill, splits, _ = read(tmp_path, lines)
    assert ([line["line_number"] for line in bill], [row["line_number"] for row in splits]) == ([1, 3], [2])


def test_without_the_parent_column_a_split_is_told_by_its_amounts(tmp_path: Path, bill_line: Line) -> None:
    lines = [parent(bill_line, 10.0), split(bill_line, "arn:pod/a", "7", "3")]
    for line in lines:
        del line["split_line_item_parent_resource_id"]
        del line["split_line_item_split_usage_ratio"]
    bill, splits, _ = read(tmp_path, lines)
    assert (len(bill), len(splits), splits[0]["parent_resource_id"]) == (1, 1, "")


def test_a_split_amount_that_cannot_be_read_is_rejected_and_the_bill_is_whole(tmp_path: Path, bill_line: Line) -> None:
    bad = split(bill_line, "arn:pod/a", "7", "nan")
    bill, splits, rejects = read(tmp_path, [parent(bill_line, 10.0), bad])
    assert (len(bill), len(splits), rejects) == (1, 0, 1)
