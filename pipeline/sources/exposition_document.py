"""What a whole exposition text is: Prometheus or OpenMetrics, dated or not. Decided before its lines are read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import SourceObject
from pipeline.sources.content import GZIP_MAGIC, read_chunks
from pipeline.sources.exposition_lines import LineError, parse_line

END_MARK: Final = b"# EOF"
TAIL_BYTES: Final = 64
PEEKED_LINES: Final = 2_000
MILLISECOND_DIGITS: Final = 12


@dataclass(frozen=True)
class TimeScale:
    """`openmetrics`: timestamps are seconds and the stricter grammar holds; `first_at`: time of the first sample."""

    openmetrics: bool
    first_at: datetime | None

    @property
    def milliseconds_per_unit(self) -> float:
        """Factor from the document's timestamps to milliseconds."""
        return 1000.0 if self.openmetrics else 1.0


def time_scale(obj: SourceObject) -> TimeScale:
    """Look at the first chunk, and at the end for `# EOF`, which makes a document OpenMetrics.

    A long compressed text is unpacked for its end only where its first timestamp leaves a doubt (under 12 digits).
    Raises RefusedDelivery for an empty object or a damaged container.
    """
    chunks = read_chunks(obj)
    first = next(chunks, b"")
    if not first.strip():
        raise RefusedDelivery(obj.name, "it is empty", "see whether the exporter answered when it was written")
    stamp = first_timestamp(first)
    if _is_plain(obj):
        openmetrics = ends_openmetrics(_tail(obj))
    elif stamp.isdigit() and len(stamp) >= MILLISECOND_DIGITS:
        openmetrics = False
    else:
        last = first
        for chunk in chunks:
            last = last[-TAIL_BYTES:] + chunk
        openmetrics = ends_openmetrics(last)
    return TimeScale(openmetrics, _instant(stamp, 1 if openmetrics else 1000))


def ends_openmetrics(text: bytes) -> bool:
    """Whether a text ends with the line `# EOF`."""
    return text[-TAIL_BYTES:].rstrip(b"\n").rpartition(b"\n")[2] == END_MARK


def first_timestamp(text: bytes) -> str:
    """Timestamp token of the first readable sample in a text's first lines, '' where it has none."""
    for line in text.split(b"\n", PEEKED_LINES)[:PEEKED_LINES]:
        for openmetrics in (False, True):
            try:
                sample = parse_line(line, openmetrics=openmetrics)
            except LineError:
                continue
            if sample:
                return sample.tokens[1]
    return ""


def _is_plain(obj: SourceObject) -> bool:
    with obj.path.open("rb") as stream:
        return stream.read(2) != GZIP_MAGIC


def _tail(obj: SourceObject) -> bytes:
    with obj.path.open("rb") as stream:
        stream.seek(max(0, obj.path.stat().st_size - TAIL_BYTES))
        return stream.read()


def _instant(stamp: str, per_second: int) -> datetime | None:
    if not stamp:
        return None
    try:
        return datetime.fromtimestamp(float(stamp) / per_second, UTC)
    except (ValueError, OverflowError, OSError):
        return None
