"""The contract that opens every file under sql/: purpose, grain, columns, checks, window."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pipeline.errors import ModelError

KEYS = ("grain", "column", "check", "window", "lookback")
ONCE = ("grain", "window", "lookback")
SEVERITIES = ("fail", "warn")
SLUG_CHARACTERS = 60

QUOTED = re.compile(r"'(?:[^']|'')*'|--[^\n]*")
PARAMETER = re.compile(r"\$(\w+)")
_QUOTED_OR_PARAMETER = re.compile(f"{QUOTED.pattern}|{PARAMETER.pattern}")
_ENTRY = re.compile(r"--\s{1,2}(\w+):\s*(.*)")
_CONTINUATION = re.compile(r"--\s{3,}(\S.*)")
_DURATION = re.compile(r"(\d+) (minute|hour|day)s?")
_SIGNS = {">=": " gte ", "<=": " lte ", "<>": " ne ", "!=": " ne ", ">": " gt ", "<": " lt ", "=": " eq "}


@dataclass(frozen=True)
class Check:
    """One promise about a model's rows.

    Either `expression` (each row must make it true) or `query` (each row it returns is a failure) is set.
    `slug` names the check within its model and stays the same as long as the expression (of a query: the reason) does.
    """

    severity: str
    why: str
    slug: str
    expression: str | None = None
    query: str | None = None


@dataclass(frozen=True)
class Header:
    """One file under sql/ as read: its contract, and the statement below it."""

    name: str
    path: Path
    purpose: str
    sql: str
    first_sql_line: int
    grain: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    window: str | None = None
    lookback: timedelta = timedelta(0)

    def at(self, line: int = 1) -> str:
        """`layer/file.sql:line`, as errors name it."""
        return f"sql/{self.path.parent.name}/{self.path.name}:{line}"


@dataclass(frozen=True)
class _Entry:
    key: str
    value: str
    place: str


def parse_header(path: Path) -> Header:
    """Read one file; ModelError names the file and the line that breaks the contract."""
    lines = path.read_text("utf-8").splitlines()
    length = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    place = f"sql/{path.parent.name}/{path.name}"
    entries = _entries(lines[:length], place)
    if not entries or entries[0].key != path.stem or not entries[0].value:
        raise ModelError(f"{place}:1: the first line must read '-- {path.stem}: what the table holds'")
    sql = "\n".join(lines[length:]).strip().rstrip(";").rstrip()
    if not sql:
        raise ModelError(f"{place}:{length + 1}: no statement below the header")
    values = {key: _values(entries, key) for key in KEYS}
    return Header(
        name=path.stem,
        path=path,
        purpose=entries[0].value,
        sql=sql,
        first_sql_line=length + 1 + _leading_blank_lines(lines[length:]),
        grain=tuple(part.strip() for entry in values["grain"] for part in entry.value.split(",")),
        columns=_columns(values["column"]),
        checks=_checks(values["check"]),
        window=values["window"][0].value if values["window"] else None,
        lookback=_duration(values["lookback"][0]) if values["lookback"] else timedelta(0),
    )


def _leading_blank_lines(lines: list[str]) -> int:
    return next(number for number, line in enumerate(lines) if line.strip())


def _entries(lines: list[str], place: str) -> list[_Entry]:
    """Key and value of each header line; a line indented by three or more spaces goes on with the one above."""
    entries: list[_Entry] = []
    for number, line in enumerate(lines, start=1):
        more = _CONTINUATION.fullmatch(line)
        if more and entries:
            last = entries[-1]
            entries[-1] = _Entry(last.key, f"{last.value} {more[1].rstrip()}", last.place)
            continue
        found = _ENTRY.fullmatch(line)
        if not found or (entries and found[1] not in KEYS):
            raise ModelError(
                f"{place}:{number}: not a header line: {line!r}; write '-- key: value' with a key of {', '.join(KEYS)}"
            )
        entries.append(_Entry(found[1], found[2].rstrip(), f"{place}:{number}"))
    return entries


def _values(entries: list[_Entry], key: str) -> list[_Entry]:
    found = [entry for entry in entries[1:] if entry.key == key]
    if key in ONCE and len(found) > 1:
        raise ModelError(f"{found[1].place}: a second {key}; a table has one")
    return found


def _columns(entries: list[_Entry]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for entry in entries:
        name, _, text = (part.strip() for part in entry.value.partition("|"))
        if not name or not text or name in columns:
            raise ModelError(f"{entry.place}: write each column once as '-- column: name | what it holds'")
        columns[name] = text
    return columns


def _checks(entries: list[_Entry]) -> tuple[Check, ...]:
    checks: dict[str, Check] = {}
    for entry in entries:
        severity, _, rest = entry.value.partition(" | ")
        body, _, why = (part.strip() for part in rest.rpartition(" | "))
        if severity.strip() not in SEVERITIES or not body or not why:
            raise ModelError(f"{entry.place}: write '-- check: fail|warn | expression or query: select … | why'")
        query = body.removeprefix("query:").strip() if body.startswith("query:") else None
        slug = _slug(why if query else body)
        if slug in checks:
            raise ModelError(f"{entry.place}: a second check with the id {slug!r}; say it once")
        checks[slug] = Check(severity.strip(), why, slug, expression=None if query else body, query=query)
    return tuple(checks.values())


def _slug(text: str) -> str:
    words = re.sub(r">=|<=|<>|!=|>|<|=", lambda sign: _SIGNS[sign[0]], text.lower())
    slug = re.sub(r"[^a-z0-9]+", "_", words).strip("_")
    if len(slug) <= SLUG_CHARACTERS:
        return slug
    return f"{slug[:SLUG_CHARACTERS].rstrip('_')}_{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _duration(entry: _Entry) -> timedelta:
    found = _DURATION.fullmatch(entry.value)
    if not found:
        raise ModelError(f"{entry.place}: lookback {entry.value!r}; write minutes, hours or days, like '2 hours'")
    return timedelta(**{f"{found[2]}s": int(found[1])})


def substitute(sql: str, values: Mapping[str, str]) -> str:
    """`sql` with every `$name` outside strings and comments replaced by the text `values` has for it."""
    return _QUOTED_OR_PARAMETER.sub(lambda found: values[found[1]] if found[1] else found[0], sql)


def literal(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def comment_sql(name: str, kind: str, purpose: str, columns: Mapping[str, str]) -> str:
    """The statements that write the contract onto a `table` or `view` and its columns."""
    statements = [f"comment on {kind} {name} is {literal(purpose)}"]
    statements += [f'comment on column {name}."{column}" is {literal(text)}' for column, text in columns.items()]
    return ";\n".join(statements)
