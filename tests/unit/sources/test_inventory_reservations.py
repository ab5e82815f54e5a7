"""Capacity reservations become raw_capacity_reservations rows, as the AWS command line prints them or one per line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.detect import detect
from pipeline.sources.inventory_reservations import read

MTIME = datetime(2026, 10, 5, tzinfo=UTC)
BLOCK: dict[str, Any] = {
    "CapacityReservationId": "cr-0aaaaaaaaaaaaaaa1",
    "OwnerId": "111122223333",
    "InstanceType": "p5.48xlarge",
    "InstancePlatform": "Linux/UNIX",
    "AvailabilityZone": "us-east-2a",
    "Tenancy": "default",
    "TotalInstanceCount": 2,
    "AvailableInstanceCount": 0,
    "State": "active",
    "StartDate": "2026-10-30T11:30:00+00:00",
    "EndDate": "2026-11-02T11:30:00.000Z",
    "CreateDate": "2026-10-01T09:00:00+00:00",
    "ReservationType": "capacity-block",
    "Tags": [{"Key": "team", "Value": "search"}],
}


def _read(path: Path, content: str) -> ParsedDelivery:
    path.write_text(content)
    obj = SourceObject(path.name, path, MTIME)
    assert detect(obj) == "reservations"
    return read(obj, IngestOptions(), Seeds(path.parent))


def _rows(delivery: ParsedDelivery) -> list[dict[str, Any]]:
    return [row for _, rows in delivery.batches for row in rows.to_pylist()]


@pytest.mark.parametrize("indent", [None, 4])
def test_what_the_command_line_prints_is_read_whole(tmp_path: Path, indent: int | None) -> None:
    opened = {key: value for key, value in BLOCK.items() if key not in {"StartDate", "EndDate", "ReservationType"}}
    document = {"CapacityReservations": [BLOCK, {**opened, "CapacityReservationId": "cr-0b"}]}
    block, other = _rows(_read(tmp_path / "x", json.dumps(document, indent=indent)))
    assert (block["region"], block["reservation_type"], block["total_count"]) == ("us-east-2", "capacity-block", 2)
    assert block["end_at"] == datetime(2026, 11, 2, 11, 30, tzinfo=UTC)
    assert (block["observed_at"], block["tags"]) == (MTIME, '{"team":"search"}')
    assert (other["start_at"], other["end_at"]) == (datetime(2026, 10, 1, 9, tzinfo=UTC), None)


def test_a_line_says_itself_when_and_where_it_was_seen(tmp_path: Path) -> None:
    [row] = _rows(_read(tmp_path / "x", json.dumps({**BLOCK, "Region": "r", "observed_at": "2026-10-02T00:00:00Z"})))
    assert (row["region"], row["observed_at"]) == ("r", datetime(2026, 10, 2, tzinfo=UTC))


def test_what_is_no_reservation_is_rejected_by_its_line(tmp_path: Path) -> None:
    lines = [BLOCK, {**BLOCK, "CapacityReservationId": ""}, {**BLOCK, "TotalInstanceCount": "many"}, BLOCK, 7]
    delivery = _read(tmp_path / "x", "\n".join(map(json.dumps, lines)) + '\n{"Capacity')
    assert len(_rows(delivery)) == 1
    assert [reject.line_number for reject in delivery.rejects] == [2, 3, 4, 5, 6]
    assert delivery.rejects[2].reason == "the same reservation again"
