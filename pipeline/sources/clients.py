"""The AWS clients that pulls need, from the ordinary AWS settings; the one place where their retries are set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.parsers import ResponseParserError

from pipeline.sources.aws_calls import call, new_client

if TYPE_CHECKING:
    from mypy_boto3_ce import CostExplorerClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ec2 import EC2Client

COST_EXPLORER_REGION = "us-east-1"
CONNECT_SECONDS = 10
READ_SECONDS = 60
ROLE_SESSION = "chipledger"


def cloudwatch(region: str) -> CloudWatchClient:
    """A CloudWatch client of one region."""
    client: CloudWatchClient = _client("cloudwatch", region)
    return client


def cost_explorer() -> CostExplorerClient:
    """A Cost Explorer client; the service has one endpoint, in us-east-1."""
    client: CostExplorerClient = _client("ce", COST_EXPLORER_REGION)
    return client


def s3() -> Any:
    """An S3 client; boto3 follows a bucket into its region by itself."""
    return _client("s3", None)


def ec2(region: str, credentials: Mapping[str, str] | None = None) -> EC2Client:
    """An EC2 client of one region, with the credentials of an assumed role or our own."""
    client: EC2Client = _client("ec2", region, credentials)
    return client


def assume_role(role_arn: str, region: str, external_id: str = "") -> dict[str, str]:
    """Credentials of another account's role, for an hour; raises SourceError saying what to mend."""
    client = _client("sts", region)
    asked = {"RoleArn": role_arn, "RoleSessionName": ROLE_SESSION} | (
        {"ExternalId": external_id} if external_id else {}
    )
    answer = call(
        lambda: sts_answer(partial(client.assume_role, **asked)),
        permission=f"sts:AssumeRole on {role_arn}",
        place=f"AWS role {role_arn}",
        holding="Credentials",
    )
    given = answer["Credentials"]
    return {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }


def account_id(region: str) -> str:
    """The account these credentials belong to; raises SourceError saying what to mend."""
    client = _client("sts", region)
    place = f"AWS identity ({region})"
    answer = call(
        lambda: sts_answer(client.get_caller_identity),
        permission="sts:GetCallerIdentity",
        place=place,
        holding="Account",
    )
    return str(answer["Account"])


def sts_answer(operation: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """What STS says; raises ResponseParserError for XML of somebody else, over which botocore stumbles (KeyError)."""
    try:
        return operation()
    except KeyError as error:
        raise ResponseParserError(f"the answer is not STS's: it holds no {error}") from error


def _client(service: str, region: str | None, credentials: Mapping[str, str] | None = None) -> Any:
    from botocore.config import Config

    config = Config(
        retries={"mode": "adaptive", "max_attempts": 5}, connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS
    )
    return new_client(service, region, config=config, **(credentials or {}))
