"""Deliveries read but not yet committed: their rows per raw table, their counts, and the time they span."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import ParsedDelivery, Reject
from pipeline.windows import Window

TIME = pa.timestamp("us", tz="UTC")
INSTANT = timedelta(microseconds=1)

# Where each raw table keeps the start and the end of its events; one name = an instant, which ends a microsecond later.
EVENT_COLUMNS: dict[str, tuple[str, str]] = {
    "raw_dcgm_devices": ("first_at", "last_at"),
    "raw_inventory": ("observed_at", "observed_at"),
    "raw_instance_types": ("observed_at", "observed_at"),
    "raw_prices": ("observed_at", "observed_at"),
    "raw_spot_prices": ("observed_at", "observed_at"),
    "raw_work_units": ("start_at", "end_at"),
    "raw_job_attempts": ("submitted_at", "known_until_at"),
    "raw_benchmarks": ("observed_at", "observed_at"),
    "raw_pods": ("observed_at", "observed_at"),
    "raw_capacity_reservations": ("observed_at", "observed_at"),
    "raw_cur_lines": ("usage_start_at", "usage_end_at"),
    "raw_cur_splits": ("usage_start_at", "usage_end_at"),
    "raw_focus_lines": ("charge_start_at", "charge_end_at"),
    "raw_cost_explorer_groups": ("usage_date", "end_date"),
    "raw_cost_explorer_resources": ("usage_date", "end_date"),
}
SAMPLE_COLUMNS = ("sample_at", "sample_at")
# facts about no time of the fleet: when they were told moves neither how far its data reaches nor what is built
TIMELESS = frozenset({"raw_benchmarks"})
HALF_OPEN = frozenset(
    {"raw_cur_lines", "raw_cur_splits", "raw_focus_lines", "raw_cost_explorer_groups", "raw_cost_explorer_resources"}
    | {"raw_work_units", "raw_job_attempts"}
)
# Tables that hold each key once, whoever brings it: their rows are nobody's, and change no figure by themselves.
CATALOGUES = {"raw_cloudwatch_series": "series_key"}

REJECT_COLUMNS = ("delivery_id", "source", "object", "line_number", "reason", "text")

_LEDGER_SCHEMA = pa.schema(
    [("delivery_id", pa.string()), ("source", pa.string()), ("object", pa.string()), ("content_sha256", pa.string())]
    + [("observed_at", TIME), ("time_guessed", pa.bool_()), ("delivered_at", TIME), ("interval_ms", pa.int64())]
    + [("event_start_at", TIME), ("event_end_at", TIME)]
    + [(name, pa.int64()) for name in ("row_count", "reject_count", "unmapped_count", "byte_count")]
    + [("export_name", pa.string()), ("billing_period", pa.date32()), ("execution_id", pa.string())]
    + [("arrived_at", TIME), ("landed_number", pa.int64())]
)
_REJECTS_SCHEMA = pa.schema([(name, pa.int64() if name == "line_number" else pa.string()) for name in REJECT_COLUMNS])


@contextmanager
def registered(conn: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> Iterator[None]:
    """Let SQL on `conn` read an Arrow table under a name, for as long as the block lasts.

    After an error nothing is undone here: DuckDB takes no command until the rollback, which forgets the name too.
    """
    conn.register(name, rows)
    yield
    conn.unregister(name)


@dataclass(frozen=True)
class TableRows:
    """Rows of one raw table, with delivery_id, ready to insert by column name."""

    name: str
    rows: pa.Table


class Staged:
    """One delivery's rows in memory; `spans` and the counts go on growing when its rows are dropped in between."""

    def __init__(self, delivery: ParsedDelivery) -> None:
        """Begin without rows."""
        self.info = delivery.info
        self.rejects: list[Reject] = delivery.rejects
        self.row_count = 0
        self.byte_count = 0
        self.spans: dict[str, Window] = {}
        self._unmapped = delivery.unmapped
        self._batches: list[tuple[str, pa.RecordBatch]] = []

    @property
    def unmapped_count(self) -> int:
        """Samples seen of metrics that have no column."""
        return self._unmapped.total()

    @property
    def span(self) -> Window | None:
        """Time of all its events, None without any."""
        spans = [span for table, span in self.spans.items() if table not in TIMELESS]
        return Window(min(s.start_at for s in spans), max(s.end_at for s in spans)) if spans else None

    def add(self, table: str, rows: pa.RecordBatch) -> None:
        """Keep rows of a raw table (without delivery_id)."""
        if not len(rows):
            return
        if table in CATALOGUES:
            self._batches.append((table, rows))
            self.byte_count += rows.nbytes
            return
        self._batches.append((table, _identified(rows, self.info.delivery_id)))
        self.row_count += len(rows)
        self.byte_count += rows.nbytes
        span = _span(self.info.object, table, rows)
        known = self.spans.get(table, span)
        self.spans[table] = Window(min(known.start_at, span.start_at), max(known.end_at, span.end_at))

    def drop_rows(self) -> None:
        """Forget rows that were inserted; counts and spans stay."""
        self._batches.clear()
        self.byte_count = 0

    @staticmethod
    def tables(deliveries: Sequence[Staged]) -> Iterator[TableRows]:
        """Rows of all deliveries, together per raw table and schema."""
        groups: dict[tuple[str, str], list[pa.RecordBatch]] = {}
        for staged in deliveries:
            for table, rows in staged._batches:
                groups.setdefault((table, str(rows.schema)), []).append(rows)
        for (table, _), batches in groups.items():
            yield TableRows(table, pa.Table.from_batches(batches))


