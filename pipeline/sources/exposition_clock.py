"""When each sample of an exposition text was taken: by its own timestamp, else by its scrape."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from pipeline.sources.base import Reject
from pipeline.sources.exposition import SampleBlock
from pipeline.sources.exposition_document import TimeScale

Integers: TypeAlias = npt.NDArray[np.int64]

FIRST_MS: Final = int(datetime(2010, 1, 1, tzinfo=UTC).timestamp() * 1000)
LAST_MS: Final = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000)


class ScrapeClock:
    """Undated scrapes begin at `start` and follow each other by `interval_ms`."""

    def __init__(self, scale: TimeScale, start: datetime, interval_ms: int) -> None:
        """`scale` says in which unit the document's own timestamps are."""
        self._scale, self._interval_ms = scale, interval_ms
        self._start_ms = round(start.timestamp() * 1000)

    def timely(self, block: SampleBlock, reject: Callable[[Reject], None]) -> tuple[SampleBlock, Integers]:
        """The samples within the calendar and their instants in ms; the others are rejected by their line."""
        instants = self._instants(block)
        timely = (instants >= FIRST_MS) & (instants < LAST_MS)
        if timely.all():
            return block, instants
        lost = block.only(~timely)
        for number, stamp in zip(lost.lines.tolist(), lost.timestamps.tolist(), strict=True):
            reject(Reject.of(number, "timestamp is not between 2010 and 2100", f"{stamp}"))
        return block.only(timely), instants[timely]

    def _instants(self, block: SampleBlock) -> Integers:
        """Instant of each sample in ms; -1 beyond the calendar."""
        instants = self._start_ms + block.scrapes * self._interval_ms
        dated = ~np.isnan(block.timestamps)
        if dated.any():
            scaled = np.rint(block.timestamps[dated] * self._scale.milliseconds_per_unit)
            instants[dated] = np.where(np.abs(scaled) < LAST_MS, scaled, -1).astype(np.int64)
        return instants
