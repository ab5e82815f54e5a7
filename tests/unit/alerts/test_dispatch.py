"""Without Slack: the same messages as files, told once, over any number of passes."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from alerts.dispatch import NotifyReport, notify
from alerts.ledger import lease
from alerts.outbox import Outbox
from alerts.signal import Finding
from tests.unit.alerts.samples import IDLE, SPIKE, closed, numbered, rows

Tell = Callable[..., NotifyReport]
NOW = datetime(2026, 11, 15, tzinfo=UTC)


@pytest.fixture
def tell(tmp_path: Path) -> Tell:
    """One pass over the findings given, into files."""

    def one_pass(*findings: Finding, **options: Any) -> NotifyReport:
        return notify(
            rows(*findings),
            state_path=tmp_path / "state" / "alerts.db",
            outbox_dir=tmp_path / "outbox",
            slack=None,
            now=lambda: NOW,
            sleep=options.pop("sleep", lambda seconds: None),
            **options,
        )

    return one_pass


def files(tmp_path: Path) -> dict[str, dict[str, Any]]:
    return {path.name: json.loads(path.read_text("utf-8")) for path in (tmp_path / "outbox").iterdir()}


def test_a_finding_becomes_one_file_that_slack_would_take_as_it_is(tmp_path: Path, tell: Tell) -> None:
    assert tell(IDLE).sent == 1
    (name, body), *rest = files(tmp_path).items()
    assert not rest
    assert name == "0123456789abcdef-open.json"
    assert body["text"].startswith("[CRITICAL] $1,412 so far ($125/h)")
    assert body["blocks"][0]["type"] == "header"
    assert body["metadata"]["event_payload"]["finding_id"] == IDLE.finding_id
    assert body["message"]["runbook"] == "alerts/runbooks/idle_while_paid.md"


def test_the_report_says_that_messages_were_written_and_where(tmp_path: Path, tell: Tell) -> None:
    folder = tmp_path / "outbox"
    assert str(tell(IDLE, dry_run=True)) == f"1 would be written to {folder}, 0 findings without news"
    assert str(tell(IDLE)) == f"1 written to {folder}, 0 findings without news"
    assert str(tell(IDLE)) == f"0 written to {folder}, 1 findings without news"


def test_telling_again_writes_nothing(tmp_path: Path, tell: Tell) -> None:
    tell(IDLE, SPIKE)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "outbox").iterdir()}
    report = tell(IDLE, SPIKE)
    assert (report.sent, report.edited, report.skipped) == (0, 0, 2)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "outbox").iterdir()} == before


def test_a_life_is_told_in_order_and_the_parent_shows_its_end(tmp_path: Path, tell: Tell) -> None:
    for finding in (replace(IDLE, severity="warning"), IDLE, closed(IDLE), IDLE, closed(IDLE)):
        tell(finding)
    told = files(tmp_path)
    assert sorted(name.removeprefix("0123456789abcdef-") for name in told) == [
        "close-2.json",
        "close.json",
        "escalate.json",
        "open.json",
        "reopen.json",
    ]
    assert told["0123456789abcdef-open.json"]["text"].startswith("[CLOSED] $1,412 in total")
    assert told["0123456789abcdef-escalate.json"]["thread"] == "0123456789abcdef-open.json"


def test_a_finding_that_no_longer_holds_is_retracted_in_its_own_message(tmp_path: Path, tell: Tell) -> None:
    tell(IDLE)
    tell()
    told = files(tmp_path)
    assert told["0123456789abcdef-open.json"]["text"].startswith("[RETRACTED]")
    assert "0123456789abcdef-retract.json" in told
    assert tell().sent == 0


def test_a_start_moved_by_late_data_changes_the_message_and_raises_no_alarm(tmp_path: Path, tell: Tell) -> None:
    tell(IDLE)
    moved = replace(IDLE, finding_id="f" * 16, opened_at=IDLE.opened_at - timedelta(hours=4), impact_usd=Decimal(1900))
    report = tell(moved)
    assert (report.sent, report.edited) == (0, 1)
    assert list(files(tmp_path)) == ["0123456789abcdef-open.json"]
    assert "$1,900 so far" in files(tmp_path)["0123456789abcdef-open.json"]["text"]
    assert tell(IDLE).sent == 0  # and back again, where the late data is withdrawn
    assert tell(moved, numbered(5)).sent == 1


def test_history_is_one_digest_on_the_first_run(tmp_path: Path, tell: Tell) -> None:
    assert tell(*(closed(numbered(n)) for n in range(40)), IDLE).sent == 2
    (digest,) = [body for name, body in files(tmp_path).items() if name.startswith("digest")]
    assert "40 findings found in history: 40 closed" in digest["text"]


def test_a_digest_shows_the_end_of_its_findings_and_gets_one_reply(tmp_path: Path, tell: Tell) -> None:
    opened = [numbered(n) for n in range(12)]
    assert tell(*opened).sent == 1
    report = tell(*map(closed, opened[:5]), *opened[5:])
    assert (report.sent, report.edited) == (1, 1)
    (digest,) = [body for name, body in files(tmp_path).items() if name.endswith("-open.json")]
    assert "12 findings at the first look: 7 open, 5 closed" in digest["text"]


def test_a_dry_run_shows_the_messages_and_keeps_nothing(tmp_path: Path, tell: Tell) -> None:
    report = tell(IDLE, dry_run=True)
    assert (report.sent, report.pending) == (0, 1)
    assert report.lines[0].text.startswith("[CRITICAL] $1,412")
    assert not (tmp_path / "outbox").exists()
    assert tell(IDLE).sent == 1


def test_a_second_dispatcher_waits_and_then_says_who_is_busy(tmp_path: Path, tell: Tell) -> None:
    waits: list[float] = []
    with lease(tmp_path / "state" / "alerts.db") as mine:
        assert mine
        report = tell(IDLE, max_seconds=2.0, sleep=waits.append)
    assert report.sent == 0
    assert "another dispatcher" in report.problem
    assert 0 < sum(waits) <= 2.0
    assert tell(IDLE).sent == 1


def test_two_dispatchers_at_once_tell_everything_once(tmp_path: Path, tell: Tell) -> None:
    reports: list[NotifyReport] = []
    findings = [numbered(n) for n in range(9)]

    def work() -> None:
        reports.append(tell(*findings, sleep=lambda seconds: threading.Event().wait(0.01), max_seconds=60))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.sent for report in reports) == 9
    assert len(files(tmp_path)) == 9


def test_each_route_hears_the_whole_story(tmp_path: Path, tell: Tell) -> None:
    from alerts.ledger import Ledger

    tell(IDLE)
    ledger = Ledger(tmp_path / "state" / "alerts.db", "slack")
    ledger.reconcile([IDLE], target="C1", data_through_at=None)
    assert [row.transition for row in ledger.queue()] == ["open"]
    ledger.close()


def test_a_message_is_being_sent_in_the_ledger_before_the_call(
    tmp_path: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []
    post = Outbox.post

    def watched(outbox: Outbox, *args: Any, **options: Any) -> Any:
        with sqlite3.connect(tmp_path / "state" / "alerts.db") as another:
            seen.extend(another.execute("select state, attempts from outbox"))
        return post(outbox, *args, **options)

    monkeypatch.setattr(Outbox, "post", watched)
    assert tell(IDLE).sent == 1
    assert seen == [("sending", 1)]


def test_the_ledger_is_in_wal_mode(tmp_path: Path, tell: Tell) -> None:
    tell(IDLE)
    with sqlite3.connect(tmp_path / "state" / "alerts.db") as conn:
        assert conn.execute("pragma journal_mode").fetchone() == ("wal",)


def test_what_is_not_judged_now_is_neither_retracted_nor_told_anew(tmp_path: Path, tell: Tell) -> None:
    check = replace(IDLE, finding_id="check", rule="data_quality")
    tell(IDLE, SPIKE, check)
    before = {path: path.read_text("utf-8") for path in (tmp_path / "outbox").iterdir() if "check" not in path.name}
    assert tell(judged=("data_quality",)).sent == 1  # the check passes again; of the others nothing is known
    assert {path: path.read_text("utf-8") for path in before} == before
    assert {path.name for path in (tmp_path / "outbox").iterdir()} - {path.name for path in before} == {
        "check-open.json",
        "check-close.json",
    }
    assert tell(SPIKE).sent == 1  # judged again: now it is retracted
    assert tell(judged=("data_quality",)).sent == 0


def test_a_workload_that_idles_by_turns_is_one_message_that_says_how_often(tmp_path: Path, tell: Tell) -> None:
    past: list[Finding] = []
    for number in range(6):
        start = IDLE.opened_at + number * timedelta(hours=1)
        now = replace(IDLE, finding_id=f"{number:016x}", opened_at=start, last_seen_at=start + timedelta(minutes=20))
        tell(*past, now)
        past.append(closed(now))
        tell(*past)
    told = files(tmp_path)
    assert [name for name, body in told.items() if "thread" not in body] == ["0000000000000000-open.json"]
    assert len(told) == 12
    parent = told["0000000000000000-open.json"]["message"]
    assert "6 findings of prod-eks/ml/-/notebooks, idle while paid: 6 closed" in parent["headline"]
    tell(*past[:-1], now)
    parent = files(tmp_path)["0000000000000000-open.json"]["message"]
    assert "1 open, 5 closed" in parent["headline"]
    assert parent["runbook"] == "alerts/runbooks/idle_while_paid.md"
