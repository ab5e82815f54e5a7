"""EC2 over the API: a real boto3 client speaks to moto's server on 127.0.0.1; what moto lacks is stubbed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto.server import ThreadedMotoServer

from pipeline import pulls, settings, steps
from pipeline.errors import SourceError, UsageError
from pipeline.sources import ec2_instances, ec2_reservations, ec2_types
from pipeline.sources.base import ParsedDelivery
from pipeline.sources.ec2_calls import Known, Place

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
IMAGE = "ami-12c6146b"  # one that moto knows
PLACE = Place("444455556666", "us-east-1", NOW, {})
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
ROLE = "arn:aws:iam::777788889999:role/fleet-reader"


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def ec2(begun_home: object, moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An EC2 client of an empty moto, and the environment in which ours find it."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(name, value)
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")).close()
    return boto3.client("ec2", region_name="us-east-1")


def start(ec2: Any, instance_type: str, count: int = 1, **tags: str) -> list[str]:
    named = [{"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]
    answer = ec2.run_instances(
        ImageId=IMAGE,
        InstanceType=instance_type,
        MinCount=count,
        MaxCount=count,
        TagSpecifications=named if tags else [],
    )
    return [instance["InstanceId"] for instance in answer["Instances"]]


def rows(delivery: ParsedDelivery) -> list[dict[str, Any]]:
    return [row for _, batch in delivery.batches for row in batch.to_pylist()]


def told(home: object, sql: str) -> list[tuple[Any, ...]]:
    with steps.warehouse(settings.load()) as conn:
        return conn.execute(sql).fetchall()


def test_instances_and_their_tags_come_page_by_page(ec2: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ec2_instances, "PAGE_SIZE", 5)
    ids = [*start(ec2, "trn2.48xlarge", 4, team="search"), *start(ec2, "p5.48xlarge", 2)]
    found = rows(ec2_instances.fetch(ec2, PLACE))
    assert [row["instance_id"] for row in found] == sorted(ids)
    assert {(row["instance_type"], row["region"], row["state"]) for row in found} == {
        ("trn2.48xlarge", "us-east-1", "running"),
        ("p5.48xlarge", "us-east-1", "running"),
    }
    assert sum(row["tags"] == '{"team":"search"}' for row in found) == 4
    assert {row["observed_at"] for row in found} == {NOW}


def test_an_unchanged_listing_is_a_repeat_on_its_day_and_says_alive_on_the_next(ec2: Any) -> None:
    start(ec2, "p5.48xlarge")
    first = ec2_instances.fetch(ec2, PLACE).info

    def later(moment: datetime) -> object:
        known = {first.object: Known(first.content_sha256, first.observed_at)}
        return ec2_instances.fetch(ec2, Place(PLACE.account_id, PLACE.region, moment, known)).info.delivery_id

    assert later(NOW + timedelta(hours=3)) == first.delivery_id
    assert later(NOW + timedelta(days=1)) != first.delivery_id


def test_a_listing_that_returns_to_an_older_state_lands_again(ec2: Any, home: object) -> None:
    [one] = start(ec2, "p5.48xlarge", team="a")
    values = settings.load(inventory_regions=("us-east-1",))
    counts = []
    for hour, team in enumerate(("a", "b", "a", "a")):
        ec2.create_tags(Resources=[one], Tags=[{"Key": "team", "Value": team}])
        ingested = pulls.pull_inventory(values, NOW + timedelta(hours=hour))
        counts.append(sum(r.status == "landed" and r.object.endswith("instances") for r in ingested.results))
    assert counts == [1, 1, 1, 0]
    assert told(home, "select tags from raw_inventory order by observed_at desc limit 1") == [('{"team":"a"}',)]


def test_the_types_of_the_fleet_are_asked_and_a_wrong_memory_is_kept_as_the_api_says_it(ec2: Any) -> None:
    found = {row["instance_type"]: row for row in rows(ec2_types.fetch(ec2, PLACE, ["c5.large", "trn2.48xlarge"]))}
    trn2 = found["trn2.48xlarge"]
    assert (trn2["device_count"], trn2["memory_mib"], trn2["accelerator_name"]) == (16, 524_288, "Trainium2")
    assert (found["c5.large"]["device_count"], found["c5.large"]["memory_mib"]) == (0, None)


def reservation(**changes: object) -> dict[str, object]:
    return {
        "CapacityReservationId": "cr-0aaaaaaaaaaaaaaa1",
        "OwnerId": "777788889999",
        "InstanceType": "p5.48xlarge",
        "InstancePlatform": "Linux/UNIX",
        "AvailabilityZone": "us-east-1a",
        "Tenancy": "default",
        "TotalInstanceCount": 4,
        "AvailableInstanceCount": 1,
        "State": "active",
        "StartDate": datetime(2026, 11, 17, 11, 30, tzinfo=UTC),
        "EndDate": datetime(2026, 11, 19, 11, 30, tzinfo=UTC),
        "CreateDate": datetime(2026, 11, 1, tzinfo=UTC),
        "ReservationType": "capacity-block",
        "Tags": [{"Key": "team", "Value": "search"}],
        **changes,
    }


def stubbed(*answers: dict[str, object]) -> Any:
    client = boto3.client("ec2", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    stubber = Stubber(client)
    for answer in answers:
        stubber.add_response("describe_capacity_reservations", answer)
    stubber.activate()
    return client


def test_capacity_blocks_and_open_reservations_come_over_two_pages() -> None:
    unlimited = reservation(CapacityReservationId="cr-0", ReservationType="default", EndDate=None, StartDate=None)
    unlimited = {key: value for key, value in unlimited.items() if value is not None}
    client = stubbed({"CapacityReservations": [reservation()], "NextToken": "2"}, {"CapacityReservations": [unlimited]})
    first, second = rows(ec2_reservations.fetch(client, PLACE))
    assert (first["reservation_id"], first["start_at"], first["end_at"]) == (
        "cr-0",
        datetime(2026, 11, 1, tzinfo=UTC),
        None,
    )
    assert (second["reservation_type"], second["total_count"], second["account_id"]) == (
        "capacity-block",
        4,
        "777788889999",
    )


def test_a_page_token_sent_twice_is_an_error_and_no_endless_loop() -> None:
    answer = {"CapacityReservations": [reservation()], "NextToken": "same"}
    with pytest.raises(SourceError, match="same"):
        ec2_reservations.fetch(stubbed(answer, answer, answer), PLACE)


def denied(code: str) -> Callable[[], Any]:
    def client() -> Any:
        made = boto3.client("ec2", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        stubber = Stubber(made)
        stubber.add_client_error("describe_instances", code, "You are not authorized")
        stubber.activate()
        return made

    return client


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("UnauthorizedOperation", "allow ec2:DescribeInstances"),
        ("AuthFailure", "renew them"),
        ("RequestLimitExceeded", "throttles ec2:DescribeInstances"),
    ],
)
def test_a_refusal_names_account_region_and_permission(code: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        ec2_instances.fetch(denied(code)(), PLACE)
    assert "ec2://444455556666/us-east-1/instances" in str(caught.value)


def test_other_accounts_are_listed_through_their_roles(ec2: Any, home: object) -> None:
    start(ec2, "p5.48xlarge")
    theirs = boto3.client("sts", "us-east-1").assume_role(RoleArn=ROLE, RoleSessionName="theirs")["Credentials"]
    other = boto3.client(
        "ec2",
        "us-east-1",
        aws_access_key_id=theirs["AccessKeyId"],
        aws_secret_access_key=theirs["SecretAccessKey"],
        aws_session_token=theirs["SessionToken"],
    )
    start(other, "trn1.32xlarge", 2)
    values = settings.load(inventory_regions=("us-east-1",), inventory_roles=(ROLE,))
    pulls.pull_inventory(values, NOW)
    owned = told(home, "select account_id, instance_type, count(*) from raw_inventory group by all order by all")
    assert owned == [("123456789012", "p5.48xlarge", 1), ("777788889999", "trn1.32xlarge", 2)]


def test_reservations_that_fail_keep_no_instance_from_landing(ec2: Any, home: object) -> None:
    start(ec2, "p5.48xlarge")
    ingested = pulls.pull_inventory(settings.load(inventory_regions=("us-east-1",)), NOW)
    [lost] = ingested.unreachable  # moto knows no capacity reservations
    assert "capacity-reservations" in lost.reason
    assert told(home, "select count(*) from raw_inventory") == [(1,)]


def test_a_role_that_may_not_be_assumed_silences_no_other_account(
    ec2: Any, home: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(ec2, "p5.48xlarge")

    def refuse(role: str, region: str, external_id: str) -> dict[str, str]:
        raise SourceError(f"AWS role {role}: AccessDenied; allow sts:AssumeRole on {role}")

    monkeypatch.setattr(pulls.clients, "assume_role", refuse)
    values = settings.load(inventory_regions=("us-east-1",), inventory_roles=(ROLE,))
    ingested = pulls.pull_inventory(values, NOW)
    assert ROLE in " ".join(lost.reason for lost in ingested.unreachable)
    assert told(home, "select distinct account_id from raw_inventory") == [("123456789012",)]


def test_a_setting_that_is_no_role_is_refused(home: object) -> None:
    with pytest.raises(UsageError, match="arn:aws:iam::<account>:role/<name>"):
        settings.load(inventory_roles="777788889999")


def test_no_credential_of_a_role_is_kept(ec2: Any, home: Any) -> None:
    start(ec2, "p5.48xlarge")
    secret = pulls.clients.assume_role(ROLE, "us-east-1")["aws_secret_access_key"]
    pulls.pull_inventory(settings.load(inventory_regions=("us-east-1",), inventory_roles=(ROLE,)), NOW)
    kept = [path for path in home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert (kept, secret in json.dumps(dict(os.environ))) == ([], False)


def test_spot_prices_are_pulled_with_the_costs_and_a_second_pull_brings_nothing(ec2: Any, home: object) -> None:
    values = settings.load(inventory_regions=("us-east-1",), spot_prices=True)
    first, second = (steps.ingest_costs(values, NOW + timedelta(hours=hour)) for hour in (0, 1))
    assert (first.count("landed"), second.count("repeat")) == (1, 1)
    [(types, regions)] = told(
        home, "select count(distinct instance_type) > 9, list(distinct region) from raw_spot_prices"
    )
    assert (types, regions) == (True, ["us-east-1"])
