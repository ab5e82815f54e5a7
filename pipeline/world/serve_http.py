"""The HTTP side of the doubles: AWS JSON 1.0 and 1.1 in, the answer or a refusal as the real services word it out.

boto3 sends CloudWatch as JSON 1.0 (`X-Amz-Target: GraniteServiceVersion20100801.…`), Cost Explorer as JSON 1.1
(`AWSInsightsIndexService.…`), and STS GetCallerIdentity, by which a pull learns its account, as a form. Region and
account are read from the signature's credential scope, which is not verified.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from pipeline.world.serve_costs import CostExplorer
from pipeline.world.serve_errors import ServiceRefusal
from pipeline.world.serve_metrics import CloudWatch
from pipeline.world.serve_prometheus import PrometheusApi
from pipeline.world.serve_published import Caller

CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/([a-z0-9-]+)/[a-z0-9-]+/aws4_request")
ACCOUNT = re.compile(r"\d{12}")
IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::{account_id}:user/world</Arn><UserId>WORLD</UserId><Account>{account_id}</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
REFUSAL = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
)
XML = "text/xml"
JSON = "application/json"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
JSON_1_0 = "application/x-amz-json-1.0"
JSON_1_1 = "application/x-amz-json-1.1"


@dataclass
class Doubles:
    """Both services; every `throttle_every`-th call is refused with Throttling (0: none)."""

    cloudwatch: CloudWatch
    cost_explorer: CostExplorer
    payer_account_id: str
    prometheus: PrometheusApi
    throttle_every: int = 0
    calls: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def answer(self, target: str, body: Mapping[str, Any], authorization: str) -> dict[str, Any]:
        """The answer to one call; raises ServiceRefusal as the service would refuse it."""
        operations: dict[str, Callable[[Mapping[str, Any], Caller], dict[str, Any]]] = {
            "GraniteServiceVersion20100801.ListMetrics": self.cloudwatch.list_metrics,
            "GraniteServiceVersion20100801.GetMetricData": self.cloudwatch.get_metric_data,
            "AWSInsightsIndexService.GetCostAndUsage": lambda body, _: self.cost_explorer.get_cost_and_usage(body),
        }
        caller = read_caller(authorization)
        if self.throttle_every and next(self.calls) % self.throttle_every == 0:
            raise ServiceRefusal("Throttling", "Rate exceeded")
        if target not in operations:
            raise ServiceRefusal(
                "UnknownOperationException", f"The world answers {', '.join(operations)}, not {target!r}"
            )
        return operations[target](body, caller)

    def identity(self, form: bytes, authorization: str) -> str:
        """STS GetCallerIdentity's XML: the account of the access key, or the payer."""
        action = parse_qs(form.decode("utf-8", "replace")).get("Action", [""])[0]
        if action != "GetCallerIdentity":
            raise ServiceRefusal("InvalidAction", f"The world answers GetCallerIdentity alone, not {action!r}")
        account_id = read_caller(authorization).account_id or self.payer_account_id
        return IDENTITY.format(account_id=account_id)


def read_caller(authorization: str) -> Caller:
    """Who signed; an access key of twelve digits stands for that account, any other key sees every account."""
    if (scope := CREDENTIAL.search(authorization)) is None:
        raise ServiceRefusal("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    return Caller(scope[2], scope[1] if ACCOUNT.fullmatch(scope[1]) else "")


@dataclass(frozen=True)
class Reply:
    """One HTTP answer; `query_error` is the header in which CloudWatch repeats its older error codes."""

    status: int
    content_type: str
    content: str
    query_error: str = ""


def reply_to(doubles: Doubles, path: str, target: str, authorization: str, content: bytes) -> Reply:
    """The answer or refusal to one request, in the protocol in which it came."""
    if (said := doubles.prometheus.answer(path, content.decode("utf-8", "replace"), authorization)) is not None:
        return Reply(said[0], JSON, said[1])
    if not target:
        return _reply_to_form(doubles, authorization, content)
    content_type = JSON_1_0 if target.startswith("Granite") else JSON_1_1
    try:
        return Reply(200, content_type, json.dumps(doubles.answer(target, json.loads(content or b"{}"), authorization)))
    except ServiceRefusal as refusal:
        text = json.dumps({"__type": refusal.code, "message": refusal.message})
        return Reply(refusal.status, content_type, text, f"{refusal.code};Sender")
    except json.JSONDecodeError as error:
        return Reply(400, content_type, json.dumps({"__type": "SerializationException", "message": str(error)}))


def _reply_to_form(doubles: Doubles, authorization: str, content: bytes) -> Reply:
    try:
        return Reply(200, XML, doubles.identity(content, authorization))
    except ServiceRefusal as refusal:
        return Reply(refusal.status, XML, REFUSAL.format(code=refusal.code, message=escape(refusal.message)))


class Handler(BaseHTTPRequestHandler):
    """Reads requests for the doubles that its server carries."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: DoublesServer

    def do_POST(self) -> None:
        """Every AWS call is a POST to /, a range query one to …/api/v1/query_range."""
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target, authorization = self.headers.get("X-Amz-Target", ""), self.headers.get("Authorization", "")
        self._answer(reply_to(self.server.doubles, self.path, target, authorization, content))

    def do_GET(self) -> None:
        """A range query whose form stands in the address, or the page of an exporter."""
        path, _, form = self.path.partition("?")
        prometheus = self.server.doubles.prometheus
        if (said := prometheus.answer(path, form, self.headers.get("Authorization", ""))) is not None:
            self._answer(Reply(said[0], JSON, said[1]))
        elif (page := prometheus.page(path, form)) is not None:
            self._answer(Reply(200, TEXT, page))
        else:
            self._answer(Reply(404, TEXT, "404 page not found\n"))

    def _answer(self, reply: Reply) -> None:
        body = reply.content.encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(body)))
        if reply.query_error:
            self.send_header("x-amzn-query-error", reply.query_error)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the terminal quiet; the caller shows what it asked."""


class DoublesServer(ThreadingHTTPServer):
    """A threading server that carries the doubles it answers from."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], doubles: Doubles) -> None:
        """Bind to (host, port); port 0 takes a free one."""
        self.doubles = doubles
        super().__init__(address, Handler)

    @property
    def url(self) -> str:
        """What clients take as endpoint_url."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"
