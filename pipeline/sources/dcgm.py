"""What dcgm-exporter says of each GPU at each instant: exposition text → raw_dcgm_samples and raw_dcgm_devices."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import RefusedDelivery
from pipeline.sources.arrow_arrays import MICROSECONDS, floats, instants, integers, texts
from pipeline.sources.base import (
    IngestOptions,
    ParsedDelivery,
    Reject,
    Seeds,
    SourceObject,
    add_reject,
    describe,
    observation_time,
)
from pipeline.sources.content import read_chunks
from pipeline.sources.dcgm_identity import DeviceIdentity, GpuIdentity, device_identity, gpu_identity
from pipeline.sources.exposition import ExpositionReader, SampleBlock
from pipeline.sources.exposition_document import TimeScale, time_scale
from pipeline.sources.exposition_lines import Labels
from pipeline.sources.exposition_series import TooManySeries
from pipeline.sources.wide_rows import ClosedRows, RowsOutOfOrder, WideRows

Integers: TypeAlias = npt.NDArray[np.int64]

SOURCE: Final = "dcgm"
CADENCE_MS: Final = 30_000
MEASURES: Final = (
    *("gpu_util", "gr_engine_active", "sm_active", "sm_occupancy", "tensor_active", "dram_active", "mem_copy_util"),
    *("power_usage", "total_energy_consumption", "gpu_temp", "memory_temp", "fb_used", "fb_free", "fb_reserved"),
    *("fb_total", "xid_errors", "xid_errors_count", "ecc_dbe_volatile", "ecc_sbe_volatile"),
)
XID_COUNT: Final = MEASURES.index("xid_errors_count")
ENERGY: Final = MEASURES.index("total_energy_consumption")
TEMPERATURES: Final = (MEASURES.index("gpu_temp"), MEASURES.index("memory_temp"))
COLDEST, HOTTEST = -50.0, 200.0
HIGHEST: Final = 2_000_000_000.0  # of every measure but the energy counter: what no GPU can reach in its unit
FLOAT_BLANK: Final = 140_737_488_355_328.0
INT32_BLANKS: Final = (2_147_483_632.0, 2_147_483_635.0)
UNSTORED: Final = -1
NO_GPU: Final = -1
FIRST_MS: Final = int(datetime(2010, 1, 1, tzinfo=UTC).timestamp() * 1000)
LAST_MS: Final = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000)

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


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """One file of exposition text, dated or not, one scrape or many. Refuses an empty file and a damaged container.

    Undated samples get the observation time of the object; a repeated series starts the next scrape, one interval
    (default 30 s) later.
    """
    scale = time_scale(obj)
    observed = (scale.first_at, False) if scale.first_at else observation_time(obj, options)
    interval_ms = options.interval_ms or CADENCE_MS
    info = describe(obj, SOURCE, observed, interval_ms=interval_ms)
    scrapes = _Scrapes(obj.name, _columns_by_name(seeds), scale, _milliseconds(observed[0]), interval_ms)
    return ParsedDelivery(info, scrapes.batches(obj), scrapes.rejects, scrapes.unmapped)


@lru_cache(maxsize=8)
def _columns_by_name(seeds: Seeds) -> dict[str, int]:
    """Measure number of every metric name that is stored, under all its names."""
    fields, aliases = seeds.rows("dcgm_fields"), seeds.rows("dcgm_aliases")
    stored = {row["name"]: MEASURES.index(row["column_name"]) for row in fields if row["column_name"]}
    return stored | {row["alias"]: stored[row["name"]] for row in aliases if row["name"] in stored}


def _milliseconds(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


class _Scrapes:
    """The state of one reading: identities met, open rows, the clock of undated scrapes."""

    def __init__(self, name: str, columns: dict[str, int], scale: TimeScale, start_ms: int, interval_ms: int) -> None:
        self.rejects: list[Reject] = []
        self.unmapped: Counter[str] = Counter()
        self._name, self._columns, self._scale = name, columns, scale
        self._start_ms, self._interval_ms = start_ms, interval_ms
        self._identity_of_labels = array("q")
        self._identities: dict[GpuIdentity, int] = {}
        self._column_of_name = array("q")
        self._rows = WideRows(len(MEASURES))
        self._xid_counts: dict[tuple[int, int], dict[int, float]] = {}
        self._first_ms, self._last_ms = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._is_measured = np.zeros(0, np.bool_)

    def batches(self, obj: SourceObject) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Rows of the object; RefusedDelivery where it cannot be held or is damaged."""
        reader = ExpositionReader(self._meet_labels, self._reject, openmetrics=self._scale.openmetrics)
        try:
            for block in reader.blocks(read_chunks(obj)):
                self._take(block, reader.names)
                for closed in self._rows.close_if_full():
                    yield "raw_dcgm_samples", self._sample_batch(closed)
                    self._forget_xid_counts(closed)
        except (TooManySeries, RowsOutOfOrder) as error:
            raise RefusedDelivery(self._name, str(error), "split the object by hour or by host") from error
        for closed in self._rows.close_all():
            yield "raw_dcgm_samples", self._sample_batch(closed)
        if self._identities:
            yield "raw_dcgm_devices", self._device_batch()

    def _reject(self, reject: Reject) -> None:
        add_reject(self.rejects, reject, self._name)

    def _meet_labels(self, labels: Labels) -> None:
        identity = gpu_identity(labels)
        number = NO_GPU if identity is None else self._identities.setdefault(identity, len(self._identities))
        self._identity_of_labels.append(number)

    def _take(self, block: SampleBlock, names: list[str]) -> None:
        for name in names[len(self._column_of_name) :]:
            self._column_of_name.append(self._columns.get(name, UNSTORED))
        instants = self._instants(block)
        timely = (instants >= FIRST_MS) & (instants < LAST_MS)
        if not timely.all():
            self._reject_untimely(block.only(~timely))
            block, instants = block.only(timely), instants[timely]
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

    def _instants(self, block: SampleBlock) -> Integers:
        """Instant of each sample in ms: its own timestamp, else that of its scrape; -1 beyond the calendar."""
        instants = self._start_ms + block.scrapes * self._interval_ms
        dated = ~np.isnan(block.timestamps)
        if dated.any():
            scaled = np.rint(block.timestamps[dated] * self._scale.milliseconds_per_unit)
            instants[dated] = np.where(np.abs(scaled) < LAST_MS, scaled, -1).astype(np.int64)
        return instants

    def _reject_untimely(self, block: SampleBlock) -> None:
        for number, stamp in zip(block.lines.tolist(), block.timestamps.tolist(), strict=True):
            self._reject(Reject.of(number, "timestamp is not between 2010 and 2100", f"{stamp}"))

    def _reject_absurd(self, block: SampleBlock, values: npt.NDArray[np.float64], names: list[str]) -> None:
        """The sample's other measures stay: only this one is unknown."""
        for line, name, value in zip(block.lines.tolist(), block.names.tolist(), values.tolist(), strict=True):
            self._reject(Reject.of(line, "no GPU can have this value", f"{names[name]} {value:g}"))

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
                integers(np.full(len(rows.identities), self._interval_ms)),
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
    highest = np.where(is_temperature, HOTTEST, np.where(columns == ENERGY, FLOAT_BLANK, HIGHEST))
    absurd: npt.NDArray[np.bool_] = (values < lowest) | (values > highest)
    return absurd
