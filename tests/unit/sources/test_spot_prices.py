"""Spot prices from the API (stubbed, and moto over HTTP) and from files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.detect import detect
from pipeline.sources.ec2_calls import Place
from pipeline.sources.spot_prices import fetch, read

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
PLACE = Place("444455556666", "us-east-1", NOW, {})
RECORD = {
    "AvailabilityZone": "us-east-1a",
    "InstanceType": "p5.48xlarge",
    "ProductDescription": "Linux/UNIX",
    "SpotPrice": "21.300100",
    "Timestamp": "2026-11-18T09:00:00+00:00",
}


def _rows(delivery: ParsedDelivery) -> list[dict[str, Any]]:
    return [row for _, rows in delivery.batches for row in rows.to_pylist()]


def _read(path: Path, content: str) -> ParsedDelivery:
    path.write_text(content)
    obj = SourceObject(path.name, path, NOW)
    assert detect(obj) == "spot_prices"
    return read(obj, IngestOptions(), Seeds(path.parent))


def test_the_history_comes_over_pages_and_a_price_shown_twice_counts_once() -> None:
    client = boto3.client("ec2", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    start_at = datetime(2026, 11, 11, tzinfo=UTC)
    asked = {
        "StartTime": start_at,
        "EndTime": NOW,
        "ProductDescriptions": ["Linux/UNIX"],
        "InstanceTypes": ["p5.48xlarge"],
    }
    later = {**RECORD, "Timestamp": "2026-11-18T11:00:00Z", "SpotPrice": "22"}
    with Stubber(client) as stubber:
        for token, records, more in (("", [RECORD, later], {"NextToken": "2"}), ("2", [RECORD], {})):
            told = [{**one, "Timestamp": datetime.fromisoformat(one["Timestamp"])} for one in records]
            expected = {**asked, "NextToken": token} if token else asked
            stubber.add_response("describe_spot_price_history", {"SpotPriceHistory": told, **more}, expected)
        rows = _rows(fetch(client, PLACE, start_at, ["p5.48xlarge"]))
    assert [(row["price_at"].hour, row["price_usd"]) for row in rows] == [(9, Decimal("21.3001")), (11, Decimal(22))]
    assert {(row["region"], row["observed_at"]) for row in rows} == {("us-east-1", NOW)}


@pytest.mark.parametrize("indent", [None, 2])
def test_a_saved_response_and_single_records_read_alike(tmp_path: Path, indent: int | None) -> None:
    whole = _rows(_read(tmp_path / "a", json.dumps({"SpotPriceHistory": [RECORD]}, indent=indent)))
    assert whole == _rows(_read(tmp_path / "b", json.dumps(RECORD) + "\n"))
    assert whole[0]["price_usd"] == Decimal("21.3001")


def test_bad_records_are_rejected_one_by_one(tmp_path: Path) -> None:
    bad = [{**RECORD, **change} for change in ({"SpotPrice": "0"}, {"SpotPrice": "x"}, {"AvailabilityZone": "mars"})]
    bad += [{**RECORD, "Timestamp": "soon"}, {k: v for k, v in RECORD.items() if k != "InstanceType"}, RECORD]
    delivery = _read(tmp_path / "x", "\n".join(json.dumps(one) for one in [RECORD, *bad]) + '\n{"Spot')
    assert len(_rows(delivery)) == 1
    assert [reject.line_number for reject in delivery.rejects] == [2, 3, 4, 5, 6, 7, 8]


def test_a_local_zone_belongs_to_its_region(tmp_path: Path) -> None:
    [row] = _rows(_read(tmp_path / "x", json.dumps({**RECORD, "AvailabilityZone": "us-west-2-lax-1a"})))
    assert row["region"] == "us-west-2"
