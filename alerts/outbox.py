"""Messages as files: Slack's interface for a ledger without a channel, and the second route when Slack refuses."""

from __future__ import annotations

import json
import os
from pathlib import Path

from alerts.transport import Envelope, Lookup, Outcome, Result
from pipeline import failpoints


class Outbox:
    """A folder of JSON files, one per finding × transition; writing one again changes nothing."""

    route = "outbox"
    target = "outbox"
    pace_seconds = 0.0
    grace_seconds = 0.0
    server_time = 0.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = f"written to {folder}"

    def probe(self) -> Outcome:
        """Make the folder; a disk that refuses raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return Outcome(Result.OK)

    def post(
        self, envelope: Envelope, *, channel: str, thread_ts: str = "", loud: bool = False, plain: bool = False
    ) -> Outcome:
        """Write the message under its own name."""
        self.write(envelope, envelope.file_name, thread_ts)
        return Outcome(Result.OK, channel=channel, ts=envelope.file_name)

    def edit(self, envelope: Envelope, *, channel: str, ts: str, plain: bool = False) -> Outcome:
        """Write the parent message's file again, as it reads now."""
        self.write(envelope, ts)
        return Outcome(Result.OK, channel=channel, ts=ts)

    def find(self, outbox_id: str, *, channel: str, thread_ts: str, since: float) -> Lookup:
        """Never found: the write is idempotent, so doing it again is always right."""
        return Lookup(possible=True)

    def write(self, envelope: Envelope, name: str, thread: str = "") -> Path:
        """Put Slack's payload and the channel-free message into `name`, complete or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        body = envelope.body() | {"message": envelope.message.to_dict()} | ({"thread": thread} if thread else {})
        path = self.folder / name
        temporary = path.with_name(f".{name}.tmp")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(body, file, ensure_ascii=False, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        failpoints.failpoint("alerts.outbox.before_rename")
        temporary.replace(path)
        failpoints.failpoint("alerts.outbox.after_rename")
        return path
