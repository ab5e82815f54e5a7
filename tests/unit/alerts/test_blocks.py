"""Slack's payload: within every limit, escaped everywhere, with a fallback that says it all."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import ContextBlock, HeaderBlock, SectionBlock

from alerts import blocks
from alerts.message import Fact, Message, compose, digest, note
from alerts.text import size
from tests.fakes.slack import _refusal, strings, unescaped
from tests.unit.alerts.samples import IDLE, SPIKE, closed, numbered

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = "<!channel> <@U123> & <https://evil.example|click> `code` *bold*\u202e\x00"
WORDS = st.one_of(
    st.text(st.characters(), max_size=300),
    st.sampled_from([HOSTILE, HOSTILE * 300, "&" * 5000, "e" + "\u0301" * 4000, "🏽" * 2000, ""]),
)
MESSAGES = st.builds(
    Message,
    headline=WORDS,
    money=WORDS,
    facts=st.lists(st.builds(Fact, WORDS, WORDS, st.booleans()), max_size=14).map(tuple),
    evidence_title=WORDS,
    evidence=st.lists(WORDS, max_size=40).map(tuple),
    next_step=WORDS,
    runbook=WORDS,
    reproduce_sql=WORDS,
    footer=st.lists(WORDS, max_size=5).map(tuple),
)


@given(MESSAGES)
def test_no_outside_text_reaches_slack_unescaped(message: Message) -> None:
    assert not [text for text in strings(blocks.payload(message, {})) if unescaped(text)]


@given(MESSAGES)
def test_every_message_is_within_slacks_limits(message: Message) -> None:
    body = blocks.payload(replace(message, headline=message.headline + "x"), {"outbox_id": "1"})
    assert not _refusal(body)
    assert len(body["blocks"]) <= 14
    assert size(body["text"]) <= 4000
    assert len(json.dumps(body).encode()) < 100_000


def test_text_of_control_characters_alone_becomes_no_empty_block() -> None:
    empty = Message("x", "", (), "", (), "", "", "", ())
    silent = replace(empty, money="\x1f", next_step="\x1f", runbook="", footer=("\x1f",), evidence_title="\x1f")
    assert not _refusal(blocks.payload(silent, {}))


@given(MESSAGES)
def test_slacks_own_models_accept_every_block(message: Message) -> None:
    models = {"header": HeaderBlock, "section": SectionBlock, "context": ContextBlock}
    for block in blocks.blocks(replace(message, headline=message.headline + "x")):
        models[block["type"]](**{key: value for key, value in block.items() if key != "type"}).validate_json()


@given(MESSAGES)
def test_code_marks_of_outside_text_cannot_end_our_code_spans(message: Message) -> None:
    for block in blocks.blocks(message):
        for text in strings(block):
            assert text.count("```") in (0, 2) or block.get("text", {}).get("type") != "mrkdwn"
        for part in block.get("fields", []):
            assert part["text"].count("`") in (0, 2)


def test_sql_that_holds_a_code_fence_stays_inside_ours() -> None:
    message = replace(compose(IDLE, "open"), reproduce_sql="select '```' as fence, '`' as mark")
    (code,) = [text for block in blocks.blocks(message) for text in strings(block) if text.startswith("```")]
    assert code == "```\nselect ''''' as fence, ''' as mark\n```"


def test_a_hostile_workload_name_pings_nobody() -> None:
    finding = replace(IDLE, subject=HOSTILE, evidence=json.dumps({"team": HOSTILE, "sql": HOSTILE, HOSTILE: HOSTILE}))
    for message in (
        compose(finding, "open"),
        digest([(finding, "open"), (SPIKE, "closed")], occasion="at the first look"),
        note([("close", finding)]),
        note([("close", finding), ("retract", SPIKE)]),
    ):
        body = blocks.payload(message, {})
        assert not [text for text in strings(body) if unescaped(text)]
        assert any("&lt;!channel&gt;" in text for text in strings(body))


def test_the_fallback_says_money_facts_and_next_step_in_this_order() -> None:
    text = blocks.fallback(compose(IDLE, "open"))
    order = [
        "$1,412 so far ($125/h)",
        "list price",
        "Owner: research",
        "$400",
        "Ask the owner",
        "finding 0123456789abcdef",
    ]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)


def test_a_digest_of_a_thousand_findings_is_one_message_within_limits() -> None:
    members = [(replace(numbered(n), subject="x" * 300), "open") for n in range(1000)]
    body = blocks.payload(digest(members, occasion="at the first look"), {"outbox_id": "1"})
    assert not _refusal(body)
    assert any("and 970 more" in text for text in strings(body))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("idle_open", compose(IDLE, "open", data_through_at=datetime(2026, 11, 14, 20, tzinfo=UTC))),
        ("idle_hostile", compose(replace(IDLE, subject="ml/<!channel>&co/`x`", evidence='{"team": "<@U1>"}'), "open")),
        ("spike_closed", compose(SPIKE, "closed")),
        ("digest", digest([(numbered(3), "open"), (closed(numbered(5)), "closed")], occasion="at the first look")),
    ],
)
def test_the_rendering_is_the_one_we_read_and_approved(name: str, message: Message) -> None:
    written = json.dumps(blocks.payload(message, {"outbox_id": "id"}), indent=2, ensure_ascii=False) + "\n"
    path = GOLDEN / f"{name}.json"
    assert written == path.read_text("utf-8"), f"if the new text is better, write it to {path}"
