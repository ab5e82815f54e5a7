"""FOCUS bills: two versions, several clouds, with and without a Manifest; exact amounts and no line lost."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
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
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.cur_manifest import read_manifest
from pipeline.sources.decimals import exact_decimal
from pipeline.sources.detect import detect
from pipeline.sources.exports import read_export
from pipeline.sources.focus import file_set, read, without_shard

NOW = datetime(2026, 10, 5, tzinfo=UTC)
Line = dict[str, Any]
LINE: Line = {
    "BilledCost": "55.04",
    "EffectiveCost": "33.02",
    "ListCost": "55.04",
    "BillingAccountId": "111122223333",
    "BillingCurrency": "USD",
    "BillingPeriodStart": "2026-10-01T00:00:00Z",
    "BillingPeriodEnd": "2026-11-01T00:00:00Z",
    "ChargeCategory": "Usage",
    "ChargePeriodStart": "2026-10-02T03:00:00Z",
    "ChargePeriodEnd": "2026-10-02T04:00:00Z",
    "ProviderName": "AWS",
    "ServiceName": "Amazon Elastic Compute Cloud",
    "SubAccountId": "012345678901",
    "ConsumedQuantity": "1",
    "ConsumedUnit": "Hours",
    "Tags": '{"team":"search"}',
}
AWS_1_0 = {"x_UsageType": "USE1-BoxUsage:p5.48xlarge", "x_ServiceCode": "AmazonEC2", "x_Operation": "RunInstances"}
AWS_1_2 = {"SkuMeter": "USE1-BoxUsage:p5.48xlarge", "x_ServiceCode": "AmazonEC2", "InvoiceId": "42"}
# as BigQuery exports Google Cloud's FOCUS view: a zone word, months that begin in Pacific time, tags as records
GOOGLE = {
    "ProviderName": "Google Cloud",
    "BillingPeriodStart": "2026-10-01 07:00:00 UTC",
    "ChargePeriodStart": "2026-10-02 03:00:00 UTC",
    "ChargePeriodEnd": "2026-10-02 04:00:00 UTC",
    "ServiceName": "Compute Engine",
    "SubAccountId": "ml-project",
    "Tags": '[{"key":"team","value":"search"}]',
    "x_SkuDescription": "TpuV5e us-central1",
}
# as Cost Management exports Azure's: times without seconds
AZURE = {
    "ProviderName": "Microsoft",
    "BillingPeriodStart": "2026-10-01T00:00Z",
    "ChargePeriodStart": "2026-10-02T03:00Z",
    "ChargePeriodEnd": "2026-10-02T04:00Z",
    "ServiceName": "Virtual Machines",
    "SubAccountId": "/subscriptions/1",
    "x_SkuMeterName": "ND96isr H100 v5",
}


def _csv(path: Path, lines: Sequence[Mapping[str, Any]], mark: str = "") -> SourceObject:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]))
    writer.writeheader()
    writer.writerows(lines)
    path.write_text(mark + text.getvalue())
    return SourceObject(path.name, path, NOW)


def _parquet(path: Path, lines: Sequence[Mapping[str, Any]], **kinds: pa.DataType) -> SourceObject:
    pq.write_table(pa.table({key: pa.array([line[key] for line in lines], kinds.get(key)) for key in lines[0]}), path)
    return SourceObject(path.name, path, NOW)


def _read(obj: SourceObject) -> ParsedDelivery:
    return read(obj, IngestOptions(), Seeds(Path()))


def _rows(delivery: ParsedDelivery) -> list[Line]:
    return [row for _, rows in delivery.batches for row in rows.to_pylist()]


@pytest.mark.parametrize(
    ("more", "version"), [(AWS_1_0, "1.0"), ({"SkuMeter": "x"}, "1.1"), (AWS_1_2, "1.2"), (GOOGLE, "1.0")]
)
def test_the_columns_tell_the_version(tmp_path: Path, more: Line, version: str) -> None:
    assert _rows(_read(_csv(tmp_path / "a.csv", [LINE | more])))[0]["focus_version"] == version


@pytest.mark.parametrize("more", [AWS_1_0, AWS_1_2])
def test_the_usage_type_of_aws_stands_in_the_column_of_its_version(tmp_path: Path, more: Line) -> None:
    row = _rows(_read(_csv(tmp_path / "a.csv", [LINE | more])))[0]
    assert (row["sku_meter"], row["service_code"]) == ("USE1-BoxUsage:p5.48xlarge", "AmazonEC2")
    assert (row["billed_cost"], row["effective_cost"]) == (Decimal("55.0400000000"), Decimal("33.0200000000"))
    assert (row["billing_period"], row["tags"]) == (date(2026, 10, 1), '{"team":"search"}')


@pytest.mark.parametrize(
    ("more", "account", "meter"),
    [(GOOGLE, "ml-project", "TpuV5e us-central1"), (AZURE, "/subscriptions/1", "ND96isr H100 v5")],
)
def test_other_clouds_write_times_months_and_meters_their_own_way(
    tmp_path: Path, more: Line, account: str, meter: str
) -> None:
    row = _rows(_read(_csv(tmp_path / "a.csv", [LINE | more], mark="\ufeff")))[0]
    assert (row["sub_account_id"], row["sku_meter"], row["billing_period"]) == (account, meter, date(2026, 10, 1))
    assert (row["charge_start_at"], row["charge_end_at"]) == (
        datetime(2026, 10, 2, 3, tzinfo=UTC),
        datetime(2026, 10, 2, 4, tzinfo=UTC),
    )
    assert row["tags"] == '{"team":"search"}'


def test_parquet_and_csv_of_one_bill_give_the_same_rows(tmp_path: Path) -> None:
    typed = LINE | {
        **{key: float(LINE[key]) for key in ("BilledCost", "EffectiveCost", "ListCost", "ConsumedQuantity")},
        **{key: datetime.fromisoformat(LINE[key]) for key in LINE if "Period" in key},
        "Tags": [("team", "search")],
    }
    kinds = {"Tags": pa.map_(pa.string(), pa.string()), "ProviderName": pa.dictionary(pa.int32(), pa.string())}
    parquet = _rows(_read(_parquet(tmp_path / "a.parquet", [typed, typed | {"ListCost": None}], **kinds)))
    assert parquet == _rows(_read(_csv(tmp_path / "a.csv", [LINE, LINE | {"ListCost": "NULL"}])))


def test_unknown_columns_and_other_spellings_of_known_ones_are_taken(tmp_path: Path) -> None:
    odd = {"Id": 7, "x_Whatever": "?", "billed_cost": LINE["BilledCost"]} | LINE
    del odd["BilledCost"]
    assert _rows(_read(_csv(tmp_path / "a.csv", [odd])))[0]["billed_cost"] == Decimal("55.0400000000")


@pytest.mark.parametrize("column", ["EffectiveCost", "BillingCurrency", "ProviderName", "ChargePeriodEnd"])
def test_a_missing_mandatory_column_refuses_the_bill_naming_it(tmp_path: Path, column: str) -> None:
    line = {key: value for key, value in LINE.items() if key != column}
    with pytest.raises(RefusedDelivery, match=f"the FOCUS column {column} is missing"):
        _rows(_read(_csv(tmp_path / "a.csv", [line])))


def test_another_currency_refuses_the_bill_naming_it(tmp_path: Path) -> None:
    with pytest.raises(RefusedDelivery, match="currency EUR, not USD"):
        _rows(_read(_csv(tmp_path / "a.csv", [LINE, LINE | {"BillingCurrency": "EUR"}])))


@pytest.mark.parametrize(
    "bad",
    [
        {"BilledCost": "NULL"},
        {"EffectiveCost": ""},
        {"BilledCost": "much"},
        {"BilledCost": "1" * 28},
        {"ListCost": "-1e11"},
        {"ChargePeriodStart": "soon"},
        {"ChargePeriodEnd": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_a_line_without_cost_or_time_is_rejected_and_the_others_land(tmp_path: Path, bad: Line) -> None:
    delivery = _read(_csv(tmp_path / "a.csv", [LINE, LINE | bad, LINE]))
    assert [row["line_number"] for row in _rows(delivery)] == [1, 3]
    assert [(reject.line_number, next(iter(bad)) in reject.reason) for reject in delivery.rejects] == [(2, True)]


def test_a_quantity_may_be_larger_than_any_bill(tmp_path: Path) -> None:
    requests = LINE | {"ConsumedQuantity": "9" * 15, "ConsumedUnit": "Requests"}
    assert _rows(_read(_csv(tmp_path / "a.csv", [requests])))[0]["consumed_quantity"] == Decimal("9" * 15)


@given(st.lists(st.decimals(-(10**9), 10**9, places=10), min_size=1, max_size=20))
def test_any_amount_of_ten_decimals_survives_unchanged(
    tmp_path_factory: pytest.TempPathFactory, amounts: list[Decimal]
) -> None:
    path = tmp_path_factory.mktemp("focus") / "a.csv"
    rows = _rows(_read(_csv(path, [LINE | {"BilledCost": f"{amount:f}"} for amount in amounts])))
    assert [row["billed_cost"] for row in rows] == amounts


def test_the_public_sample_keeps_every_line_and_cent(shared_data: Path) -> None:
    path = shared_data / "cost" / "focus_1_0_sample_1000.csv"
    delivery = _read(SourceObject(path.name, path, NOW))
    rows = _rows(delivery)
    with path.open(encoding="utf-8", newline="") as text:
        published = list(csv.DictReader(text))
    assert (len(rows), delivery.rejects) == (1000, [])
    for column, name in (("billed_cost", "BilledCost"), ("effective_cost", "EffectiveCost")):
        assert sum(row[column] for row in rows) == sum(exact_decimal(line[name]) for line in published)
    assert {row["provider"] for row in rows} == {"AWS", "Microsoft", "Oracle"}
    assert sum(row["resource_id"] == "" for row in rows) == 75


@pytest.mark.parametrize(("more", "source"), [(AWS_1_2, "export_chunk"), (GOOGLE, "focus"), (AZURE, "focus")])
def test_a_chunk_of_aws_waits_for_its_manifest_other_clouds_have_none(tmp_path: Path, more: Line, source: str) -> None:
    assert detect(_csv(tmp_path / "a.csv", [LINE | more])) == source
    assert detect(_parquet(tmp_path / "a.parquet", [LINE | more])) == source


def _manifest(folder: Path, document: Mapping[str, Any]) -> SourceObject:
    path = folder / "manifest.json"
    path.write_text(json.dumps(document))
    return SourceObject(path.name, path, NOW)


def test_a_manifest_of_aws_names_the_chunks_of_a_focus_export(tmp_path: Path) -> None:
    chunk = _csv(tmp_path / "a.csv", [LINE | AWS_1_2])
    document = {"exportName": "f", "billingPeriod": "2026-10", "executionId": "e", "createdAt": "2026-10-03T00:00:00Z"}
    manifest = read_manifest(_manifest(tmp_path, document | {"dataFiles": ["s3://b/data/a.csv"]}), IngestOptions())
    delivery = read_export(manifest, [chunk])
    assert (delivery.info.source, delivery.info.export_name, len(_rows(delivery))) == ("focus", "f", 1)
    wrong = document | {"billingPeriod": "2026-09", "dataFiles": ["s3://b/data/a.csv"]}
    of_september = read_export(read_manifest(_manifest(tmp_path, wrong), IngestOptions()), [chunk])
    with pytest.raises(RefusedDelivery, match="lines of 2026-10 under a Manifest of 2026-09"):
        _rows(of_september)


def test_a_manifest_of_azure_names_its_blobs_run_and_month(tmp_path: Path) -> None:
    document = {
        "manifestVersion": "2024-04-01",
        "exportConfig": {"exportName": "focus-daily", "dataVersion": "1.0", "type": "FocusCost"},
        "runInfo": {
            "runId": "run-7",
            "submittedTime": "2026-10-04T16:16:25.5143211Z",
            "startDate": "2026-10-01T00:00:00",
        },
        "blobs": [{"blobName": "x/focus-daily/20261001-20261031/run-7/part_0_0001.csv", "byteCount": 1}],
    }
    obj = _manifest(tmp_path, document)
    assert detect(obj) == "cur"
    manifest = read_manifest(obj, IngestOptions())
    assert (manifest.export_name, manifest.billing_period, manifest.execution_id) == (
        "focus-daily",
        date(2026, 10, 1),
        "run-7",
    )
    assert (manifest.delivered_at.day, manifest.time_guessed) == (4, False)


@pytest.mark.parametrize(
    ("name", "shared_by_shards", "shared_by_runs"),
    [
        ("gcp/focus-000000000001.csv.gz", "gcp/focus", "gcp/focus"),
        ("gcp/focus-20261003T000000Z-00001.parquet", "gcp/focus-20261003T000000Z", "gcp/focus"),
        ("azure/part_0_0001.csv", "azure/part_0", "azure/part_0"),
        ("bill-2026-10.csv", "bill-2026-10", "bill-2026-10"),
        ("focus_20261003.csv", "focus_20261003", "focus_20261003"),
        ("20261003T000000Z.csv", "20261003T000000Z", "bill"),
    ],
)
def test_files_are_one_bill_but_for_shards_and_stamps(name: str, shared_by_shards: str, shared_by_runs: str) -> None:
    assert (without_shard(name), file_set(name)) == (shared_by_shards, shared_by_runs)
