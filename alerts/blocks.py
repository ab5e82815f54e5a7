"""The message as Slack's payload: blocks within Slack's limits, every outside text escaped, a fallback always."""

from __future__ import annotations

from typing import Any

from alerts.message import Fact, Message
from alerts.text import pack, safe

HEADER_LIMIT = 150
SECTION_LIMIT = 3000
FIELD_LIMIT = 400
LABEL_LIMIT = 60
FIELDS = 10
LINE_LIMIT = 400
EVIDENCE_SECTIONS = 6
CONTEXT_LIMIT = 500
FALLBACK_LIMIT = 3500
EVENT_TYPE = "chipledger_alert"
MARKS = str.maketrans("`", "'")  # a backtick would end our code span

Block = dict[str, Any]


def payload(message: Message, metadata: dict[str, str]) -> dict[str, Any]:
    """`text`, `blocks` and `metadata` for chat.postMessage and chat.update; `metadata` carries the outbox id."""
    return {"text": fallback(message), "blocks": blocks(message), "metadata": event(metadata)}


def plain(message: Message, metadata: dict[str, str]) -> dict[str, Any]:
    """The same message without blocks: what is sent when Slack refuses the layout."""
    return {"text": fallback(message), "blocks": [], "metadata": event(metadata)}


def event(metadata: dict[str, str]) -> dict[str, Any]:
    """Message metadata by which a message can be found again."""
    return {"event_type": EVENT_TYPE, "event_payload": metadata}


def fallback(message: Message) -> str:
    """One text with money, state, facts and next step: the phone's push, and the whole message where blocks fail."""
    lines = [message.headline, message.money, *(f"{fact.label}: {fact.value}" for fact in message.facts)]
    lines += [*message.evidence, message.next_step, message.runbook, *message.footer]
    return pack([safe(line, LINE_LIMIT) or "-" for line in lines if line or line is lines[0]], FALLBACK_LIMIT)[0]


def blocks(message: Message) -> list[Block]:
    """At most 14 blocks; mrkdwn only where we write the format ourselves."""
    parts: list[Block] = [_header(message.headline)]
    if message.money:
        parts.append(_section(f"*{safe(message.money.replace('*', ''), SECTION_LIMIT - 2) or '-'}*"))
    if message.facts:
        parts.append({"type": "section", "fields": [_field(fact) for fact in message.facts[:FIELDS]]})
    parts += _evidence(message)
    if message.next_step:
        parts.append(
            _literal(
                f"First: {message.next_step}\nRunbook: {message.runbook}" if message.runbook else message.next_step
            )
        )
    if message.reproduce_sql:
        parts.append(_code(message.reproduce_sql))
    if message.footer:
        text = safe(" · ".join(message.footer), CONTEXT_LIMIT) or "-"
        parts.append({"type": "context", "elements": [{"type": "plain_text", "text": text, "emoji": False}]})
    return parts


def _header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": safe(text, HEADER_LIMIT) or "-", "emoji": False}}


def _section(mrkdwn: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": mrkdwn, "verbatim": True}}


def _literal(text: str) -> Block:
    cut = safe(text, SECTION_LIMIT, keep_lines=True) or "-"  # Slack refuses an empty text
    return {"type": "section", "text": {"type": "plain_text", "text": cut, "emoji": False}}


def _code(sql: str) -> Block:
    cut = safe(sql.strip().translate(MARKS), SECTION_LIMIT - 8, keep_lines=True)
    return _section(f"```\n{cut}\n```")


def _field(fact: Fact) -> Block:
    value = safe(fact.value.translate(MARKS), FIELD_LIMIT) or "-"
    label = safe(fact.label.translate(MARKS).replace("*", ""), LABEL_LIMIT)
    text = f"*{label}*\n`{value}`" if fact.outside else f"*{label}*\n{value}"
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _evidence(message: Message) -> list[Block]:
    if not message.evidence:
        return []
    bullets = [f"• {safe(line, LINE_LIMIT)}" for line in message.evidence]
    title = safe(message.evidence_title, LINE_LIMIT)
    packed = pack([*([title] if title else []), *bullets], SECTION_LIMIT)[:EVIDENCE_SECTIONS]
    return [{"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}} for text in packed]
