"""How a form reaches a Prometheus HTTP API: a signed or plain POST, and what came back as bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from pipeline.errors import SourceError
from pipeline.prometheus_endpoints import PrometheusEndpoint
from pipeline.sources.aws_calls import silence_signing
from pipeline.sources.clients import CONNECT_SECONDS

READ_SECONDS = 120  # Prometheus itself gives a query two minutes


class Unreached(Exception):
    """No whole answer came over the network; `timed_out` where it took too long."""

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        """Keep the first line of the reason."""
        super().__init__(reason.partition("\n")[0])
        self.timed_out = timed_out


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; `retry_after` is that header, '' without one."""

    status: int
    body: bytes
    retry_after: str = ""


Send: TypeAlias = Callable[[Mapping[str, str]], Reply]


def sender(endpoint: PrometheusEndpoint, token: str = "") -> Send:
    """Posts forms to the endpoint's query_range; raises SourceError where its credentials are missing.

    What it returns raises Unreached for every failure of the network.
    """
    signer = _signer(endpoint) if endpoint.service else None
    if endpoint.bearer and not token:
        raise SourceError(f"Prometheus {endpoint.name}: bearer = true, but no token; set CHIPLEDGER_PROMETHEUS_TOKEN")
    proxies = get_environ_proxies(endpoint.range_url)
    # the stub knows one number alone; botocore takes a pair of connect and read timeouts, and passes one itself
    session = URLLib3Session(timeout=(CONNECT_SECONDS, READ_SECONDS), proxies=proxies)  # type: ignore[arg-type]

    def send(form: Mapping[str, str]) -> Reply:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        headers |= {"Authorization": f"Bearer {token}"} if endpoint.bearer else {}
        request = AWSRequest("POST", endpoint.range_url, headers, urlencode(form).encode())
        if signer is not None:
            signer.add_auth(request)
        try:
            answer = session.send(request.prepare())
            return Reply(answer.status_code, answer.content, answer.headers.get("Retry-After", ""))
        except BotoCoreError as error:
            raise Unreached(str(error), timed_out=isinstance(error, ReadTimeoutError)) from error

    return send


def _signer(endpoint: PrometheusEndpoint) -> SigV4Auth:
    import boto3

    silence_signing()
    place = f"Prometheus {endpoint.name}"
    try:
        credentials = boto3.Session().get_credentials()
        if credentials is not None:
            return SigV4Auth(credentials, endpoint.service, endpoint.signing_region)
    except BotoCoreError as error:
        raise SourceError(f"{place}: {error}; check AWS_PROFILE") from error
    raise SourceError(f"{place}: no AWS credentials; set AWS_PROFILE or AWS_ACCESS_KEY_ID and its secret")
