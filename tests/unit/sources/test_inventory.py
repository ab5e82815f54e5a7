"""EC2 listings become raw_inventory rows, line by line or as whole responses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import IngestOptions, ParsedDelivery, Reject, Seeds, SourceObject
from pipeline.sources.inventory import read

MTIME = datetime(2026, 10, 5, tzinfo=UTC)


def _read(path: Path, content: str | bytes, options: IngestOptions | None = None) -> ParsedDelivery:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read(SourceObject(path.name, path, MTIME), options or IngestOptions(), Seeds(path.parent))


def _rows(delivery: ParsedDelivery) -> list[dict[str, Any]]:
    return [row for table, rows in delivery.batches for row in rows.to_pylist() if table == "raw_inventory"]


def _one(path: Path, instance: dict[str, Any]) -> dict[str, Any]:
    return _rows(_read(path, json.dumps(instance) + "\n"))[0]


def test_an_instance_keeps_its_identity_times_and_tags(tmp_path: Path, one_instance: dict[str, Any]) -> None:
    row = _one(tmp_path / "x", {**one_instance, "observed_at": "2026-10-01T02:00:00+02:00"})
    assert row == {
        "observed_at": datetime(2026, 10, 1, tzinfo=UTC),
        "instance_id": "i-0123456789abcdef0",
        "instance_type": "p5.48xlarge",
        "account_id": "444455556666",
        "region": "us-east-1",
        "availability_zone": "us-east-1a",
        "private_dns_name": "ip-10-0-0-7.ec2.internal",
        "launch_at": datetime(2026, 9, 30, 22, 15, tzinfo=UTC),
        "state": "running",
        "stopped_at": None,
        "lifecycle": "on-demand",
        "tags": '{"aws:eks:cluster-name":"blue","team":"search"}',
        "capacity_reservation_id": "",
    }


def test_a_stopped_instance_tells_when_it_stopped(tmp_path: Path, one_instance: dict[str, Any]) -> None:
    reason = "User initiated (2026-10-02 11:12:13 GMT)"
    row = _one(tmp_path / "x", {**one_instance, "State": {"Name": "stopped"}, "StateTransitionReason": reason})
    assert (row["state"], row["stopped_at"]) == ("stopped", datetime(2026, 10, 2, 11, 12, 13, tzinfo=UTC))


@pytest.mark.parametrize(
    ("listed", "lifecycle"),
    [("spot", "spot"), ("capacity-block", "capacity-block"), ("scheduled", "on-demand"), (None, "on-demand")],
)
def test_the_three_ways_to_rent(
    tmp_path: Path, one_instance: dict[str, Any], listed: str | None, lifecycle: str
) -> None:
    assert _one(tmp_path / "x", {**one_instance, "InstanceLifecycle": listed})["lifecycle"] == lifecycle


@pytest.mark.parametrize(("zone", "region"), [("us-east-1a", "us-east-1"), ("us-west-2-lax-1a", "us-west-2")])
def test_the_region_comes_from_the_zone_when_the_line_has_none(
    tmp_path: Path, one_instance: dict[str, Any], zone: str, region: str
) -> None:
    del one_instance["Region"]
    row = _one(tmp_path / "x", {**one_instance, "Placement": {"AvailabilityZone": zone}})
    assert row["region"] == region


@pytest.mark.parametrize("indent", [None, 2])
def test_a_whole_describe_instances_response_is_read_too(
    tmp_path: Path, one_instance: dict[str, Any], indent: int | None
) -> None:
    del one_instance["OwnerId"]
    second = {**one_instance, "InstanceId": "i-2"}
    response = {"Reservations": [{"OwnerId": "777788889999", "Instances": [one_instance, second]}]}
    rows = _rows(_read(tmp_path / "x", json.dumps(response, indent=indent)))
    assert [(row["instance_id"], row["account_id"]) for row in rows] == [
        ("i-0123456789abcdef0", "777788889999"),
        ("i-2", "777788889999"),
    ]


def test_a_listing_without_times_is_observed_when_its_file_says(tmp_path: Path, one_instance: dict[str, Any]) -> None:
    text = json.dumps(one_instance) + "\n"
    stamped = _read(tmp_path / "fleet-20261001T060000Z.ndjson", text)
    guessed = _read(tmp_path / "fleet.ndjson", text)
    told = _read(tmp_path / "fleet.ndjson", text, IngestOptions(observed_at=datetime(2026, 10, 4, tzinfo=UTC)))
    assert _rows(stamped)[0]["observed_at"] == datetime(2026, 10, 1, 6, tzinfo=UTC)
    assert (_rows(guessed)[0]["observed_at"], guessed.info.time_guessed) == (MTIME, True)
    assert _rows(told)[0]["observed_at"] == datetime(2026, 10, 4, tzinfo=UTC)


def test_bad_lines_are_rejected_one_by_one(tmp_path: Path, one_instance: dict[str, Any]) -> None:
    good = json.dumps(one_instance)
    lines = [good, "{nonsense}", '{"InstanceType": "p5.48xlarge"}', "[]", '"text"', good, '{"InstanceId": "i-7", "Inst']
    delivery = _read(tmp_path / "x", "\n".join(lines))
    assert [row["instance_id"] for row in _rows(delivery)] == ["i-0123456789abcdef0"]
    told = {reject.line_number: reject.reason for reject in delivery.rejects}
    assert sorted(told) == [2, 3, 5, 6, 7]
    assert "no InstanceId" in told[3]
    assert told[6] == "the same instance and time again"
    assert told[7] == "the line is cut: its JSON ends early"


@pytest.mark.parametrize(
    "broken", [{"LaunchTime": "soon"}, {"Placement": "a"}, {"Tags": [1]}, {"NetworkInterfaces": [3], "OwnerId": ""}]
)
def test_a_field_of_a_wrong_shape_is_a_reject(
    tmp_path: Path, one_instance: dict[str, Any], broken: dict[str, object]
) -> None:
    delivery = _read(tmp_path / "x", json.dumps({**one_instance, **broken}))
    assert _rows(delivery) == []
    assert delivery.rejects[0].reason.startswith("not an EC2 instance")


def test_a_line_of_megabytes_is_a_reject_cut_to_500_characters(tmp_path: Path, one_instance: dict[str, Any]) -> None:
    huge = json.dumps({**one_instance, "Padding": "x" * 3_000_000})
    delivery = _read(tmp_path / "x", f"{huge}\n{json.dumps(one_instance)}\n")
    assert len(_rows(delivery)) == 1
    reject: Reject = delivery.rejects[0]
    assert (reject.line_number, len(reject.text) <= 500) == (1, True)


def test_a_cut_response_is_refused(tmp_path: Path, one_instance: dict[str, Any]) -> None:
    text = json.dumps({"Reservations": [{"Instances": [one_instance]}]}, indent=1)
    with pytest.raises(RefusedDelivery, match="ends early"):
        _rows(_read(tmp_path / "x", text[: len(text) // 2]))
