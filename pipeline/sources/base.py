"""What every source shares: the object read, the delivery it becomes, its rejects, and its observation time."""

from __future__ import annotations

import csv
import hashlib
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from pipeline.errors import RefusedDelivery

REJECT_TEXT_CHARACTERS = 500
MAX_REJECTS = 100_000
MOST_OF_A_DEVICE = (
    10**15
)  # bytes, errors or events of one device: more is no count, and sums of such would break the build
NAME_STAMP = re.compile(r"(?<!\d)(\d{8}T\d{6})Z")


@dataclass(frozen=True)
class Reject:
    """One record that could not be read. `line_number` counts from 1; `text` holds at most 500 characters."""

    line_number: int
    reason: str
    text: str

    @classmethod
    def of(cls, line_number: int, reason: str, text: bytes | str) -> Reject:
        """A reject whose text is cut to 500 characters; bytes that are not UTF-8 are shown as U+FFFD, NUL as U+2400."""
        shown = text[: 4 * REJECT_TEXT_CHARACTERS]
        decoded = shown.decode("utf-8", "replace") if isinstance(shown, bytes) else shown
        return cls(line_number, reason, decoded[:REJECT_TEXT_CHARACTERS].replace("\0", "\u2400"))


@dataclass(frozen=True)
class SourceObject:
    """One file to read. `name` is stable: the path relative to the swept root, or s3://bucket/key.

    `path` is local (S3 objects are downloaded first). `modified_at` is a known time for S3 (LastModified) and a guess
    for a file (mtime).
    """

    name: str
    path: Path
    modified_at: datetime | None = None
    modified_is_known: bool = False


@dataclass(frozen=True)
class IngestOptions:
    """What the caller said about the objects: `--source`, `--observed-at`, `--interval` (milliseconds here)."""

    source: str | None = None
    observed_at: datetime | None = None
    interval_ms: int | None = None


@dataclass(frozen=True)
class Seeds:
    """Reference tables: the CSV files of sql/seeds, read as text and kept per directory."""

    directory: Path

    def rows(self, name: str) -> tuple[dict[str, str], ...]:
        """Rows of `<name>.csv` in file order, every value as text."""
        return _seed_rows(self.directory / f"{name}.csv")


@lru_cache(maxsize=64)
def _seed_rows(path: Path) -> tuple[dict[str, str], ...]:
    with path.open(encoding="utf-8", newline="") as lines:
        return tuple(csv.DictReader(lines))


@dataclass(frozen=True)
class DeliveryInfo:
    """What is known of a delivery before its rows are read. Times are UTC; `interval_ms` is the assumed spacing."""

    source: str
    object: str
    content_sha256: str
    observed_at: datetime
    time_guessed: bool
    delivered_at: datetime | None
    interval_ms: int | None = None
    byte_count: int = 0
    export_name: str | None = None
    billing_period: date | None = None
    execution_id: str | None = None

    @property
    def delivery_id(self) -> uuid.UUID:
        """Identity: source, content hash and observation time; a guessed time is left out (CONTRACT §2)."""
        known_at = "" if self.time_guessed else self.observed_at.astimezone(UTC).isoformat()
        digest = hashlib.sha256(f"{self.source}|{self.content_sha256}|{known_at}".encode())
        return uuid.UUID(bytes=digest.digest()[:16])


@dataclass
class ParsedDelivery:
    """A delivery being read: iterating `batches` reads the object and fills `rejects` and `unmapped`.

    `batches` yields (raw table name, rows without delivery_id) once; a damaged object raises RefusedDelivery midway,
    and nothing of it may be kept then. `unmapped` counts the samples of metrics that are seen but not stored.
    """

    info: DeliveryInfo
    batches: Iterator[tuple[str, pa.RecordBatch]]
    rejects: list[Reject] = field(default_factory=list)
    unmapped: Counter[str] = field(default_factory=Counter)


Reader: TypeAlias = Callable[[SourceObject, IngestOptions, Seeds], ParsedDelivery]


def stamp_in_name(name: str) -> datetime | None:
    """The last UTC stamp YYYYMMDDTHHMMSSZ in an object's name, or None; digits that are no time are passed over."""
    for stamp in reversed(NAME_STAMP.findall(name)):
        try:
            return datetime.strptime(stamp, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def observation_time(obj: SourceObject, options: IngestOptions) -> tuple[datetime, bool]:
    """Observation time of records without one, and whether it is a guess: option, name stamp, S3 time, file mtime."""
    if options.observed_at is not None:
        return options.observed_at.astimezone(UTC), False
    if (stamp := stamp_in_name(obj.name)) is not None:
        return stamp, False
    if obj.modified_at is not None:
        return obj.modified_at.astimezone(UTC), not obj.modified_is_known
    raise RefusedDelivery(
        obj.name, "nothing says when it was observed", "pass --observed-at, or put a stamp YYYYMMDDTHHMMSSZ in its name"
    )


def describe(
    obj: SourceObject,
    source: str,
    observed: tuple[datetime, bool],
    *,
    interval_ms: int | None = None,
    delivered_at: datetime | None = None,
) -> DeliveryInfo:
    """Identity card of an object that is its own delivery (reads the file once, for its hash).

    `delivered_at` defaults to the S3 time where it is known, else to the observation time.
    """
    observed_at, time_guessed = observed
    known_at = obj.modified_at if obj.modified_is_known else None
    return DeliveryInfo(
        source=source,
        object=obj.name,
        content_sha256=content_sha256(obj.path),
        observed_at=observed_at,
        time_guessed=time_guessed,
        delivered_at=delivered_at or known_at or observed_at,
        interval_ms=interval_ms,
        byte_count=obj.path.stat().st_size,
    )


def content_sha256(path: Path) -> str:
    """SHA-256 of the file's bytes as delivered (a compressed file is hashed compressed)."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def add_reject(rejects: list[Reject], reject: Reject, object_name: str) -> None:
    """Keep a reject; an object with more than 100,000 of them is refused, because it is something else."""
    if len(rejects) >= MAX_REJECTS:
        raise RefusedDelivery(
            object_name, f"more than {MAX_REJECTS:,} lines could not be read", "check its format, or pass --source"
        )
    rejects.append(reject)
