"""Random streams by name: adding a draw in one place never shifts the draws of another."""

from __future__ import annotations

import hashlib
import random

import numpy as np

# Kubernetes' own alphabet for generated suffixes (no vowels, no look-alikes).
SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def _number(*keys: object) -> int:
    text = "/".join(str(key) for key in keys)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def stream(*keys: object) -> random.Random:
    """A stream of single draws for one named purpose."""
    return random.Random(_number(*keys))


def array_stream(*keys: object) -> np.random.Generator:
    """A stream of whole arrays for one named purpose."""
    return np.random.Generator(np.random.PCG64(_number(*keys)))


def hexadecimal(length: int, *keys: object) -> str:
    """`length` hexadecimal digits that belong to a name (at most 64)."""
    return hashlib.sha256("/".join(str(key) for key in keys).encode()).hexdigest()[:length]


def uuid_text(*keys: object) -> str:
    """A name's own UUID, 8-4-4-4-12."""
    digits = hexadecimal(32, "uuid", *keys)
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def suffix(length: int, *keys: object) -> str:
    """A generated Kubernetes suffix."""
    draw = stream("suffix", *keys)
    return "".join(draw.choice(SUFFIX_ALPHABET) for _ in range(length))
