"""The inbox: announced objects that have not landed yet, their tries, and what was given up after five.

One row per object version, however often it is announced. The ledger of deliveries stays the truth: a row that is lost
or done twice changes nothing there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from pipeline.sources.notifications import ArrivedObject, read_message
from pipeline.spool import SpooledMessage
from pipeline.warehouse import transaction, utc_rows

MAX_TRIES = 5
FIRST_RETRY = timedelta(minutes=1)  # then doubled: five tries take a quarter of an hour
BODY_CHARACTERS = 2000
SETTLED = ""  # the outcome of an entry that landed, was known, or needs no landing

_DEAD_LETTERS = f"""
insert into raw_dead_letters by name
select
    entry, if(bucket is null, null, 's3://' || bucket || '/' || object_key) as object, queue, message_id,
    body[1:{BODY_CHARACTERS}] as body, reason, tries, received_at, $now as died_at
from state_inbox
where tries >= {MAX_TRIES}
"""


@dataclass(frozen=True)
class Entry:
    """One row that is due: an object, or a message (`object` is None) that could not be read so far."""

    entry: str
    object: ArrivedObject | None
    queue: str
    message_id: str
    body: str
    tries: int

    @property
    def name(self) -> str:
        """What people are shown."""
        return self.object.location if self.object else self.entry


def store_messages(conn: duckdb.DuckDBPyConnection, messages: Iterable[SpooledMessage], now: datetime) -> None:
    """Note every object that the messages announce, and every message that could not be read. One transaction."""
    with transaction(conn):
        for message in messages:
            _store(conn, message, now)


def due(conn: duckdb.DuckDBPyConnection, now: datetime, limit: int) -> list[Entry]:
    """What is to be tried now, oldest news first."""
    rows = utc_rows(
        conn,
        "select entry, bucket, object_key, version, queue, message_id, coalesce(body, ''), tries from state_inbox "
        "where next_try_at <= ? order by received_at, entry limit ?",
        [now, limit],
    )
    return [
        Entry(entry, None if bucket is None else ArrivedObject(bucket, key, version), queue, message_id, body, tries)
        for entry, bucket, key, version, queue, message_id, body, tries in rows
    ]


def settle(conn: duckdb.DuckDBPyConnection, outcomes: Mapping[str, str], now: datetime) -> list[tuple[str, str]]:
    """Remove settled entries, count a try for the others, and give up those at their fifth. One transaction.

    `outcomes` maps entries to a reason, or to SETTLED. Returns what was given up, with its reason.
    """
    with transaction(conn):
        for entry, reason in outcomes.items():
            if reason == SETTLED:
                conn.execute("delete from state_inbox where entry = ?", [entry])
            else:
                _count_try(conn, entry, reason, now)
        dead = conn.execute(
            "select coalesce('s3://' || bucket || '/' || object_key, entry), reason from state_inbox where tries >= ? "
            "order by entry",
            [MAX_TRIES],
        ).fetchall()
        conn.execute(_DEAD_LETTERS, {"now": now})
        conn.execute("delete from state_inbox where tries >= ?", [MAX_TRIES])
    return dead


def postpone(conn: duckdb.DuckDBPyConnection, entries: Iterable[str], now: datetime) -> None:
    """Try these again in a minute; S3 could not be asked, which says nothing about them, so it is no try."""
    with transaction(conn):
        for entry in entries:
            conn.execute("update state_inbox set next_try_at = ? where entry = ?", [now + FIRST_RETRY, entry])


def reread(conn: duckdb.DuckDBPyConnection, entry: Entry, now: datetime) -> str:
    """Read an unreadable message again, a newer version may understand it; its objects join. The outcome to settle."""
    news = read_message(entry.body)
    with transaction(conn):
        for found in news.objects:
            _add(conn, found, entry.queue, entry.message_id, now)
    return news.problem


def _store(conn: duckdb.DuckDBPyConnection, message: SpooledMessage, now: datetime) -> None:
    news = read_message(message.body)
    for found in news.objects:
        _add(conn, found, message.queue, message.message_id, now)
    if news.problem:
        _insert(conn, f"message:{message.message_id}", None, message, now)


def _add(conn: duckdb.DuckDBPyConnection, found: ArrivedObject, queue: str, message_id: str, now: datetime) -> None:
    _insert(conn, found.identity, found, SpooledMessage(message_id, queue, ""), now)


def _insert(
    conn: duckdb.DuckDBPyConnection, entry: str, found: ArrivedObject | None, message: SpooledMessage, now: datetime
) -> None:
    parts = [found.bucket, found.key, found.version] if found else [None, None, None]
    body = None if found else message.body
    conn.execute(
        "insert into state_inbox select ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, '' "
        "where not exists (from state_inbox where entry = ?)",
        [entry, *parts, message.queue, message.message_id, body, now, now, entry],
    )


def _count_try(conn: duckdb.DuckDBPyConnection, entry: str, reason: str, now: datetime) -> None:
    (tries,) = conn.execute("select tries from state_inbox where entry = ?", [entry]).fetchall()[0]
    next_try_at = now + FIRST_RETRY * 2**tries
    conn.execute(
        "update state_inbox set tries = ?, next_try_at = ?, reason = ? where entry = ?",
        [tries + 1, next_try_at, reason, entry],
    )
