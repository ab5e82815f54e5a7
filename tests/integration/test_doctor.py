"""`chipledger doctor` against the doubles and S3: one line per permission, the missing one named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from pipeline import cli
from pipeline.errors import SourceError
from pipeline.sources.objects import StoredObject, probe_object
from pipeline.world import END_AT, World, WorldOptions, simulate
from tests.support.doubles import SECRET, TOKEN, ask_here, do_not_wait, serving

REGION = "us-west-2"
ACTIONS = ("cloudwatch:ListMetrics", "cloudwatch:GetMetricData", "ce:GetCostAndUsage")
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


def test_a_bucket_is_listed_and_its_newest_object_read(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPLEDGER_INBOX", "s3://fleet/dcgm/,s3://nobody/")
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="fleet")
        s3.put_object(Bucket="fleet", Key="dcgm/a.prom", Body=b"x")
        code, findings = doctor()

    inbox = [(found["status"], found["what"]) for found in findings if found["part"] == "inbox"]
    assert code == 1
    assert inbox[0] == ("ok", "s3://fleet/dcgm/: 1 objects")
    assert inbox[1][0] == "fail"
    assert "s3://nobody/" in inbox[1][1]
    assert "there is no such bucket" in inbox[1][1]


def test_an_object_that_may_not_be_read_is_named(no_settings: None) -> None:
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
    stored = StoredObject("s3://fleet/secret.prom", "s3://fleet/secret.prom", 1, END_AT)
    with Stubber(s3) as stubber:
        stubber.add_client_error(
            "head_object", "403", "Forbidden", 403, expected_params={"Bucket": "fleet", "Key": "secret.prom"}
        )
        with pytest.raises(SourceError, match=r"s3://fleet/secret.prom.*allow s3:GetObject"):
            probe_object(stored, s3)
