"""Metric streams in format json: a datapoint a line, read by whole blocks and, where one is bad, line by line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, compress

import msgspec
import numpy as np
from msgspec.structs import astuple

from pipeline.sources.base import Reject
from pipeline.sources.cloudwatch_series import RULES
from pipeline.sources.content import LineBlock
from pipeline.sources.documents import SEAM
from pipeline.sources.metric_stream_points import UNREAD, VALUE_FIELDS, PointError, Points, check
from pipeline.sources.metric_stream_shapes import (
    DATAPOINT,
    NAMED,
    SKETCH,
    UNMARKED,
    Datapoint,
    Fact,
    Facts,
    Named,
)


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
            told = self._decoded(block)
            if told is None:
                return False
            facts = self._facts_of(told)
            if None in facts:
                told, facts = list(compress(told, facts)), [fact for fact in facts if fact]
            self._keep(facts, told)
        except (ValueError, RecursionError):
            return False
        self._most_are_read = 2 * len(facts) >= len(block.edges)
        return True

    def _decoded(self, block: LineBlock) -> Sequence[Datapoint] | None:
        """Every datapoint that is read, and some others; None where a line holds more than one document."""
        line_count = len(block.edges) - 1
        if self._most_are_read:
            told: list[Datapoint] = DATAPOINT.decode_lines(block.whole)
            return told if len(told) == line_count else None
        sketches, known, unmarked = SKETCH.decode_lines(block.whole), self._facts, UNMARKED
        if len(sketches) != line_count:
            return None
        chosen = [
            number
            for number, each in enumerate(sketches)
            if each.metric_name in known
            and (
                (marks := each.dimensions).NeuronCore
                or marks.GpuDevice
                or marks.NetworkInterfaceId
                or each.metric_name in unmarked
            )
        ]
        return DATAPOINT.decode_lines(block.chosen(chosen)) if chosen else []

    def _facts_of(self, told: Sequence[Named | Datapoint]) -> list[Fact | None]:
        """What each of them tells; None where RULES does not read it."""
        known = self._facts
        return [
            known[each.metric_name][bytes(each.dimensions)] if each.metric_name in known else None for each in told
        ]

    def _add_alone(self, text: bytes) -> str | None:
        """Add one document; the reason where that cannot be done."""
        try:
            str(text, "utf-8")
            (fact,) = self._facts_of([NAMED.decode(text)])
            if fact:
                self._keep([fact], [DATAPOINT.decode(text)])
        except PointError as error:
            return str(error)
        except msgspec.ValidationError as error:
            return f"JSON, but no datapoint of a metric stream: {error}"
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return f"not JSON: {error}"
        except RecursionError:
            return "JSON nested too deeply for a datapoint"
        return None

    def _keep(self, facts: Sequence[Fact], read: Sequence[Datapoint]) -> None:
        """Add datapoints that are read; raises PointError, with none added, where a number has no sense."""
        if not facts:
            return
        stamps = [each.timestamp for each in read]
        values = list(chain.from_iterable([astuple(each.value) for each in read]))
        check(stamps, values[VALUE_FIELDS.index("count") :: len(VALUE_FIELDS)])
        number = self._number
        series = [
            fact.series
            if fact.account_id == each.account_id and fact.region == each.region and fact.namespace == each.namespace
            else number(fact, each)
            for fact, each in zip(facts, read, strict=True)
        ]
        if UNREAD in series:  # of another namespace
            ours = [each != UNREAD for each in series]
            values = list(compress(values, chain.from_iterable((each,) * len(VALUE_FIELDS) for each in ours)))
            series, stamps = list(compress(series, ours)), list(compress(stamps, ours))
        self._points.add_many(series, stamps, values)

    def _number(self, fact: Fact, told: Datapoint) -> int:
        """The number of a series; its fact remembers it with its place."""
        fact.account_id, fact.region, fact.namespace = told.account_id, told.region, told.namespace
        fact.series = self._points.series(
            told.namespace, told.metric_name, told.account_id, told.region, fact.values
        )
        return fact.series


def _is_document_a_line(block: LineBlock) -> bool:
    """Whether each newline stands between `}` and `{`, as it never does within a document."""
    breaks = block.edges[1:-1]
    if len(breaks) and breaks[0] == 0:
        return False
    text = np.frombuffer(block.whole, np.uint8)
    before, behind = text[breaks - 1].tobytes(), text[breaks + 1].tobytes()
    return before.count(b"}") == len(breaks) == behind.count(b"{")
