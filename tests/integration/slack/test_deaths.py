"""Slack over real HTTP: nothing lost and nothing doubled, whatever the server answers and wherever we die."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alerts.signal import Finding
from alerts.text import escape
from pipeline import failpoints
from tests.fakes import slack as fakes
from tests.fakes.slack import FakeSlack
from tests.support.slack_passes import Tell, doubles
from tests.unit.alerts.samples import IDLE, closed, numbered


class Killed(BaseException):
    """kill -9, seen from inside: nobody catches it."""


def story(draw: random.Random, count: int) -> Iterator[list[Finding]]:
    """Findings as they come, worsen, end, come again and vanish, pass by pass."""
    current = {number: numbered(number + 1, severity="warning") for number in range(count // 2)}
    yield list(current.values())
    for step in range(4):
        for number in range(count):
            roll, finding = draw.random(), current.get(number, numbered(number + 1, severity="warning"))
            if roll < 0.3:
                current[number] = closed(finding)
            elif roll < 0.45:
                current[number] = replace(finding, severity="critical", status="open", closed_at=None)
            elif roll < 0.5 and step < 3:
                current.pop(number, None)
        yield list(current.values())


def shows(slack: FakeSlack, finding: Finding) -> bool:
    """True if exactly one parent tells of the finding, and tells how it stands now."""
    name = escape(finding.subject) + " "
    parents = [message for message in slack.parents if name in message.text]
    state = {"open": "so far", "closed": "in total"}[finding.status]
    return len(parents) == 1 and any(name in line and state in line for line in parents[0].text.splitlines())


def live(slack: FakeSlack, tell: Tell, monkeypatch: pytest.MonkeyPatch, seed: int, count: int) -> list[Finding]:
    """Tell a story while the server fails and we die at random; then let both recover."""
    draw = random.Random(seed)

    def fault(method: str) -> str:
        return draw.choice(fakes.FAULTS) if draw.random() < 0.3 else ""

    def die(name: str) -> None:
        if draw.random() < 0.04:
            raise Killed(name)

    findings: list[Finding] = []
    slack.fault = fault
    monkeypatch.setattr(failpoints, "failpoint", die)
    for findings in story(draw, count):
        for _ in range(3):
            try:
                tell(*findings, max_seconds=draw.choice([5.0, 90.0]))
                break
            except Killed:
                slack.sleep(draw.choice([0.0, 1.0, 30.0]))
    slack.fault = lambda method: ""
    monkeypatch.undo()
    for _ in range(3):
        tell(*findings)
    return findings


def check_story(slack: FakeSlack, tell: Tell, monkeypatch: pytest.MonkeyPatch, seed: int, count: int) -> None:
    findings = live(slack, tell, monkeypatch, seed, count)
    report = tell(*findings)
    assert (report.sent, report.edited, report.held, report.pending, report.dead) == (0, 0, 0, 0, 0)
    assert doubles(slack) == []
    assert [finding.subject for finding in findings if not shows(slack, finding)] == []


@pytest.mark.parametrize("seed", range(12))
def test_faults_and_deaths_at_random_lose_nothing_and_double_nothing(
    slack: FakeSlack, tell: Tell, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    check_story(slack, tell, monkeypatch, seed, count=8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_two_hundred_stories_lose_nothing_and_double_nothing(
    slack: FakeSlack, tell: Tell, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    check_story(slack, tell, monkeypatch, seed, count=24)


DIE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from alerts.dispatch import notify
from alerts.slack import SlackSettings
from pipeline.failpoints import arm
from tests.unit.alerts.samples import IDLE, closed, rows
place, folder, url, state = sys.argv[1:]
arm(place)
findings = rows(closed(IDLE) if state == "closed" else IDLE)
slack = SlackSettings("xoxb-test", "C0ALERTS", url, pace_seconds=0.0)
notify(findings, state_path=Path(folder) / "alerts.db", outbox_dir=Path(folder) / "outbox", slack=slack,
       now=lambda: datetime.now(UTC), sleep=lambda seconds: None)
"""
PLACES = [
    ("alerts.reconcile.before_commit", "open"),
    ("alerts.reconcile.after_commit", "open"),
    ("alerts.before_claim", "open"),
    ("alerts.before_send", "open"),
    ("alerts.after_send", "open"),
    ("alerts.record.before_commit", "open"),
    ("alerts.record.after_commit", "open"),
    ("alerts.before_edit", "closed"),
    ("alerts.after_edit", "closed"),
    ("alerts.after_send", "closed"),
]
FAST = ("alerts.after_send", "open")


@pytest.mark.parametrize(
    ("place", "state"), [pytest.param(*one, marks=() if one == FAST else pytest.mark.slow) for one in PLACES]
)
def test_a_process_killed_at_any_step_is_made_good_by_the_next(
    slack: FakeSlack, tell: Tell, tmp_path: Path, repo_root: Path, place: str, state: str
) -> None:
    if state == "closed":
        tell(IDLE)
    command = [sys.executable, "-c", DIE, place, str(tmp_path), slack.base_url, state]
    assert subprocess.run(command, cwd=repo_root, check=False).returncode == -signal.SIGKILL
    slack.sleep(60)
    for _ in range(2):
        tell(closed(IDLE) if state == "closed" else IDLE)
    assert (len(slack.parents), len(slack.replies)) == (1, int(state == "closed"))
    assert slack.parents[0].text.startswith("[CLOSED]" if state == "closed" else "[CRITICAL]")
