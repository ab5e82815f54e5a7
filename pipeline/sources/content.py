"""How the bytes of an object are read: gzip transparently, in blocks of whole lines, with a bound on every line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import Reject, SourceObject

NEWLINE = 10
GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 1 << 18  # far larger ones are given back to the system each time, which costs as much as reading them
MAX_LINE_BYTES = 1 << 20


@dataclass(frozen=True)
class LineBlock:
    """Consecutive lines without their newline; `first_line` is the number of the first, counted from 1.

    `ended` is False for the last line of an object when no newline follows it: it may be cut.
    """

    first_line: int
    text: bytes
    ended: bool = True

    @cached_property
    def lines(self) -> list[bytes]:
        """The lines one by one."""
        return self.text.split(b"\n")


def read_chunks(obj: SourceObject) -> Iterator[bytes]:
    """Content in chunks of at most 256 KiB, decompressed where the bytes say gzip (several members are joined).

    Raises RefusedDelivery for a damaged or cut gzip container.
    """
    try:
        with obj.path.open("rb") as raw:
            packed = raw.peek(2)[:2] == GZIP_MAGIC
            stream = gzip.GzipFile(fileobj=raw) if packed else raw
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RefusedDelivery(obj.name, f"damaged gzip: {error}", "deliver the object again") from error


def line_blocks(
    chunks: Iterable[bytes], reject: Callable[[Reject], None], max_line: int = MAX_LINE_BYTES
) -> Iterator[LineBlock]:
    """Whole lines per chunk; a line longer than `max_line` bytes is rejected and skipped without being held."""
    number, kept, skipping = 1, b"", False
    for chunk in chunks:
        start, newline = 0, chunk.find(b"\n")
        head_size = newline if newline >= 0 else len(chunk)
        if skipping or len(kept) + head_size > max_line:
            if not skipping:
                head = kept[:2000] + chunk[: min(head_size, 2000)]
                reject(Reject.of(number, f"line longer than {max_line:,} bytes", head))
            skipping, kept = newline < 0, b""
            if skipping:
                continue
            number, start = number + 1, newline + 1
        end = chunk.rfind(b"\n", start)
        if end < 0:
            kept += chunk[start:]
            continue
        text = b"".join((kept, memoryview(chunk)[start:end]))
        yield LineBlock(number, text)
        number, kept = number + count_lines(text), chunk[end + 1 :]
    if kept:
        yield LineBlock(number, kept, ended=False)


def count_lines(text: bytes) -> int:
    """Lines of a text whose last newline is cut off."""
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == NEWLINE)) + 1
