"""CSV files that people write: a header of known names, then lines that are read each on its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import Reject, SourceObject
from pipeline.sources.csv_lines import csv_lines


@dataclass(frozen=True)
class Columns:
    """What a header may name, and what it must; `what` is the file's kind, for errors."""

    what: str
    known: Sequence[str]
    needed: Sequence[str]

    def named(self, fields: Sequence[str], name: str, aliases: Mapping[str, str]) -> list[str]:
        """The names of a header in file order; RefusedDelivery where one is unknown, missing or doubled."""
        lower = [field.strip().lower() for field in fields]
        names = [aliases.get(field, field) for field in lower]
        for unknown in [each for each in names if each not in self.known]:
            near = get_close_matches(unknown, self.known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise RefusedDelivery(name, f"unknown column {unknown!r}", f"{hint}known are {', '.join(self.known)}")
        if missing := [each for each in self.needed if each not in names]:
            raise RefusedDelivery(name, f"{self.what} without the column {missing[0]}", f"add it to {', '.join(names)}")
        if len(set(names)) < len(names):
            raise RefusedDelivery(name, "a column stands twice", "name each once")
        return names


def csv_rows(
    obj: SourceObject, columns: Columns, on_reject: Callable[[Reject], None], aliases: Mapping[str, str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, text by column name) of each line; one with too few or too many fields is a reject.

    `aliases` are names that another program gives the columns, in lower case.
    """
    lines = csv_lines(obj, on_reject)
    names = columns.named(next(lines, (0, []))[1], obj.name, aliases or {})
    for number, fields in lines:
        if len(fields) != len(names):
            reason = f"{len(fields)} fields where the header has {len(names)}"
            on_reject(Reject.of(number, reason, ",".join(fields)))
            continue
        yield number, {name: field.strip() for name, field in zip(names, fields, strict=True)}
