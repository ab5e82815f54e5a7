"""How the commands show things: tables, JSON, progress, and errors as one sentence with the right exit code."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

READABLE, BORDERS = 12, 3  # characters of a column that a reader needs at least, and those of its frame
UNSHOWN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, format (bidi, zero-width), surrogate, line and paragraph ends

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress


def console(file: IO[str] | None = None) -> Console:
    """Where tables and sentences go."""
    from rich.console import Console

    return Console(file=file, highlight=False, soft_wrap=True)


def say(text: str = "") -> None:
    """One line to the reader."""
    print(harmless(text))


def warn(text: str) -> None:
    """One line that must not get into a pipe."""
    print(harmless(text), file=sys.stderr)


def harmless(text: str) -> str:
    r"""The text with control, bidi and broken characters written out (`\u001b`): names come from outside.

    A terminal obeys such characters. Inside JSON the same notation means the same character.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_written_out(character) for character in text)


def _written_out(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in UNSHOWN:
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def trouble_around(error: BaseException) -> str:
    """What disk, memory or a file refused, as one sentence with the next step; '' for any other error."""
    import duckdb

    around = (
        *(OSError, duckdb.IOException, duckdb.OutOfMemoryException, duckdb.FatalException),
        duckdb.TransactionException,
    )
    chain = [error]
    while later := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(later)
    if not isinstance(error, around):
        return ""
    first = next(each for each in reversed(chain) if isinstance(each, around))  # what came after is its consequence
    reason = str(first).partition("\n")[0]
    if isinstance(first, duckdb.OutOfMemoryException):
        return f"{reason}; raise CHIPLEDGER_MEMORY_LIMIT or free memory, then run it again"
    return f"{reason}; free space or memory, or mend that file (chipledger doctor looks at both), then run it again"


def show(columns: Sequence[str], rows: Sequence[Sequence[object]], *, as_json: bool, title: str = "") -> None:
    """A table on a terminal, tab-separated text in a pipe, an array of objects with `--json`."""
    if as_json:
        say(to_json(columns, rows))
    elif sys.stdout and sys.stdout.isatty():
        _show_on_terminal(columns, rows, title)
    else:
        say("\t".join(columns))
        for row in rows:
            say("\t".join(in_words(value).replace("\t", " ").replace("\n", " ") for value in row))


def _show_on_terminal(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str) -> None:
    """A table, or below each other the fields of each row where its columns would be too narrow to read."""
    target = console()
    texts = [[harmless(in_words(value)) for value in row] for row in rows]
    longest = [max(map(len, (name, *cells))) for name, *cells in zip(columns, *texts, strict=True)]
    if sum(min(length, READABLE) + BORDERS for length in longest) + 1 <= target.width:
        target.print(_table(columns, rows, title))
        return
    label = max(map(len, columns))
    for number, row in enumerate(texts, start=1):
        say(f"-- {number} of {len(texts)}")
        for name, text in zip(columns, row, strict=True):
            say(f"{name:<{label}}  {text}")
    if not rows:
        say("no rows; columns: " + ", ".join(columns))


def show_aligned(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Texts under each other, also in a pipe: the first column to the left, the others to the right."""
    widths = [max(len(row[index]) for row in (columns, *rows)) for index in range(len(columns))]
    for first, *rest in (columns, *rows):
        cells = [first.ljust(widths[0]), *(text.rjust(width) for text, width in zip(rest, widths[1:], strict=True))]
        say("  " + "  ".join(cells).rstrip())


def to_json(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """An array of objects; a DECIMAL keeps every digit as a JSON number, times are ISO 8601 in UTC."""
    lines = (
        "{" + ", ".join(f"{json.dumps(name)}: {_encode(value)}" for name, value in zip(columns, row, strict=True)) + "}"
        for row in rows
    )
    body = ",\n  ".join(lines)
    return f"[\n  {body}\n]" if body else "[]"


def in_words(value: object) -> str:
    """A value as a person reads it: times in UTC, decimals without trailing zeros, nothing for NULL."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
    if isinstance(value, datetime):
        return _iso(value)
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)


def _encode(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() else "null"
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "null"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(key))}: {_encode(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_encode(part) for part in value) + "]"
    if isinstance(value, datetime):
        return json.dumps(_iso(value))
    if isinstance(value, date):
        return json.dumps(value.isoformat())
    return json.dumps(value, ensure_ascii=False, default=str)


def _iso(value: datetime) -> str:
    moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title) or None, title_justify="left", header_style="bold")
    for index, name in enumerate(columns):
        is_number = any(isinstance(row[index], int | float | Decimal) for row in rows[:20])
        table.add_column(escape(harmless(name)), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(harmless(in_words(value))) for value in row))
    return table


class Progress:
    """What long work reports to: silent where nobody watches."""

    def __call__(self, name: str, done: int, total: int) -> None:
        """`done` of `total` parts are finished; `name` is the part at hand."""

    def objects(self, done: int, total: int) -> None:
        """The same for parts without names."""
        self("", done, total)

    def say(self, text: str) -> None:
        """A line that stays, above the bar."""


class _Lines(Progress):
    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def say(self, text: str) -> None:
        """Write the line."""
        print(harmless(text), file=self._file, flush=True)


class _Bar(Progress):
    def __init__(self, bar: RichProgress, label: str) -> None:
        self._bar = bar
        self._task = bar.add_task(label, total=None, name="")

    def __call__(self, name: str, done: int, total: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done, total=total or None, name=name[-60:])

    def say(self, text: str) -> None:
        """Write the line above the bar."""
        self._bar.console.print(harmless(text), markup=False)


@contextmanager
def progress(label: str, file: IO[str] | None = None) -> Iterator[Progress]:
    """A bar on a terminal for work that reports how far it is; elsewhere only the lines that stay."""
    target = file or sys.stderr
    if not target.isatty():
        yield _Lines(target)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with RichProgress(*columns, TextColumn("{task.fields[name]}"), console=console(target), transient=True) as bar:
        yield _Bar(bar, label)


def short(path: Path) -> str:
    """A path as a person would type it here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def usd(value: object) -> str:
    """Money for people: two decimals, thousands set apart, cents kept."""
    amount = Decimal(str(value or 0))
    return f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"
