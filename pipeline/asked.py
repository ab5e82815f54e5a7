"""What AWS was asked for money and has answered: within a while the same question is not paid for again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import duckdb

from pipeline.warehouse import transaction


def answered_since(conn: duckdb.DuckDBPyConnection, since: datetime, now: datetime) -> dict[str, str]:
    """Question → answer of all that was answered after `since`, by the data clock; it may be turned back."""
    rows = conn.execute(
        "select question, answer from state_asked where answered_at > ? and answered_at <= ?", [since, now]
    ).fetchall()
    return dict(rows)


def remember(conn: duckdb.DuckDBPyConnection, answers: Mapping[str, str], now: datetime) -> None:
    """Note that these questions were answered at `now`. Lost in a crash, they are only asked again."""
    with transaction(conn):
        for question, answer in answers.items():
            conn.execute("delete from state_asked where question = ?", [question])
            conn.execute("insert into state_asked values (?, ?, ?)", [question, now, answer])
