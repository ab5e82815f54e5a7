"""Named places where a test may kill the process: before and after every commit and rename."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass


@dataclass
class _Armed:
    name: str = ""
    hits_left: int = 0


_armed = _Armed()


def arm(name: str) -> None:
    """Kill this process at the failpoint `name`; `name@3` at its third passing; `''` disarms.

    The command-line edge calls this with the environment's CHIPLEDGER_FAILPOINT; nobody else reads it.
    """
    place, _, count = name.partition("@")
    _armed.name, _armed.hits_left = place, int(count or 1)


def failpoint(name: str) -> None:
    """Do nothing, unless `name` is armed: then die here as by `kill -9`, without a last word."""
    if name != _armed.name:
        return
    _armed.hits_left -= 1
    if _armed.hits_left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
