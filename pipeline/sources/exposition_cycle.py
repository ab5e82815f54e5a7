"""How a scrape that repeats the lines of the one before is recognised: a block at a time, not line by line.

An exporter prints the same series in the same order at every scrape. Once one such cycle of lines is known, the next
lines are compared with it as bytes, all at once; only values and timestamps are left to read. The comparison covers
everything but those, so a block either repeats the cycle exactly or is left to the reader of single lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.sources.arrow_arrays import integers

Bytes: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

NEWLINE, BLANK, HASH = 10, 32, 35
MAX_CYCLE_LINES: Final = 65_536
FEWEST_CYCLE_LINES: Final = 4_096
NO_SAMPLE: Final = -1
HEAD, VALUE, STAMP = 0, 2, 4


@dataclass(frozen=True)
class Cuts:
    """The lines of a block cut into head (series text, or a whole comment), value and timestamp.

    `parts` holds `width` neighbouring pieces per line; `head_text` and `head_lengths` the heads, joined.
    """

    parts: pa.Array
    width: int
    head_text: Bytes
    head_lengths: Integers

    def tokens(self, lines: Integers, part: int) -> pa.Array:
        """The pieces number `part` of the given lines (positions in the block)."""
        return self.parts.take(integers(lines * self.width + part))


def cut_lines(text: bytes, *, dated: bool) -> Cuts:
    """Cut lines at their last blank, or at their last two where every line carries a timestamp."""
    content = np.frombuffer(text + b"\0", np.uint8)
    newlines = np.flatnonzero(content == NEWLINE)
    ends = np.append(newlines, len(text))
    starts = np.append(0, newlines + 1)
    blanks = np.concatenate([[-1, -1], np.flatnonzero(content == BLANK)])
    found = np.searchsorted(blanks, ends) - 1
    last = blanks[found]
    head_ends = blanks[found - 1] if dated else last
    whole = (content[starts] == HASH) | (head_ends < starts)
    head_ends = np.where(whole, ends, head_ends)
    value_starts = np.minimum(head_ends + 1, ends)
    bounds = [starts, head_ends, value_starts]
    if dated:
        value_ends = np.where(whole, ends, last)
        bounds += [value_ends, np.minimum(value_ends + 1, ends)]
    bounds.append(ends)
    offsets = np.append(np.column_stack(bounds).ravel(), len(text)).astype(np.int32)
    width = len(bounds)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    parts = pa.Array.from_buffers(pa.string(), width * len(starts), buffers)
    heads = parts.take(integers(np.arange(0, width * len(starts), width)))
    lengths = head_ends - starts
    return Cuts(parts, width, np.frombuffer(heads.buffers()[2] or b"", np.uint8)[: lengths.sum()], lengths)


@dataclass
class Cycle:
    """The lines of one scrape, in order: heads, and the series code of each (NO_SAMPLE for comments).

    `cursor` is the line expected next. `series_count` is the number of samples of a scrape, or 0 where one scrape
    names a series twice.
    """

    text: Bytes
    lengths: Integers
    codes: Integers
    cursor: int
    series_count: int

    def __post_init__(self) -> None:
        """Know where each line's head begins."""
        self._offsets = np.append(0, np.cumsum(self.lengths))

    def match(self, text: Bytes, lengths: Integers) -> Integers | None:
        """Code of every line with these heads, if they go on exactly as the cycle says; the cursor moves then."""
        done, start, count = 0, 0, len(lengths)
        while done < count:
            at = (self.cursor + done) % len(self.lengths)
            size = min(count - done, len(self.lengths) - at)
            known = self.text[self._offsets[at] : self._offsets[at + size]]
            if not np.array_equal(lengths[done : done + size], self.lengths[at : at + size]):
                return None
            if not np.array_equal(text[start : start + len(known)], known):
                return None
            done, start = done + size, start + len(known)
        codes = self.codes.take(np.arange(self.cursor, self.cursor + count), mode="wrap")
        self.cursor = (self.cursor + count) % len(self.lengths)
        return codes

    def codes_before(self, count: int) -> list[int]:
        """Codes of the last `count` samples before the cursor (at most one scrape)."""
        lines = np.arange(self.cursor - len(self.codes), self.cursor)
        samples = self.codes.take(lines, mode="wrap")
        found: list[int] = samples[samples != NO_SAMPLE][-count:].tolist() if count else []
        return found


