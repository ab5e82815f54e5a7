"""What was said and what is still to be said: one row per message and per finding × transition.

States of a message: `pending` (surely not sent), `sending` (committed before the call), `sent`, `unknown` (the call
ended without an answer), `held` (nobody can say whether it arrived; shown, never sent again on a guess), `dead`
(refused for good).
"""

from __future__ import annotations

import fcntl
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, Select, func, select, update

from alerts.reconcile import Reconciliation
from alerts.schema import MAY_HAVE_ARRIVED, OUTBOX, THREADS, Row, Thread, naming_damage, open_engine, row_of, thread_of
from alerts.signal import Finding
from pipeline import failpoints


@contextmanager
def lease(state_path: Path) -> Iterator[bool]:
    """True while this process alone may dispatch; a dead holder's lease is free at once (the kernel's file lock)."""
    state_path.parent.mkdir(parents=True, exist_ok=True)
    with state_path.with_suffix(".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def opened(path: Path, route: str) -> Iterator[Ledger]:
    """The ledger while it is needed; raises LedgerBroken where it cannot be used."""
    with naming_damage(path):
        ledger = Ledger(path, route)
        try:
            yield ledger
        finally:
            ledger.close()


class Ledger:
    """The ledger of one route (`slack` or `outbox`): each hears the whole story once."""

    def __init__(self, path: Path, route: str) -> None:
        self.route = route
        self._engine = open_engine(path)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def rehearse(
        self,
        findings: Sequence[Finding],
        *,
        target: str,
        data_through_at: datetime | None,
        judged: Collection[str] | None = None,
    ) -> tuple[int, list[Row]]:
        """As `reconcile`, with the messages that it would leave to send; nothing is kept."""
        with self._engine.connect() as conn:
            quiet = Reconciliation(conn, self.route, target, data_through_at).run(findings, judged)
            rows = [row_of(found) for found in conn.execute(self._rows("pending")).mappings()]
            conn.rollback()
        return quiet, rows

    def recover(self) -> None:
        """After a start: what was being sent when the last dispatcher died may have arrived."""
        with self._engine.begin() as conn:
            conn.execute(
                update(OUTBOX)
                .where(OUTBOX.c.route == self.route, OUTBOX.c.state == "sending")
                .values(state="unknown", error="the dispatcher died during the call")
            )

    def reconcile(
        self,
        findings: Sequence[Finding],
        *,
        target: str,
        data_through_at: datetime | None,
        judged: Collection[str] | None = None,
    ) -> int:
        """Replace everything not yet sent by the fewest messages that bring people up to date.

        `findings` is the whole set that holds now, of the rules `judged` (None: of all). Returns how many have no news.
        """
        with self._engine.begin() as conn:
            quiet = Reconciliation(conn, self.route, target, data_through_at).run(findings, judged)
            failpoints.failpoint("alerts.reconcile.before_commit")
        failpoints.failpoint("alerts.reconcile.after_commit")
        return quiet

    def queue(self) -> list[Row]:
        """Messages that may be sent now, in order; a message waits for every earlier one of its thread."""
        waiting = {row.thread_id for row in self.unresolved()}
        return [row for row in self._read("pending") if row.thread_id not in waiting]

    def unresolved(self) -> list[Row]:
        """Messages whose outcome is unknown, held ones too."""
        return self._read(*MAY_HAVE_ARRIVED)

    def not_sent(self) -> list[Row]:
        """Everything that people have not surely got: pending, unknown, held, dead."""
        return self._read("pending", "dead", *MAY_HAVE_ARRIVED)

    def _read(self, *states: str) -> list[Row]:
        with self._engine.begin() as conn:
            return [row_of(found) for found in conn.execute(self._rows(*states)).mappings()]

    def _rows(self, *states: str) -> Select[tuple[object, ...]]:
        return select(OUTBOX).where(OUTBOX.c.route == self.route, OUTBOX.c.state.in_(states)).order_by(OUTBOX.c.seq)

    def message(self, outbox_id: str) -> Row:
        """One message."""
        with self._engine.begin() as conn:
            return row_of(conn.execute(select(OUTBOX).where(OUTBOX.c.outbox_id == outbox_id)).mappings().one())

    def thread(self, thread_id: str) -> Thread:
        """One parent message."""
        with self._engine.begin() as conn:
            return thread_of(conn.execute(select(THREADS).where(THREADS.c.thread_id == thread_id)).mappings().one())

    def stale_threads(self) -> list[Thread]:
        """Parent messages that stand in the channel and read differently from how they must."""
        with self._engine.begin() as conn:
            query = select(THREADS).where(
                THREADS.c.route == self.route, THREADS.c.ts != "", THREADS.c.edit_key != THREADS.c.delivered_key
            )
            return [thread_of(found) for found in conn.execute(query.order_by(THREADS.c.ts)).mappings()]

    def anchor(self, server_time: float) -> None:
        """Date unknown outcomes by the channel's clock, later than any attempt: the grace counts from there."""
        self._update_where(
            OUTBOX.c.state.in_(MAY_HAVE_ARRIVED) & OUTBOX.c.server_anchor.is_(None), server_anchor=server_time
        )

    def claim(self, row: Row, *, channel: str, under_ts: str, server_time: float, now: datetime) -> bool:
        """Commit `sending` before the call; False if another dispatcher has the message."""
        stamp = now.isoformat()
        with self._engine.begin() as conn:
            claimed = conn.execute(
                update(OUTBOX)
                .where(OUTBOX.c.outbox_id == row.outbox_id, OUTBOX.c.state == "pending")
                .values(
                    state="sending",
                    attempts=OUTBOX.c.attempts + 1,
                    first_attempt_at=func.coalesce(OUTBOX.c.first_attempt_at, stamp),
                    last_attempt_at=stamp,
                    server_since=func.coalesce(OUTBOX.c.server_since, server_time),
                    server_anchor=None,
                    channel=channel,
                    under_ts=under_ts,
                    error="",
                )
            )
        return claimed.rowcount == 1

    def record_sent(self, row: Row, *, channel: str, ts: str, anchors: bool, edit_key: str) -> None:
        """The message stands in the channel; if it `anchors` its thread, the thread stands there from now on."""
        with self._engine.begin() as conn:
            conn.execute(
                update(OUTBOX)
                .where(OUTBOX.c.outbox_id == row.outbox_id)
                .values(state="sent", channel=channel, ts=ts, error="")
            )
            if anchors:
                conn.execute(
                    update(THREADS)
                    .where(THREADS.c.thread_id == row.thread_id)
                    .values(channel=channel, ts=ts, anchor_id=row.outbox_id, delivered_key=edit_key)
                )
            failpoints.failpoint("alerts.record.before_commit")
        failpoints.failpoint("alerts.record.after_commit")

    def record(self, row: Row, state: str, error: str) -> None:
        """Any other end of an attempt: back to pending, unknown, held or dead."""
        self._update_where(OUTBOX.c.outbox_id == row.outbox_id, state=state, error=error[:500])

    def record_edited(self, thread: Thread) -> None:
        """The parent reads as it must."""
        self._update_thread(thread, delivered_key=thread.edit_key)

    def record_gone(self, thread: Thread) -> None:
        """The parent was deleted; the next message of the thread takes its place."""
        self._update_thread(thread, ts="", delivered_key="")

    def _update_where(self, condition: ColumnElement[bool], **values: object) -> None:
        with self._engine.begin() as conn:
            conn.execute(update(OUTBOX).where(OUTBOX.c.route == self.route, condition).values(**values))

    def _update_thread(self, thread: Thread, **values: object) -> None:
        with self._engine.begin() as conn:
            conn.execute(update(THREADS).where(THREADS.c.thread_id == thread.thread_id).values(**values))
