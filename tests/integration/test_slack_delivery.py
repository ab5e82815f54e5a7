"""Slack over real HTTP: nothing lost and nothing doubled, whatever the server answers and wherever we die."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from alerts.dispatch import NotifyReport, notify
from alerts.signal import Finding
from alerts.slack import Slack, SlackSettings
from alerts.text import escape
from pipeline import failpoints
from tests.fakes import slack as fakes
from tests.fakes.slack import CHANNEL, TOKEN, FakeSlack, Posted, serve
from tests.unit.alerts.samples import IDLE, closed, numbered, rows

SETTINGS = SlackSettings(TOKEN, CHANNEL, timeout_seconds=5, grace_seconds=15.0)
Tell = Callable[..., NotifyReport]


class Killed(BaseException):
    """kill -9, seen from inside: nobody catches it."""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with serve(FakeSlack()) as server:
        yield server


@pytest.fixture
def tell(slack: FakeSlack, tmp_path: Path) -> Tell:
    """One pass over the findings given."""

    def one_pass(*findings: Finding, skew: timedelta = timedelta(), **options: Any) -> NotifyReport:
        given = options.pop("settings", SETTINGS)
        return notify(
            rows(*findings),
            state_path=tmp_path / "alerts.db",
            outbox_dir=tmp_path / "outbox",
            slack=replace(given, base_url=slack.base_url),
            now=lambda: slack.now(skew),
            sleep=slack.sleep,
            **{"max_seconds": 600.0, **options},
        )

    return one_pass


def once(method: str, fault: str) -> Callable[[str], str]:
    """`fault` at the first call of `method`, then none."""
    left = [fault]
    return lambda called: left.pop() if called == method and left else ""


def always(method: str, fault: str) -> Callable[[str], str]:
    return lambda called: fault if called == method else ""


# ---- one story


def test_open_is_a_message_and_close_an_edit_with_one_reply(slack: FakeSlack, tell: Tell) -> None:
    tell(IDLE)
    report = tell(closed(IDLE))
    (parent,), (reply,) = slack.parents, slack.replies
    assert (report.sent, report.edited) == (1, 1)
    assert (parent.edits, reply.thread_ts) == (1, parent.ts)
    assert parent.text.startswith("[CLOSED] $1,412 in total")
    assert reply.body.get("reply_broadcast") in (False, None)


def test_the_report_says_that_messages_were_sent_and_to_which_channel(tell: Tell) -> None:
    assert str(tell(IDLE)) == f"1 sent to Slack channel {SETTINGS.channel}, 0 findings without news"


def test_an_escalation_is_shown_in_the_channel_and_stays_in_the_thread(slack: FakeSlack, tell: Tell) -> None:
    tell(replace(IDLE, severity="warning"))
    tell(IDLE)
    (reply,) = slack.replies
    assert reply.body["reply_broadcast"] is True
    assert reply.text.startswith("[ESCALATED to CRITICAL] $1,412")


def test_slack_is_asked_neither_to_link_nor_to_expand_anything(slack: FakeSlack, tell: Tell) -> None:
    tell(replace(IDLE, subject="<!channel> @here https://x"))
    (parent,) = slack.parents
    assert (parent.body["parse"], parent.body["unfurl_links"], parent.body.get("link_names")) == ("none", False, None)
    assert not [text for text in fakes.strings(parent.body) if fakes.unescaped(text)]


def test_at_most_one_message_per_second_goes_to_the_channel(slack: FakeSlack, tell: Tell) -> None:
    tell(*map(numbered, range(9)))
    times = [at for method, at in slack.calls if method == "chat.postMessage"]
    assert len(times) == 9
    assert min(later - earlier for earlier, later in pairwise(times)) >= 1.0


def test_outside_text_that_slack_refuses_as_layout_goes_as_plain_text(
    slack: FakeSlack, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fakes.LIMITS, "header", 5)
    report = tell(IDLE)
    (parent,) = slack.parents
    assert (report.sent, parent.body["blocks"]) == (1, [])
    assert "$1,412 so far" in parent.text


# ---- one fault


@pytest.mark.parametrize("fault", fakes.FAULTS)
def test_one_fault_while_posting_neither_loses_nor_doubles(slack: FakeSlack, tell: Tell, fault: str) -> None:
    slack.fault = once("chat.postMessage", fault)
    report = tell(IDLE)
    assert (len(slack.messages), report.sent, report.held, report.pending) == (1, 1, 0, 0)


@pytest.mark.parametrize("fault", fakes.FAULTS)
@pytest.mark.parametrize("method", ["chat.update", "auth.test", "conversations.history"])
def test_one_fault_elsewhere_is_made_good_by_the_next_pass(
    slack: FakeSlack, tell: Tell, method: str, fault: str
) -> None:
    broken = [method, "chat.postMessage"] if method == "conversations.history" else [method]
    slack.fault = lambda called: (broken.remove(called) or fault) if called in broken else ""  # type: ignore[func-returns-value]
    tell(IDLE)
    tell(closed(IDLE))
    slack.sleep(60)
    for _ in range(3):
        tell(closed(IDLE))
    assert (len(slack.parents), len(slack.parents) + len(slack.replies)) in ((1, 1), (1, 2))
    assert slack.parents[0].text.startswith("[CLOSED]")
    assert doubles(slack) == []


def test_an_answer_slower_than_our_patience_is_looked_up_not_sent_again(slack: FakeSlack, tell: Tell) -> None:
    slack.fault, slack.slow_seconds = once("chat.postMessage", fakes.SLOW), 1.4
    report = tell(IDLE, settings=replace(SETTINGS, timeout_seconds=1))
    assert (len(slack.messages), slack.count("chat.postMessage"), report.sent) == (1, 1, 1)


def test_a_message_accepted_late_is_found_because_the_lookup_waits(slack: FakeSlack, tell: Tell) -> None:
    slack.fault, slack.late_seconds = once("chat.postMessage", fakes.LATE), 14.0
    tell(IDLE)
    assert (len(slack.messages), slack.count("chat.postMessage")) == (1, 1)


def test_an_unknown_outcome_is_held_and_shown_while_nobody_can_look_it_up(slack: FakeSlack, tell: Tell) -> None:
    slack.fault, slack.error = once("chat.postMessage", fakes.CUT), {"conversations.history": "missing_scope"}
    report = tell(IDLE)
    assert (report.sent, report.held, slack.count("chat.postMessage")) == (0, 1, 1)
    assert "missing_scope" in report.lines[0].error
    assert tell(IDLE).held == 1
    slack.error = {}
    assert tell(IDLE).held == 0
    assert len(slack.messages) == 1


def test_an_unknown_outcome_holds_up_its_own_finding_only(slack: FakeSlack, tell: Tell) -> None:
    slack.fault = once("chat.postMessage", fakes.CUT)
    first = tell(IDLE, numbered(1), max_seconds=5)
    assert (first.sent, first.held) == (1, 1)
    second = tell(closed(IDLE), numbered(1), max_seconds=5)
    assert (second.sent, second.held, slack.replies) == (0, 1, [])
    slack.sleep(60)
    tell(closed(IDLE), numbered(1))
    assert [len(slack.parents), len(slack.replies)] == [2, 1]


def test_the_lookup_pages_through_a_busy_channel(slack: FakeSlack, tell: Tell) -> None:
    slack.page_size, slack.fault = 2, once("chat.postMessage", fakes.CUT)
    tell(IDLE, max_seconds=5)
    for number in range(9):
        slack.messages.append(Posted(f"{slack.clock + number:.6f}", {"text": "chatter"}))
    slack.sleep(60)
    tell(IDLE)
    assert slack.count("chat.postMessage") == 1


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_wrong_clock_of_ours_changes_nothing(slack: FakeSlack, tell: Tell, minutes: int) -> None:
    slack.fault = once("chat.postMessage", fakes.CUT)
    tell(IDLE, skew=timedelta(minutes=minutes))
    assert (len(slack.messages), slack.count("chat.postMessage")) == (1, 1)


# ---- the channel's troubles


def test_retry_after_is_honoured_and_nobody_is_skipped(slack: FakeSlack, tell: Tell) -> None:
    draw = random.Random(1)
    slack.fault = lambda method: fakes.RATE_LIMITED if draw.random() < 0.5 else ""
    slack.retry_after = 7
    for _ in range(20):
        if tell(*map(numbered, range(9))).pending == 0:
            break
    assert len(slack.messages) == 9


def test_a_retry_after_longer_than_the_pass_leaves_the_rest_for_the_next(slack: FakeSlack, tell: Tell) -> None:
    slack.fault, slack.retry_after = always("chat.postMessage", fakes.RATE_LIMITED), 3600
    report = tell(*map(numbered, range(5)))
    assert (report.pending, slack.count("chat.postMessage")) == (5, 1)
    assert "rate limited" in report.problem
    slack.fault = lambda method: ""
    assert tell(*map(numbered, range(5))).sent == 5


def test_a_revoked_token_stops_the_pass_says_so_and_leaves_copies(slack: FakeSlack, tell: Tell, tmp_path: Path) -> None:
    report = tell(IDLE, settings=replace(SETTINGS, token="xoxb-revoked"))
    assert (report.sent, report.pending) == (0, 1)
    assert "invalid_auth" in report.problem
    assert "xoxb" not in repr(report)
    assert (tmp_path / "outbox" / "0123456789abcdef-open.json").is_file()
    assert tell(IDLE).sent == 1


def test_a_channel_without_the_app_keeps_the_message_for_later(slack: FakeSlack, tell: Tell) -> None:
    slack.error = {"chat.postMessage": "not_in_channel"}
    report = tell(IDLE, numbered(1))
    assert (report.pending, slack.count("chat.postMessage")) == (2, 1)
    assert "invite the app" in report.problem
    slack.error = {}
    assert tell(IDLE, numbered(1)).sent == 2


def test_a_message_that_slack_refuses_for_good_is_dead_shown_and_kept_as_a_file(
    slack: FakeSlack, tell: Tell, tmp_path: Path
) -> None:
    slack.error = {"chat.postMessage": "msg_too_long"}
    report = tell(IDLE)
    assert (report.dead, report.lines[0].error) == (1, "msg_too_long")
    assert (tmp_path / "outbox" / "0123456789abcdef-open.json").is_file()
    assert tell(IDLE).sent == 0
    slack.error = {}
    assert tell(closed(IDLE)).sent == 1  # what comes next stands for itself
    assert slack.parents[0].text.startswith("[CLOSED]")


def test_a_server_that_is_down_costs_nothing_but_time(slack: FakeSlack, tell: Tell) -> None:
    slack_url, slack.base_url = slack.base_url, "http://127.0.0.1:9/api/"
    report = tell(IDLE)
    assert (report.pending, report.held) == (1, 0)
    slack.base_url = slack_url
    assert tell(IDLE).sent == 1


def test_a_parent_deleted_by_a_user_is_replaced_by_the_next_news(slack: FakeSlack, tell: Tell) -> None:
    tell(IDLE)
    slack.delete(slack.parents[0].ts)
    tell(closed(IDLE))
    (parent,) = slack.parents
    assert parent.text.startswith("[CLOSED] $1,412")
    tell(IDLE)
    assert slack.replies[0].thread_ts == parent.ts


def test_an_outage_of_hours_ends_in_what_is_open_and_one_digest(slack: FakeSlack, tell: Tell) -> None:
    slack.fault = lambda method: fakes.UNAVAILABLE
    for passed in range(6):
        opened = [numbered(n) for n in range(50 * passed, 50 * passed + 50)]
        past = [closed(numbered(n)) for n in range(50 * passed)]
        assert tell(*opened, *past, max_seconds=5).sent == 0
        slack.sleep(3600)
    slack.fault = lambda method: ""
    still_open = [numbered(n) for n in range(292, 300)]
    report = tell(*(closed(numbered(n)) for n in range(292)), *still_open)
    assert (report.sent, len(slack.parents)) == (9, 9)
    assert "292 closed" in slack.parents[-1].text


# ---- the kill matrix


def doubles(slack: FakeSlack) -> list[str]:
    """Messages that stand in the channel more than once."""
    ids = Counter(message.payload["outbox_id"] for message in slack.messages)
    return [outbox_id for outbox_id, count in ids.items() if count > 1]


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


# ---- the client itself


@pytest.mark.parametrize(
    ("fault", "result"),
    [
        (fakes.RATE_LIMITED, "not_sent_retry"),
        (fakes.UNAVAILABLE, "unknown"),
        (fakes.FATAL, "unknown"),
        (fakes.CUT, "unknown"),
    ],
)
def test_the_client_calls_once_and_sorts_the_outcome(slack: FakeSlack, fault: str, result: str) -> None:
    slack.fault = always("auth.test", fault)
    outcome = Slack(replace(SETTINGS, base_url=slack.base_url)).probe()
    assert (outcome.result, slack.count("auth.test")) == (result, 1)
    assert outcome.retry_after == (slack.retry_after if fault == fakes.RATE_LIMITED else 0)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        ("invalid_blocks", "payload_bad"),
        ("is_archived", "channel_bad"),
        ("token_revoked", "auth_bad"),
        ("message_not_found", "target_gone"),
        ("an_error_of_next_year", "unknown"),
    ],
)
def test_errors_in_an_http_200_are_never_taken_for_success(slack: FakeSlack, error: str, result: str) -> None:
    slack.error = {"auth.test": error}
    assert Slack(replace(SETTINGS, base_url=slack.base_url)).probe().result == result
