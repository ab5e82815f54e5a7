"""GPU dumps of a data lake, CSV or Parquet with columns of any name: by a mapping file they become DCGM samples."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import IngestOptions, ParsedDelivery, Reject, Seeds, SourceObject, add_reject, describe
from pipeline.sources.dcgm_rows import MEASURES, NO_GPU, DcgmRows, columns_by_name
from pipeline.sources.exposition import SampleBlock
from pipeline.sources.exposition_clock import FIRST_MS, LAST_MS
from pipeline.sources.lake_mapping import LABELS, LakeMapping, Long, scale_of
from pipeline.sources.lake_table import as_texts, read_records, table_columns
from pipeline.sources.lake_values import NO_INSTANT, instants_of, numbers_of
from pipeline.sources.wide_rows import RowsOutOfOrder

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Batches: TypeAlias = Iterator[tuple[str, pa.RecordBatch]]

SOURCE: Final = "lake"
GPU_LABELS: Final = {LABELS[name] for name in ("gpu_uuid", "gpu_index", "device")}


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds, mapping: LakeMapping) -> ParsedDelivery:
    """One dump. Refused where a column that the mapping needs is not there; a bad record or cell is rejected alone.

    The mapping belongs to the delivery's identity: after a mended mapping the same file counts anew, and speaks.
    """
    columns = table_columns(obj.path)
    for column, key in mapping.needed_columns.items():
        if column not in columns:
            shown = ", ".join(columns[:8])[:200] or "none"
            raise RefusedDelivery(obj.name, *_mend(mapping, f"no column {column!r}, which {key} names", shown))
    of_devices, measured = _measured(mapping, columns)
    if not (of_devices or measured or mapping.document.long):
        wanted = ", ".join(one.column for one in mapping.document.measures.values()) or "those of [columns]"
        raise RefusedDelivery(obj.name, *_mend(mapping, f"no column of a measure ({wanted})", ", ".join(columns[:8])))
    known = [mapping.modified_at] + ([obj.modified_at] if obj.modified_at and obj.modified_is_known else [])
    cadence_ms = options.interval_ms or mapping.document.cadence_seconds * 1000
    info = describe(obj, SOURCE, (max(known), False), interval_ms=cadence_ms)
    both = hashlib.sha256(f"{info.content_sha256}|{mapping.sha256}".encode()).hexdigest()
    rejects: list[Reject] = []

    def reject(one: Reject) -> None:
        add_reject(rejects, one, obj.name)

    dump = _Dump(obj, mapping, DcgmRows(_columns(mapping, seeds), cadence_ms, reject), reject)
    info = replace(info, content_sha256=both, execution_id=mapping.sha256)
    return ParsedDelivery(info, dump.batches(of_devices, measured), rejects, dump.rows.unmapped)


def _mend(mapping: LakeMapping, reason: str, shown: str) -> tuple[str, str]:
    return f"{reason} in {mapping.path}; it has {shown}", f"mend {mapping.path.name}, or keep other files out of it"


def _measured(mapping: LakeMapping, columns: list[str]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """(column of one device → its labels, column of one measure → its field), of the columns that are there."""
    said = mapping.document
    of_devices = {}
    if said.columns:
        found = {name: re.fullmatch(said.columns.pattern, name) for name in columns}
        named = {name: one.groupdict() for name, one in found.items() if one}
        of_devices = {
            name: {LABELS[label]: value for label, value in groups.items() if value} for name, groups in named.items()
        }
    return of_devices, {one.column: name for name, one in said.measures.items() if one.column in columns}


def _columns(mapping: LakeMapping, seeds: Seeds) -> dict[str, int]:
    """Measure number by the name under which samples are put into rows; DCGM's own names need no mapping."""
    own = {one.name: MEASURES.index(name) for name, one in mapping.document.measures.items() if one.name}
    return columns_by_name(seeds) | {name: number for number, name in enumerate(MEASURES)} | own


