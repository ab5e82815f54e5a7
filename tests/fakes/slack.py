"""A Slack that remembers: messages, threads, metadata and history over real HTTP, with a clock of its own and faults.

It stands in for chat.postMessage, chat.update, conversations.history, conversations.replies and auth.test, answers
as slack.com does (errors as `ok: false` in a 200), and refuses what Slack's limits refuse.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

CHANNEL = "C0ALERTS"
TOKEN = "xoxb-test"
LIMITS = {"header": 150, "section": 3000}

# Faults. Each method says whether the message was accepted, and how the call ends.
RATE_LIMITED = "rate_limited"  # 429, not accepted
UNAVAILABLE = "unavailable"  # 503, not accepted
UNAVAILABLE_BUT_ACCEPTED = "unavailable_but_accepted"  # 503 after all
FATAL = "fatal"  # ok: false fatal_error, accepted
CUT = "cut"  # accepted, connection closed without an answer
LOST = "lost"  # connection closed, never accepted
LATE = "late"  # connection closed, accepted `late_seconds` afterwards
SLOW = "slow"  # accepted, answered after the client gave up
FAULTS = (RATE_LIMITED, UNAVAILABLE, UNAVAILABLE_BUT_ACCEPTED, FATAL, CUT, LOST, LATE)


@dataclass
class Posted:
    """One message as the channel shows it."""

    ts: str
    body: dict[str, Any]
    thread_ts: str = ""
    edits: int = 0

    @property
    def payload(self) -> dict[str, Any]:
        return self.body["metadata"]["event_payload"]

    @property
    def text(self) -> str:
        return str(self.body["text"])


@dataclass
class FakeSlack:
    """The server's state; `fault` is asked once per call of a method and names what goes wrong, or nothing."""

    fault: Callable[[str], str] = lambda method: ""
    retry_after: int = 3
    late_seconds: float = 2.5
    slow_seconds: float = 0.0
    error: dict[str, str] = field(default_factory=dict)  # method → error name it always answers
    page_size: int = 200
    clock: float = 1_800_000_000.0
    base_url: str = ""
    calls: list[tuple[str, float]] = field(default_factory=list)
    messages: list[Posted] = field(default_factory=list)
    _late: list[tuple[float, Posted]] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _serial: int = 0

    def now(self, skew: timedelta = timedelta()) -> datetime:
        """The world's time; with `skew`, that of a machine whose clock is wrong."""
        return datetime.fromtimestamp(self.clock, UTC) + skew

    def sleep(self, seconds: float) -> None:
        """Let time pass, without waiting."""
        with self._lock:
            self.clock += seconds

    @property
    def parents(self) -> list[Posted]:
        return [message for message in self.messages if not message.thread_ts]

    @property
    def replies(self) -> list[Posted]:
        return [message for message in self.messages if message.thread_ts]

    def count(self, method: str) -> int:
        return sum(called == method for called, _ in self.calls)

    def delete(self, ts: str) -> None:
        """A user deletes a message."""
        self.messages = [message for message in self.messages if message.ts != ts]

    # ---- the API

    def handle(self, method: str, arguments: dict[str, Any], token: str) -> tuple[int, dict[str, str], Any, bool]:
        """Status, headers, body, and whether the connection is cut instead."""
        with self._lock:
            self.clock += 0.01
            self._accept_late()
            self.calls.append((method, self.clock))
            fault = self.fault(method)
            if fault == RATE_LIMITED:
                return 429, {"Retry-After": str(self.retry_after)}, {"ok": False, "error": "ratelimited"}, False
            if fault == UNAVAILABLE:
                return 503, {}, "<html>busy</html>", False
            if fault == LOST:
                return 0, {}, None, True
            if fault == LATE and method == "chat.postMessage":
                self._late.append((self.clock + self.late_seconds, self._message(arguments)))
                return 0, {}, None, True
            answer = self._answer(method, arguments, token)
            if fault in (CUT, LATE):
                return 0, {}, None, True
            if fault == UNAVAILABLE_BUT_ACCEPTED:
                return 503, {}, {"ok": False, "error": "service_unavailable"}, False
            if fault == FATAL:
                return 200, {}, {"ok": False, "error": "fatal_error"}, False
        if fault == SLOW:
            time.sleep(self.slow_seconds)
        return 200, {}, answer, False

    def _answer(self, method: str, arguments: dict[str, Any], token: str) -> dict[str, Any]:
        if token != TOKEN:
            return {"ok": False, "error": "invalid_auth"}
        if method in self.error:
            return {"ok": False, "error": self.error[method]}
        known = {
            "auth.test": lambda _: {"ok": True, "team": "T", "user": "chipledger"},
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "conversations.history": self._history,
            "conversations.replies": self._history,
        }
        return known[method](arguments) if method in known else {"ok": False, "error": "unknown_method"}

    def _post(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if problem := _refusal(arguments):
            return {"ok": False, "error": problem}
        message = self._message(arguments)
        self.messages.append(message)
        return {"ok": True, "channel": CHANNEL, "ts": message.ts, "message": message.body}

    def _update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        found = next((message for message in self.messages if message.ts == arguments["ts"]), None)
        if found is None or arguments["channel"] != CHANNEL:
            return {"ok": False, "error": "message_not_found"}
        if problem := _refusal(arguments):
            return {"ok": False, "error": problem}
        found.body, found.edits = {**found.body, **arguments}, found.edits + 1
        return {"ok": True, "channel": CHANNEL, "ts": found.ts}

    def _history(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["channel"] != CHANNEL:
            return {"ok": False, "error": "channel_not_found"}
        thread, oldest = arguments.get("ts", ""), float(arguments.get("oldest", 0))
        seen = [m for m in self.messages if (thread in (m.thread_ts, m.ts) if thread else not m.thread_ts)]
        seen = [message for message in reversed(seen) if float(message.ts) > oldest]
        start = int(arguments.get("cursor") or 0)
        page = seen[start : start + min(self.page_size, int(arguments["limit"]))]
        following = start + len(page)
        shown = [{"ts": m.ts, "text": m.text, "metadata": m.body.get("metadata")} for m in page]
        cursor = str(following) if following < len(seen) else ""
        return {"ok": True, "messages": shown, "response_metadata": {"next_cursor": cursor}}

    def _message(self, arguments: dict[str, Any]) -> Posted:
        self._serial += 1
        body = {key: value for key, value in arguments.items() if key != "token"}
        return Posted(f"{self.clock:.0f}.{self._serial:06d}", body, arguments.get("thread_ts") or "")

    def _accept_late(self) -> None:
        due = [message for at, message in self._late if at <= self.clock]
        self._late = [(at, message) for at, message in self._late if at > self.clock]
        self.messages += due


def _refusal(arguments: dict[str, Any]) -> str:
    """What Slack's limits refuse, or ''."""
    blocks = arguments.get("blocks") or []
    if not arguments.get("text"):
        return "no_text"
    return "invalid_blocks" if len(blocks) > 50 or any(map(_breaks_a_limit, blocks)) else ""


def _breaks_a_limit(block: dict[str, Any]) -> bool:
    texts = [block["text"]["text"]] if "text" in block else []
    fields = block.get("fields", [])
    too_long = any(not 0 < len(text) <= LIMITS[block["type"]] for text in texts)
    return too_long or len(fields) > 10 or any(not 0 < len(part["text"]) <= 2000 for part in fields)


def strings(value: Any) -> Iterator[str]:
    """Every string of a payload that people may see."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("type", "metadata"):
                yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def unescaped(text: str) -> bool:
    """True if Slack would read anything in `text` as a mention, a link or a broken entity."""
    return bool(re.search(r"[<>]|&(?!(?:amp|lt|gt);)", text))


class Handler(BaseHTTPRequestHandler):
    """Hands every request to the Slack that `serve` sets."""

    slack: FakeSlack

    def do_POST(self) -> None:
        self._respond()

    def do_GET(self) -> None:
        self._respond()

    def _respond(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        arguments: dict[str, Any] = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if body:
            is_json = "json" in (self.headers.get("Content-Type") or "")
            form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
            arguments |= json.loads(body) if is_json else form
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        status, headers, answer, cut = self.slack.handle(parts.path.rpartition("/")[2], arguments, token)
        if cut:
            self.close_connection = True
            return
        data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        try:
            self.send_response_only(status)
            self.send_header("Date", formatdate(self.slack.clock, usegmt=True))
            self.send_header("Content-Type", "text/html" if isinstance(answer, str) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


@contextmanager
def serve(slack: FakeSlack) -> Iterator[FakeSlack]:
    """Answer on a free local port, until the block ends; sets `base_url`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OfSlack", (Handler,), {"slack": slack}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    slack.base_url = f"http://127.0.0.1:{server.server_port}/api/"
    try:
        yield slack
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
