"""Brings the channel to what holds: recover, reconcile, send, find out about unknown outcomes, report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from alerts.ledger import Ledger, lease, opened
from alerts.outbox import Outbox
from alerts.report import NotifyReport, of_unknown_fate, with_standing
from alerts.schema import Row, Thread
from alerts.signal import Finding
from alerts.slack import Slack, SlackSettings
from alerts.transport import Envelope, Outcome, Result, Transport
from pipeline import failpoints

MAX_ROUNDS = 20
FAILURES_THAT_STOP = 3
LEASE_POLL_SECONDS = 0.5
HTTP_DATE_SECONDS = 1.0
TRIES_PER_MESSAGE = 5
REFUSED = (Result.CHANNEL_BAD, Result.AUTH_BAD)


class Clock:
    """Our own clock and patience. It counts sleeps too, so that a fixed clock cannot make a pass endless."""

    def __init__(self, now: Callable[[], datetime], sleep: Callable[[float], None], max_seconds: float) -> None:
        self.now, self._sleep, self._max_seconds = now, sleep, max_seconds
        self._start, self._slept = now(), 0.0

    def allows(self, seconds: float = 0.0) -> bool:
        """True if the pass may go on for so long."""
        elapsed = max((self.now() - self._start).total_seconds(), self._slept)
        return elapsed + seconds <= self._max_seconds

    def wait(self, seconds: float) -> None:
        """Sleep, if there is anything to sleep."""
        if seconds > 0:
            self._slept += seconds
            self._sleep(seconds)


def notify(
    findings_rows: Sequence[Mapping[str, object]],
    *,
    state_path: Path,
    outbox_dir: Path,
    slack: SlackSettings | None,
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    dry_run: bool = False,
    max_seconds: float = 60.0,
    data_through_at: datetime | None = None,
    judged: Collection[str] | None = None,
) -> NotifyReport:
    """Tell people what changed since they were last told.

    `findings_rows` is the whole of mart_anomalies, as column → value: a finding that people know and that is missing
    here is retracted. With `judged` it is the whole of these rules alone: nothing is known of the others now, and what
    was told of them stands. Without `slack` the same messages become files in `outbox_dir`. Nothing is sent twice and
    nothing lost, whatever dies on the way; run it again to go on. `dry_run` shows what would be sent and keeps nothing.
    """
    findings = [Finding.from_row(row) for row in findings_rows]
    outbox = Outbox(outbox_dir)
    transport: Transport = Slack(slack) if slack and slack.token and slack.channel else outbox
    clock = Clock(now, sleep, max_seconds)
    with opened(state_path, transport.route) as ledger:
        if dry_run:
            rehearse = partial(ledger.rehearse, target=transport.target, data_through_at=data_through_at)
            skipped, rows = rehearse(findings, judged=judged)
            stuck = [row for row in ledger.not_sent() if row.state != "pending"]
            report = NotifyReport(transport.told, skipped=skipped, dry_run=True)
            return with_standing(report, [*rows, *stuck])
        while True:
            with lease(state_path) as mine:
                if mine:
                    return _Pass(ledger, transport, outbox, clock, data_through_at).run(findings, judged)
            if not clock.allows(LEASE_POLL_SECONDS):
                busy = f"another dispatcher holds {state_path.with_suffix('.lock')}; it delivers, or run notify again"
                done = NotifyReport(transport.told, skipped=len(findings), problem=busy)
                return with_standing(done, ledger.not_sent())
            clock.wait(LEASE_POLL_SECONDS)


class _Pass:
    """One pass by the holder of the lease."""

    def __init__(
        self, ledger: Ledger, transport: Transport, outbox: Outbox, clock: Clock, data_through_at: datetime | None
    ) -> None:
        self.ledger, self.transport, self.outbox, self.clock = ledger, transport, outbox, clock
        self.reconcile = partial(ledger.reconcile, target=transport.target, data_through_at=data_through_at)
        self.sent, self.edited, self.failures, self.problem = 0, 0, 0, ""
        self._last_call_at: datetime | None = None

    def run(self, findings: Sequence[Finding], judged: Collection[str] | None) -> NotifyReport:
        self.ledger.recover()
        skipped = self.reconcile(findings, judged=judged)
        for _ in range(MAX_ROUNDS):
            if not self._reachable():
                break
            if self._resolve():
                self.reconcile(findings, judged=judged)
            self._send_all()
            wait = self._grace_left()
            if wait is None or not self.clock.allows(wait):
                break
            self.clock.wait(wait)
        waiting = self.ledger.not_sent()
        problem = self.problem or of_unknown_fate(waiting)
        done = NotifyReport(self.transport.told, sent=self.sent, edited=self.edited, skipped=skipped, problem=problem)
        return with_standing(done, waiting)

    def _reachable(self) -> bool:
        """Probe, and date what is unknown by the channel's clock."""
        for _ in range(TRIES_PER_MESSAGE):
            outcome = self.transport.probe()
            if outcome.result is Result.OK:
                self.ledger.anchor(self.transport.server_time)
                return True
            if not self._waited_for(outcome):
                break
        self._stop(outcome)
        return False

    def _resolve(self) -> bool:
        """Look up every unknown outcome whose grace is over; True if one turned out as never sent."""
        never_sent = False
        for row in self.ledger.unresolved():
            anchor = row.server_anchor
            if anchor is None or self.transport.server_time < anchor + self._grace():
                continue
            failpoints.failpoint("alerts.before_lookup")
            found = self.transport.find(
                row.outbox_id, channel=row.channel, thread_ts=row.under_ts, since=row.server_since
            )
            if not found.possible:
                self.ledger.record(row, "held", f"it may have arrived, and the lookup failed: {found.reason}")
            elif found.ts:
                self.ledger.record_sent(
                    row, channel=found.channel, ts=found.ts, anchors=not row.under_ts, edit_key=row.edit_key
                )
                self.sent += 1
            else:
                self.ledger.record(row, "pending", "the lookup found that it never arrived")
                never_sent = True
        return never_sent

    def _grace_left(self) -> float | None:
        """Seconds until every unknown outcome can be looked up; None if there is none, or nobody to ask."""
        if self.problem or not any(row.state == "unknown" for row in self.ledger.unresolved()):
            return None
        if not self._reachable():  # dates them by the channel's clock
            return None
        anchors = [row.server_anchor or 0.0 for row in self.ledger.unresolved() if row.state == "unknown"]
        return max(anchors) + self._grace() - self.transport.server_time

    def _grace(self) -> float:
        """How long an unknown outcome waits, with room for the full seconds of an HTTP date."""
        return self.transport.grace_seconds + (HTTP_DATE_SECONDS if self.transport.grace_seconds else 0.0)

    def _send_all(self) -> None:
        tried: dict[str, int] = {}
        while not self.problem:
            queue = [row for row in self.ledger.queue() if tried.get(row.outbox_id, 0) < TRIES_PER_MESSAGE]
            if not queue:
                break
            for row in _first_of_each_thread(queue):
                if self.problem or not self.clock.allows():
                    return
                tried[row.outbox_id] = tried.get(row.outbox_id, 0) + 1
                self._send(row)
        for thread in self.ledger.stale_threads():
            if self.problem or not self.clock.allows():
                return
            self._edit(thread)

    def _send(self, row: Row) -> None:
        thread = self.ledger.thread(row.thread_id)
        if row.is_reply and thread.ts and thread.edit_key != thread.delivered_key:
            self._edit(thread)
            thread = self.ledger.thread(row.thread_id)
        if self.problem:
            return
        under_ts = thread.ts if row.is_reply else ""
        if row.is_reply and not under_ts:  # the parent is gone: the news takes its place, told in full
            row = replace(row, message=thread.message, edit_key=thread.edit_key)
        channel = thread.channel if under_ts else self.transport.target
        self._pace()
        failpoints.failpoint("alerts.before_claim")
        if not self.ledger.claim(
            row, channel=channel, under_ts=under_ts, server_time=self.transport.server_time, now=self.clock.now()
        ):
            return
        failpoints.failpoint("alerts.before_send")
        outcome = self._post(row, channel, under_ts)
        failpoints.failpoint("alerts.after_send")
        self._settle(row, thread, under_ts, outcome)

    def _post(self, row: Row, channel: str, under_ts: str) -> Outcome:
        envelope = _envelope(row)
        outcome = self.transport.post(envelope, channel=channel, thread_ts=under_ts, loud=row.loud)
        if outcome.result is Result.PAYLOAD_BAD:
            outcome = self.transport.post(envelope, channel=channel, thread_ts=under_ts, loud=row.loud, plain=True)
        return outcome

    def _settle(self, row: Row, thread: Thread, under_ts: str, outcome: Outcome) -> None:
        """Write down how an attempt ended; every result has exactly one consequence."""
        match outcome.result:
            case Result.OK if outcome.ts:
                self.ledger.record_sent(
                    row, channel=outcome.channel, ts=outcome.ts, anchors=not under_ts, edit_key=row.edit_key
                )
                self.sent, self.failures = self.sent + 1, 0
            case Result.OK | Result.UNKNOWN:
                self.ledger.record(row, "unknown", outcome.reason or "Slack named no message")
                self._count_failure(outcome)
            case Result.PAYLOAD_BAD:
                self.ledger.record(row, "dead", outcome.reason)
                self.outbox.write(_envelope(row), row.file_name)
            case Result.TARGET_GONE:
                self.ledger.record(row, "pending", outcome.reason)
                self.ledger.record_gone(thread)
            case Result.NOT_SENT_RETRY:
                self.ledger.record(row, "pending", outcome.reason)
                if not self._waited_for(outcome):
                    self._count_failure(outcome)
            case Result.CHANNEL_BAD | Result.AUTH_BAD:
                self.ledger.record(row, "pending", outcome.reason)
                self._stop(outcome)

    def _edit(self, thread: Thread) -> None:
        """Make the parent read as it must. Doing it twice changes nothing, so no outcome needs a lookup."""
        self._pace()
        envelope = replace(_envelope(self.ledger.message(thread.anchor_id)), message=thread.message)
        failpoints.failpoint("alerts.before_edit")
        outcome = self.transport.edit(envelope, channel=thread.channel, ts=thread.ts)
        if outcome.result is Result.PAYLOAD_BAD:
            outcome = self.transport.edit(envelope, channel=thread.channel, ts=thread.ts, plain=True)
        failpoints.failpoint("alerts.after_edit")
        match outcome.result:
            case Result.OK:
                self.ledger.record_edited(thread)
                self.edited, self.failures = self.edited + 1, 0
            case Result.PAYLOAD_BAD:
                self.ledger.record_edited(thread)
            case Result.TARGET_GONE:
                self.ledger.record_gone(thread)
            case Result.NOT_SENT_RETRY if self._waited_for(outcome):
                self._edit(thread)
            case Result.NOT_SENT_RETRY | Result.UNKNOWN:
                self._count_failure(outcome)
            case Result.CHANNEL_BAD | Result.AUTH_BAD | Result.OK:
                self._stop(outcome)

    def _pace(self) -> None:
        """At most one call per `pace_seconds`: Slack's limit per channel."""
        if self._last_call_at is not None:
            gone = (self.clock.now() - self._last_call_at).total_seconds()
            self.clock.wait(min(self.transport.pace_seconds, self.transport.pace_seconds - gone))
        self._last_call_at = self.clock.now()

    def _waited_for(self, outcome: Outcome) -> bool:
        """Honour Retry-After within the pass; False if none was given or it is too long for this pass."""
        if not outcome.retry_after or not self.clock.allows(outcome.retry_after):
            return False
        self.clock.wait(outcome.retry_after)
        return True

    def _count_failure(self, outcome: Outcome) -> None:
        self.failures += 1
        if self.failures >= FAILURES_THAT_STOP or outcome.retry_after:
            self._stop(outcome)

    def _stop(self, outcome: Outcome) -> None:
        """Open the circuit: say why, and put what waits on the second route if Slack will not take it as things are."""
        where = f"Slack channel {self.transport.target}" if self.transport.route == "slack" else str(self.outbox.folder)
        advice = "messages wait for the next pass"
        if outcome.result in REFUSED:
            advice = f"invite the app or correct SLACK_BOT_TOKEN and the channel; copies lie in {self.outbox.folder}"
            for row in self.ledger.queue():
                self.outbox.write(_envelope(row), row.file_name)
        self.problem = f"{where}: {outcome.reason or outcome.result}; {advice}"


def _first_of_each_thread(queue: Sequence[Row]) -> list[Row]:
    first: dict[str, Row] = {}
    for row in queue:
        first.setdefault(row.thread_id, row)
    return list(first.values())


def _envelope(row: Row) -> Envelope:
    subject = row.file_name.removesuffix(".json").rpartition(f"-{row.transition}")[0]
    return Envelope(row.outbox_id, row.transition, row.file_name, row.message, subject)
