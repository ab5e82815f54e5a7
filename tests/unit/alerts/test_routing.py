"""The fewest messages that bring people from what they were told to what holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from alerts.routing import DIGEST_FROM, Planned, Told, edit_key, plan, successors
from alerts.signal import Finding
from tests.unit.alerts.samples import IDLE, closed, numbered

THREAD = "thread-1"


def told(finding: Finding, transition: str = "open", severity: str = "", thread: str = THREAD) -> dict[str, Told]:
    return {finding.finding_id: Told(finding, thread, transition, severity or finding.severity)}


def planned(before: dict[str, Told], *holds: Finding) -> list[Planned]:
    return plan(before, {finding.finding_id: finding for finding in holds}, data_through_at=None)


def kinds(messages: list[Planned]) -> list[tuple[str, str, int]]:
    return [(message.thread_id, message.transition, len(message.steps)) for message in messages]


def test_a_new_open_finding_is_one_message() -> None:
    assert kinds(planned({}, IDLE)) == [("", "open", 1)]


def test_no_change_is_no_message() -> None:
    assert planned(told(IDLE), replace(IDLE, impact_usd=Decimal(99999))) == []
    assert planned(told(closed(IDLE), "close"), closed(IDLE)) == []


def test_many_new_ones_are_one_digest_and_fewer_are_messages_of_their_own() -> None:
    assert kinds(planned({}, *map(numbered, range(DIGEST_FROM)))) == [("", "open", DIGEST_FROM)]
    assert kinds(planned({}, *map(numbered, range(DIGEST_FROM - 1)))) == [("", "open", 1)] * (DIGEST_FROM - 1)


def test_what_closed_before_it_was_told_is_one_digest_behind_the_open_ones() -> None:
    history = [closed(numbered(n)) for n in range(5)]
    messages = planned({}, *history, numbered(7))
    assert kinds(messages) == [("", "open", 1), ("", "close", 5)]
    assert "5 findings found in history: 5 closed" in messages[1].message.headline


def test_one_finding_that_came_and_went_is_one_message_not_two() -> None:
    assert kinds(planned({}, closed(IDLE))) == [("", "close", 1)]


def test_a_close_is_a_quiet_reply() -> None:
    (message,) = planned(told(IDLE), closed(IDLE))
    assert (message.thread_id, message.transition, message.loud) == (THREAD, "close", False)


def test_an_escalation_and_a_reopening_are_loud() -> None:
    (worse,) = planned(told(replace(IDLE, severity="warning")), IDLE)
    (again,) = planned(told(closed(IDLE), "close"), IDLE)
    assert (worse.transition, worse.loud) == ("escalate", True)
    assert (again.transition, again.loud) == ("reopen", True)


def test_falling_and_rising_below_the_told_severity_is_silent() -> None:
    assert planned(told(IDLE), replace(IDLE, severity="warning")) == []
    assert planned(told(replace(IDLE, severity="warning"), severity="critical"), IDLE) == []


def test_a_told_finding_that_vanished_is_retracted_once() -> None:
    (message,) = planned(told(IDLE))
    assert message.transition == "retract"
    assert planned(told(IDLE, "retract")) == []


def test_a_failed_check_that_vanished_is_closed_once() -> None:
    check = replace(IDLE, rule="data_quality")
    (message,) = planned(told(check))
    assert message.transition == "close"
    assert planned(told(check, "close")) == []


def test_changes_in_one_digest_are_one_reply() -> None:
    before = told(numbered(1)) | told(numbered(2)) | told(numbered(3), thread="other")
    messages = planned(before, closed(numbered(1)), closed(numbered(2)), closed(numbered(3)))
    assert kinds(messages) == [("other", "close", 1), (THREAD, "close", 2)] or kinds(messages) == [
        (THREAD, "close", 2),
        ("other", "close", 1),
    ]


def test_the_most_severe_goes_first() -> None:
    messages = planned({}, replace(numbered(1), severity="info"), replace(numbered(2), severity="critical"))
    assert [message.steps[0].finding.severity for message in messages] == ["critical", "info"]


def test_a_start_moved_by_late_data_takes_over_the_message_instead_of_alarming_again() -> None:
    earlier = replace(IDLE, finding_id="f" * 16, opened_at=IDLE.opened_at - timedelta(hours=1))
    assert successors(told(IDLE), {earlier.finding_id: earlier}) == {IDLE.finding_id: earlier.finding_id}


def test_an_unrelated_finding_takes_over_nothing() -> None:
    assert successors(told(IDLE), {"f" * 16: replace(numbered(1), finding_id="f" * 16)}) == {}


def test_of_two_findings_that_merge_only_one_is_taken_over() -> None:
    second = replace(IDLE, finding_id="1" * 16)
    merged = replace(IDLE, finding_id="f" * 16)
    moved = successors(told(IDLE) | told(second), {merged.finding_id: merged})
    assert len(moved) == 1


@given(st.integers(0, 30), st.integers(0, 30))
def test_every_new_finding_is_told_exactly_once(open_count: int, closed_count: int) -> None:
    holds = [numbered(n) for n in range(open_count)] + [closed(numbered(100 + n)) for n in range(closed_count)]
    messages = planned({}, *holds)
    said = [step.finding.finding_id for message in messages for step in message.steps]
    assert sorted(said) == sorted(finding.finding_id for finding in holds)
    assert len(messages) <= DIGEST_FROM


def test_an_edit_is_due_when_the_state_changes_or_the_money_visibly_grew() -> None:
    key = edit_key([(IDLE, "open")])
    assert edit_key([(replace(IDLE, impact_usd=IDLE.impact_usd + 1), "open")]) == key
    assert edit_key([(replace(IDLE, impact_usd=IDLE.impact_usd * 2), "open")]) != key
    assert edit_key([(IDLE, "closed")]) != key
    assert edit_key([(IDLE, "closed")]) != edit_key([(replace(IDLE, impact_usd=IDLE.impact_usd + 1), "closed")])


def episode(number: int, **changes: object) -> Finding:
    """One of several stretches of one workload's idleness, an hour from start to start, 20 minutes each."""
    start = IDLE.opened_at + number * timedelta(hours=1)
    end = start + timedelta(minutes=20)
    return replace(IDLE, finding_id=f"{number:016x}", opened_at=start, last_seen_at=end, **changes)  # type: ignore[arg-type]


