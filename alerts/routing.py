"""Who hears what, and how: the difference between what was told and what holds, as the fewest messages that say it.

Pure: the ledger gives what was told, the caller what holds now; nothing here sends or stores.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from alerts.message import Message, compose, digest, note, of_one_subject
from alerts.signal import SEVERITIES, Finding

DIGEST_FROM = 10
# What comes back so soon after its end is told under the message that people have: shown in the channel a few times,
# then in the thread alone, so that a workload that works and idles by turns does not ring for each turn.
SOON = timedelta(hours=6)
LOUD_RETURNS = 3
NAMESPACE = uuid.UUID("6f3c8f0e-5d0b-5c53-9a53-6b1f2f0f7c11")
# When a failed check passes again its signal is gone: that is its end, not a withdrawal.
GONE_MEANS_CLOSED = ("data_quality",)
LOUD = ("escalate", "reopen")
STATE_AFTER = {"open": "open", "escalate": "open", "reopen": "open", "close": "closed", "retract": "retracted"}


@dataclass(frozen=True)
class Told:
    """What people were last told of a finding: `transition` in which thread, and how severe at most."""

    finding: Finding
    thread_id: str
    transition: str
    severity: str

    @property
    def state(self) -> str:
        """open, closed or retracted."""
        return STATE_AFTER[self.transition]

    def stands_outside(self, judged: Collection[str]) -> bool:
        """True if none of the rules `judged` speaks of it and people take it for true: silence must not retract it."""
        return self.finding.rule not in judged and self.state != "retracted"


@dataclass(frozen=True)
class Step:
    """One finding × transition that a message carries; `severity` is the highest told since it opened."""

    finding: Finding
    transition: str
    severity: str


@dataclass(frozen=True)
class Planned:
    """One message to send: a post of its own (`thread_id` empty) or a reply.

    `loud` replies are shown in the channel too; `occasion` is why the findings of a digest come together.
    """

    thread_id: str
    transition: str
    steps: tuple[Step, ...]
    message: Message
    loud: bool = False
    occasion: str = ""

    @property
    def severity_rank(self) -> int:
        """Rank of the most severe step: what goes first."""
        return min(step.finding.severity_rank for step in self.steps)


def outbox_id(route: str, thread_id: str, steps: Iterable[Step], number: int) -> str:
    """Name of a message that stays the same over crashes: its route, thread, finding × transition pairs, repetition."""
    pairs = "|".join(sorted(f"{step.finding.finding_id}:{step.transition}" for step in steps))
    return str(uuid.uuid5(NAMESPACE, f"{route}|{thread_id}|{pairs}|{number}"))


def successors(told: Mapping[str, Told], holds: Mapping[str, Finding]) -> dict[str, str]:
    """Old finding id → new one, where late data moved the start of an incident that people know already.

    The new finding takes over the old one's message instead of raising a second alarm.
    """
    fresh: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in sorted(holds.values(), key=lambda finding: (finding.opened_at, finding.finding_id)):
        if finding.finding_id not in told:
            fresh[finding.rule, finding.subject].append(finding)
    moved: dict[str, str] = {}
    for old_id in sorted(told.keys() - holds.keys()):
        old = told[old_id]
        candidates = fresh[old.finding.rule, old.finding.subject] if old.state != "retracted" else []
        heir = next((finding for finding in candidates if finding.continues(old.finding)), None)
        if heir:
            candidates.remove(heir)
            moved[old_id] = heir.finding_id
    return moved


def plan(
    told: Mapping[str, Told],
    holds: Mapping[str, Finding],
    *,
    data_through_at: datetime | None,
    waiting: Collection[str] = (),
) -> list[Planned]:
    """The messages that bring people from `told` to `holds`; most severe first, history last.

    Threads that are `waiting` for the fate of a message take no finding that comes back: it must not wait with them.
    """
    fresh = [finding for finding_id, finding in sorted(holds.items()) if finding_id not in told]
    back = _returns(told, holds, fresh, waiting)
    fresh = [finding for finding in fresh if finding.finding_id not in back]
    opened = [Step(finding, "open", finding.severity) for finding in fresh if finding.status == "open"]
    missed = [Step(finding, "close", finding.severity) for finding in fresh if finding.status == "closed"]
    together = "opened at once" if told else "at the first look"
    past = "came and went since the last message" if told else "found in history"
    posts = _posts(opened, DIGEST_FROM, together, data_through_at) + _posts(missed, 2, past, data_through_at)
    replies = _replies(told, holds, back)
    return sorted(posts + replies, key=lambda planned: (planned.steps[0].transition == "close", planned.severity_rank))


def _returns(
    told: Mapping[str, Told], holds: Mapping[str, Finding], fresh: Sequence[Finding], waiting: Collection[str]
) -> dict[str, str]:
    """Finding id → thread, for those whose rule and subject ended there `SOON` before; a digest of many takes none."""
    subjects: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for last in told.values():
        subjects[last.thread_id].add((last.finding.rule, last.finding.subject))
    ended: dict[tuple[str, str], list[tuple[datetime, str]]] = defaultdict(list)
    for finding_id, last in told.items():
        if last.state != "retracted" and len(subjects[last.thread_id]) == 1 and last.thread_id not in waiting:
            finding = holds.get(finding_id, last.finding)
            ended[finding.rule, finding.subject].append((finding.ended_at, last.thread_id))
    found = {}
    for finding in fresh:
        earlier = [(at, thread_id) for at, thread_id in ended[finding.rule, finding.subject] if at <= finding.opened_at]
        at, thread_id = max(earlier, default=(None, ""))
        if at and finding.opened_at - at <= SOON:
            found[finding.finding_id] = thread_id
    return found


def _posts(steps: Sequence[Step], digest_from: int, occasion: str, data_through_at: datetime | None) -> list[Planned]:
    if len(steps) >= digest_from:
        message = thread_message(
            [(step.finding, STATE_AFTER[step.transition]) for step in steps], occasion, data_through_at
        )
        return [Planned("", steps[0].transition, tuple(steps), message, occasion=occasion)]
    return [
        Planned(
            "",
            step.transition,
            (step,),
            compose(step.finding, STATE_AFTER[step.transition], data_through_at=data_through_at),
        )
        for step in sorted(steps, key=lambda step: (step.finding.severity_rank, -step.finding.impact_usd))
    ]


def _replies(told: Mapping[str, Told], holds: Mapping[str, Finding], back: Mapping[str, str]) -> list[Planned]:
    threads: dict[str, list[Step]] = defaultdict(list)
    members: dict[str, list[int]] = defaultdict(list)
    for finding_id, last in sorted(told.items()):
        members[last.thread_id].append(SEVERITIES.index(last.severity))
        if step := _step(last, holds.get(finding_id)):
            threads[last.thread_id].append(step)
    for finding_id, thread_id in sorted(back.items()):
        finding = holds[finding_id]
        threads[thread_id].append(Step(finding, "open" if finding.status == "open" else "close", finding.severity))
    planned = []
    for thread_id, steps in sorted(threads.items()):
        kinds = {step.transition for step in steps}
        message = note([(step.transition, step.finding) for step in steps])
        name = kinds.pop() if len(kinds) == 1 else "change"
        ranks = members[thread_id]
        loud = any(
            step.transition in LOUD
            or (step.transition == "open" and (len(ranks) <= LOUD_RETURNS or step.finding.severity_rank < min(ranks)))
            for step in steps
        )
        planned.append(Planned(thread_id, name, tuple(steps), message, loud))
    return planned


def _step(last: Told, finding: Finding | None) -> Step | None:
    if finding is None:
        if last.state == "retracted" or (last.state == "closed" and last.finding.rule in GONE_MEANS_CLOSED):
            return None
        gone = "close" if last.finding.rule in GONE_MEANS_CLOSED else "retract"
        return Step(last.finding, gone, last.severity)
    if finding.status == "closed":
        return Step(finding, "close", last.severity) if last.state != "closed" else None
    if last.state != "open":
        return Step(finding, "reopen", finding.severity)
    if SEVERITIES.index(finding.severity) < SEVERITIES.index(last.severity):
        return Step(finding, "escalate", finding.severity)
    return None


def standing(last: Told, finding: Finding | None) -> tuple[Finding, str]:
    """A told finding as it stands now, with its state: what the parent message must show."""
    if finding is not None:
        return finding, finding.status
    gone = "closed" if last.finding.rule in GONE_MEANS_CLOSED else "retracted"
    return (replace(last.finding, status="closed") if gone == "closed" else last.finding), gone


def thread_message(members: Sequence[tuple[Finding, str]], occasion: str, data_through_at: datetime | None) -> Message:
    """The parent message of a thread: of one finding, or a digest of several."""
    if len(members) == 1:
        return compose(*members[0], data_through_at=data_through_at)
    if not occasion:
        return of_one_subject(members, data_through_at=data_through_at)
    return digest(members, occasion=occasion, data_through_at=data_through_at)


def edit_key(members: Iterable[tuple[Finding, str]]) -> str:
    """Changes when a parent message is worth an edit: state, severity, or money (two digits while it still grows)."""
    parts = sorted(f"{f.finding_id}|{state}|{f.severity}|{_worth(f.impact_usd, state)}" for f, state in members)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _worth(amount: Decimal, state: str) -> str:
    return f"{amount:.1e}" if state == "open" else f"{amount:.2f}"
