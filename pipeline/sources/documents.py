"""JSON documents that stand one behind the other without a newline, as Firehose concatenates records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

# Inside a JSON text an unescaped quote that opens a name cannot follow `}{`, neither in a string nor between values.
SEAM: Final = re.compile(rb'\}(?=\{"[A-Za-z_])')
_SEAM_BYTES: Final = 4


def documents_on_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks with a newline at every seam between two documents; a seam may lie between two chunks."""
    kept = b""
    for chunk in chunks:
        text = kept + chunk
        if b"}{" in text:
            text = SEAM.sub(b"}\n", text)
        kept = text[1 - _SEAM_BYTES :]
        yield text[: len(text) - len(kept)]
    yield kept
