"""deploy/iam-policy.json before moto's judge of IAM policies: enough for what the code asks of S3, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest
from botocore.exceptions import ClientError
from moto.core import set_initial_no_auth_action_count

from pipeline.errors import SourceError
from pipeline.sources.objects import fetch, list_objects

POLICY: dict[str, Any] = json.loads(
    (Path(__file__).resolve().parents[2] / "deploy" / "iam-policy.json").read_text("utf-8")
)
OURS, OTHERS = "example-bucket", "another-bucket"
KEY = "dcgm/n.prom"
Judged = Callable[..., Any]


@pytest.fixture
def judged(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Judged]:
    """Runs a function with an S3 client of a user who has the policy, less the statements named in `without`."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "admin")
    with moto.mock_aws():
        admin, iam = boto3.client("s3", "us-east-1"), boto3.client("iam", "us-east-1")
        for bucket in (OURS, OTHERS):
            admin.create_bucket(Bucket=bucket)
            admin.put_object(Bucket=bucket, Key=KEY, Body=b"x 1\n")
        iam.create_user(UserName="chipledger")
        key = iam.create_access_key(UserName="chipledger")["AccessKey"]

        def run(ask: Callable[[Any], Any], without: str = "") -> Any:
            kept = [statement for statement in POLICY["Statement"] if statement["Sid"] != without]
            document = json.dumps(POLICY | {"Statement": kept})
            iam.put_user_policy(UserName="chipledger", PolicyName="reads", PolicyDocument=document)
            keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
            client = boto3.client("s3", "us-east-1", **keys)
            return set_initial_no_auth_action_count(0)(ask)(client)

        yield run


def read_all(scratch: Path, bucket: str = OURS) -> Callable[[Any], list[bytes]]:
    def ask(client: Any) -> list[bytes]:
        return [fetch(stored, scratch, client).path.read_bytes() for stored in list_objects(f"s3://{bucket}/", client)]

    return ask


def test_with_the_policy_a_bucket_is_listed_and_read(judged: Judged, tmp_path: Path) -> None:
    assert judged(read_all(tmp_path)) == [b"x 1\n"]


@pytest.mark.parametrize(
    ("without", "missing"),
    [
        ("ListBuckets", f"allow s3:ListBucket on arn:aws:s3:::{OURS} to this identity"),
        ("ReadObjects", f"allow s3:GetObject on arn:aws:s3:::{OURS}/{KEY} to this identity"),
    ],
)
def test_without_a_statement_the_refusal_names_what_it_allowed(
    without: str, missing: str, judged: Judged, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=missing):
        judged(read_all(tmp_path), without)


def test_another_bucket_is_closed(judged: Judged, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"s3:ListBucket on arn:aws:s3:::{OTHERS}"):
        judged(read_all(tmp_path, OTHERS))


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.put_object(Bucket=OURS, Key="new", Body=b""),
        lambda client: client.delete_object(Bucket=OURS, Key=KEY),
        lambda client: client.list_buckets(),
        lambda client: client.get_object(Bucket=OTHERS, Key=KEY),
    ],
    ids=["write", "delete", "list buckets", "read another"],
)
def test_nothing_else_is_allowed(ask: Callable[[Any], Any], judged: Judged) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        judged(ask)
