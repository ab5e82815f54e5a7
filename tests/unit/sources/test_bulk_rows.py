"""Rows filled a metric at a time are the rows filled a block at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.bulk_rows import BulkRows
from pipeline.sources.wide_rows import ClosedRows, WideRows

Cell = tuple[int, int, int, float]
cells = st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(-1, 2), st.floats(-10, 10))


def shown(closed: Iterable[ClosedRows]) -> list[tuple[int, int, str]]:
    return [
        (at, identity, repr(row))
        for part in closed
        for at, identity, row in zip(
            part.milliseconds.tolist(), part.identities.tolist(), part.measures.tolist(), strict=True
        )
    ]


@given(st.lists(st.lists(cells, max_size=12), max_size=5))
def test_both_give_the_same_rows(puts: list[list[Cell]]) -> None:
    bulk, wide = BulkRows(3), WideRows(3)
    for put in puts:
        at, identities, measures, values = (
            (np.array(column) for column in zip(*put, strict=True)) if put else [np.zeros(0)] * 4
        )
        for rows in (bulk, wide):
            rows.put(
                at.astype(np.int64), identities.astype(np.int64), measures.astype(np.int64), values.astype(np.float64)
            )

    assert shown(bulk.close_all()) == shown(wide.close_all())
