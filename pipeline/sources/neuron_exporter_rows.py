"""Samples of neuron-monitor-prometheus become rows of nodes, cores and ECC events, whatever route they came by."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.sources.arrow_arrays import MICROSECONDS, floats, instants, integers
from pipeline.sources.bulk_rows import BulkRows
from pipeline.sources.exposition import SampleBlock
from pipeline.sources.exposition_lines import Labels
from pipeline.sources.neuron_exporter_identity import (
    CoreIdentity,
    EccIdentity,
    Identity,
    NodeIdentity,
    exporter_identity,
)
from pipeline.sources.wide_rows import ClosedRows, WideRows

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Batches: TypeAlias = Iterator[tuple[str, pa.RecordBatch]]
Held: TypeAlias = WideRows | BulkRows

UTILIZATION: Final = "neuroncore_utilization_ratio"
MEMORY: Final = tuple(
    f"neuroncore_memory_usage_{part}"
    for part in ("constants", "model_code", "model_shared_scratchpad", "runtime_memory", "tensors")
)
RUNTIME_MEMORY: Final = "neuron_runtime_memory_used_bytes"
HARDWARE: Final = ("neuron_hardware_info", "neuron_hardware")  # the second as Prometheus receivers rename the first
ECC: Final = "hardware_ecc_events_total"
METRICS: Final = (*HARDWARE, UTILIZATION, *MEMORY, RUNTIME_MEMORY, ECC)
CREATED: Final = "_created"
NOBODY, UNSTORED = -1, -1

_KEYS: Final = [("sample_at", MICROSECONDS), ("cadence_ms", pa.int64())]
_PLACE: Final = [("host", pa.string()), ("instance_type", pa.string()), ("region", pa.string())]
NODES: Final = pa.schema(
    [
        *_KEYS,
        *_PLACE,
        *((name, pa.int32()) for name in ("device_count", "cores_per_device")),
        ("device_memory_bytes", pa.int64()),
    ]
)
CORES: Final = pa.schema(
    [
        *_KEYS,
        *_PLACE,
        ("runtime_tag", pa.string()),
        ("core_index", pa.int32()),
        *((name, pa.string()) for name in ("pod_name", "namespace", "container_name")),
        ("utilization_ratio", pa.float64()),
        ("memory_used_bytes", pa.float64()),
    ]
)
EVENTS: Final = pa.schema(
    [
        *_KEYS,
        ("host", pa.string()),
        ("device_index", pa.int32()),
        ("event_type", pa.string()),
        ("event_count", pa.float64()),
    ]
)


class _Part:
    """One raw table under construction: its identities, and which metric fills which measure."""

    def __init__(self, kind: type[Identity], measures: Mapping[str, int], open_rows: type[Held]) -> None:
        self.kind, self._measures = kind, measures
        self._numbers: dict[Identity, int] = {}
        self._of_labels, self._of_names = array("q"), array("q")
        self._fields: list[pa.Array] = []
        self.rows = open_rows(1 + max(measures.values()))

    def meet_labels(self, identity: Identity | None) -> None:
        """Number the identity of the next label set, where it belongs to this table."""
        mine = isinstance(identity, self.kind)
        self._of_labels.append(self._numbers.setdefault(identity, len(self._numbers)) if mine else NOBODY)  # type: ignore[arg-type]

    def take(self, block: SampleBlock, at: Integers, names: list[str]) -> npt.NDArray[np.bool_]:
        """Add what belongs here; which samples that were."""
        for name in names[len(self._of_names) :]:
            self._of_names.append(self._measures.get(name, UNSTORED))
        identities = np.array(self._of_labels, dtype=np.int64)[block.label_sets]
        measures = np.array(self._of_names, dtype=np.int64)[block.names]
        stored: npt.NDArray[np.bool_] = (measures != UNSTORED) & (identities != NOBODY)
        values = np.where(np.isfinite(block.values), block.values, np.nan)
        self.rows.put(at[stored], identities[stored], measures[stored], values[stored])
        return stored

    def identities(self, closed: ClosedRows, kinds: list[pa.DataType]) -> list[pa.Array]:
        """The fields of the rows' identities, column by column."""
        if len(self._fields) != len(kinds) or len(self._fields[0]) != len(self._numbers):
            columns = zip(*self._numbers, strict=True)
            self._fields = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        numbers = integers(closed.identities)
        return [column.take(numbers) for column in self._fields]


class ExporterRows:
    """Rows under construction. `scale` divides neuroncore_utilization_ratio: 1, or 100 where it is a percentage."""

    def __init__(self, cadence_ms: int, scale: float = 1.0, *, open_rows: type[Held] = WideRows) -> None:
        """Every sample stands for `cadence_ms` at first; `open_rows`: BulkRows where a metric comes at a time."""
        self.unmapped: Counter[str] = Counter()
        self._cadence_ms, self._scale = cadence_ms, scale
        self._nodes = _Part(NodeIdentity, dict.fromkeys(HARDWARE, 0), open_rows)
        memory = {name: number for number, name in enumerate(MEMORY, 1)}
        self._cores = _Part(CoreIdentity, {UTILIZATION: 0, **memory, RUNTIME_MEMORY: len(MEMORY) + 1}, open_rows)
        self._events = _Part(EccIdentity, {ECC: 0}, open_rows)

    def meet_labels(self, labels: Labels) -> None:
        """Note the next distinct label set."""
        identity = exporter_identity(labels)
        for part in (self._nodes, self._cores, self._events):
            part.meet_labels(identity)

    def take(self, block: SampleBlock, instants: Integers, names: list[str]) -> None:
        """Add samples; `instants` in ms, `names` as the block numbers them."""
        stored = np.zeros(len(block.names), np.bool_)
        for part in (self._nodes, self._cores, self._events):
            stored |= part.take(block, instants, names)
        counts = np.bincount(block.names[~stored], minlength=len(names))
        for number in np.flatnonzero(counts).tolist():
            if not names[number].endswith(CREATED):
                self.unmapped[names[number]] += int(counts[number])

    def close_if_full(self) -> Batches:
        """Rows that memory asks to hand out now."""
        yield from self._batches(lambda rows: rows.close_if_full())

    def close_all(self) -> Batches:
        """What is left."""
        yield from self._batches(lambda rows: rows.close_all())

    def _batches(self, close: Callable[[Held], Iterator[ClosedRows]]) -> Batches:
        for closed in close(self._nodes.rows):
            yield "raw_neuron_exporter_nodes", self._batch(NODES, closed, self._nodes, [])
        for closed in close(self._cores.rows):
            measured = [floats(closed.measures[:, 0] / self._scale), floats(_known_sum(closed.measures[:, 1:]))]
            yield "raw_neuron_exporter_cores", self._batch(CORES, closed, self._cores, measured)
        for closed in close(self._events.rows):
            counted = [floats(closed.measures[:, 0].copy())]
            yield "raw_neuron_exporter_events", self._batch(EVENTS, closed, self._events, counted)

    def _batch(self, schema: pa.Schema, closed: ClosedRows, part: _Part, measured: list[pa.Array]) -> pa.RecordBatch:
        keys = [instants(closed.milliseconds), integers(np.full(len(closed.identities), self._cadence_ms))]
        kinds = [field.type for field in schema][len(keys) : len(schema) - len(measured)]
        named = part.identities(closed, kinds)
        return pa.RecordBatch.from_arrays([*keys, *named, *measured], schema=schema)


def _known_sum(parts: Floats) -> Floats:
    """Sum over what is known of each row, NaN where nothing is."""
    return np.where(np.isnan(parts).all(axis=1), np.nan, np.nansum(parts, axis=1))
