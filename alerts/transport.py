"""What the dispatcher needs of a channel: post, edit, find again; and how an attempt can end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from alerts.blocks import payload, plain
from alerts.message import Message


class Result(StrEnum):
    """How an attempt ended. Only UNKNOWN leaves open whether people saw the message."""

    OK = "ok"
    NOT_SENT_RETRY = "not_sent_retry"
    UNKNOWN = "unknown"
    PAYLOAD_BAD = "payload_bad"
    CHANNEL_BAD = "channel_bad"
    AUTH_BAD = "auth_bad"
    TARGET_GONE = "target_gone"


@dataclass(frozen=True)
class Outcome:
    """End of one attempt: the message's place (`channel`, `ts`) if OK, else the reason in words.

    `retry_after` is what the server asks for, in seconds.
    """

    result: Result
    channel: str = ""
    ts: str = ""
    reason: str = ""
    retry_after: float = 0.0


@dataclass(frozen=True)
class Lookup:
    """Answer to "did it arrive?": yes (`ts`), no, or nobody can say (`reason`)."""

    possible: bool
    channel: str = ""
    ts: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Envelope:
    """A message with the name it travels under; `file_name` is its name where messages are files."""

    outbox_id: str
    transition: str
    file_name: str
    message: Message
    subject_id: str

    def body(self, *, without_layout: bool = False) -> dict[str, Any]:
        """Slack's payload; `without_layout` is the plain text that remains when the layout was refused."""
        metadata = {"outbox_id": self.outbox_id, "finding_id": self.subject_id, "transition": self.transition}
        return (plain if without_layout else payload)(self.message, metadata)


class Transport(Protocol):
    """A channel. `since` and `server_time` are on the channel's own clock (Unix seconds), never on ours.

    `told` says what becomes of a message, as in "sent to Slack channel C1".
    """

    route: str
    target: str
    told: str
    pace_seconds: float
    grace_seconds: float
    server_time: float

    def probe(self) -> Outcome:
        """Ask whether the channel answers at all, without telling anybody anything."""

    def post(
        self, envelope: Envelope, *, channel: str, thread_ts: str = "", loud: bool = False, plain: bool = False
    ) -> Outcome:
        """Send a new message, or a reply where `thread_ts` is given."""

    def edit(self, envelope: Envelope, *, channel: str, ts: str, plain: bool = False) -> Outcome:
        """Replace what a message says; doing it twice changes nothing."""

    def find(self, outbox_id: str, *, channel: str, thread_ts: str, since: float) -> Lookup:
        """Look for a message that may have been accepted after `since`."""
