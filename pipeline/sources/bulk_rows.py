"""How samples that come a metric at a time become wide rows: keys are kept sorted, a metric fills a column at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.sources.wide_rows import IDENTITY_BITS, IDENTITY_MASK, ROWS_PER_BATCH, ClosedRows, Floats, Integers


class BulkRows:
    """Rows of one whole window. A cell written twice keeps the later value; a cell never written is NaN."""

    def __init__(self, measure_count: int) -> None:
        """`measure_count` columns."""
        self._keys = np.zeros(0, np.int64)
        self._cells = np.full((0, measure_count), np.nan)

    def put(self, milliseconds: Integers, identities: Integers, measures: Integers, values: Floats) -> None:
        """Write samples given as parallel arrays; measure -1 opens the row and writes nothing."""
        keys = milliseconds << IDENTITY_BITS | identities
        self._open(keys)
        written = measures >= 0
        self._cells[np.searchsorted(self._keys, keys[written]), measures[written]] = values[written]

    def _open(self, keys: Integers) -> None:
        positions = np.searchsorted(self._keys, keys)
        known = positions < len(self._keys)
        known[known] = self._keys[positions[known]] == keys[known]
        if known.all():
            return
        merged = np.union1d(self._keys, keys[~known])
        cells = np.full((len(merged), self._cells.shape[1]), np.nan)
        cells[np.searchsorted(merged, self._keys)] = self._cells
        self._keys, self._cells = merged, cells

    def close_if_full(self) -> Iterator[ClosedRows]:
        """Nothing: a window is handed out whole."""
        yield from ()

    def close_all(self) -> Iterator[ClosedRows]:
        """Every row, by time, then identity."""
        for start in range(0, len(self._keys), ROWS_PER_BATCH):
            part = slice(start, start + ROWS_PER_BATCH)
            keys = self._keys[part]
            yield ClosedRows(keys >> IDENTITY_BITS, keys & IDENTITY_MASK, self._cells[part])
        self._keys, self._cells = self._keys[:0], self._cells[:0]
