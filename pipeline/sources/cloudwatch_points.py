"""Points of many series as CloudWatch wrote them: cut at given times as text, made numbers only where they are new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import orjson
from numpy.typing import NDArray

from pipeline.errors import SourceError
from pipeline.sources.cloudwatch_answers import Piece, Pull

Integers = NDArray[np.int64]
Periods = NDArray[np.int32]
COMMA = ord(",")
NOTHING: Sequence[Piece] = ((b"", b""),)


@dataclass(frozen=True)
class Slice:
    """What one stretch of the window holds: `rows` are positions of series, each with `counts` points, in time order.

    `periods` numbers the periods of the window point by point, `text` holds the values with commas between.
    """

    name: str
    rows: Integers
    counts: Integers
    periods: Periods
    text: bytes

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """The numbers; raises SourceError for what is none."""
        return _numbers(self.text, self.name)


class Points:
    """The answers to the series of one question."""

    def __init__(self, pull: Pull, answers: Sequence[Sequence[Piece]]) -> None:
        """`answers`: per series what came for it, in the order of the pages. Raises SourceError for other shapes."""
        self._pull = pull
        self._periods: list[Periods] = []
        self._numbers: dict[bytes, int] = {}
        told = [self._ordered(pieces or NOTHING) for pieces in answers]
        self._kinds = np.array([kind for kind, _ in told], np.int64)
        counts = np.array([len(periods) for periods in self._periods], np.int64)[self._kinds]
        self._firsts = np.cumsum(counts) - counts
        self._text = b",".join(text for _, text in told if text)
        self._ends = self._value_ends(counts, [len(text) for _, text in told])

    def cut(self, low: int, high: int) -> Slice:
        """The points of the periods from `low` to before `high`."""
        bounds = np.array([np.searchsorted(periods, (low, high)) for periods in self._periods])[self._kinds]
        counts = bounds[:, 1] - bounds[:, 0]
        rows = np.flatnonzero(counts)
        first = (self._firsts + bounds[:, 0])[rows]
        starts = np.where(first > 0, self._ends[first - 1] + 1, 0)
        ends = self._ends[first + counts[rows] - 1]
        text = b",".join([self._text[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)])
        return Slice(self._pull.name, rows, counts[rows], self._periods_of(bounds, rows), text)

    def _periods_of(self, bounds: Integers, rows: Integers) -> Periods:
        kinds = self._kinds[rows]
        if len(rows) and (kinds == kinds[0]).all():
            low, high = bounds[rows[0]]
            return np.tile(self._periods[kinds[0]][low:high], len(rows))
        cuts = zip(kinds.tolist(), bounds[rows].tolist(), strict=True)
        return np.concatenate([np.empty(0, np.int32), *(self._periods[kind][a:b] for kind, (a, b) in cuts)])

    def _ordered(self, pieces: Sequence[Piece]) -> tuple[int, bytes]:
        """Which list of periods a series has points for, in time order, and their values."""
        if len(pieces) == 1:
            times, text = pieces[0]
            kind = self._numbers.get(times)
            if kind is not None:
                return kind, text
            periods = self._periods_at(times)
            if (np.diff(periods) > 0).all():
                self._numbers[times] = len(self._periods)
                self._periods.append(periods)
                return self._numbers[times], text
        return self._merged(pieces)

    def _merged(self, pieces: Sequence[Piece]) -> tuple[int, bytes]:
        """The points of a series that came on several pages or in another order: of doubles the last one counts."""
        points: dict[int, float] = {}
        for times, text in pieces:
            periods, values = self._periods_at(times).tolist(), _numbers(text, self._pull.name).tolist()
            if len(periods) != len(values):
                raise self._miscounted()
            points.update(zip(periods, values, strict=True))
        ordered = sorted(points)
        self._periods.append(np.array(ordered, np.int32))
        return len(self._periods) - 1, orjson.dumps([points[period] for period in ordered])[1:-1]

    def _periods_at(self, times: bytes) -> Periods:
        """Numbers of the window's periods that start at these times. Raises SourceError for a time that is no start."""
        stamps = _numbers(times, self._pull.name)
        places = (stamps - self._pull.start) / self._pull.period_seconds
        periods = places.astype(np.int32)
        wrong = (periods != places) | (places < 0) | (places >= self._pull.points_per_series)
        if wrong.any():
            raise SourceError(
                f"{self._pull.name}: a datapoint at {stamps[int(np.argmax(wrong))]}, which is no period of the window; "
                "check AWS_ENDPOINT_URL, then run again"
            )
        return periods

    def _value_ends(self, counts: Integers, sizes: Sequence[int]) -> Integers:
        """Where each value ends in the text. Raises SourceError where a series has not as many values as times."""
        commas = np.flatnonzero(np.frombuffer(self._text, np.uint8) == COMMA)
        ends = np.append(commas, len(self._text)) if self._text else commas
        has = counts > 0
        series_ends = np.cumsum(np.array(sizes, np.int64)[has] + 1) - 1
        last = (self._firsts + counts - 1)[has]
        if ((np.array(sizes, np.int64) > 0) != has).any() or len(ends) != counts.sum():
            raise self._miscounted()
        if (ends[last] != series_ends).any():
            raise self._miscounted()
        return ends

    def _miscounted(self) -> SourceError:
        return SourceError(
            f"{self._pull.name}: unreadable points: a series with other numbers of times and values; "
            "check AWS_ENDPOINT_URL"
        )


def _numbers(text: bytes, name: str) -> NDArray[np.float64]:
    try:
        return np.array(orjson.loads(b"[" + text + b"]"), np.float64)
    except (TypeError, ValueError) as error:
        raise SourceError(f"{name}: unreadable points: {error}; check AWS_ENDPOINT_URL") from error
