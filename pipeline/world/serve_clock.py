"""The clock that the doubles live by: it stands still until somebody sets it, so that every answer can be repeated."""

from __future__ import annotations

from datetime import datetime


class ServedClock:
    """Epoch seconds in `now`; what is younger is not published yet."""

    def __init__(self, now: int) -> None:
        """Start at an instant."""
        self.now = now

    def set(self, moment: datetime) -> None:
        """Move to an aware instant, forward or back."""
        self.now = int(moment.timestamp())
