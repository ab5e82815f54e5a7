"""An HTTP endpoint that answers real boto3 clients for S3, STS, CloudWatch and Cost Explorer, or refuses as they do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

ACCOUNT = "111122223333"
TARGETS = {"GraniteServiceVersion20100801": "cloudwatch", "AWSInsightsIndexService": "ce"}
OTHERS = {"slack": "slack", "prom": "prometheus"}  # by the first part of the path
ANSWERS = {
    "slack": b'{"ok": true}',
    "prometheus": b'{"status": "success", "data": {"resultType": "matrix", "result": []}}',
}
MODIFIED = "2026-10-01T00:05:00.000Z"
LISTING = (
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>inbox</Name><Prefix></Prefix>'
    "<KeyCount>{count}</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
)
ENTRY = (
    '<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>"e"</ETag><Size>{size}</Size></Contents>'
)
IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    f"<Arn>arn:aws:iam::{ACCOUNT}:user/x</Arn><UserId>X</UserId><Account>{ACCOUNT}</Account>"
    "</GetCallerIdentityResult></GetCallerIdentityResponse>"
)
BILL = {"ResultsByTime": [], "GroupDefinitions": [], "DimensionValueAttributes": []}
GROUPS = [{"Keys": [ACCOUNT], "Metrics": {"UnblendedCost": {"Amount": "1", "Unit": "USD"}}}]


@dataclass(frozen=True)
class Refusal:
    """How a service says no; `extra` are further elements of S3's error document.

    `{request}` in a message becomes the request's own headers, which AWS repeats where a signature does not match.
    """

    code: str
    message: str = "no"
    status: int = 403
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: str = ""


@dataclass(frozen=True)
class Stranger:
    """An answer of something that is not AWS."""

    body: bytes
    status: int = 200


@dataclass
class Wall:
    """What each service, or `s3:GetObject` alone, answers instead of the truth; `objects` lie in every bucket."""

    url: str = ""
    instead: dict[str, Refusal | Stranger] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    cut_after: int | None = None
    asked: list[str] = field(default_factory=list)


@contextmanager
def wall() -> Iterator[Wall]:
    """A wall on a free port of this machine."""
    state = Wall()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"wall": state}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    wall: Wall

    def do_GET(self) -> None:
        listing = "list-type" in parse_qs(urlsplit(self.path).query)
        operation = "s3:ListBucket" if listing else "s3:GetObject"
        if not self._refuse(operation, "s3"):
            self._listing() if listing else self._object()

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = self.headers.get("X-Amz-Target", "")
        service = OTHERS.get(self.path.split("/")[1]) or TARGETS.get(target.partition(".")[0], "sts")
        if self._refuse(target, service):
            return
        if service == "sts":
            self._send(200, IDENTITY.encode(), {"Content-Type": "text/xml"})
        elif service in ANSWERS:
            self._send(200, ANSWERS[service])
        elif service == "ce":
            self._send(200, json.dumps(self._bill(json.loads(body))).encode())
        else:
            self._send(200, json.dumps({"Metrics": [], "MetricDataResults": []}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _bill(self, asked: Mapping[str, object]) -> Mapping[str, object]:
        if asked.get("Granularity") == "MONTHLY":
            return BILL | {"ResultsByTime": [{"TimePeriod": {}, "Total": {}, "Groups": GROUPS}]}
        return BILL

    def _refuse(self, operation: str, service: str) -> bool:
        self.wall.asked.append(operation)
        answer = self.wall.instead.get(operation, self.wall.instead.get(service))
        if isinstance(answer, Stranger):
            self._send(answer.status, answer.body, {"Content-Type": "text/html"})
        elif isinstance(answer, Refusal):
            told = replace(answer, message=answer.message.replace("{request}", str(self.headers)))
            self._send(told.status, _document(told, service), _headers(told, service))
        return answer is not None

    def _listing(self) -> None:
        contents = "".join(
            ENTRY.format(key=key, modified=MODIFIED, size=len(data)) for key, data in self.wall.objects.items()
        )
        self._send(200, LISTING.format(count=len(self.wall.objects), contents=contents).encode())

    def _object(self) -> None:
        data = self.wall.objects[urlsplit(self.path).path.split("/", 2)[2]]
        headers = {"Last-Modified": "Thu, 01 Oct 2026 00:05:00 GMT", "ETag": '"e"'}
        self._send(200, data, headers, cut_after=self.wall.cut_after)

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str] | None = None, cut_after: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut_after])


def _document(refusal: Refusal, service: str) -> bytes:
    code, message = escape(refusal.code), escape(refusal.message)
    if service == "s3":
        return f"<Error><Code>{code}</Code><Message>{message}</Message>{refusal.extra}</Error>".encode()
    if service == "sts":
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        return f"<ErrorResponse>{error}</ErrorResponse>".encode()
    return json.dumps({"__type": refusal.code, "message": refusal.message}).encode()


def _headers(refusal: Refusal, service: str) -> Mapping[str, str]:
    more = {"x-amzn-query-error": f"{refusal.code};Sender"} if service == "cloudwatch" else {}
    return {**refusal.headers, **more}
