"""One call to S3: what its refusals mean to the reader, beyond what every AWS service says (aws_calls)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import ClientError, ParamValidationError

from pipeline.errors import SourceError
from pipeline.sources.aws_calls import DENIED, call, error_code, first_line

Answer = TypeVar("Answer")

STRANGER = "what answers is not S3: check AWS_ENDPOINT_URL, then run again"
RENEW = "the credentials are wrong or have expired: renew them, then run again"
REFUSED = DENIED | {"AllAccessDisabled"}
ELSEWHERE = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect"})
ADVICE = {
    "NoSuchBucket": "there is no such bucket: correct its name in CHIPLEDGER_INBOX or on the command line",
    "NoSuchKey": "it was deleted after it was listed: run again",
    "InvalidAccessKeyId": RENEW,
    "InvalidToken": RENEW,
    "TokenRefreshRequired": RENEW,
    "RequestTimeTooSkewed": "the clock of this machine is wrong: set it, then run again",
    "InvalidObjectState": "it lies in an archive: restore it to S3 Standard, then run again",
    "SlowDown": "S3 throttles these requests: run again in some minutes",
    "BadRequest": "the credentials have expired, or AWS_DEFAULT_REGION is not the bucket's: renew or correct it",
}
# a refused HEAD, with which a download begins, has no body: only its HTTP status speaks
OF_HEAD = {
    "301": "PermanentRedirect",
    "307": "TemporaryRedirect",
    "400": "BadRequest",
    "403": "AccessDenied",
    "404": "NoSuchKey",
}
NAMED_ACTION = re.compile(r"not authorized to perform: ([\w-]+:\w+)")


def s3_call(
    operation: Callable[[], Answer],
    *,
    permission: str,
    place: str,
    passing: frozenset[str] = frozenset(),
    holding: str = "",
) -> Answer:
    """The operation's answer; every failure becomes a SourceError that says what to do.

    `place` is the s3:// location asked, `permission` the IAM action that it takes. See aws_calls.call for the others.
    """
    from boto3.exceptions import Boto3Error  # whoever has a client has loaded boto3

    ours = REFUSED | ELSEWHERE | ADVICE.keys() | OF_HEAD.keys() | {""} | passing
    try:
        return call(operation, permission=permission, place=place, passing=ours, holding=holding)
    except ClientError as error:
        if error_code(error) in passing:
            raise
        raise SourceError(f"{place}: {first_line(error)}; {_advice(error, permission, place)}") from None
    except Boto3Error as error:  # a download that broke off again and again
        reason = first_line(error).lower()
        raise SourceError(f"{place}: the download broke off ({reason}); check the network, then run again") from error
    except SourceError as error:
        if isinstance(error.__cause__, ParamValidationError):
            reason = str(error.__cause__).splitlines()[-1]
            raise SourceError(f"{place}: {reason}; write s3://bucket/prefix") from error.__cause__
        raise


def _advice(error: ClientError, permission: str, place: str) -> str:
    code = error_code(error)
    if not code or (code in OF_HEAD and error.operation_name != "HeadObject"):
        return STRANGER
    code = OF_HEAD.get(code, code)
    if code in REFUSED:
        # an encrypted object can miss kms:Decrypt instead, which AWS then names
        named = NAMED_ACTION.search(str(error))
        return f"allow {named[1] if named else permission} on {_resource(permission, place)} to this identity"
    return _right_region(error) if code in ELSEWHERE else ADVICE[code]


def _right_region(error: ClientError) -> str:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region")
    where = f"in {region}: set AWS_DEFAULT_REGION={region}" if region else "in another region: set AWS_DEFAULT_REGION"
    return f"the bucket lies {where}, then run again"


def _resource(permission: str, place: str) -> str:
    bucket, _, key = place.removeprefix("s3://").partition("/")
    return f"arn:aws:s3:::{bucket}" if permission == "s3:ListBucket" else f"arn:aws:s3:::{bucket}/{key}"
