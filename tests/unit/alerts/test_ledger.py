"""The ledger itself: who may send, what a crash leaves, and what a new plan keeps."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerts.ledger import Ledger, lease, opened
from alerts.schema import Row
from pipeline.errors import LedgerBroken
from tests.unit.alerts.samples import IDLE, closed

NOW = datetime(2026, 11, 15, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "alerts.db", "slack")
    ledger.reconcile([IDLE], target="C1", data_through_at=None)
    yield ledger
    ledger.close()


def claim(ledger: Ledger, row: Row) -> bool:
    return ledger.claim(row, channel="C1", under_ts="", server_time=1000.0, now=NOW)


def use(ledger: Ledger, row: Row) -> None:
    ledger.message(row.outbox_id)
    ledger.reconcile([closed(IDLE)], target="C1", data_through_at=None)


def test_a_message_can_be_claimed_once(ledger: Ledger) -> None:
    (row,) = ledger.queue()
    assert claim(ledger, row)
    assert not claim(ledger, row)


def test_a_claim_that_died_is_unknown_and_blocks_its_thread(ledger: Ledger) -> None:
    claim(ledger, *ledger.queue())
    ledger.recover()
    ledger.reconcile([closed(IDLE)], target="C1", data_through_at=None)
    assert [row.state for row in ledger.unresolved()] == ["unknown"]
    assert ledger.queue() == []


def test_a_message_that_surely_never_arrived_is_planned_anew_under_the_same_name(ledger: Ledger) -> None:
    (row,) = ledger.queue()
    claim(ledger, row)
    ledger.record(row, "pending", "rate limited")
    ledger.reconcile([IDLE], target="C1", data_through_at=None)
    (again,) = ledger.queue()
    assert (again.outbox_id, again.error, again.server_since) == (row.outbox_id, "rate limited", 1000.0)


def test_a_finding_that_closed_before_it_was_sent_is_one_message(ledger: Ledger) -> None:
    ledger.reconcile([closed(IDLE)], target="C1", data_through_at=None)
    assert [(row.transition, row.is_reply) for row in ledger.queue()] == [("close", False)]


def test_an_unknown_outcome_is_dated_once_by_the_channels_clock(ledger: Ledger) -> None:
    claim(ledger, *ledger.queue())
    ledger.recover()
    ledger.anchor(2000.0)
    ledger.anchor(3000.0)
    assert [row.server_anchor for row in ledger.unresolved()] == [2000.0]


def test_a_sent_parent_that_reads_as_it_must_is_left_alone(ledger: Ledger) -> None:
    (row,) = ledger.queue()
    ledger.record_sent(row, channel="C1", ts="1.5", anchors=True, edit_key=row.edit_key)
    assert ledger.stale_threads() == []
    ledger.reconcile([closed(IDLE)], target="C1", data_through_at=None)
    assert [thread.ts for thread in ledger.stale_threads()] == ["1.5"]


@pytest.mark.parametrize(
    "damage",
    [
        "update incidents set finding = 'half a fin'",
        "update outbox set message = '{}'",
        "update outbox set message = cast(x'ff' as text)",
        "update incidents set finding_id = 'other'",
        "drop table outbox; create table outbox (x)",
    ],
)
def test_a_damaged_row_names_the_ledger_and_what_to_do(tmp_path: Path, ledger: Ledger, damage: str) -> None:
    (row,) = ledger.queue()
    ledger.record_sent(row, channel="C1", ts="1", anchors=True, edit_key="")
    ledger.close()
    with sqlite3.connect(tmp_path / "alerts.db") as conn:
        conn.executescript(damage)
    with (
        pytest.raises(LedgerBroken, match=r"alert ledger .*alerts\.db: .*move it away.*then: chipledger notify"),
        opened(tmp_path / "alerts.db", "slack") as broken,
    ):
        use(broken, row)


def test_a_ledger_that_another_program_holds_is_not_called_damaged(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alerts.schema.BUSY_SECONDS", 0)
    with sqlite3.connect(tmp_path / "alerts.db") as other:
        other.execute("begin immediate")
        with (
            pytest.raises(LedgerBroken, match=r"database is locked; let its holder finish"),
            opened(tmp_path / "alerts.db", "slack") as busy,
        ):
            busy.recover()


def test_the_lease_is_for_one_and_free_as_soon_as_it_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "alerts.db"
    with lease(path) as first, lease(path) as second:
        assert (first, second) == (True, False)
    with lease(path) as again:
        assert again
