"""From a queue's message to a landed object: SQS → spool (then SQS may forget) → inbox → landing.

An event is only a wake-up: `collect` may be killed anywhere, `ingest_events` run at any time, by whomever; each takes
everything that waits. What landed is decided by the deliveries ledger alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from pipeline import inbox
from pipeline.errors import SourceError
from pipeline.failpoints import failpoint
from pipeline.home import refuse_strangers
from pipeline.inbox import SETTLED, Entry
from pipeline.landing import LandingResult, unreachable
from pipeline.settings import Settings
from pipeline.sources import clients
from pipeline.sources.lake_mapping import LakeMapping, read_mapping
from pipeline.sources.objects import NoSuchObject, S3Client, StoredObject, is_passed_over, stat_object
from pipeline.sources.queues import Queue
from pipeline.spool import Spool, SpooledMessage
from pipeline.steps import Ingested, warehouse
from pipeline.sweep import take_objects

ROUND_OBJECTS = 500
MAX_ROUNDS = 10  # then the marts get their turn; what waits still wakes the next run


def spool_of(settings: Settings) -> Spool:
    """Where this ledger keeps messages that are not in its warehouse yet."""
    return Spool(settings.place.spool)


def collect(queue: Queue, spool: Spool, wait_seconds: int = 0) -> int:
    """Move everything a queue holds now into the spool, and acknowledge it there; waits only for the first message.

    Returns how many messages came. Raises SourceError where the queue does not answer.
    """
    count = 0
    while messages := queue.receive(0 if count else wait_seconds):
        spool.put([SpooledMessage(one.message_id, queue.url, one.body) for one in messages])
        failpoint("events.before_acknowledge")
        queue.acknowledge(messages)
        count += len(messages)
    return count


def ingest_events(settings: Settings, now: datetime) -> Ingested:
    """Land every object that messages announce, until none waits; a queue or bucket that fails stops no other."""
    refuse_strangers(settings.place, [f"the queue {url}" for url in settings.queues])
    lake = read_mapping(settings.lake_mapping) if settings.lake_mapping else None
    spool, lost = spool_of(settings), []
    for url in settings.queues:
        try:
            collect(Queue(url), spool)
        except SourceError as error:
            lost.append(unreachable(f"queue {url}", "", error))
    ingested = Ingested(tuple(lost))
    with warehouse(settings) as conn:
        for _ in range(MAX_ROUNDS):
            store_spooled(conn, spool, now)
            if not (entries := inbox.due(conn, now, ROUND_OBJECTS)):
                break
            ingested += _Round(conn, now, lake).take(entries)
    return ingested


def store_spooled(conn: duckdb.DuckDBPyConnection, spool: Spool, now: datetime) -> None:
    """Move messages from the spool into the inbox table."""
    if paths := spool.waiting():
        inbox.store_messages(conn, spool.read(paths), now)
        failpoint("events.before_forget")
        spool.forget(paths)


@dataclass
class _Round:
    """Up to 500 due entries on their way."""

    conn: duckdb.DuckDBPyConnection
    now: datetime
    lake: LakeMapping | None
    s3: S3Client = field(default_factory=clients.s3)  # one for all: making one takes longer than a call
    outcomes: dict[str, str] = field(default_factory=dict)
    results: list[LandingResult] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    silent: dict[str, SourceError] = field(default_factory=dict)

    def take(self, entries: Sequence[Entry]) -> Ingested:
        """Look each object up, land what is there, and settle every entry."""
        found = [(entry, stored) for entry in entries if (stored := self._look_up(entry))]
        for part in _without_twins(found):
            self._land(part)
        postponed = [entry.entry for entry in entries if entry.entry not in self.outcomes]
        failpoint("events.before_settle")
        inbox.postpone(self.conn, postponed, self.now)
        dead = inbox.settle(self.conn, self.outcomes, self.now)
        self.results += [
            LandingResult(name, "", "dead", reason=f"given up after {inbox.MAX_TRIES} tries: {reason}")
            for name, reason in dead
        ]
        return Ingested(tuple(self.results), tuple(self.waiting))

    def _look_up(self, entry: Entry) -> StoredObject | None:
        """The object as it lies in S3; None where the outcome is known already, or S3 did not answer."""
        if entry.object is None:
            self._settle(entry, inbox.reread(self.conn, entry, self.now))
        elif is_passed_over(entry.object.key):
            self._settle(entry, SETTLED)
        elif not (known := self.silent.get(entry.object.bucket)):
            try:
                return stat_object(entry.object.bucket, entry.object.key, entry.object.version, self.s3)
            except NoSuchObject as error:
                self._settle(entry, str(error))
            except SourceError as error:
                self.silent[entry.object.bucket] = error
                self.results.append(unreachable(entry.name, "", error))
        else:
            self.results.append(unreachable(entry.name, "", known))
        return None

    def _land(self, found: Sequence[tuple[Entry, StoredObject]]) -> None:
        objects = [stored for _, stored in found]
        landed = take_objects(self.conn, objects, arrived_at=self.now, s3_client=self.s3, lake=self.lake)
        self.results += landed.results
        self.waiting += landed.waiting
        refused = {result.object: result.words for result in landed.of("refused")}
        for entry, stored in found:
            self.outcomes[entry.entry] = refused.get(stored.name, SETTLED)

    def _settle(self, entry: Entry, reason: str) -> None:
        self.outcomes[entry.entry] = reason
        if reason:
            self.results.append(LandingResult(entry.name, "", "refused", reason=reason))


def _without_twins(found: Sequence[tuple[Entry, StoredObject]]) -> Iterator[list[tuple[Entry, StoredObject]]]:
    """Parts in which no location stands twice with different versions, in order."""
    rest = list(found)
    while rest:
        versions: dict[str, str] = {}
        part: list[tuple[Entry, StoredObject]] = []
        later: list[tuple[Entry, StoredObject]] = []
        for entry, stored in rest:
            fits = versions.setdefault(stored.location, stored.version) == stored.version
            (part if fits else later).append((entry, stored))
        yield part
        rest = later
