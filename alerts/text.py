"""How figures read in a message, and how outside text is made harmless and short enough."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
ELLIPSIS = "…"
LONGEST_ENTITY = 5
LONGEST_CLUSTER = 16
SKIN_TONES = range(0x1F3FB, 0x1F400)


def usd(amount: Decimal) -> str:
    """`$1,412`, `$99.10`, `$0.042`: no cents from 100 on, three digits below one."""
    size = abs(amount)
    places = "1" if size >= 100 else "0.01" if size >= 1 or size == 0 else "0.001"
    return f"{'-' if amount < 0 else ''}${size.quantize(Decimal(places), ROUND_HALF_UP):,}"


def span(length: timedelta) -> str:
    """`12 min`, `11 h 20 min`, `3 d 4 h`."""
    minutes = int(length.total_seconds()) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = ((days, "d"), (hours, "h")) if days else ((hours, "h"), (rest, "min"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or f"{minutes} min"


def utc(moment: datetime) -> str:
    """`2026-11-14 08:15 UTC`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def plural(count: int, noun: str) -> str:
    """`1 finding`, `1,200 findings`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def clean(text: str, *, keep_lines: bool = False) -> str:
    """Without control, format (bidi, zero-width) and broken characters; line ends become spaces unless kept."""
    kept: list[str] = []
    for character in text:
        if character == "\n" and keep_lines:
            kept.append(character)
        elif (category := unicodedata.category(character)) in ("Zl", "Zp") or character in "\n\r\t\v\f\x85":
            kept.append(" ")
        elif category not in ("Cc", "Cf", "Cs"):
            kept.append(character)
    return "".join(kept)


def escape(text: str) -> str:
    """Slack's three control characters as entities; nothing of the text can then start a mention or a link."""
    return "".join(ESCAPES.get(character, character) for character in text)


def size(text: str) -> int:
    """Length as Slack may count it: UTF-16 units, never less than characters."""
    return len(text) + sum(character > "\uffff" for character in text)


def safe(text: str, budget: int, *, keep_lines: bool = False) -> str:
    """Outside text cleaned, escaped and cut to `budget`, never inside an entity or a written character."""
    # One character can become five, so nothing past the budget can survive: long texts are cut before the work.
    rough = clean(text[: 4 * budget + LONGEST_CLUSTER], keep_lines=keep_lines)
    return fit(escape(rough), budget, forced=len(text) > 4 * budget + LONGEST_CLUSTER)


def fit(escaped: str, budget: int, *, forced: bool = False) -> str:
    """Cut text that is already escaped to `budget` units, with an ellipsis where something is missing."""
    if size(escaped) <= budget and not forced:
        return escaped
    room, end = budget - 1, 0
    for character in escaped:
        room -= 1 + (character > "\uffff")
        if room < 0:
            break
        end += 1
    return escaped[: _border(escaped, end)] + ELLIPSIS


def _border(escaped: str, end: int) -> int:
    """The last place at or before `end` that splits neither an entity nor a letter from its marks."""
    entity = escaped.rfind("&", max(0, end - LONGEST_ENTITY + 1), end)
    if entity >= 0 and ";" not in escaped[entity:end]:
        return entity
    border = end
    while 0 < border < len(escaped) and end - border < LONGEST_CLUSTER and _continues(escaped[border]):
        border -= 1
    return border if border and not (border < len(escaped) and _continues(escaped[border])) else end


def _continues(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Me", "Mc") or ord(character) in SKIN_TONES


def pack(lines: Iterable[str], budget: int) -> list[str]:
    """Join escaped lines into as few texts of at most `budget` units as keep their order."""
    packed: list[str] = []
    for line in lines:
        if packed and size(packed[-1]) + 1 + size(line) <= budget:
            packed[-1] = f"{packed[-1]}\n{line}"
        else:
            packed.append(line)
    return packed
