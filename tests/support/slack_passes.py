"""Passes of the notifier against a Slack workspace over real HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from alerts.report import NotifyReport
from alerts.slack import SlackSettings
from tests.fakes.slack import CHANNEL, TOKEN, FakeSlack

SETTINGS = SlackSettings(TOKEN, CHANNEL, timeout_seconds=5, grace_seconds=15.0)
Tell = Callable[..., NotifyReport]


def once(method: str, fault: str) -> Callable[[str], str]:
    """`fault` at the first call of `method`, then none."""
    left = [fault]
    return lambda called: left.pop() if called == method and left else ""


def always(method: str, fault: str) -> Callable[[str], str]:
    return lambda called: fault if called == method else ""


def doubles(slack: FakeSlack) -> list[str]:
    """Messages that stand in the channel more than once."""
    ids = Counter(message.payload["outbox_id"] for message in slack.messages)
    return [outbox_id for outbox_id, count in ids.items() if count > 1]
