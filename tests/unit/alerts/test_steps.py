"""`notify` as a step: where its findings come from, and what it does where they are lost."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerts import steps as telling
from alerts.dispatch import notify
from pipeline import settings, steps
from pipeline.errors import NotTold
from tests.unit.alerts.samples import IDLE, rows

NOW = datetime(2026, 11, 15, tzinfo=UTC)


def test_a_lost_publication_is_no_all_clear(home: Path) -> None:
    values = settings.load()
    now = values.clock()
    place = values.place.create()
    notify(
        rows(IDLE),
        state_path=place.state / telling.LEDGER_FILE,
        outbox_dir=place.outbox,
        slack=None,
        now=lambda: now,
        sleep=lambda seconds: None,
    )
    shutil.rmtree(place.published)
    assert telling.notify(values, now).sent == 0
    steps.build(values, now)
    steps.check(values, now)
    telling.detect(values, now)
    steps.publish(values, now)
    assert telling.notify(values, now).sent == 1  # published again, and it is gone: retracted


def test_a_task_that_cannot_tell_people_fails_and_says_why(begun_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = settings.load()
    assert telling.notify_or_fail(values, NOW).problem == ""
    for name, value in {"CHANNEL": "C1", "BASE_URL": "http://127.0.0.1:9/api/"}.items():
        monkeypatch.setenv(f"CHIPLEDGER_SLACK_{name}", value)
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    with pytest.raises(NotTold, match=r"0 sent to Slack channel C1.*messages wait for the next pass"):
        telling.notify_or_fail(settings.load(), NOW)