def test_what_comes_back_within_hours_is_told_under_the_message_that_people_have() -> None:
    before = told(closed(episode(0)), "close")
    (again,) = planned(before, closed(episode(0)), episode(2))
    assert (again.thread_id, again.transition, again.loud) == (THREAD, "open", True)
    assert again.message.headline.startswith("[AGAIN] $1,412 so far")
    assert kinds(planned(before, closed(episode(0)), closed(episode(2)))) == [(THREAD, "close", 1)]
    assert kinds(planned(before, closed(episode(0)), episode(7))) == [
        ("", "open", 1)
    ]  # much later: a message of its own
    assert kinds(planned(before, closed(episode(0)), replace(episode(2), subject="other"))) == [("", "open", 1)]


def test_after_a_few_returns_only_a_worse_one_is_shown_in_the_channel() -> None:
    past = [closed(episode(number, severity="warning")) for number in range(4)]
    before = {key: value for finding in past for key, value in told(finding, "close").items()}
    assert [planned(before, *past, episode(4, severity=how))[0].loud for how in ("warning", "critical")] == [
        False,
        True,
    ]


def test_a_digest_of_many_and_a_message_of_unknown_fate_take_nothing_that_comes_back() -> None:
    past = closed(episode(0))
    assert kinds(planned(told(past, "close") | told(closed(numbered(7)), "close"), past, episode(1)))[0][0] == ""
    holds = {finding.finding_id: finding for finding in (past, episode(1))}
    (own,) = plan(told(past, "close"), holds, data_through_at=None, waiting={THREAD})
    assert own.thread_id == ""
