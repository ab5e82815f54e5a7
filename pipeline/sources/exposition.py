"""How exposition text becomes arrays, at three speeds that give the same samples.

A block of lines that repeats the scrape before is compared with it as bytes (`exposition_cycle`). Else each line is cut
at its last blank and the part before it looked up among the series that the strict grammar has accepted. Whatever does
not fit (a new series, an exemplar, odd spacing, a bad number) is parsed strictly by itself (`exposition_lines`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.sources.base import Reject
from pipeline.sources.content import LineBlock, line_blocks
from pipeline.sources.exposition_cycle import (
    NO_SAMPLE,
    STAMP,
    VALUE,
    Cuts,
    Cycle,
    CycleFinder,
    ScrapeCounter,
    cut_lines,
)
from pipeline.sources.exposition_lines import Labels, LineError
from pipeline.sources.exposition_series import MAX_NAMES, NAME_BITS, SeriesTable, TooManySeries

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

MAX_SCRAPE_SERIES: Final = 1_000_000
NANOSECONDS: Final = 1e9
MAX_SECONDS: Final = 1e12
NUMBER_BYTES: Final = b"0123456789.eE+- "
NUMBER_WORD_BYTES: Final = b"NaInfityNAFITY"
MILLISECOND_BYTES: Final = b"0123456789- "


class _Unfit(Exception):
    """The fast way cannot take this block as it is."""


@dataclass(frozen=True)
class SampleBlock:
    """Samples in line order, as parallel arrays.

    `lines` are line numbers; `names` indexes `ExpositionReader.names`; `label_sets` counts the `on_labels` calls;
    `scrapes` numbers the scrapes from 0 (a series met again starts the next one); `timestamps` are in the document's
    unit (ms in Prometheus text, seconds in OpenMetrics), NaN for a line without one; values keep their NaN.
    """

    lines: Integers
    names: Integers
    label_sets: Integers
    values: Floats
    timestamps: Floats
    scrapes: Integers

    def only(self, kept: npt.NDArray[np.bool_]) -> SampleBlock:
        """The samples where `kept` is true."""
        return SampleBlock(*(getattr(self, field.name)[kept] for field in fields(self)))


@dataclass
class _Scan:
    """What the lines of one block hold, as they are met."""

    lines: list[int]
    codes: list[int]
    values: list[bytes]
    stamps: list[bytes]
    rejects: list[Reject]


class ExpositionReader:
    """Reads one document, or several joined ones. `on_labels` receives each distinct label string's pairs, once."""

    def __init__(
        self, on_labels: Callable[[Labels], None], reject: Callable[[Reject], None], *, openmetrics: bool = False
    ) -> None:
        """`openmetrics` chooses the grammar and the unit of timestamps for the whole text."""
        self._table = SeriesTable(on_labels, openmetrics=openmetrics)
        self.names = self._table.names
        self._reject, self._openmetrics, self._dated = reject, openmetrics, False
        self._stamp_bytes = NUMBER_BYTES if openmetrics else MILLISECOND_BYTES
        self._scrapes, self._finder = ScrapeCounter(), CycleFinder()
        self._cycle: Cycle | None = None
        self._last_nanoseconds: dict[int, int] = {}

    def blocks(self, chunks: Iterable[bytes]) -> Iterator[SampleBlock]:
        """Sample blocks of the text; every line is a sample, a comment, a blank, or is rejected with its number.

        Raises TooManySeries where the text outgrows memory.
        """
        for block in line_blocks(chunks, self._reject):
            samples = self._read_cycle(block) or self._read_lines(block)
            if self._openmetrics:
                samples = self._without_truncated_doubles(samples)
            if self._scrapes.series_in_scrape > MAX_SCRAPE_SERIES:
                raise TooManySeries(f"more than {MAX_SCRAPE_SERIES:,} series in one scrape")
            if len(samples.lines):
                yield samples

    def _read_cycle(self, block: LineBlock) -> SampleBlock | None:
        """The block's samples if it repeats the known cycle of lines and its numbers are plain, else None."""
        if not (cycle := self._cycle) or not block.ended:
            return None
        cuts, cursor = cut_lines(block.text, dated=self._dated), cycle.cursor
        if (codes := cycle.match(cuts.head_text, cuts.head_lengths)) is not None:
            lines = np.flatnonzero(codes != NO_SAMPLE)
            values = _numbers(cuts.tokens(lines, VALUE), NUMBER_BYTES, NUMBER_WORD_BYTES)
            stamps = self._stamps(cuts, lines)
            if values is not None and stamps is not None:
                scrapes = self._scrapes.count_cycle(codes[lines], cycle.series_count)
                return _as_block(lines + block.first_line, codes[lines], values, stamps, scrapes)
            cycle.cursor = cursor
        self._scrapes.leave_cycle(cycle)
        self._cycle = None
        return None

    def _stamps(self, cuts: Cuts, lines: Integers) -> Floats | None:
        if not self._dated:
            return np.full(len(lines), np.nan)
        return _numbers(cuts.tokens(lines, STAMP), self._stamp_bytes, b"")

    def _read_lines(self, block: LineBlock) -> SampleBlock:
        """The block line by line; looks for a cycle on the way."""
        scan = self._scan(block)
        for reject in scan.rejects:
            self._reject(reject)
        codes = np.array(scan.codes, dtype=np.int64)
        if scan.rejects or not block.ended:
            self._finder = CycleFinder()
        else:
            of_lines = np.full(len(block.lines), NO_SAMPLE)
            of_lines[np.array(scan.lines, dtype=np.int64) - block.first_line] = codes
            self._cycle = self._finder.add(cut_lines(block.text, dated=self._dated), of_lines, self._table.known)
        numbers = [float(stamp) if stamp else np.nan for stamp in scan.stamps] or [np.nan] * len(codes)
        scrapes = np.array(self._scrapes.count(scan.codes), dtype=np.int64)
        values = np.fromiter(map(float, scan.values), np.float64, len(codes))
        return _as_block(np.array(scan.lines, dtype=np.int64), codes, values, np.array(numbers), scrapes)

    def _scan(self, block: LineBlock) -> _Scan:
        """Lines by look-up; where dated and undated ones are mixed or a number is odd, each line strictly."""
        for _ in range(2 if block.ended else 0):
            try:
                scan = self._scan_dated(block) if self._dated else self._scan_undated(block)
            except _Unfit:
                self._dated = not self._dated
                continue
            if _plain(scan.values, NUMBER_BYTES, NUMBER_WORD_BYTES) and _plain(scan.stamps, self._stamp_bytes, b""):
                return scan
            break
        return self._scan_strictly(block)

    def _scan_undated(self, block: LineBlock) -> _Scan:
        """A block whose samples carry no timestamp; `stamps` stays empty."""
        scan, known, combine = _Scan([], [], [], [], []), self._table.known, self._table.combine
        lines, codes, values = scan.lines.append, scan.codes.append, scan.values.append
        for number, line in enumerate(block.lines, block.first_line):
            head, _, value = line.rpartition(b" ")
            code = known(head)
            if code is None and (code := combine(head)) is None:
                if (found := self._read_line(line, number, scan)) is None:
                    continue
                code, value, stamp = found
                if stamp:
                    raise _Unfit
            codes(code)
            values(value)
            lines(number)
        return scan

    def _scan_dated(self, block: LineBlock) -> _Scan:
        """A block whose samples all carry a timestamp."""
        scan, known, combine = _Scan([], [], [], [], []), self._table.known, self._table.combine
        lines, codes, values, stamps = scan.lines.append, scan.codes.append, scan.values.append, scan.stamps.append
        for number, line in enumerate(block.lines, block.first_line):
            body, _, stamp = line.rpartition(b" ")
            head, _, value = body.rpartition(b" ")
            code = known(head)
            if code is None and (code := combine(head)) is None:
                if (found := self._read_line(line, number, scan)) is None:
                    continue
                code, value, stamp = found
                if not stamp:
                    raise _Unfit
            codes(code)
            values(value)
            stamps(stamp)
            lines(number)
        return scan

    def _scan_strictly(self, block: LineBlock) -> _Scan:
        scan = _Scan([], [], [], [], [])
        for number, line in enumerate(block.lines, block.first_line):
            found = self._read_line(line, number, scan)
            if found and not block.ended and not self._openmetrics:
                scan.rejects.append(Reject.of(number, "no newline ends the last line: its value may be cut", line))
            elif found:
                scan.lines.append(number)
                scan.codes.append(found[0])
                scan.values.append(found[1])
                scan.stamps.append(found[2])
        return scan

    def _read_line(self, line: bytes, number: int, scan: _Scan) -> tuple[int, bytes, bytes] | None:
        try:
            return self._table.read_line(line)
        except LineError as error:
            scan.rejects.append(Reject.of(number, str(error), line))
            return None

    def _without_truncated_doubles(self, block: SampleBlock) -> SampleBlock:
        """OpenMetrics: of one series at one nanosecond the first sample stands; the others are doubles."""
        kept = []
        codes = (block.label_sets << NAME_BITS | block.names).tolist()
        for code, stamp in zip(codes, block.timestamps.tolist(), strict=True):
            nanoseconds = int(stamp * NANOSECONDS) if abs(stamp) < MAX_SECONDS else None
            kept.append(nanoseconds is None or self._last_nanoseconds.get(code) != nanoseconds)
            if nanoseconds is not None:
                self._last_nanoseconds[code] = nanoseconds
        return block if all(kept) else block.only(np.array(kept))


def _plain(tokens: list[bytes], allowed: bytes, words: bytes) -> bool:
    """Whether float() reads the tokens as the grammar does: it would also take `1_0`, tabs and CR."""
    left = b" ".join(tokens).translate(None, allowed)
    if left and left.translate(None, words):
        return False
    try:
        for _ in map(float, tokens):
            pass
    except ValueError:
        return False
    return True


def _numbers(tokens: pa.Array, allowed: bytes, words: bytes) -> Floats | None:
    """The tokens as floats, None where one is not plain (the strict grammar then decides)."""
    text = b"".join(buffer.to_pybytes() for buffer in tokens.buffers()[2:] if buffer)
    left = text.translate(None, allowed)
    if left and left.translate(None, words):
        return None
    try:
        numbers = tokens.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    return np.frombuffer(numbers.buffers()[1] or b"", np.float64)[: len(numbers)]


def _as_block(lines: Integers, codes: Integers, values: Floats, timestamps: Floats, scrapes: Integers) -> SampleBlock:
    return SampleBlock(lines, codes & (MAX_NAMES - 1), codes >> NAME_BITS, values, timestamps, scrapes)
