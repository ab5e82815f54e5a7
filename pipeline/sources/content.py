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
CHUNK_BYTES = 1 << 20
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
    """Content in chunks of at most 1 MiB, decompressed where the bytes say gzip (several members are joined).

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
        head, newline, rest = chunk.partition(b"\n")
        too_long = skipping or len(kept) + len(head) > max_line
        if too_long:
            if not skipping:
                reject(Reject.of(number, f"line longer than {max_line:,} bytes", kept[:2000] + head[:2000]))
            skipping, kept = not newline, b""
            if skipping:
                continue
            number += 1
            chunk = rest
        body, newline, tail = chunk.rpartition(b"\n")
        if not newline:
            kept += tail
            continue
        text = kept + body
        yield LineBlock(number, text)
        number, kept = number + count_lines(text), tail
    if kept:
        yield LineBlock(number, kept, ended=False)


def count_lines(text: bytes) -> int:
    """Lines of a text whose last newline is cut off."""
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == NEWLINE)) + 1
