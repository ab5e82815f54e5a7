"""`chipledger doctor` against the doubles and S3: one line per permission, the missing one named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from pipeline import cli
from pipeline.errors import SourceError
from pipeline.sources import queues
from pipeline.sources.objects import StoredObject, probe_object
from pipeline.world import END_AT, World, WorldOptions, simulate
from tests.support.doubles import SECRET, TOKEN, ask_here, do_not_wait, serving

REGION = "us-west-2"
ROLE = "arn:aws:iam::777788889999:role/chipledger-reader"
ACTIONS = ("cloudwatch:ListMetrics", "cloudwatch:GetMetricData", "ce:GetCostAndUsage")
# moto does not know the one, and answers with all 900 of the other; EC2 refuses a dry run that would be allowed
NO_DRY_RUN_IN_MOTO = ("ec2:DescribeCapacityReservations", "ec2:DescribeInstanceTypes")
Doctor = Callable[[], tuple[int, list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldOptions(seed=7, days=1))


@pytest.fixture
def doctor(
    tmp_path: Path, no_settings: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Doctor:
    do_not_wait(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHIPLEDGER_HOME", str(tmp_path / "ledger"))
    monkeypatch.setenv("CHIPLEDGER_NOW", END_AT.isoformat())
    monkeypatch.setattr("sys.argv", ["chipledger", "doctor", "--json"])

    def run() -> tuple[int, list[dict[str, Any]]]:
        with pytest.raises(SystemExit) as end:
            cli.main()
        told = capsys.readouterr().out
        assert SECRET not in told
        assert TOKEN not in told
        return int(end.value.code or 0), json.loads(told)

    return run


@dataclass
class Aws:
    """moto's AWS, the calls made of it as `service:Operation` with what was asked, and the one that it refuses."""

    refused: str = ""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    told, answer = Aws(), BaseClient._make_api_call

    def call(client: BaseClient, operation: str, asked: dict[str, Any]) -> Any:
        name = f"{client.meta.service_model.service_name}:{operation}"
        told.calls.append((name, asked))
        if told.refused and name.removesuffix("Batch") == told.refused:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)
        if name in NO_DRY_RUN_IN_MOTO:
            raise ClientError({"Error": {"Code": "DryRunOperation", "Message": "yes"}}, operation)
        return answer(client, operation, asked)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    queues._client.cache_clear()
    with mock_aws():
        yield told
    queues._client.cache_clear()


def of(part: str, findings: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(found["status"], found["what"]) for found in findings if found["part"] == part]


def pull_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPLEDGER_REGIONS", REGION)
    monkeypatch.setenv("CHIPLEDGER_COST_EXPLORER", "true")


def about_aws(findings: list[dict[str, Any]]) -> list[tuple[str, str]]:
    parts = ("credentials", "cloudwatch", "cost explorer")
    return [(found["status"], found["what"]) for found in findings if found["part"] in parts]


