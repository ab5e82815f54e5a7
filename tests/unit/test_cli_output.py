from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pytest

from pipeline import cli
from pipeline.cli_output import in_words, show, to_json, trouble_around, usd


def test_json_keeps_every_digit_of_a_decimal_as_a_number() -> None:
    text = to_json(("a",), [(Decimal("12345678901234567890.0123456789"),)])
    assert "12345678901234567890.0123456789" in text
    assert json.loads(text, parse_float=Decimal) == [{"a": Decimal("12345678901234567890.0123456789")}]


def test_json_writes_times_in_utc_and_turns_what_json_lacks_into_null() -> None:
    row = (datetime(2026, 11, 1, 2, tzinfo=UTC), date(2026, 11, 1), float("nan"), None, True, ["x", Decimal(1)])
    assert json.loads(to_json(tuple("abcdef"), [row])) == [
        {"a": "2026-11-01T02:00:00Z", "b": "2026-11-01", "c": None, "d": None, "e": True, "f": ["x", 1]}
    ]


def test_json_of_no_rows_is_an_empty_array() -> None:
    assert json.loads(to_json(("a",), [])) == []


def test_text_in_a_pipe_keeps_one_row_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(("a", "b"), [("x\ty\nz", None)], as_json=False)
    assert capsys.readouterr().out == "a\tb\nx y z\t\n"


def test_words_drop_the_zeros_that_decimals_carry() -> None:
    assert in_words(Decimal("1.2300000000")) == "1.23"
    assert in_words(Decimal("100")) == "100"
    assert in_words(Decimal("0E-10")) == "0"


@pytest.mark.parametrize(("value", "words"), [("1234.5", "$1,234.50"), ("-3", "-$3.00"), (None, "$0.00")])
def test_money_has_two_decimals_and_its_sign_in_front(value: str | None, words: str) -> None:
    assert usd(value if value is None else Decimal(value)) == words


def test_outside_text_cannot_command_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\x1b[31m\x9b\u202e\x00\ud800é"
    show(("x",), [(evil,)], as_json=False)
    assert capsys.readouterr().out == "x\na\\u001b[31m\\u009b\\u202e\\u0000\\ud800é\n"
    show(("x",), [(evil,)], as_json=True)
    out = capsys.readouterr().out
    assert json.loads(out) == [{"x": evil}]
    assert out.replace("\n", "").isprintable()


def test_a_full_disk_is_one_sentence_and_a_bug_is_not() -> None:
    disk = duckdb.TransactionException("Failed to commit: No space left on device")
    later = duckdb.TransactionException("cannot rollback")
    later.__context__ = disk
    assert trouble_around(later).startswith("Failed to commit: No space left on device; free space")
    assert trouble_around(KeyError("x")) == ""


class Terminal(io.StringIO):
    """A terminal as far as a program can tell."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("width", "is_table"), [(200, True), (60, False)])
def test_a_table_too_wide_for_its_terminal_shows_each_row_field_by_field(
    width: int, is_table: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    names = [f"a_long_name_{number}" for number in range(6)]
    show(names, [tuple(range(6)), ("x" * 99, *range(5))], as_json=False)
    lines = terminal.getvalue().splitlines()
    assert ("│" in lines[-2]) == is_table
    assert is_table or lines[:2] == ["-- 1 of 2", "a_long_name_0  0"]
    assert is_table or lines[8] == "a_long_name_0  " + "x" * 99


def test_a_terminal_of_another_alphabet_gets_escapes_not_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, "ascii", write_through=True))
    monkeypatch.setattr("sys.argv", ["chipledger", "sql", "mart_focus"])
    monkeypatch.setattr("pipeline.cli.app", lambda: print("p5 → trn2"))
    cli.main()
    assert raw.getvalue() == b"p5 \\u2192 trn2\n"
