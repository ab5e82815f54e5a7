"""One AWS call: what its failures mean to the reader, and what the calls of a pull cost."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError

from pipeline.errors import SourceError

Answer = TypeVar("Answer")
Sleep: TypeAlias = Callable[[float], None]

ATTEMPTS = 4
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 16.0
SERVER_ERROR = 500
TOO_MANY = 429

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden"})
WRONG_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
    }
)
WRONG_CLOCK = ("Signature expired", "Signature not yet current")
# how AWS refuses a region that an account has not enabled, too
UNKNOWN_THERE = frozenset({"InvalidClientTokenId", "UnrecognizedClientException"})
OTHER_REGION = "scoped to a valid region"
THROTTLED = frozenset(
    {"LimitExceededException", "RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"}
)
UNAVAILABLE = frozenset(
    {
        "BillExpirationException",
        "DataUnavailableException",
        "InternalServiceFault",
        "InternalServiceError",
        "InternalFailure",
        "ServiceUnavailable",
    }
)
VOID_TOKEN = frozenset({"InvalidNextToken"})


class Unanswered(SourceError):
    """AWS did not answer this time (throttled, failing, cut off): the same question may be answered a little later."""


@dataclass
class ApiSpend:
    """What a pull asked of AWS and what AWS charges for it; the caller shows or stores it.

    `requests` counts calls, `billed_units` what the price is per (requests for Cost Explorer, metrics asked for in
    GetMetricData), `usd_per_unit` that price; `subjects` divides the units where they have names.
    """

    usd_per_unit: Decimal
    requests: int = 0
    billed_units: int = 0
    subjects: Counter[str] = field(default_factory=Counter)

    @property
    def usd(self) -> Decimal:
        """Predicted charge in USD at list price."""
        return self.usd_per_unit * self.billed_units


def wait(seconds: float) -> None:
    """Let AWS come to its breath."""
    time.sleep(seconds)


def error_code(error: ClientError) -> str:
    """AWS's own name of a refusal, e.g. `ValidationException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def new_client(service: str, region: str | None = None, **options: Any) -> Any:
    """A boto3 client from the ordinary AWS settings; raises SourceError where they are wrong."""
    import boto3

    silence_signing()
    try:
        return boto3.client(service, region_name=region, **options)  # type: ignore[call-overload]
    except (BotoCoreError, ValueError) as error:
        place = f"AWS {service}" + (f" ({region})" if region else "")
        raise SourceError(f"{place}: {error}; check AWS_PROFILE, the region and AWS_ENDPOINT_URL") from error


def silence_signing() -> None:
    """Keep botocore from logging at DEBUG, where it writes signed requests and answers: session tokens, roles' keys."""
    logging.getLogger("botocore").setLevel(logging.INFO)


def call(
    operation: Callable[[], Answer],
    *,
    permission: str,
    place: str,
    passing: frozenset[str] = frozenset(),
    holding: str = "",
) -> Answer:
    """The operation's answer; every failure becomes a SourceError that says what to do.

    `permission` is the IAM action (`ce:GetCostAndUsage`), `place` what was asked of whom. Refusals whose code is in
    `passing` come through as ClientError, for a caller that has an answer to them. An answer without the key `holding`
    is cut off, or not AWS's.
    """
    try:
        answer = operation()
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise SourceError(f"{place}: {error}; set AWS_PROFILE or AWS_ACCESS_KEY_ID and its secret") from error
    except ClientError as error:
        if error_code(error) in passing:
            raise
        kind = Unanswered if _may_pass(error) else SourceError
        raise kind(f"{place}: {first_line(error)}; {_advice(error, permission)}") from None
    except (BotoCoreError, ResponseParserError) as error:
        kind = Unanswered if isinstance(error, ResponseParserError | ConnectionClosedError) else SourceError
        raise kind(
            f"{place}: {first_line(error)}; check network, region and AWS_ENDPOINT_URL, then run again"
        ) from error
    if holding and isinstance(answer, Mapping) and holding not in answer:
        raise Unanswered(f"{place}: the answer holds no {holding}; check AWS_ENDPOINT_URL, then run again")
    return answer


def first_line(error: Exception) -> str:
    """What an error says, less the rest: where a signature does not match, AWS repeats the request with its token.

    For the same reason the error is no cause of the one that people see: a traceback would show it whole.
    """
    return str(error).partition("\n")[0]


def retried(operation: Callable[[], Answer], sleep: Sleep, attempts: int = ATTEMPTS) -> Answer:
    """The operation's answer; Unanswered is asked again, `attempts` times in all, the waits doubling up to 16 s."""
    for attempt in range(attempts - 1):
        try:
            return operation()
        except Unanswered:
            sleep(min(FIRST_WAIT_SECONDS * 2**attempt, LONGEST_WAIT_SECONDS))
    return operation()


def _may_pass(error: ClientError) -> bool:
    status = _status(error)
    code = error_code(error)
    return code in THROTTLED | UNAVAILABLE | VOID_TOKEN or status >= SERVER_ERROR or status == TOO_MANY


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _advice(error: ClientError, permission: str) -> str:
    code = error_code(error)
    if OTHER_REGION in str(error):
        return "the endpoint is not this region's: correct CHIPLEDGER_REGIONS or AWS_ENDPOINT_URL, then run again"
    if any(words in str(error) for words in WRONG_CLOCK):
        return "the clock of this machine is wrong: set it, then run again"
    if code in UNKNOWN_THERE:
        return (
            "wrong credentials, or a region that this account has not enabled: renew them or enable it, then run again"
        )
    if code in DENIED:
        return f"allow {permission} to this identity, then run again"
    if code in WRONG_CREDENTIALS:
        return "the credentials are wrong or have expired: renew them, then run again"
    if code in THROTTLED or _status(error) == TOO_MANY:
        return f"AWS throttles {permission}: run again in some minutes, or ask for a shorter window"
    if code in UNAVAILABLE or _status(error) >= SERVER_ERROR:
        return "AWS cannot answer now: run again later"
    return "AWS refuses the request itself: report it with this line"
