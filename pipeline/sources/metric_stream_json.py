"""Metric streams in format json: a datapoint a line, read by whole blocks and, where one is bad, line by line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from operator import attrgetter
from typing import TypeAlias

import msgspec
import numpy as np

from pipeline.sources.base import Reject
from pipeline.sources.cloudwatch_series import RULES
from pipeline.sources.content import LineBlock
from pipeline.sources.documents import SEAM
from pipeline.sources.metric_stream_points import UNREAD, PointError, Points, check
from pipeline.sources.metric_stream_shapes import DATAPOINT, NAMED, TOLD, Datapoint, Fact, Facts, Named, Told, text_of

METRIC_NAME = attrgetter("metric_name")
Read: TypeAlias = tuple[Sequence[Fact], Sequence[Told]]


class Lines:
    """Adds the datapoints that RULES reads; of another line is asked that it is JSON with a metric and dimensions."""

    def __init__(self, points: Points) -> None:
        """`points` takes them."""
        self._points = points
        self._facts = {name: Facts(name) for name in RULES}
        self._most_are_read = False

    def add(self, block: LineBlock, reject: Callable[[Reject], None]) -> None:
        """Add the datapoints of a block; a bad one is rejected alone, with the number of its line."""
        if not self._add_together(block):
            for number, line in enumerate(block.lines, block.first_line):
                for text in SEAM.sub(b"}\n", line).split(b"\n"):
                    if text.strip() and (reason := self._add_alone(text)):
                        reject(Reject.of(number, reason, text))

    def _add_together(self, block: LineBlock) -> bool:
        """Whether every line is a datapoint without fault, all added now; else nothing is."""
        if not _is_document_a_line(block):
            return False
        try:
            if not block.whole.isascii():
                str(block.whole, "utf-8")  # the decoder does not look into texts that it passes over
            facts, told = self._read_whole(block) if self._most_are_read else self._read_by_name(block)
            self._keep(facts, told)
        except (ValueError, RecursionError):
            return False
        self._most_are_read = 2 * len(facts) >= len(block.edges)
        return True

    def _read_by_name(self, block: LineBlock) -> Read:
        """What is read of a block, by decoding little of every line and the rest of those that are read."""
        facts, numbers = self._facts_of(NAMED.decode_lines(block.whole), block)
        return facts, TOLD.decode_lines(block.chosen(numbers)) if numbers else []

    def _read_whole(self, block: LineBlock) -> Read:
        """The same by decoding all of every line, which is cheaper where most are read."""
        points: list[Datapoint] = DATAPOINT.decode_lines(block.whole)
        facts, numbers = self._facts_of(points, block)
        return facts, points if len(numbers) == len(points) else [points[number] for number in numbers]

    def _facts_of(self, named: Sequence[Named | Datapoint], block: LineBlock) -> tuple[list[Fact], list[int]]:
        """What RULES reads of the lines of a block, and their numbers."""
        if len(named) != len(block.edges) - 1:
            raise PointError("a line holds more than one document")
        known = self._facts
        numbers = list(compress(range(len(named)), map(known.__contains__, map(METRIC_NAME, named))))
        facts = [known[each.metric_name][text_of(each.dimensions)] for each in map(named.__getitem__, numbers)]
        return [fact for fact in facts if fact], list(compress(numbers, facts))

    def _add_alone(self, text: bytes) -> str | None:
        """Add one document; the reason where that cannot be done."""
        try:
            str(text, "utf-8")
            named = NAMED.decode(text)
            if named.metric_name in self._facts and (fact := self._facts[named.metric_name][text_of(named.dimensions)]):
                self._keep([fact], [TOLD.decode(text)])
        except PointError as error:
            return str(error)
        except msgspec.ValidationError as error:
            return f"JSON, but no datapoint of a metric stream: {error}"
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return f"not JSON: {error}"
        except RecursionError:
            return "JSON nested too deeply for a datapoint"
        return None

    def _keep(self, facts: Sequence[Fact], read: Sequence[Told]) -> None:
        """Add datapoints that are read; raises PointError, with none added, where a number has no sense."""
        if not facts:
            return
        stamps, values = [each.timestamp for each in read], [each.value for each in read]
        columns = {
            "max": [value.max for value in values],
            "min": [value.min for value in values],
            "sum": [value.sum for value in values],
            "count": [value.count for value in values],
        }
        check(stamps, columns["count"])
        number = self._number
        series = [
            fact.series
            if fact.account_id == each.account_id and fact.region == each.region and fact.namespace == each.namespace
            else number(fact, each)
            for fact, each in zip(facts, read, strict=True)
        ]
        if UNREAD in series:  # of another namespace
            ours = [each != UNREAD for each in series]
            columns = {name: list(compress(column, ours)) for name, column in columns.items()}
            series, stamps = list(compress(series, ours)), list(compress(stamps, ours))
        self._points.add_many(series, stamps, columns)

    def _number(self, fact: Fact, told: Told) -> int:
        """The number of a series; its fact remembers it with its place."""
        fact.account_id, fact.region, fact.namespace = told.account_id, told.region, told.namespace
        fact.series = self._points.series(told.namespace, fact.metric_name, told.account_id, told.region, fact.values)
        return fact.series


def _is_document_a_line(block: LineBlock) -> bool:
    """Whether each newline stands between `}` and `{`, as it never does within a document."""
    breaks = block.edges[1:-1]
    if len(breaks) and breaks[0] == 0:
        return False
    text = np.frombuffer(block.whole, np.uint8)
    before, behind = text[breaks - 1].tobytes(), text[breaks + 1].tobytes()
    return before.count(b"}") == len(breaks) == behind.count(b"{")
