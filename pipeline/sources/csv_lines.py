"""CSV read line by line, each on its own: one bad quote spoils one line, not the rest of the file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator

from pipeline.sources.base import Reject, SourceObject
from pipeline.sources.content import line_blocks, read_chunks


def csv_lines(obj: SourceObject, on_reject: Callable[[Reject], None]) -> Iterator[tuple[int, list[str]]]:
    """(line number, fields) of every line that is not blank; no field may hold a newline. gzip is read as it is."""
    for block in line_blocks(read_chunks(obj), on_reject):
        for number, line in enumerate(block.lines, start=block.first_line):
            if not line.strip():
                continue
            try:
                yield number, next(csv.reader([line.decode("utf-8-sig").rstrip("\r")], strict=True))
            except (csv.Error, UnicodeDecodeError, StopIteration) as error:
                on_reject(Reject.of(number, f"not a line of CSV: {error}", line))
