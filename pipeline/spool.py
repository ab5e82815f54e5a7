"""Messages on disk between the queue and the warehouse: each is one file, written whole before SQS may forget it.

The warehouse has one writer, which may be busy for minutes; a file can always be written. The name comes from the
message's id, so that a message delivered twice is one file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

ENDING = ".json"


@dataclass(frozen=True)
class SpooledMessage:
    """One message as it lies there; `queue` is the URL it came from."""

    message_id: str
    queue: str
    body: str


@dataclass(frozen=True)
class Spool:
    """A folder of messages. Several processes may write and read it at once."""

    folder: Path

    def put(self, messages: Sequence[SpooledMessage]) -> None:
        """Store messages durably; one that lies there already is the same file again."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for message in messages:
            self._write(message)
        _sync(self.folder)

    def waiting(self) -> list[Path]:
        """The files that wait, in order of their names."""
        if not self.folder.is_dir():
            return []
        found = [entry for entry in os.scandir(self.folder) if entry.name.endswith(ENDING)]
        return sorted(Path(entry.path) for entry in found if not entry.name.startswith("."))

    def read(self, paths: Iterable[Path]) -> list[SpooledMessage]:
        """The messages in these files; one that another process took meanwhile is left out."""
        messages = []
        for path in paths:
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            messages.append(_message(path.stem, content))
        return messages

    def forget(self, paths: Iterable[Path]) -> None:
        """Remove files whose messages are stored elsewhere by now."""
        for path in paths:
            path.unlink(missing_ok=True)

    def _write(self, message: SpooledMessage) -> None:
        name = hashlib.sha256(f"{message.queue}\n{message.message_id}".encode()).hexdigest()[:32]
        unfinished = self.folder / f".{name}.{os.getpid()}.tmp"
        with unfinished.open("wb") as file:
            file.write(orjson.dumps({name: _storable(value) for name, value in asdict(message).items()}))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(self.folder / f"{name}{ENDING}")


def _message(name: str, content: bytes) -> SpooledMessage:
    """What `put` wrote; a file that somebody else wrote or damaged is an unreadable message of its own."""
    try:
        return SpooledMessage(**orjson.loads(content))
    except (orjson.JSONDecodeError, TypeError):
        return SpooledMessage(name, "", content.decode("utf-8", "replace"))


def _storable(text: str) -> str:
    """Text without lone surrogates, which no file in UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
