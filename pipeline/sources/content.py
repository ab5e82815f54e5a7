"""How the bytes of an object are read: gzip transparently, in blocks of whole lines, with a bound on every line."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import Reject, SourceObject

NEWLINE = 10
GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 1 << 18  # far larger ones are given back to the system each time, which costs as much as reading them
LOOK_AHEAD_BYTES = 1 << 12
MAX_LINE_BYTES = 1 << 20


@dataclass(frozen=True)
class LineBlock:
    """Consecutive lines; `first_line` is the number of the first, counted from 1.

    `ended` is False for the last line of an object when no newline follows it: it may be cut.
    """

    first_line: int
    whole: bytes  # with its last newline
    ended: bool = True

    @cached_property
    def text(self) -> bytes:
        """The lines without the last newline."""
        return self.whole[:-1] if self.ended else self.whole

    @cached_property
    def lines(self) -> list[bytes]:
        """The lines one by one, without their newline."""
        return self.text.split(b"\n")

    @cached_property
    def edges(self) -> npt.NDArray[np.int64]:
        """Where each line ends in `whole`, behind a -1: line n from edges[n] + 1 until edges[n + 1], n from 0."""
        newlines = np.flatnonzero(np.frombuffer(self.whole, np.uint8) == NEWLINE)
        edges = np.empty(len(newlines) + (1 if self.ended else 2), np.int64)
        edges[0], edges[-1] = -1, len(self.whole)
        edges[1 : 1 + len(newlines)] = newlines
        return edges

    def chosen(self, numbers: Sequence[int]) -> bytes:
        """The text of some of its lines, counted from 0."""
        places, text = np.array(numbers), self.whole
        ends = zip((self.edges[places] + 1).tolist(), self.edges[places + 1].tolist(), strict=True)
        return b"\n".join([text[start:end] for start, end in ends])


def read_chunks(obj: SourceObject) -> Iterator[bytes]:
    """Content in chunks of about 256 KiB, decompressed where the bytes say gzip (several members are joined).

    Raises RefusedDelivery for a damaged or cut gzip container.
    """
    try:
        with obj.path.open("rb") as raw:
            if raw.peek(2)[:2] != GZIP_MAGIC:
                yield from _chunks_of_lines(raw)
                return
            stream = gzip.GzipFile(fileobj=raw)
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RefusedDelivery(obj.name, f"damaged gzip: {error}", "deliver the object again") from error


def _chunks_of_lines(stream: io.BufferedReader) -> Iterator[bytes]:
    """Chunks that end with a line unless it is long: what follows need not be joined to what was left."""
    place = 0
    while True:
        ahead = os.pread(stream.fileno(), min(LOOK_AHEAD_BYTES, CHUNK_BYTES), place + CHUNK_BYTES)
        chunk = stream.read(CHUNK_BYTES + ahead.find(b"\n") + 1)
        if not chunk:
            return
        place += len(chunk)
        yield chunk


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
        is_whole = not kept and start == 0 and end == len(chunk) - 1
        yield (block := LineBlock(number, chunk if is_whole else b"".join((kept, memoryview(chunk)[start : end + 1]))))
        number, kept = number + len(block.edges) - 1, chunk[end + 1 :]
    if kept:
        yield LineBlock(number, kept, ended=False)
