"""Reading files that may be damaged: plain bytes of a maybe compressed file, and damage told as one refusal."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import orjson
import pyarrow as pa

from pipeline.errors import RefusedDelivery
from pipeline.sources.content import GZIP_MAGIC

MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
DELIVER_AGAIN = "deliver it again; nothing of it was kept"


def is_gzip(path: Path) -> bool:
    """Whether the file's first two bytes are gzip's."""
    with path.open("rb") as stream:
        return stream.read(2) == GZIP_MAGIC


def open_plain(path: Path) -> IO[bytes]:
    """The file's bytes, decompressed when its content is gzip (any number of members)."""
    return cast("IO[bytes]", gzip.open(path, "rb")) if is_gzip(path) else path.open("rb")


def read_head(path: Path, limit: int) -> bytes:
    """At most `limit` plain bytes from the start."""
    with open_plain(path) as stream:
        return stream.read(limit)


def read_document(path: Path, name: str) -> object:
    """A whole JSON document of at most 32 MiB; a larger, cut or wrong one is refused."""
    with open_plain(path) as stream:
        text = stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(text) > MAX_DOCUMENT_BYTES:
        raise RefusedDelivery(
            name, "one JSON document of more than 32 MiB", "deliver it in pages, or one object a line"
        )
    try:
        return cast("object", orjson.loads(text))
    except orjson.JSONDecodeError as error:
        end = "ends early" if error.pos >= len(text.rstrip()) - 1 else "is wrong"
        raise RefusedDelivery(
            name, f"the JSON document {end} at character {error.pos}: {error.msg}", DELIVER_AGAIN
        ) from error


@contextmanager
def refuse_damage(name: str) -> Iterator[None]:
    """Turn what a damaged object makes its reader raise into the refusal of that object."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RefusedDelivery(name, f"damaged gzip: {error}", DELIVER_AGAIN) from error
    except pa.ArrowException as error:
        raise RefusedDelivery(name, f"damaged container: {_first_line(error)}", DELIVER_AGAIN) from error
    except OSError as error:
        raise RefusedDelivery(
            name, f"cannot be read: {error.strerror or error}", "check that it exists and is readable"
        ) from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
        reason = f"its content has an unexpected shape ({type(error).__name__}: {_first_line(error)})"
        raise RefusedDelivery(name, reason, "compare it with a good object, or name its format by --source") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]
