"""Slack over real HTTP: what the channel and the workspace do to us, and what the client makes of each answer."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from alerts.slack import Slack
from tests.fakes import slack as fakes
from tests.fakes.slack import FakeSlack
from tests.support.slack_passes import SETTINGS, Tell, always
from tests.unit.alerts.samples import IDLE, closed, numbered


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