class _Dump:
    """The state of one reading: label sets and names met, the rows they fill."""

    def __init__(
        self, obj: SourceObject, mapping: LakeMapping, rows: DcgmRows, reject: Callable[[Reject], None]
    ) -> None:
        self.rows = rows
        self._obj, self._mapping, self._said, self._reject = obj, mapping, mapping.document, reject
        self._from_columns = {name: one.column for name, one in self._said.labels.items() if one.column}
        self._fixed = {LABELS[name]: one.value for name, one in self._said.labels.items() if one.value}
        self._label_sets: dict[tuple[str, ...], int] = {}
        self._names: dict[str, int] = {}

    def batches(self, of_devices: dict[str, dict[str, str]], measured: dict[str, str]) -> Batches:
        """Rows of the dump; RefusedDelivery where it is damaged or cannot be held."""
        wanted = list(dict.fromkeys([*self._mapping.needed_columns, *measured, *of_devices]))
        try:
            for numbers, batch in read_records(self._obj, wanted, self._reject):
                self._take(_Records(numbers, batch, self._instants(numbers, batch)), of_devices, measured)
                yield from self.rows.close_if_full()
        except RowsOutOfOrder as error:
            raise RefusedDelivery(self._obj.name, str(error), "order it by time, or split it by host") from error
        yield from self.rows.close_all()

    def _instants(self, numbers: Integers, batch: pa.RecordBatch) -> Integers:
        """Epoch milliseconds of the records, -1 where that is none; such a record is rejected."""
        time = self._said.time
        column = batch.column(time.column)
        instants = instants_of(column, time)
        timely = (instants >= FIRST_MS) & (instants < LAST_MS)
        wrong = np.flatnonzero(~timely)
        for number, text in zip(numbers[wrong].tolist(), as_texts(column.take(pa.array(wrong))), strict=True):
            words = f"column {time.column}: no time between 2010 and 2100 in the format {time.format}"
            self._reject(Reject.of(number, words, text))
        return np.where(timely, instants, NO_INSTANT)

    def _take(self, records: _Records, of_devices: dict[str, dict[str, str]], measured: dict[str, str]) -> None:
        columns = [as_texts(records.batch.column(column)) for column in self._from_columns.values()]
        named = list(zip(*columns, strict=True)) or [()] * len(records.batch)
        if (pattern := self._said.columns) is not None:
            for column, groups in of_devices.items():
                labels = self._labels(records, named, column, groups)
                self._put(records, column, pattern.measure, scale_of(pattern, pattern.measure), labels)
        if measured or self._said.long:
            labels = self._labels(records, named, "", {})
            for column, field in measured.items():
                self._put(records, column, field, scale_of(self._said.measures[field], field), labels)
            if self._said.long:
                self._put_long(records, self._said.long, labels)

    def _labels(self, records: _Records, named: list[tuple[str, ...]], column: str, groups: dict[str, str]) -> Integers:
        """Number of each record's label set; -1, and the record rejected, where no label names a GPU."""
        sets = np.array([self._label_set(values, column, groups) for values in named], np.int64)
        for position in np.flatnonzero((sets == NO_GPU) & (records.instants != NO_INSTANT)).tolist():
            shown = ", ".join(named[position])
            self._reject(Reject.of(int(records.numbers[position]), "no label names its GPU", shown))
        return sets

    def _label_set(self, values: tuple[str, ...], column: str, groups: dict[str, str]) -> int:
        key = (column, *values)
        if (known := self._label_sets.get(key)) is not None:
            return known
        own = {LABELS[name]: value for name, value in zip(self._from_columns, values, strict=True)}
        labels = {name: value for name, value in {**self._fixed, **own, **groups}.items() if value}
        if not labels.keys() & GPU_LABELS:
            return NO_GPU
        number = self._label_sets[key] = len(self._label_sets)
        self.rows.meet_labels(tuple(labels.items()))
        return number

    def _put(self, records: _Records, column: str, field: str, scale: float, labels: Integers) -> None:
        """Add one column's values as the measure `field`."""
        values = self._values(records, column, labels)
        known = ~np.isnan(values)
        self._add(
            records.only(known), np.full(int(known.sum()), self._name(field)), values[known] * scale, labels[known]
        )

    def _put_long(self, records: _Records, long: Long, labels: Integers) -> None:
        """Add one value per record, under the name that stands beside it."""
        values = self._values(records, long.value, labels)
        known = ~np.isnan(values)
        scales = {one.name: scale_of(one, field) for field, one in self._said.measures.items()}
        texts = as_texts(records.batch.column(long.name))
        names = np.array([self._name(text) for text in texts], np.int64)
        scaled = values * np.array([scales.get(text, 1.0) for text in texts])
        self._add(records.only(known), names[known], scaled[known], labels[known])

    def _values(self, records: _Records, column: str, labels: Integers) -> Floats:
        """Numbers of a column, NaN where missing or where the record cannot be placed; other texts are rejected."""
        values, wrong = numbers_of(records.batch.column(column), self._said.missing)
        placed = (records.instants != NO_INSTANT) & (labels != NO_GPU)
        for position, text in wrong.items():
            if placed[position]:
                words = f"column {column}: no number; add it to `missing` if it means nothing was measured"
                self._reject(Reject.of(int(records.numbers[position]), words, text))
        return np.where(placed, values, np.nan)

    def _add(self, records: _Records, names: Integers, values: Floats, labels: Integers) -> None:
        if len(values):
            stamps, scrapes = records.instants.astype(np.float64), np.zeros(len(values), np.int64)
            block = SampleBlock(records.numbers, names, labels, values, stamps, scrapes)
            self.rows.take(block, records.instants, list(self._names))

    def _name(self, name: str) -> int:
        return self._names.setdefault(name, len(self._names))


@dataclass(frozen=True)
class _Records:
    """Some records of a dump: their numbers, their cells, and when they were taken (-1: nobody can say)."""

    numbers: Integers
    batch: pa.RecordBatch
    instants: Integers

    def only(self, kept: npt.NDArray[np.bool_]) -> _Records:
        """Those where `kept` is true; the cells stay."""
        return _Records(self.numbers[kept], self.batch, self.instants[kept])
