"""The HTTP side of the doubles: one call in, the answer of a service or a refusal out, faults in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

from pipeline.world.serve_clock import ServedClock
from pipeline.world.serve_costs import CostExplorer
from pipeline.world.serve_errors import ServiceRefusal
from pipeline.world.serve_faults import Answer, Fault, Faults
from pipeline.world.serve_metrics import CloudWatch
from pipeline.world.serve_prometheus import PrometheusApi
from pipeline.world.serve_published import Caller
from pipeline.world.serve_wire import JSON, TEXT, Call, Reply, answered, denied_query, read_call, refused

Struck: TypeAlias = list[tuple[Fault, int]]
CLOCK_PATH = "/clock"
RANGE_QUERY = Call("prometheus:QueryRange", {}, Caller(""))
SKEW_SECONDS = 240
IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::{account_id}:user/world</Arn><UserId>WORLD</UserId><Account>{account_id}</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)


@dataclass
class Doubles:
    """The services, the clock they live by, and what goes wrong between them and their clients."""

    cloudwatch: CloudWatch
    cost_explorer: CostExplorer
    prometheus: PrometheusApi
    payer_account_id: str
    clock: ServedClock
    faults: Faults = field(default_factory=Faults)

    def answer(self, call: Call) -> Answer | str:
        """What the service says to one call; raises ServiceRefusal as it would refuse it."""
        now = self.clock.now - SKEW_SECONDS * self.faults.odd("clock_skew")
        match call.action:
            case "cloudwatch:ListMetrics":
                return self.cloudwatch.list_metrics(call.body, call.caller, now)
            case "cloudwatch:GetMetricData":
                return self.cloudwatch.get_metric_data(call.body, call.caller, now)
            case "ce:GetCostAndUsage":
                return self.cost_explorer.get_cost_and_usage(call.body, now)
            case "ce:GetCostAndUsageWithResources":
                return self.cost_explorer.get_cost_and_usage_with_resources(call.body, now)
            case "sts:GetCallerIdentity":
                return IDENTITY.format(account_id=call.caller.account_id or self.payer_account_id)
        code = "InvalidAction" if call.service == "sts" else "UnknownOperationException"
        raise ServiceRefusal(code, f"The world does not answer {call.action!r}")

    def reply(self, target: str, authorization: str, content: bytes) -> Reply:
        """The answer or refusal to one request, in the protocol in which it came."""
        try:
            call = read_call(target, authorization, content)
            return self._struck(call, lambda faults: self._altered(call, target, faults))
        except ServiceRefusal as refusal:
            return refused(target, refusal)

    def query(self, path: str, form: str, authorization: str) -> Reply | None:
        """The answer to a range query of Prometheus, or None where the path is none of its."""
        if (said := self.prometheus.answer(path, form, authorization)) is None:
            return None
        try:
            return self._struck(RANGE_QUERY, lambda _: Reply(said[0], JSON, said[1].encode()))
        except ServiceRefusal as refusal:
            return denied_query(refusal)

    def _struck(self, call: Call, answer: Callable[[Struck], Reply]) -> Reply:
        """The reply, with what strikes this call on its way; raises what refuses it."""
        faults = self.faults.striking(call)
        for fault, number in faults:
            if fault.refuse is not None:
                raise fault.refuse(call, number)
            if fault.replace is not None:
                return fault.replace(number)
        reply = answer(faults)
        for fault, number in faults:
            reply = reply if fault.damage is None else fault.damage(reply, number)
        return reply

    def _altered(self, call: Call, target: str, faults: Struck) -> Reply:
        answer = self.answer(call)
        for fault, number in faults:
            if fault.alter is not None and not isinstance(answer, str):
                answer = fault.alter(call, answer, number)
        return answered(target, answer)


class Handler(BaseHTTPRequestHandler):
    """Reads requests for the doubles that its server carries."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: DoublesServer

    def do_POST(self) -> None:
        """Every AWS call is a POST to /, a range query one to …/api/v1/query_range."""
        target, authorization = self.headers.get("X-Amz-Target", ""), self.headers.get("Authorization", "")
        content, doubles = self._content(), self.server.doubles
        reply = doubles.query(self.path, content.decode("utf-8", "replace"), authorization)
        self._send(reply or doubles.reply(target, authorization, content))

    def do_GET(self) -> None:
        """A range query whose form stands in the address, or the page of an exporter."""
        path, _, form = self.path.partition("?")
        doubles = self.server.doubles
        if (reply := doubles.query(path, form, self.headers.get("Authorization", ""))) is not None:
            self._send(reply)
        elif (page := doubles.prometheus.page(path, form)) is not None:
            self._send(Reply(200, TEXT, page.encode()))
        else:
            self._send(Reply(404, TEXT, b"404 page not found\n"))

    def do_PUT(self) -> None:
        """PUT /clock with an ISO 8601 instant sets the served clock."""
        text = self._content().decode("utf-8", "replace").strip()
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self._send(Reply(400, "text/plain", f"{text!r} is not a time; put 2026-11-15T00:00:00Z".encode()))
            return
        if self.path != CLOCK_PATH or moment.tzinfo is None:
            self._send(Reply(400, "text/plain", f"put a time with its offset to {CLOCK_PATH}".encode()))
            return
        self.server.doubles.clock.set(moment)
        self._send(Reply(200, "text/plain", moment.isoformat().encode()))

    def _content(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _send(self, reply: Reply) -> None:
        """Write a reply; one that declares more than it holds ends the connection, as a broken one does."""
        length = len(reply.content) if reply.declared_bytes is None else reply.declared_bytes
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(length))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.content)
        self.close_connection = self.close_connection or length != len(reply.content)

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
