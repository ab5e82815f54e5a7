"""Page tokens that need no memory: a position and a digest of the request body they belong to."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any


def make_token(position: int, body: Mapping[str, Any], token_key: str) -> str:
    """An opaque token for the page that starts at `position` of this body's answer."""
    return base64.urlsafe_b64encode(f"{position}.{_digest(body, token_key)}".encode()).decode()


def read_token(body: Mapping[str, Any], token_key: str) -> tuple[int, bool]:
    """Position named by the body's token (0 without one), and whether the token belongs to this body.

    Raises ValueError for a text that never was a token.
    """
    if not (token := body.get(token_key)):
        return 0, True
    try:
        position, _, digest = base64.urlsafe_b64decode(str(token).encode()).decode().partition(".")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"not a token: {token}") from error
    return int(position), digest == _digest(body, token_key)


def _digest(body: Mapping[str, Any], token_key: str) -> str:
    rest = {key: value for key, value in body.items() if key != token_key}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:16]
