"""How long samples become wide rows: one open row per (instant, identity), closed when memory asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

IDENTITY_BITS: Final = 20
IDENTITY_MASK: Final = (1 << IDENTITY_BITS) - 1
MAX_OPEN_ROWS: Final = 131_072
ROWS_PER_BATCH: Final = 32_768


class RowsOutOfOrder(ValueError):
    """A sample came for a row that had to be closed: the text is ordered by metric and too long to hold open."""


@dataclass(frozen=True)
class ClosedRows:
    """Finished rows ordered by time, then identity: instants in ms, identity numbers, one column per measure."""

    milliseconds: Integers
    identities: Integers
    measures: Floats


class WideRows:
    """Rows under construction. A cell written twice keeps the later value; a cell never written is NaN."""

    def __init__(self, measure_count: int, max_open_rows: int = MAX_OPEN_ROWS) -> None:
        """`measure_count` columns; past `max_open_rows` every row but the newest of each identity is closed."""
        self._rows: dict[int, int] = {}
        self._cells = np.full((1024, measure_count), np.nan)
        self._max_open_rows = max_open_rows
        self._closed_until: dict[int, int] = {}

    def put(self, milliseconds: Integers, identities: Integers, measures: Integers, values: Floats) -> None:
        """Write samples given as parallel arrays; measure -1 opens the row and writes nothing.

        Raises RowsOutOfOrder for a row that was closed before.
        """
        keys, positions = np.unique(milliseconds << IDENTITY_BITS | identities, return_inverse=True)
        rows = np.fromiter((self._row(key) for key in keys.tolist()), np.int64, len(keys))
        written = measures >= 0
        self._cells[rows[positions[written]], measures[written]] = values[written]

    def _row(self, key: int) -> int:
        if (row := self._rows.get(key)) is not None:
            return row
        if self._closed_until and self._closed_until.get(key & IDENTITY_MASK, -1) >= key >> IDENTITY_BITS:
            raise RowsOutOfOrder(f"more than {self._max_open_rows:,} rows in an order of metrics, not of time")
        row = self._rows[key] = len(self._rows)
        if row == len(self._cells):
            self._cells = np.concatenate([self._cells, np.full_like(self._cells, np.nan)])
        return row

    def close_if_full(self) -> Iterator[ClosedRows]:
        """Rows to hand out now so that memory stays bounded: all but the newest of each identity."""
        if len(self._rows) < self._max_open_rows:
            return
        keys = np.fromiter(self._rows, np.int64, len(self._rows))
        identities = keys & IDENTITY_MASK
        newest = np.full(int(identities.max()) + 1, -1)
        np.maximum.at(newest, identities, keys >> IDENTITY_BITS)
        open_still = keys >> IDENTITY_BITS == newest[identities]
        closing = keys[~open_still]
        for key in np.sort(closing).tolist():
            self._closed_until[key & IDENTITY_MASK] = key >> IDENTITY_BITS
        yield from self._hand_out(np.sort(closing))
        self._keep(keys[open_still])
        self._max_open_rows = max(self._max_open_rows, 2 * len(self._rows))

    def close_all(self) -> Iterator[ClosedRows]:
        """Every row that is still open."""
        yield from self._hand_out(np.sort(np.fromiter(self._rows, np.int64, len(self._rows))))
        self._rows.clear()

    def _hand_out(self, keys: Integers) -> Iterator[ClosedRows]:
        for start in range(0, len(keys), ROWS_PER_BATCH):
            part = keys[start : start + ROWS_PER_BATCH]
            rows = np.fromiter((self._rows[key] for key in part.tolist()), np.int64, len(part))
            yield ClosedRows(part >> IDENTITY_BITS, part & IDENTITY_MASK, self._cells[rows])

    def _keep(self, keys: Integers) -> None:
        kept = np.fromiter((self._rows[key] for key in keys.tolist()), np.int64, len(keys))
        cells = np.full((max(1024, len(keys)), self._cells.shape[1]), np.nan)
        cells[: len(keys)] = self._cells[kept]
        self._cells = cells
        self._rows = {key: row for row, key in enumerate(keys.tolist())}
