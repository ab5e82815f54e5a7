"""The alert ledger's tables: SQLite in WAL mode, every transaction a writer's from its start."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    create_engine,
    event,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from alerts.message import Message
from pipeline.errors import LedgerBroken

Kept = TypeVar("Kept")

MAY_HAVE_ARRIVED = ("sending", "unknown", "held")  # states of a message whose fate nobody knows
BUSY_SECONDS = 30
# how SQLite names what ails the file's surroundings, not its content
AROUND = ("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_PERM", "SQLITE_READONLY")

TABLES = MetaData()
OUTBOX = Table(
    "outbox",
    TABLES,
    Column("outbox_id", String, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("route", String, nullable=False, index=True),
    Column("thread_id", String, nullable=False, index=True),
    Column("is_reply", Integer, nullable=False),
    Column("loud", Integer, nullable=False),
    Column("transition", String, nullable=False),
    Column("file_name", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("edit_key", String, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("attempts", Integer, nullable=False, default=0),
    Column("first_attempt_at", String),
    Column("last_attempt_at", String),
    Column("server_since", Float),  # the channel's clock just before the first attempt
    Column("server_anchor", Float),  # the channel's clock when the outcome was found to be unknown
    Column("channel", String, nullable=False, default=""),
    Column("under_ts", String, nullable=False, default=""),
    Column("ts", String, nullable=False, default=""),
    Column("error", String, nullable=False, default=""),
)
THREADS = Table(
    "threads",
    TABLES,
    Column("thread_id", String, primary_key=True),
    Column("route", String, nullable=False, index=True),
    Column("channel", String, nullable=False, default=""),
    Column("ts", String, nullable=False, default=""),
    Column("anchor_id", String, nullable=False, default=""),  # outbox_id of the message that stands there
    Column("occasion", String, nullable=False),
    Column("message", Text, nullable=False),  # the parent as it must read now
    Column("edit_key", String, nullable=False),
    Column("delivered_key", String, nullable=False, default=""),
)
TRANSITIONS = Table(
    "transitions",
    TABLES,
    Column("route", String, primary_key=True),
    Column("finding_id", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("transition", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("outbox_id", String, nullable=False, index=True),
)
INCIDENTS = Table(
    "incidents",
    TABLES,
    Column("route", String, primary_key=True),
    Column("finding_id", String, primary_key=True),
    Column("thread_id", String, nullable=False, index=True),
    Column("finding", Text, nullable=False),
)


@dataclass(frozen=True)
class Thread:
    """A parent message: where it stands (`ts` empty: nowhere yet, or gone), and how it must read now."""

    thread_id: str
    channel: str
    ts: str
    anchor_id: str
    message: Message
    edit_key: str
    delivered_key: str


@dataclass(frozen=True)
class Row:
    """One message of the outbox."""

    outbox_id: str
    thread_id: str
    is_reply: bool
    loud: bool
    transition: str
    file_name: str
    message: Message
    edit_key: str
    state: str
    channel: str
    under_ts: str
    server_since: float
    server_anchor: float | None
    error: str


def open_engine(path: Path) -> Engine:
    """Open (or make) the ledger's file; a busy one is waited for up to 30 s."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    with engine.begin() as conn:
        TABLES.create_all(conn)
    return engine


class DamagedRow(Exception):
    """A row of the ledger does not hold what was written."""


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Turn what a damaged or refusing ledger raises into LedgerBroken: the file, the reason, the next step."""
    try:
        yield
    except (SQLAlchemyError, UnicodeDecodeError, DamagedRow) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        mend = "restore it from a backup, or move it away (people are then told again what is open)"
        if isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorname", "").startswith(AROUND):
            mend = "let its holder finish, make it writable, or free space there"
        reason = str(cause).partition("\n")[0][:200]
        raise LedgerBroken(f"alert ledger {path}: {reason}; {mend}, then: chipledger notify") from error


def kept(parse: Callable[[str], Kept], text: str) -> Kept:
    """What the ledger keeps as JSON; DamagedRow where it is not what was written."""
    try:
        return parse(text)
    except (ValueError, TypeError, LookupError) as error:
        raise DamagedRow(f"a row in it cannot be read ({type(error).__name__})") from error


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late; ours is below
    cursor = connection.cursor()
    cursor.execute("pragma journal_mode = wal")
    cursor.execute("pragma synchronous = full")
    cursor.close()


def _begin(conn: Connection) -> None:
    conn.exec_driver_sql("begin immediate")


def row_of(found: RowMapping) -> Row:
    """One message as a value."""
    return Row(
        outbox_id=found["outbox_id"],
        thread_id=found["thread_id"],
        is_reply=bool(found["is_reply"]),
        loud=bool(found["loud"]),
        transition=found["transition"],
        file_name=found["file_name"],
        message=kept(Message.from_json, found["message"]),
        edit_key=found["edit_key"],
        state=found["state"],
        channel=found["channel"],
        under_ts=found["under_ts"],
        server_since=found["server_since"] or 0.0,
        server_anchor=found["server_anchor"],
        error=found["error"],
    )


def thread_of(found: RowMapping) -> Thread:
    """One parent message as a value."""
    return Thread(
        thread_id=found["thread_id"],
        channel=found["channel"],
        ts=found["ts"],
        anchor_id=found["anchor_id"],
        message=kept(Message.from_json, found["message"]),
        edit_key=found["edit_key"],
        delivered_key=found["delivered_key"],
    )
