"""Metric streams in format json: a datapoint a line, read by whole blocks and, where one is bad, line by line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec
import numpy as np

from pipeline.sources.base import Reject
from pipeline.sources.cloudwatch_series import RULES
from pipeline.sources.content import NEWLINE, LineBlock
from pipeline.sources.documents import SEAM
from pipeline.sources.metric_stream_points import (
    EARLIEST_MS,
    LATEST_MS,
    UNREAD,
    VALUE_FIELDS,
    Integers,
    PointError,
    Points,
)

SeriesTexts: TypeAlias = tuple[str, str, str, str, bytes]

MAX_KEPT: Final = 200_000  # dimension sets kept at once, of some 200 bytes each


class Named(msgspec.Struct, gc=False):
    """What tells whether a datapoint is read. To decode it is to see that the whole document is JSON."""

    metric_name: str
    dimensions: msgspec.Raw


class Value(msgspec.Struct, gc=False):
    """The samples of one series and minute."""

    max: float
    min: float
    sum: float
    count: float


class Datapoint(msgspec.Struct, gc=False):
    """A datapoint that may be read."""

    namespace: str
    metric_name: str
    account_id: str
    region: str
    dimensions: msgspec.Raw
    timestamp: int
    value: Value


_CLOSES, _OPENS = b"}{"
_NAMED: Final = msgspec.json.Decoder(Named)
_DATAPOINT: Final = msgspec.json.Decoder(Datapoint)
_DIMENSIONS: Final = msgspec.json.Decoder(dict[str, str])


class DimensionNames(dict[bytes, frozenset[str]]):
    """Names of the dimensions in a JSON text; raises ValidationError for other JSON than an object of texts."""

    def __missing__(self, text: bytes) -> frozenset[str]:
        if len(self) >= MAX_KEPT:
            self.clear()
        names = self[text] = frozenset(_DIMENSIONS.decode(text))
        return names


class SeriesNumbers(dict[SeriesTexts, int]):
    """Numbers of series by what names them: namespace, metric, account, region, JSON text of the dimensions."""

    def __init__(self, points: Points) -> None:
        super().__init__()
        self._points = points

    def __missing__(self, texts: SeriesTexts) -> int:
        if len(self) >= MAX_KEPT:
            self.clear()
        number = self[texts] = self._points.series(*texts[:4], _DIMENSIONS.decode(texts[4]))
        return number


class Lines:
    """Adds the datapoints that RULES reads; of another line is asked that it is JSON with a metric and dimensions."""

    def __init__(self, points: Points) -> None:
        """`points` takes them."""
        self._points = points
        self._names = DimensionNames()
        self._series = SeriesNumbers(points)
        self._most_are_read = False

    def add(self, block: LineBlock, reject: Callable[[Reject], None]) -> None:
        """Add the datapoints of a block; a bad one is rejected alone, with the number of its line."""
        if not self._add_together(block.text):
            for number, line in enumerate(block.lines, block.first_line):
                for text in SEAM.sub(b"}\n", line).split(b"\n"):
                    if text.strip() and (reason := self._add_alone(text)):
                        reject(Reject.of(number, reason, text))

    def _add_together(self, text: bytes) -> bool:
        """Whether every line is a datapoint without fault, all added now; else nothing is."""
        breaks = _breaks(text)
        if breaks is None:
            return False
        try:
            str(text, "utf-8")  # the decoder does not look into texts that it passes over
            read = self._decoded(text, breaks)
            if read is not None:
                self._keep(read)
        except (ValueError, RecursionError):
            return False
        return read is not None

    def _decoded(self, text: bytes, breaks: Integers) -> Sequence[Datapoint] | None:
        """The datapoints that are read; None where a line holds more than one document."""
        whole: list[Datapoint] | None = _DATAPOINT.decode_lines(text) if self._most_are_read else None
        found: Sequence[Named | Datapoint] = _NAMED.decode_lines(text) if whole is None else whole
        if len(found) != len(breaks) - 1:
            return None
        chosen = self._read_of(found)
        self._most_are_read = 2 * len(chosen) > len(found)
        if whole is not None:
            return [whole[place] for place in chosen]
        places = zip((breaks[:-1][chosen] + 1).tolist(), breaks[1:][chosen].tolist(), strict=True)
        return _DATAPOINT.decode_lines(b"\n".join([text[start:end] for start, end in places]))

    def _add_alone(self, text: bytes) -> str | None:
        """Add one document; the reason where that cannot be done."""
        try:
            str(text, "utf-8")
            if self._read_of([_NAMED.decode(text)]):
                self._keep([_DATAPOINT.decode(text)])
        except PointError as error:
            return str(error)
        except msgspec.ValidationError as error:
            return f"JSON, but no datapoint of a metric stream: {error}"
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return f"not JSON: {error}"
        except RecursionError:
            return "JSON nested too deeply for a datapoint"
        return None

    def _read_of(self, named: Sequence[Named | Datapoint]) -> list[int]:
        """Which of them RULES reads: those of its metrics under exactly the rule's dimensions."""
        names = self._names
        return [
            place
            for place, each in enumerate(named)
            if each.metric_name in RULES and names[bytes(each.dimensions)] == RULES[each.metric_name].dimension_names
        ]

    def _keep(self, read: Sequence[Datapoint]) -> None:
        """Add datapoints of metrics that are read; raises PointError, with none added, where a number has no sense."""
        if not read:
            return
        stamps = [each.timestamp for each in read]
        values = [each.value for each in read]
        numbers = np.array([[getattr(value, name) for value in values] for name in VALUE_FIELDS]).T
        _check(min(stamps), max(stamps), min(value.count for value in values))
        series = self._series
        numbered = np.array(
            [
                series[each.namespace, each.metric_name, each.account_id, each.region, bytes(each.dimensions)]
                for each in read
            ]
        )
        ours = numbered != UNREAD  # it is of another namespace
        self._points.add_many(numbered[ours], np.array(stamps)[ours], numbers[ours])


def _breaks(text: bytes) -> Integers | None:
    """Places of the newlines, and one before and one behind the text; None where a document may go over two lines.

    A newline between `}` and `{` is never within a document.
    """
    data = np.frombuffer(text, np.uint8)
    breaks = np.flatnonzero(data == NEWLINE)
    if len(breaks) and (breaks[0] == 0 or breaks[-1] == len(data) - 1):
        return None
    if not ((data[breaks - 1] == _CLOSES) & (data[breaks + 1] == _OPENS)).all():
        return None
    return np.concatenate(([-1], breaks, [len(data)]))


def _check(earliest: int, latest: int, fewest: float) -> None:
    for stamp in (earliest, latest):
        if not EARLIEST_MS <= stamp < LATEST_MS:
            raise PointError(f"timestamp {stamp} is no epoch millisecond of this century")
    if fewest <= 0:
        raise PointError(f"a value of {fewest:g} samples")
