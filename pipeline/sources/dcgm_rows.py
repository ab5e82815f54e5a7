"""Samples of DCGM metrics become wide rows: one per instant, GPU and owner, whatever route they came by."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.sources.arrow_arrays import MICROSECONDS, floats, instants, integers, texts
from pipeline.sources.base import Reject, Seeds
from pipeline.sources.bulk_rows import BulkRows
from pipeline.sources.dcgm_identity import DeviceIdentity, GpuIdentity, device_identity, gpu_identity
from pipeline.sources.exposition import SampleBlock
from pipeline.sources.exposition_clock import FIRST_MS, LAST_MS
from pipeline.sources.exposition_lines import Labels
from pipeline.sources.wide_rows import ClosedRows, WideRows

Integers: TypeAlias = npt.NDArray[np.int64]

MEASURES: Final = (
    *("gpu_util", "gr_engine_active", "sm_active", "sm_occupancy", "tensor_active", "dram_active", "mem_copy_util"),
    *("power_usage", "total_energy_consumption", "gpu_temp", "memory_temp", "fb_used", "fb_free", "fb_reserved"),
    *("fb_total", "xid_errors", "xid_errors_count", "ecc_dbe_volatile", "ecc_sbe_volatile"),
)
XID_COUNT: Final = MEASURES.index("xid_errors_count")
ENERGY: Final = MEASURES.index("total_energy_consumption")
TEMPERATURES: Final = (MEASURES.index("gpu_temp"), MEASURES.index("memory_temp"))
COLDEST, HOTTEST = -50.0, 200.0
POWER: Final = MEASURES.index("power_usage")
MOST_WATTS: Final = 100_000.0
HIGHEST: Final = 2_000_000_000.0  # of every other measure but the energy counter: what no GPU can reach in its unit
FLOAT_BLANK: Final = 140_737_488_355_328.0
INT32_BLANKS: Final = (2_147_483_632.0, 2_147_483_635.0)
UNSTORED: Final = -1
NO_GPU: Final = -1

SAMPLE_SCHEMA = pa.schema(
    [
        ("sample_at", MICROSECONDS),
        ("cadence_ms", pa.int64()),
        *((name, pa.string()) for name in GpuIdentity._fields),
        *((name, pa.float64()) for name in MEASURES),
    ]
)
DEVICE_SCHEMA = pa.schema(
    [*((name, pa.string()) for name in DeviceIdentity._fields), ("first_at", MICROSECONDS), ("last_at", MICROSECONDS)]
)


@lru_cache(maxsize=8)
def columns_by_name(seeds: Seeds) -> dict[str, int]:
    """Measure number of every metric name that is stored, under all its names."""
    fields, aliases = seeds.rows("dcgm_fields"), seeds.rows("dcgm_aliases")
    stored = {row["name"]: MEASURES.index(row["column_name"]) for row in fields if row["column_name"]}
    return stored | {row["alias"]: stored[row["name"]] for row in aliases if row["name"] in stored}


class DcgmRows:
    """Rows under construction: identities met, open rows, when each device was seen."""

    def __init__(
        self,
        columns: dict[str, int],
        cadence_ms: int,
        reject: Callable[[Reject], None],
        *,
        open_rows: type[WideRows | BulkRows] = WideRows,
    ) -> None:
        """`columns`: see columns_by_name; every sample stands for `cadence_ms` at first.

        `open_rows` holds the rows under construction: BulkRows where samples come a metric at a time.
        """
        self.unmapped: Counter[str] = Counter()
        self.reject = reject
        self._columns, self._cadence_ms = columns, cadence_ms
        self._identity_of_labels = array("q")
        self._identities: dict[GpuIdentity, int] = {}
        self._column_of_name = array("q")
        self._rows = open_rows(len(MEASURES))
        self._xid_counts: dict[tuple[int, int], dict[int, float]] = {}
        self._first_ms, self._last_ms = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._is_measured = np.zeros(0, np.bool_)

    def close_if_full(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Rows that memory asks to hand out now."""
        for closed in self._rows.close_if_full():
            yield "raw_dcgm_samples", self._sample_batch(closed)
            self._forget_xid_counts(closed)

    def close_all(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Every row still open, and the devices seen."""
        for closed in self._rows.close_all():
            yield "raw_dcgm_samples", self._sample_batch(closed)
        if self._identities:
            yield "raw_dcgm_devices", self._device_batch()

    def meet_labels(self, labels: Labels) -> None:
        """Note the next distinct label set."""
        identity = gpu_identity(labels)
        number = NO_GPU if identity is None else self._identities.setdefault(identity, len(self._identities))
        self._identity_of_labels.append(number)

    def take(self, block: SampleBlock, instants: Integers, names: list[str]) -> None:
        """Add samples; `instants` in ms, `names` as the block numbers them."""
        for name in names[len(self._column_of_name) :]:
            self._column_of_name.append(self._columns.get(name, UNSTORED))
        identities = np.array(self._identity_of_labels, dtype=np.int64)[block.label_sets]
        columns = np.array(self._column_of_name, dtype=np.int64)[block.names]
        stored = (columns != UNSTORED) & (identities != NO_GPU)
        self._count_unmapped(block.names[~stored], names)
        self._meet_devices(instants, identities)
        values = _without_sentinels(block.values, columns)
        if (absurd := stored & _is_absurd(values, columns)).any():
            self._reject_absurd(block.only(absurd), values[absurd], names)
            values[absurd] = np.nan
        counted = stored & (columns == XID_COUNT) & ~np.isnan(values)
        if counted.any():
            self._add_xid_counts(instants[counted], identities[counted], block.label_sets[counted], values, counted)
        self._is_measured[identities[stored]] = True
        # a GPU that only shows what we do not store was seen all the same
        shown = stored | ((columns == UNSTORED) & (identities != NO_GPU))
        shown[shown] &= stored[shown] | ~self._is_measured[identities[shown]]
        self._rows.put(instants[shown], identities[shown], columns[shown], values[shown])

    def _reject_absurd(self, block: SampleBlock, values: npt.NDArray[np.float64], names: list[str]) -> None:
        """The sample's other measures stay: only this one is unknown."""
        for line, name, value in zip(block.lines.tolist(), block.names.tolist(), values.tolist(), strict=True):
            self.reject(Reject.of(line, "no GPU can have this value", f"{names[name]} {value:g}"))

    def _count_unmapped(self, names: Integers, known: list[str]) -> None:
        counts = np.bincount(names)
        for number in np.flatnonzero(counts).tolist():
            self.unmapped[known[number]] += int(counts[number])

    def _meet_devices(self, instants: Integers, identities: Integers) -> None:
        missing = len(self._identities) - len(self._first_ms)
        self._first_ms = np.append(self._first_ms, np.full(missing, LAST_MS))
        self._last_ms = np.append(self._last_ms, np.full(missing, FIRST_MS - 1))
        self._is_measured = np.append(self._is_measured, np.zeros(missing, np.bool_))
        present = identities != NO_GPU
        np.minimum.at(self._first_ms, identities[present], instants[present])
        np.maximum.at(self._last_ms, identities[present], instants[present])

    def _add_xid_counts(
        self,
        instants: Integers,
        identities: Integers,
        label_sets: Integers,
        values: npt.NDArray[np.float64],
        counted: npt.NDArray[np.bool_],
    ) -> None:
        """The exporter prints one row per XID code: the row of a GPU holds their sum."""
        cells = values[counted]
        keys = zip(instants.tolist(), identities.tolist(), strict=True)
        for place, (key, label_set, value) in enumerate(zip(keys, label_sets.tolist(), cells.tolist(), strict=True)):
            codes = self._xid_counts.setdefault(key, {})
            codes[label_set] = value
            cells[place] = sum(codes.values())
        values[counted] = cells

    def _forget_xid_counts(self, closed: ClosedRows) -> None:
        if self._xid_counts:
            for key in zip(closed.milliseconds.tolist(), closed.identities.tolist(), strict=True):
                self._xid_counts.pop(key, None)

    def _sample_batch(self, rows: ClosedRows) -> pa.RecordBatch:
        take = integers(rows.identities)
        return pa.RecordBatch.from_arrays(
            [
                instants(rows.milliseconds),
                integers(np.full(len(rows.identities), self._cadence_ms)),
                *(texts(column).take(take) for column in zip(*self._identities, strict=True)),
                *(floats(column) for column in rows.measures.T),
            ],
            schema=SAMPLE_SCHEMA,
        )

    def _device_batch(self) -> pa.RecordBatch:
        spans: dict[DeviceIdentity, tuple[int, int]] = {}
        met = zip(self._identities, self._first_ms.tolist(), self._last_ms.tolist(), strict=False)
        for identity, first, last in ((device_identity(gpu), first, last) for gpu, first, last in met if last >= first):
            earlier, later = spans.get(identity, (first, last))
            spans[identity] = min(first, earlier), max(last, later)
        columns = [list(column) for column in zip(*spans, strict=True)] or [[] for _ in DeviceIdentity._fields]
        return pa.RecordBatch.from_arrays(
            [
                *(texts(column) for column in columns),
                *(instants(np.array([span[end] for span in spans.values()], np.int64)) for end in (0, 1)),
            ],
            schema=DEVICE_SCHEMA,
        )


def _without_sentinels(values: npt.NDArray[np.float64], columns: Integers) -> npt.NDArray[np.float64]:
    """NaN for DCGM's blanks (`>=` test of dcgm_fields.h), infinities and, but for the energy counter, int32 blanks."""
    low, high = INT32_BLANKS
    blank = ~np.isfinite(values) | (values >= FLOAT_BLANK)
    blank |= (values >= low) & (values <= high) & (columns != ENERGY)
    return np.where(blank, np.nan, values)


def _is_absurd(values: npt.NDArray[np.float64], columns: Integers) -> npt.NDArray[np.bool_]:
    """Negative where only a temperature may be, or beyond what any GPU reaches."""
    is_temperature = np.isin(columns, TEMPERATURES)
    lowest = np.where(is_temperature, COLDEST, 0.0)
    highest = np.select(
        [is_temperature, columns == ENERGY, columns == POWER], [HOTTEST, FLOAT_BLANK, MOST_WATTS], HIGHEST
    )
    absurd: npt.NDArray[np.bool_] = (values < lowest) | (values > highest)
    return absurd