def test_each_permission_of_the_pulls_has_a_line(world: World, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    pull_all(monkeypatch)
    with serving(world) as server:
        ask_here(monkeypatch, server)
        code, findings = doctor()

    told = about_aws(findings)
    assert (code, {status for status, _ in told}) == (0, {"ok"})
    assert f"account {world.fleet.accounts['payer'].account_id}" in told[0][1]
    for action in ACTIONS:
        assert sum(f"{action} is allowed" in what for _, what in told) == 1


@pytest.mark.parametrize("action", ACTIONS)
def test_a_missing_permission_is_named_and_hides_no_other(
    world: World, doctor: Doctor, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    pull_all(monkeypatch)
    with serving(world, faults=[f"forbidden:{action}"]) as server:
        ask_here(monkeypatch, server)
        code, findings = doctor()

    failed = [what for status, what in about_aws(findings) if status == "fail"]
    assert code == 1
    assert len(failed) == 1
    assert f"allow {action} to this identity" in failed[0]
    assert sum("is allowed" in what for _, what in about_aws(findings)) == len(ACTIONS) - 1


def test_wrong_credentials_are_told_once(world: World, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    pull_all(monkeypatch)
    with serving(world, faults=["wrong_credentials"]) as server:
        ask_here(monkeypatch, server)
        code, findings = doctor()

    failed = [what for status, what in about_aws(findings) if status == "fail"]
    assert (code, len(failed)) == (1, 1)
    assert "wrong credentials, or a region" in failed[0]


def test_a_bucket_is_listed_and_its_newest_object_read(
    doctor: Doctor, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHIPLEDGER_INBOX", "s3://fleet/dcgm/,s3://nobody/")
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="fleet")
    s3.put_object(Bucket="fleet", Key="dcgm/a.prom", Body=b"x")
    code, findings = doctor()

    inbox = of("inbox", findings)
    assert code == 1
    assert inbox[0] == ("ok", "s3://fleet/dcgm/: 1 objects")
    assert inbox[1][0] == "fail"
    assert "s3://nobody/" in inbox[1][1]
    assert "there is no such bucket" in inbox[1][1]


def test_a_queue_is_looked_into_without_taking_anything(
    doctor: Doctor, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs = boto3.client("sqs", region_name="us-east-1")
    url = sqs.create_queue(QueueName="arrivals")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="news")
    gone = url.replace("arrivals", "nobody")
    monkeypatch.setenv("CHIPLEDGER_QUEUES", f"{url},{gone}")
    code, findings = doctor()

    told = of("queue", findings)
    assert (code, [status for status, _ in told]) == (1, ["ok", "ok", "fail", "fail"])
    assert told[0][1] == f"queue {url}: sqs:ReceiveMessage is allowed"
    assert told[1][1] == f"queue {url}: sqs:DeleteMessage is allowed"
    assert f"queue {gone}" in told[2][1]
    assert [one["Body"] for one in sqs.receive_message(QueueUrl=url)["Messages"]] == ["news"]


@pytest.mark.parametrize(
    "action", ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sts:AssumeRole", "ec2:DescribeInstances"]
)
def test_what_events_and_inventory_may_not_do_is_named(
    doctor: Doctor, aws: Aws, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    monkeypatch.setenv("CHIPLEDGER_QUEUES", boto3.client("sqs", "us-east-1").create_queue(QueueName="q")["QueueUrl"])
    monkeypatch.setenv("CHIPLEDGER_INVENTORY_REGIONS", REGION)
    monkeypatch.setenv("CHIPLEDGER_INVENTORY_ROLES", ROLE)
    aws.refused = action
    code, findings = doctor()

    failed = [what for part in ("queue", "inventory") for status, what in of(part, findings) if status == "fail"]
    assert (code, len(failed)) == (1, 2 if action.startswith("ec2") else 1), "of our own account, and of the role's"
    assert all(f"allow {action}" in what and what.endswith("to this identity, then run again") for what in failed)


def test_a_role_is_taken_with_its_external_id(doctor: Doctor, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPLEDGER_INVENTORY_REGIONS", REGION)
    monkeypatch.setenv("CHIPLEDGER_INVENTORY_ROLES", ROLE)
    monkeypatch.setenv("CHIPLEDGER_INVENTORY_EXTERNAL_ID", "not-a-secret-but-hard-to-guess")
    code, findings = doctor()

    assert [asked["ExternalId"] for name, asked in aws.calls if name == "sts:AssumeRole"] == [
        "not-a-secret-but-hard-to-guess"
    ]
    told = of("inventory", findings)
    assert (code, {status for status, _ in told}) == (0, {"ok"})
    assert told[3][1] == f"AWS role {ROLE}: sts:AssumeRole is allowed"
    assert told[4][1] == f"EC2 {REGION} of {ROLE}: ec2:DescribeInstances is allowed"


def test_a_prometheus_that_answers_and_one_that_does_not_have_a_line_each(
    world: World, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(world) as server:
        endpoints = [{"name": "up", "url": server.url}, {"name": "down", "url": "http://127.0.0.1:9"}]
        monkeypatch.setenv("CHIPLEDGER_PROMETHEUS", json.dumps(endpoints))
        code, findings = doctor()

    (up, down) = of("prometheus", findings)
    assert (code, up) == (1, ("ok", f"up: {server.url} answers"))
    assert down[0] == "fail"
    assert down[1].startswith("Prometheus down (http://127.0.0.1:9): ")


def test_an_object_that_may_not_be_read_is_named(no_settings: None) -> None:
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    stored = StoredObject("s3://fleet/secret.prom", "s3://fleet/secret.prom", 1, END_AT)
    with Stubber(s3) as stubber:
        stubber.add_client_error(
            "head_object", "403", "Forbidden", 403, expected_params={"Bucket": "fleet", "Key": "secret.prom"}
        )
        with pytest.raises(SourceError, match=r"s3://fleet/secret.prom.*allow s3:GetObject"):
            probe_object(stored, s3)
