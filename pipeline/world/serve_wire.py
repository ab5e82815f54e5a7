"""Calls and replies of the doubles as they stand on the wire, in the protocol that each service's clients speak.

boto3 sends CloudWatch as JSON 1.0 (`X-Amz-Target: GraniteServiceVersion20100801.…`), Cost Explorer as JSON 1.1
(`AWSInsightsIndexService.…`), and STS GetCallerIdentity, by which a pull learns its account, as a form. Region and
account are read from the signature's credential scope; the signature itself is not verified.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from pipeline.world.serve_errors import ServiceRefusal
from pipeline.world.serve_published import Caller

CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/,\s]*)/([a-z0-9-]+)/aws4_request")
REGION = re.compile(r"(af|ap|ca|cn|eu|il|me|mx|sa|us)(-gov)?-(central|(north|south)?(east|west)?)-[1-9]")
ACCOUNT = re.compile(r"\d{12}")
SERVICES = {"GraniteServiceVersion20100801": "cloudwatch", "AWSInsightsIndexService": "ce"}
XML = "text/xml"
JSON = "application/json"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
TOO_MANY = 429
JSON_1_0 = "application/x-amz-json-1.0"
JSON_1_1 = "application/x-amz-json-1.1"
REFUSAL = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
)


@dataclass(frozen=True)
class Call:
    """One request: `action` is its IAM action, as `cloudwatch:GetMetricData`."""

    action: str
    body: Mapping[str, Any]
    caller: Caller

    @property
    def service(self) -> str:
        """`cloudwatch`, `ce` or `sts`."""
        return self.action.partition(":")[0]

    @property
    def is_later_page(self) -> bool:
        """Whether it carries the token of a page before."""
        return bool(self.body.get("NextToken") or self.body.get("NextPageToken"))


@dataclass(frozen=True)
class Reply:
    """One HTTP answer. `declared_bytes` is the Content-Length where it is not that of the content."""

    status: int
    content_type: str
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    declared_bytes: int | None = None


def read_call(target: str, authorization: str, content: bytes) -> Call:
    """The call in a request's headers and content; raises ServiceRefusal for what nobody could answer."""
    caller = read_caller(authorization)
    if not target:
        form = parse_qs(content.decode("utf-8", "replace"))
        return Call(f"sts:{form.get('Action', [''])[0]}", {}, caller)
    name, _, operation = target.partition(".")
    try:
        body = json.loads(content or b"{}")
    except json.JSONDecodeError as error:
        raise ServiceRefusal("SerializationException", str(error)) from error
    return Call(f"{SERVICES.get(name, name)}:{operation}", body, caller)


def read_caller(authorization: str) -> Caller:
    """Who signed; an access key of twelve digits stands for that account, any other key sees every account."""
    if (scope := CREDENTIAL.search(authorization)) is None:
        raise ServiceRefusal("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    if not REGION.fullmatch(scope[2]):
        words = f"Credential should be scoped to a valid region, not '{scope[2]}'."
        raise ServiceRefusal("InvalidSignatureException", words, 403)
    return Caller(scope[2], scope[1] if ACCOUNT.fullmatch(scope[1]) else "")


def answered(target: str, answer: Mapping[str, Any] | str) -> Reply:
    """The answer of a service: an object for JSON, finished XML for a form."""
    if isinstance(answer, str):
        return Reply(200, XML, answer.encode())
    return Reply(200, _json_type(target), json.dumps(answer).encode())


def refused(target: str, refusal: ServiceRefusal) -> Reply:
    """A refusal; JSON services repeat their older error codes in a header, as CloudWatch does."""
    if not target:
        text = REFUSAL.format(code=refusal.code, message=escape(refusal.message))
        return Reply(refusal.status, XML, text.encode())
    text = json.dumps({"__type": refusal.code, "message": refusal.message})
    older = {"x-amzn-query-error": f"{refusal.code};Sender"}
    return Reply(refusal.status, _json_type(target), text.encode(), older)


def denied_query(refusal: ServiceRefusal) -> Reply:
    """A refusal in the words of Prometheus' API, where too many requests have a status of their own."""
    status = TOO_MANY if refusal.code == "Throttling" else refusal.status
    said = {"status": "error", "errorType": refusal.code, "error": refusal.message}
    return Reply(status, JSON, json.dumps(said).encode())


def _json_type(target: str) -> str:
    return JSON_1_0 if target.startswith("Granite") else JSON_1_1
