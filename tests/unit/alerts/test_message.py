"""What an on-call reader gets: money first, whose it is, what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from alerts.message import RUNBOOKS, Message, compose, digest, first_step, note
from tests.unit.alerts.samples import IDLE, SPIKE, closed, numbered

DATA_QUALITY = replace(
    IDLE,
    rule="data_quality",
    subject="mart_idle_cost_daily:effective-gte-0",
    observed=12.0,
    unit="rows",
    impact_usd=Decimal(0),
    impact_usd_per_hour=Decimal(0),
    price_basis="none",
    evidence='{"model": "mart_idle_cost_daily", "note": "a negative cost is a lost credit"}',
)


def facts(message: Message) -> dict[str, str]:
    return {fact.label: fact.value for fact in message.facts}


def test_the_first_words_are_severity_dollars_so_far_and_dollars_per_hour() -> None:
    assert compose(IDLE, "open").headline == (
        "[CRITICAL] $1,412 so far ($125/h): prod-eks/ml/-/notebooks idle while paid on 32 × A100-40GB for 11 h 20 min"
    )


def test_a_closed_finding_says_what_it_cost_in_total() -> None:
    message = compose(closed(IDLE), "closed")
    assert message.headline.startswith("[CLOSED] $1,412 in total ($125/h): prod-eks/ml/-/notebooks")
    assert not message.next_step


def test_a_spike_keeps_its_next_step_when_its_day_is_over() -> None:
    assert compose(SPIKE, "closed").next_step == first_step("daily_cost_spike")


def test_a_retracted_finding_says_that_its_money_does_not_stand() -> None:
    assert compose(IDLE, "retracted").headline.startswith("[RETRACTED] $1,412 does not stand")


def test_a_spike_compares_the_day_with_its_normal() -> None:
    assert compose(SPIKE, "closed").headline == (
        "[CLOSED] $5,230 above normal ($218/h): 111122223333/p5.48xlarge on 2026-11-10: $9,120, normally $3,890"
    )


def test_a_spike_of_several_days_names_the_first_and_the_last() -> None:
    longer = replace(SPIKE, closed_at=SPIKE.opened_at + timedelta(days=3), unit="usd_per_day")
    assert "on 2026-11-10 to 2026-11-12: $9,120, normally $3,890" in compose(longer, "closed").headline


def test_money_is_labelled_with_the_basis_of_its_price() -> None:
    assert "list price" in compose(IDLE, "open").money
    assert "what the bill charged" in compose(SPIKE, "closed").money


def test_a_failed_check_says_which_figures_not_to_trust() -> None:
    message = compose(DATA_QUALITY, "open")
    assert message.headline.startswith("[CRITICAL] Do not trust mart_idle_cost_daily: check ")
    assert "fails on 12 rows" in message.headline
    assert compose(replace(DATA_QUALITY, observed=1.0), "open").headline.endswith("fails on 1 row")
    assert "Owner" not in facts(message)  # no rule in workloads.toml gives a check one
    assert "chipledger check --show CHECK" in message.next_step
    assert "last good publication stands" in message.money
    assert "a negative cost is a lost credit" in message.evidence


def test_owner_busy_share_and_place_stand_among_the_facts() -> None:
    shown = facts(compose(IDLE, "open"))
    assert shown["Owner"] == "research"
    assert shown["Busy"] == "1.2 %, idle below 5.0 %"
    assert shown["Chips"] == "32 × A100-40GB"
    assert shown["Since"] == "2026-11-14 08:15 UTC, 11 h 20 min"


def test_a_finding_without_owner_says_how_to_name_one() -> None:
    assert "workloads.toml" in facts(compose(replace(IDLE, evidence="{}"), "open"))["Owner"]


def test_the_largest_contributors_come_with_their_dollars() -> None:
    assert compose(IDLE, "open").evidence[0] == "$400  i-0aa00000000000001 · devices 8"


@pytest.mark.parametrize("evidence", ["not json", "[1, 2]", "null", '{"contributors": "one pod"}', '{"chip": null}'])
def test_evidence_of_any_shape_still_makes_a_message(evidence: str) -> None:
    assert "$1,412" in compose(replace(IDLE, evidence=evidence), "open").headline


@pytest.mark.parametrize("runbook", sorted(RUNBOOKS.glob("*.md")), ids=lambda path: path.stem)
def test_every_runbook_begins_with_a_step_that_fits_into_an_alert(runbook: Path) -> None:
    assert 20 < len(first_step(runbook.stem)) < 200


def test_a_digest_adds_up_its_findings_and_lists_open_and_severe_ones_first() -> None:
    small = replace(numbered(7), severity="warning")
    message = digest(
        [(closed(numbered(90)), "closed"), (small, "open"), (numbered(3), "open")], occasion="at the first look"
    )
    assert message.headline == "[CRITICAL] $100 ($249/h): 3 findings at the first look: 2 open, 1 closed"
    assert [line.split()[0] for line in message.evidence] == ["CRITICAL", "WARNING", "CLOSED"]


def test_a_reply_over_several_findings_names_each() -> None:
    message = note([("close", closed(numbered(5))), ("escalate", numbered(6))])
    assert message.headline == "$11.00: 2 findings of this message changed"
    assert message.evidence[0].startswith("closed: $5.00 in total")


def test_a_message_survives_the_ledger() -> None:
    message = compose(IDLE, "open")
    assert Message.from_json(message.to_json()) == message
