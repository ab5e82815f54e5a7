"""A CUR 2.0 delivery is what its Manifest lists: every line, every digit, one month, one execution."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import IngestOptions, ParsedDelivery, SourceObject
from pipeline.sources.cur import billing_month, read_export
from pipeline.sources.cur_manifest import chunk_locations, read_manifest

Line = dict[str, Any]


def _object(path: Path) -> SourceObject:
    return SourceObject(path.name, path, datetime(2026, 10, 4, tzinfo=UTC))


def _manifest(folder: Path, name: str = "m-Manifest.json", **fields: object) -> SourceObject:
    document = {
        "exportName": "fleet-cur",
        "billingPeriod": "2026-10",
        "executionId": "run-1",
        "creationTime": "2026-10-03T05:00:00Z",
        "dataFiles": ["s3://b/x/data/BILLING_PERIOD=2026-10/a.parquet"],
    }
    path = folder / "m-Manifest.json"
    path.write_text(json.dumps({key: value for key, value in {**document, **fields}.items() if value is not None}))
    return SourceObject(name, path, datetime(2026, 10, 4, tzinfo=UTC))


def _export(folder: Path, *chunks: Path) -> ParsedDelivery:
    return read_export(read_manifest(_manifest(folder), IngestOptions()), [_object(chunk) for chunk in chunks])


def _parquet(path: Path, lines: Sequence[Line], **types: pa.DataType) -> Path:
    maps = dict.fromkeys(("product", "resource_tags", "discount"), pa.map_(pa.string(), pa.string()))
    kinds = {**maps, **types}
    table = pa.table({key: pa.array([line.get(key) for line in lines], kinds.get(key)) for key in lines[0]})
    pq.write_table(table, path)
    return path


def _csv(path: Path, lines: Sequence[Line]) -> Path:
    import gzip

    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]))
    writer.writeheader()
    for line in lines:
        shown = {key: json.dumps(dict(value)) if isinstance(value, list) else value for key, value in line.items()}
        writer.writerow({key: v.isoformat() if isinstance(v, datetime) else v for key, v in shown.items()})
    path.write_bytes(gzip.compress(text.getvalue().encode()))
    return path


def _rows(delivery: ParsedDelivery) -> list[Line]:
    return [row for _, rows in delivery.batches for row in rows.to_pylist()]


def test_a_line_keeps_its_identity_amounts_and_tags(tmp_path: Path, bill_line: Line) -> None:
    row = _rows(_export(tmp_path, _parquet(tmp_path / "a.parquet", [bill_line])))[0]
    assert row["unblended_cost"] == Decimal("55.0400000000")
    assert (row["usage_start_at"], row["usage_end_at"]) == (
        datetime(2026, 10, 1, tzinfo=UTC),
        datetime(2026, 10, 1, 1, tzinfo=UTC),
    )
    assert (row["billing_period"], row["line_number"], row["line_item_id"]) == (date(2026, 10, 1), 1, "line-1")
    assert (row["instance_type"], row["region"]) == ("p5.48xlarge", "us-east-1")
    assert row["resource_tags"] == '{"user_app":"rank","user_team":"search"}'
    assert (row["has_net_columns"], row["net_unblended_cost"], row["sp_effective_cost"]) == (False, None, None)


def test_a_line_keeps_what_focus_tells_of_it(tmp_path: Path, bill_line: Line) -> None:
    told = {
        "cost_category": [("Team", "search"), ("Env", "prod")],
        "product": [("product_name", "Claude 3 Haiku (Amazon Bedrock Edition)")],
        "bill_payer_account_name": "org",
        "pricing_unit": "Hrs",
        "pricing_rate_id": "rate-1",
        "savings_plan_savings_plan_a_r_n": "arn:aws:savingsplans::1:savingsplan/p",
        "reservation_unused_quantity": 0.5,
    }
    kinds = {"cost_category": pa.map_(pa.string(), pa.string())}
    row = _rows(_export(tmp_path, _parquet(tmp_path / "a.parquet", [bill_line | told], **kinds)))[0]
    assert row["cost_category"] == '{"Env":"prod","Team":"search"}'
    assert row["product_name"] == "Claude 3 Haiku (Amazon Bedrock Edition)"
    assert (row["payer_name"], row["pricing_unit"], row["rate_id"]) == ("org", "Hrs", "rate-1")
    assert (row["savings_plan_arn"], row["reservation_unused_quantity"]) == (
        told["savings_plan_savings_plan_a_r_n"],
        Decimal("0.5"),
    )
    assert (row["sku"], row["reservation_arn"], row["capacity_reservation_arn"]) == ("", "", "")


def test_parquet_and_csv_of_one_bill_give_the_same_rows(tmp_path: Path, bill_line: Line) -> None:
    lines = [bill_line, {**bill_line, "line_item_unblended_cost": -1e-10, "resource_tags": []}]
    parquet = _rows(_export(tmp_path, _parquet(tmp_path / "a.parquet", lines)))
    packed = _rows(_export(tmp_path, _csv(tmp_path / "a.csv.gz", lines)))
    for one, other in zip(parquet, packed, strict=True):
        assert one == other


@pytest.mark.parametrize("column", ["product", "resource_tags"])
def test_a_map_may_come_as_map_struct_or_json(tmp_path: Path, bill_line: Line, column: str) -> None:
    pairs = dict(bill_line[column])
    as_map = _rows(_export(tmp_path, _parquet(tmp_path / "a", [bill_line, {**bill_line, column: None}])))
    texts = [{**bill_line, column: json.dumps(pairs)}, {**bill_line, column: None}]
    structs = [{**bill_line, column: pairs}, {**bill_line, column: None}]
    kind = pa.struct([(key, pa.string()) for key in pairs])
    assert _rows(_export(tmp_path, _parquet(tmp_path / "b", texts, **{column: pa.string()}))) == as_map
    assert _rows(_export(tmp_path, _parquet(tmp_path / "c", structs, **{column: kind}))) == as_map


@given(st.lists(st.integers(-(10**15) + 1, 10**15 - 1), min_size=1, max_size=20))
def test_every_double_of_a_bill_becomes_the_decimal_it_was_written_from(
    tmp_path_factory: pytest.TempPathFactory, units: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("cur")
    times = {
        name: datetime(2026, 10, 1, tzinfo=UTC) for name in ("line_item_usage_start_date", "line_item_usage_end_date")
    }
    texts = dict.fromkeys(("line_item_line_item_type", "line_item_product_code", "line_item_usage_type"), "Usage")
    of_all = {**times, **texts, "line_item_usage_account_id": "1", "line_item_currency_code": "USD"}
    amounts = [Decimal(unit).scaleb(-10) for unit in units]
    lines = [{**of_all, "line_item_usage_amount": 1.0, "line_item_unblended_cost": float(amount)} for amount in amounts]
    rows = _rows(_export(folder, _parquet(folder / "a.parquet", lines)))
    assert [row["unblended_cost"] for row in rows] == amounts
    assert sum(row["unblended_cost"] for row in rows) == sum(amounts)


def test_lines_are_numbered_over_all_chunks(tmp_path: Path, bill_line: Line) -> None:
    chunks = [_parquet(tmp_path / name, [bill_line] * 3) for name in ("a", "b")]
    assert [row["line_number"] for row in _rows(_export(tmp_path, *chunks))] == [1, 2, 3, 4, 5, 6]


def test_net_columns_count_only_where_something_is_in_them(tmp_path: Path, bill_line: Line) -> None:
    empty = {**bill_line, "line_item_net_unblended_cost": None}
    net = {**bill_line, "line_item_net_unblended_cost": 50.0}
    kinds = {"line_item_net_unblended_cost": pa.float64()}
    without = _rows(_export(tmp_path, _parquet(tmp_path / "a", [empty], **kinds)))
    discounted = _rows(
        _export(tmp_path, _parquet(tmp_path / "b", [empty], **kinds), _parquet(tmp_path / "c", [net], **kinds))
    )
    assert [row["has_net_columns"] for row in without] == [False]
    assert [row["has_net_columns"] for row in discounted] == [True, True]


@pytest.mark.parametrize("column", ["line_item_unblended_cost", "line_item_usage_start_date", "line_item_usage_type"])
@pytest.mark.parametrize("write", [_parquet, _csv])
def test_a_missing_required_column_refuses_the_delivery_naming_it(
    tmp_path: Path, bill_line: Line, column: str, write: Any
) -> None:
    del bill_line[column]
    with pytest.raises(RefusedDelivery, match=f"column {column} is missing"):
        _rows(_export(tmp_path, write(tmp_path / "a", [bill_line])))


def test_another_currency_refuses_the_delivery_naming_it(tmp_path: Path, bill_line: Line) -> None:
    euros = {**bill_line, "line_item_currency_code": "EUR"}
    with pytest.raises(RefusedDelivery, match="currency EUR, not USD"):
        _rows(_export(tmp_path, _parquet(tmp_path / "a", [bill_line, euros])))


def test_lines_that_cannot_be_read_are_rejected_and_the_others_land(tmp_path: Path, bill_line: Line) -> None:
    lines = [
        bill_line,
        {**bill_line, "line_item_unblended_cost": float("nan")},
        {**bill_line, "line_item_usage_start_date": None},
        bill_line,
    ]
    delivery = _export(tmp_path, _parquet(tmp_path / "a", lines))
    assert [row["line_number"] for row in _rows(delivery)] == [1, 4]
    assert [
        (reject.line_number, reject.reason) for reject in sorted(delivery.rejects, key=lambda r: r.line_number)
    ] == [
        (2, "line_item_unblended_cost cannot be read: nan"),
        (3, "line_item_usage_start_date cannot be read: None"),
    ]


def test_bad_text_amounts_and_times_of_a_csv_are_rejected(tmp_path: Path, bill_line: Line) -> None:
    lines = [bill_line, {**bill_line, "line_item_usage_amount": "much"}, {**bill_line, "line_item_usage_end_date": "x"}]
    delivery = _export(tmp_path, _csv(tmp_path / "a", lines))
    assert len(_rows(delivery)) == 1
    assert len(delivery.rejects) == 2


def test_the_manifest_names_the_delivery(tmp_path: Path) -> None:
    manifest = read_manifest(_manifest(tmp_path), IngestOptions())
    assert (manifest.export_name, manifest.billing_period, manifest.execution_id) == (
        "fleet-cur",
        date(2026, 10, 1),
        "run-1",
    )
    assert (manifest.delivered_at, manifest.time_guessed) == (datetime(2026, 10, 3, 5, tzinfo=UTC), False)


@pytest.mark.parametrize(
    "fields",
    [
        {"billingPeriod": {"start": "20261001T000000.000Z", "end": "20261101T000000.000Z"}},
        {"billingPeriod": None, "billing_period": "2026-10-01T00:00:00Z"},
        {"billingPeriod": None},
        {"dataFiles": None, "data_files": [{"key": "x/data/BILLING_PERIOD=2026-10/a.parquet"}]},
    ],
)
def test_manifests_of_several_spellings_are_read(tmp_path: Path, fields: dict[str, object]) -> None:
    assert read_manifest(_manifest(tmp_path, **fields), IngestOptions()).billing_period == date(2026, 10, 1)


@pytest.mark.parametrize("stamp", ["20261002T030405Z", "2026-10-02T03:04:05.000Z", "2026-10-02T03-04-05Z"])
def test_without_a_time_inside_the_folder_stamp_is_the_delivery_time(tmp_path: Path, stamp: str) -> None:
    name = f"fleet-cur/metadata/BILLING_PERIOD=2026-10/{stamp}-abc-1/m-Manifest.json"
    manifest = read_manifest(_manifest(tmp_path, name, creationTime=None, executionId=None), IngestOptions())
    assert (manifest.delivered_at, manifest.time_guessed) == (datetime(2026, 10, 2, 3, 4, 5, tzinfo=UTC), False)
    assert manifest.execution_id == "abc-1"


@pytest.mark.parametrize("files", [None, [], [""], [{}], ["s3://b/data/../../etc/passwd"]])
def test_a_manifest_without_usable_files_is_refused(tmp_path: Path, files: object) -> None:
    with pytest.raises(RefusedDelivery, match="Manifest lists"):
        read_manifest(_manifest(tmp_path, dataFiles=files), IngestOptions())


def test_chunks_are_looked_for_beside_the_metadata_then_beside_the_manifest() -> None:
    listed = "s3://theirs/p/fleet-cur/data/BILLING_PERIOD=2026-10/a.parquet"
    assert list(chunk_locations("/copy/fleet-cur/metadata/BILLING_PERIOD=2026-10/m.json", listed)) == [
        "/copy/fleet-cur/data/BILLING_PERIOD=2026-10/a.parquet",
        "/copy/fleet-cur/metadata/BILLING_PERIOD=2026-10/a.parquet",
    ]


def test_the_same_chunks_of_another_execution_are_another_delivery(tmp_path: Path, bill_line: Line) -> None:
    chunk = _object(_parquet(tmp_path / "a", [bill_line]))
    ids = {
        read_export(read_manifest(_manifest(tmp_path, executionId=each), IngestOptions()), [chunk]).info.delivery_id
        for each in ("run-1", "run-2", "run-1")
    }
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("month", "after"), [(date(2026, 12, 1), date(2027, 1, 1)), (date(2028, 2, 1), date(2028, 3, 1))]
)
def test_a_billing_month_ends_where_the_next_begins(month: date, after: date) -> None:
    assert billing_month(month) == (month, after)


@pytest.mark.parametrize(
    ("record_type", "column"),
    [
        ("SavingsPlanCoveredUsage", "savings_plan_savings_plan_effective_cost"),
        ("SavingsPlanRecurringFee", "savings_plan_total_commitment_to_date"),
        ("DiscountedUsage", "reservation_effective_cost"),
        ("RIFee", "reservation_unused_recurring_fee"),
    ],
)
def test_a_committed_line_without_its_effective_cost_refuses_the_delivery(
    tmp_path: Path, bill_line: Line, record_type: str, column: str
) -> None:
    line = {key: value for key, value in bill_line.items() if key != column} | {"line_item_line_item_type": record_type}
    with pytest.raises(RefusedDelivery, match=f"{record_type} lines without {column}"):
        _rows(_export(tmp_path, _parquet(tmp_path / "a.parquet", [line])))


def test_a_line_without_a_cost_is_rejected_not_taken_for_free(tmp_path: Path, bill_line: Line) -> None:
    blank = bill_line | {"line_item_unblended_cost": None}
    delivery = _export(tmp_path, _parquet(tmp_path / "a.parquet", [bill_line, blank]))
    assert [row["line_number"] for row in _rows(delivery)] == [1]
    assert [(reject.line_number, "line_item_unblended_cost" in reject.reason) for reject in delivery.rejects] == [
        (2, True)
    ]
