"""The questions analysts ask most: one file of sql/questions each, with its words, columns, limits and parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path

from pipeline.errors import ModelError, UsageError
from pipeline.headers import PARAMETER, QUOTED, literal, substitute
from pipeline.warehouse import SQL_DIR

QUESTIONS_DIR = SQL_DIR / "questions"
KEYS = ("column", "limit", "param")
_NAME = re.compile(r"(\d\d)_([a-z0-9_]+)")
_ENTRY = re.compile(r"-- (\w+):\s+(.*)")
_CONTINUATION = re.compile(r"--\s{3,}(\S.*)")
_PARAM = re.compile(r"(\w+) = (.+) \| (.+)")
# how a value of a parameter is read, by its name; any other is text
DAYS, TIMES, NUMBERS = ("_date", "billing_period"), ("since",), ("_usd", "_ratio", "_hours", "_ms")


@dataclass(frozen=True)
class Question:
    """One file: `params` maps a name to its default (a SQL expression) and what it means."""

    number: int
    name: str
    words: str
    sql: str
    columns: dict[str, str]
    limits: tuple[str, ...]
    params: dict[str, tuple[str, str]]

    def bound(self, values: Mapping[str, str]) -> str:
        """The statement with every parameter written in: a given value as text, else the default; ready to paste."""
        unknown = sorted(set(values) - set(self.params))
        if unknown:
            known = ", ".join(self.params) or "none"
            raise UsageError(f"question {self.number} has no parameter {', '.join(unknown)}; it has {known}")
        for name, value in values.items():
            _require_kind(name, value)
        written = {name: literal(values[name]) if name in values else self.params[name][0] for name in self.params}
        return substitute(self.sql, written)


def _require_kind(name: str, value: str) -> None:
    """Raise UsageError where a value is no day, time or number, though the parameter's name says that it is one."""
    kinds = (
        (DAYS, date.fromisoformat, "day; write 2026-11-14"),
        (TIMES, datetime.fromisoformat, "time; write 2026-11-14T00:00:00Z"),
        (NUMBERS, Decimal, "number"),
    )
    for endings, read, words in kinds:
        if name.endswith(endings):
            try:
                read(value.strip())
            except (ValueError, ArithmeticError) as error:
                raise UsageError(f"--param {name}: {value!r} is no {words}") from error


def load(folder: Path = QUESTIONS_DIR) -> tuple[Question, ...]:
    """All questions by number; ModelError names the file and line that is not as the others are."""
    found = tuple(_parse(path) for path in sorted(folder.glob("*.sql")))
    numbers = [question.number for question in found]
    doubled = sorted({number for number in numbers if numbers.count(number) > 1})
    if doubled:
        raise ModelError(f"sql/questions: the number {doubled[0]:02} stands twice; a question has one of its own")
    return found


def find(questions: tuple[Question, ...], asked: str) -> Question:
    """The question of that number or name; UsageError names the nearest."""
    for question in questions:
        if asked in (question.name, f"{question.number:02}_{question.name}") or asked.lstrip("0") == str(
            question.number
        ):
            return question
    near = get_close_matches(asked, [question.name for question in questions], n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "chipledger ask lists what there is"
    raise UsageError(f"no question is called {asked}; {hint}")


def _parse(path: Path) -> Question:
    place = f"sql/questions/{path.name}"
    named = _NAME.fullmatch(path.stem)
    if not named:
        raise ModelError(f"{place}: a question's file is called NN_name.sql")
    lines = path.read_text("utf-8").splitlines()
    length = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    entries = _entries(lines[:length], place)
    if not entries or entries[0][0] != named[2] or not entries[0][1].endswith("?"):
        raise ModelError(f"{place}:1: the first line must read '-- {named[2]}: the question in words?'")
    question = Question(
        number=int(named[1]),
        name=named[2],
        words=entries[0][1],
        sql="\n".join(lines[length:]).strip(),
        columns=dict(_pair(value, place) for key, value in entries[1:] if key == "column"),
        limits=tuple(value for key, value in entries[1:] if key == "limit"),
        params=dict(_param(value, place) for key, value in entries[1:] if key == "param"),
    )
    _require_known_parameters(question, place)
    return question


def _require_known_parameters(question: Question, place: str) -> None:
    used = set(PARAMETER.findall(QUOTED.sub("", question.sql)))
    if used != set(question.params):
        odd = sorted(used ^ set(question.params))
        raise ModelError(f"{place}: {', '.join(odd)} must stand both in a '-- param:' line and in the statement")


def _entries(lines: list[str], place: str) -> list[tuple[str, str]]:
    entries: list[tuple[str, str]] = []
    for number, line in enumerate(lines, start=1):
        more = _CONTINUATION.fullmatch(line)
        found = _ENTRY.fullmatch(line)
        if more and entries:
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {more[1]}")
        elif found and (not entries or found[1] in KEYS):
            entries.append((found[1], found[2]))
        else:
            raise ModelError(f"{place}:{number}: write '-- key: value' with a key of {', '.join(KEYS)}, got {line!r}")
    return entries


def _pair(value: str, place: str) -> tuple[str, str]:
    name, _, text = (part.strip() for part in value.partition(" | "))
    if not text:
        raise ModelError(f"{place}: write a column as '-- column: name | what it holds', got {value!r}")
    return name, text


def _param(value: str, place: str) -> tuple[str, tuple[str, str]]:
    found = _PARAM.fullmatch(value)
    if not found:
        raise ModelError(f"{place}: write a parameter as '-- param: name = default | what it does', got {value!r}")
    return found[1], (found[2].strip(), found[3])