class CycleFinder:
    """Collects lines that were read one by one until the first series among them comes again."""

    def __init__(self) -> None:
        """Nothing collected yet."""
        self._parts: list[tuple[Bytes, Integers, Integers]] = []

    def add(self, cuts: Cuts, codes: Integers, code_of: Callable[[bytes], int | None]) -> Cycle | None:
        """A cycle, once the lines so far hold one and all after it repeat it; `codes` are those of the block's lines.

        `code_of` tells the code of a head that is exactly a known series: lines of any other shape make no cycle.
        """
        self._parts.append((cuts.head_text, cuts.head_lengths, codes))
        known = np.concatenate([part[2] for part in self._parts])
        samples = np.flatnonzero(known != NO_SAMPLE)
        again = np.flatnonzero(known == known[samples[0]]) if len(samples) else samples
        if len(again) < 2:
            if len(known) > MAX_CYCLE_LINES:
                self._parts.clear()
            return None
        text = np.concatenate([part[0] for part in self._parts])
        lengths = np.concatenate([part[1] for part in self._parts])
        self._parts.clear()
        return _cycle(text, lengths, known, int(again[0]), int(again[1]), code_of)


def _cycle(
    text: Bytes, lengths: Integers, codes: Integers, first: int, again: int, code_of: Callable[[bytes], int | None]
) -> Cycle | None:
    """The lines from `first` up to `again` as a cycle, if they are plain and the lines after them repeat them."""
    offsets = np.append(0, np.cumsum(lengths))
    content = text[offsets[first] : offsets[again]]
    raw, begin = content.tobytes(), offsets[first]
    for line in range(first, again):
        head = raw[offsets[line] - begin : offsets[line + 1] - begin]
        plain = code_of(head) == codes[line] if codes[line] != NO_SAMPLE else head[:1] in (b"", b"#")
        if not plain:
            return None
    times = -(-FEWEST_CYCLE_LINES // (again - first))
    samples = codes[first:again][codes[first:again] != NO_SAMPLE]
    cycle = Cycle(
        text=np.tile(content, times),
        lengths=np.tile(lengths[first:again], times),
        codes=np.tile(codes[first:again], times),
        cursor=0,
        series_count=len(samples) if len(np.unique(samples)) == len(samples) else 0,
    )
    return cycle if cycle.match(text[offsets[again] :], lengths[again:]) is not None else None


class ScrapeCounter:
    """Numbers the scrapes of undated text from 0: a series met again starts the next one."""

    def __init__(self) -> None:
        """Before the first sample."""
        self._scrape, self._seen, self._run = 0, set[int](), 0

    @property
    def series_in_scrape(self) -> int:
        """Distinct series of the present scrape that are held in memory."""
        return len(self._seen)

    def count(self, codes: list[int]) -> list[int]:
        """Scrape number of each sample, given the codes of their series in line order."""
        numbers, seen, scrape = [], self._seen, self._scrape
        for code in codes:
            if code in seen:
                scrape += 1
                seen.clear()
            seen.add(code)
            numbers.append(scrape)
        self._scrape = scrape
        return numbers

    def count_cycle(self, codes: Integers, series_count: int) -> Integers:
        """The same for samples known to follow a cycle of `series_count` distinct series."""
        lead: list[int] = []
        if not self._run:
            before = self._scrape
            lead = self.count(codes[: series_count or None].tolist())
            if not series_count or self._scrape == before:
                return np.array(lead + self.count(codes[len(lead) :].tolist()), dtype=np.int64)
            self._run = len(self._seen)
            self._seen.clear()
        steps = np.arange(self._run, self._run + len(codes) - len(lead))
        numbers = self._scrape + steps // series_count
        passed = (self._run + len(steps) - 1) // series_count
        self._scrape, self._run = self._scrape + passed, self._run + len(steps) - passed * series_count
        return np.append(lead, numbers).astype(np.int64)

    def leave_cycle(self, cycle: Cycle) -> None:
        """Go on line by line: remember the series met since the present scrape began."""
        if self._run:
            self._seen, self._run = set(cycle.codes_before(self._run)), 0