def ledger_table(deliveries: Sequence[Staged], arrived_at: datetime, landed: int) -> pa.Table:
    """raw_deliveries rows, numbered after the `landed` deliveries that are there already."""
    rows = [
        _ledger_row(staged, arrived_at) | {"landed_number": number}
        for number, staged in enumerate(deliveries, start=landed + 1)
    ]
    return pa.Table.from_pylist(rows, _LEDGER_SCHEMA)


def rejects_table(deliveries: Sequence[Staged]) -> pa.Table:
    """raw_rejects rows; one per line and reason."""
    return pa.Table.from_pylist([row for staged in deliveries for row in _reject_rows(staged)], _REJECTS_SCHEMA)


def _identified(rows: pa.RecordBatch, delivery_id: UUID) -> pa.RecordBatch:
    """The rows with delivery_id, in Arrow's own type for it: DuckDB need not cast a text per row."""
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.repeat(pa.scalar(delivery_id.bytes, pa.binary(16)), len(rows)))
    schema = pa.schema([pa.field("delivery_id", ids.type), *rows.schema])
    return pa.RecordBatch.from_arrays([ids, *rows.columns], schema=schema)


def _span(name: str, table: str, rows: pa.RecordBatch) -> Window:
    first, last = EVENT_COLUMNS.get(table, SAMPLE_COLUMNS)
    start_at, end_at = pc.min(rows.column(first)).as_py(), pc.max(rows.column(last)).as_py()
    if start_at is None or end_at is None:
        raise RefusedDelivery(name, f"rows of {table} without a time in {first}", "compare it with a good object")
    start_at, end_at = _utc(start_at), _utc(end_at)
    if table in HALF_OPEN and end_at > start_at:
        return Window(start_at, end_at)
    return Window(start_at, max(start_at, end_at) + INSTANT)


def _utc(moment: datetime | date) -> datetime:
    if isinstance(moment, datetime):
        return moment.astimezone(UTC)
    return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def _ledger_row(staged: Staged, arrived_at: datetime) -> dict[str, object]:
    info, span = staged.info, staged.span
    return {
        "delivery_id": str(info.delivery_id),
        "source": info.source,
        "object": info.object,
        "content_sha256": info.content_sha256,
        "observed_at": info.observed_at,
        "time_guessed": info.time_guessed,
        "delivered_at": info.delivered_at or arrived_at,
        "interval_ms": info.interval_ms,
        "event_start_at": span.start_at if span else None,
        "event_end_at": span.end_at if span else None,
        "row_count": staged.row_count,
        "reject_count": len(_reject_rows(staged)),
        "unmapped_count": staged.unmapped_count,
        "byte_count": info.byte_count,
        "export_name": info.export_name,
        "billing_period": info.billing_period,
        "execution_id": info.execution_id,
        "arrived_at": arrived_at,
    }


def _reject_rows(staged: Staged) -> list[dict[str, object]]:
    info = staged.info
    distinct = {(reject.line_number, reject.reason): reject.text for reject in reversed(staged.rejects)}
    of_delivery = {"delivery_id": str(info.delivery_id), "source": info.source, "object": info.object}
    return [
        {**of_delivery, "line_number": line_number, "reason": reason, "text": text}
        for (line_number, reason), text in reversed(distinct.items())
    ]
