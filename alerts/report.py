"""What a pass of notify did, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from alerts.schema import Row
from alerts.text import plural


@dataclass(frozen=True)
class Line:
    """One message that has not surely arrived, for people to see."""

    outbox_id: str
    transition: str
    state: str
    text: str
    error: str


@dataclass(frozen=True)
class NotifyReport:
    """What a pass did (`sent` messages, `edited` parents, `skipped` findings without news) and what stands after it.

    `told` says how and where, as in "written to ledger/outbox". `held` counts messages with an unknown outcome,
    `pending` those surely not sent, `dead` those refused for good. `problem` says why the pass ended early, in one
    sentence with the next step; empty if all is well.
    """

    told: str
    sent: int = 0
    edited: int = 0
    held: int = 0
    pending: int = 0
    dead: int = 0
    skipped: int = 0
    problem: str = ""
    lines: tuple[Line, ...] = ()
    dry_run: bool = False

    def __str__(self) -> str:
        """One line for a terminal."""
        counts = {"held": self.held, "pending": self.pending, "dead": self.dead, "edited": self.edited}
        if self.dry_run:
            del counts["pending"]
        rest = "".join(f", {count} {name}" for name, count in counts.items() if count)
        if self.dry_run:
            return f"{self.pending} would be {self.told}{rest}, {self.skipped} findings without news"
        return f"{self.sent} {self.told}{rest}, {self.skipped} findings without news" + (
            f": {self.problem}" if self.problem else ""
        )


def line_of(row: Row) -> Line:
    """A message as people are shown it."""
    return Line(row.outbox_id, row.transition, row.state, row.message.headline, row.error)


def of_unknown_fate(rows: Sequence[Row]) -> str:
    """The messages that nobody can say arrived, as a problem with its next step; '' where there are none."""
    held = [row for row in rows if row.state == "held"]
    if not held:
        return ""
    return f"{plural(len(held), 'message')} held: {held[0].error}; chipledger doctor says what the lookup needs"


def with_standing(done: NotifyReport, rows: Sequence[Row]) -> NotifyReport:
    """The report with all that has not surely arrived."""
    states = [row.state for row in rows]
    held = states.count("unknown") + states.count("held") + states.count("sending")
    return replace(
        done, held=held, pending=states.count("pending"), dead=states.count("dead"), lines=tuple(map(line_of, rows))
    )
