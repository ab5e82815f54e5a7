"""Slack over real HTTP: one finding told, and one fault at a time made good."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.fakes import slack as fakes
from tests.fakes.slack import FakeSlack, Posted
from tests.support.slack_passes import SETTINGS, Tell, doubles, once
from tests.unit.alerts.samples import IDLE, closed, numbered

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
    assert report.problem.startswith("1 message held: it may have arrived, and the lookup failed: missing_scope; chip")
    shown = tell(IDLE, dry_run=True)
    assert (str(shown), shown.lines) == (
        "0 would be sent to Slack channel C0ALERTS, 1 held, 1 findings without news",
        report.lines,
    )
    assert tell(IDLE).held == 1
    slack.error = {}
    report = tell(IDLE)
    assert (report.held, report.problem, len(slack.messages)) == (0, "", 1)


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
