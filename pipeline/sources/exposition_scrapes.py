"""A file of exposition text, read block by block into the rows of whichever exporter wrote it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import (
    IngestOptions,
    ParsedDelivery,
    Reject,
    SourceObject,
    add_reject,
    describe,
    observation_time,
)
from pipeline.sources.content import read_chunks
from pipeline.sources.exposition import ExpositionReader, SampleBlock
from pipeline.sources.exposition_clock import ScrapeClock
from pipeline.sources.exposition_document import time_scale
from pipeline.sources.exposition_lines import Labels
from pipeline.sources.exposition_series import TooManySeries
from pipeline.sources.wide_rows import RowsOutOfOrder

Batches: TypeAlias = Iterator[tuple[str, pa.RecordBatch]]


class Rows(Protocol):
    """What an exporter's samples become; `unmapped` counts those of metrics that are not stored."""

    unmapped: Counter[str]

    def meet_labels(self, labels: Labels) -> None:
        """Note the next distinct label set."""

    def take(self, block: SampleBlock, instants: npt.NDArray[np.int64], names: list[str]) -> None:
        """Add samples; `instants` in ms, `names` as the block numbers them."""

    def close_if_full(self) -> Batches:
        """Rows that memory asks to hand out now."""

    def close_all(self) -> Batches:
        """What is left."""


MakeRows: TypeAlias = Callable[[int, Callable[[Reject], None]], Rows]


def read_scrapes(
    obj: SourceObject, options: IngestOptions, source: str, usual_cadence_ms: int, make_rows: MakeRows
) -> ParsedDelivery:
    """One file of text, dated or not, one scrape or many. Refuses an empty file and a damaged container.

    Undated samples get the observation time of the object; a repeated series starts the next scrape, one interval
    later. `make_rows` gets the cadence in ms and where rejects go.
    """
    scale = time_scale(obj)
    observed = (scale.first_at, False) if scale.first_at else observation_time(obj, options)
    cadence_ms = options.interval_ms or usual_cadence_ms
    rejects: list[Reject] = []

    def reject(one: Reject) -> None:
        add_reject(rejects, one, obj.name)

    rows = make_rows(cadence_ms, reject)
    clock = ScrapeClock(scale, observed[0], cadence_ms)
    reader = ExpositionReader(rows.meet_labels, reject, openmetrics=scale.openmetrics)
    info = describe(obj, source, observed, interval_ms=cadence_ms)
    return ParsedDelivery(info, _batches(obj, reader, clock, rows, reject), rejects, rows.unmapped)


def _batches(
    obj: SourceObject, reader: ExpositionReader, clock: ScrapeClock, rows: Rows, reject: Callable[[Reject], None]
) -> Batches:
    """Rows of the object; RefusedDelivery where it cannot be held or is damaged."""
    try:
        for block in reader.blocks(read_chunks(obj)):
            timely, instants = clock.timely(block, reject)
            rows.take(timely, instants, reader.names)
            yield from rows.close_if_full()
    except (TooManySeries, RowsOutOfOrder) as error:
        raise RefusedDelivery(obj.name, str(error), "split the object by hour or by host") from error
    yield from rows.close_all()
