"""Figures read well, and outside text can neither ping, nor link, nor break a limit."""

from __future__ import annotations

import html
import unicodedata
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.text import LONGEST_CLUSTER, clean, escape, fit, pack, safe, size, span, usd
from tests.fakes.slack import unescaped

ANY_TEXT = st.text(st.characters(), max_size=400)  # surrogates, controls and bidi marks too
NASTY_TEXT = st.lists(
    st.sampled_from(
        ["&", "<", ">", "<!channel>", "<@U1>", "<http://x|y>", "&amp;", "é", "🏽", "👩", "\u202e", "`", "*", "\n"]
    )
).map("".join)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("1412.12", "$1,412"),
        ("1234567.5", "$1,234,568"),
        ("99.1", "$99.10"),
        ("0.0421", "$0.042"),
        ("0", "$0.00"),
        ("-12", "-$12.00"),
    ],
)
def test_money_reads_without_false_precision(amount: str, words: str) -> None:
    assert usd(Decimal(amount)) == words


@pytest.mark.parametrize(
    ("minutes", "words"), [(0, "0 min"), (12, "12 min"), (60, "1 h"), (680, "11 h 20 min"), (4560, "3 d 4 h")]
)
def test_durations_name_their_two_largest_units(minutes: int, words: str) -> None:
    assert span(timedelta(minutes=minutes)) == words


def test_a_mention_in_a_pod_name_becomes_plain_text() -> None:
    assert safe("pod-<!channel>-a&b", 100) == "pod-&lt;!channel&gt;-a&amp;b"


@given(st.one_of(ANY_TEXT, NASTY_TEXT), st.integers(16, 300))
def test_safe_text_holds_no_control_character_of_slack_and_keeps_its_budget(text: str, budget: int) -> None:
    written = safe(text, budget)
    assert not unescaped(written)
    assert size(written) <= budget
    written.encode("utf-8")  # no broken surrogate is left


@given(st.one_of(ANY_TEXT, NASTY_TEXT), st.integers(16, 300))
def test_what_safe_keeps_is_the_beginning_of_what_was_given(text: str, budget: int) -> None:
    kept = html.unescape(safe(text, budget).removesuffix("…"))
    assert clean(text).startswith(kept)


@given(st.text(max_size=200))
def test_text_within_its_budget_is_escaped_and_otherwise_untouched(text: str) -> None:
    cleaned = clean(text)
    assert safe(text, 5 * len(text) + 16) == escape(cleaned)


def test_a_cut_never_falls_inside_an_entity() -> None:
    for budget in range(8, 60):
        assert not unescaped(fit(escape("<&>" * 40), budget))


def test_a_cut_never_separates_a_letter_from_its_marks() -> None:
    text = "e\u0301" * 40
    for budget in range(8, 60):
        kept = fit(text, budget).removesuffix("…")
        assert len(kept) % 2 == 0


def test_a_letter_with_endless_marks_is_cut_anyway() -> None:
    written = safe("e" + "\u0301" * 1000, 40)
    assert 40 - LONGEST_CLUSTER <= size(written) <= 40


@given(ANY_TEXT)
def test_clean_text_is_one_line_without_invisible_characters(text: str) -> None:
    assert all(unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in clean(text))


def test_a_name_of_a_hundred_kilobytes_is_cut_at_once() -> None:
    assert size(safe("<" * 100_000, 3000)) <= 3000


@given(st.lists(st.text("ab<", max_size=20).map(escape), max_size=30), st.integers(100, 200))
def test_packing_keeps_every_line_in_order_within_the_budget(lines: list[str], budget: int) -> None:
    packed = pack(lines, budget)
    assert all(size(text) <= budget for text in packed)
    assert "\n".join(packed) == "\n".join(lines)
