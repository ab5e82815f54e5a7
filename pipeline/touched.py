"""Which windows a landing touched, beyond its own rows: what the next build must rebuild."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import duckdb
import pyarrow as pa

from pipeline.sources.cur import billing_month
from pipeline.staged import INSTANT, Staged, TableRows, registered
from pipeline.warehouse import existing_tables
from pipeline.windows import HOUR, Window, floor_hour, merge, whole_days

# What tells one series of samples from another, per table whose samples stand for the gap before them.
SERIES_KEYS = {
    "raw_dcgm_samples": ("hostname", "gpu_uuid", "gpu_index", "gpu_instance_id"),
    "raw_neuron_reports": ("instance_id",),
    "raw_neuron_exporter_nodes": ("host",),
    "raw_neuron_exporter_cores": ("host",),
    "raw_emf_cores": ("instance_id", "core_index"),
}
# A datapoint changes what the next one stands for up to two cadences after its own end; most arrive out of order, so
# that a search for the next ones would cost more than the landing.
REACH = {"raw_cloudwatch_samples": 3}
EXPORTER = ("raw_neuron_exporter_nodes", "raw_neuron_exporter_cores")
FOLLOWERS = {
    "raw_dcgm_samples": ("raw_dcgm_samples",),
    "raw_neuron_reports": ("raw_neuron_reports", "raw_neuron_cores", "raw_neuron_owners", "raw_neuron_devices"),
    "raw_neuron_exporter_nodes": EXPORTER,
    "raw_neuron_exporter_cores": EXPORTER,
    "raw_emf_cores": ("raw_emf_cores", "raw_emf_owners"),
}
# Deliveries of a cost export replace the older ones of their month, those of a bill without a Manifest whole days.
LEDGER = "raw_deliveries"  # touched where bills were delivered: its time is delivered_at
EXPORT_TABLES = {"cur": ("raw_cur_lines", "raw_cur_splits"), "focus": ("raw_focus_lines",)}
_SCHEMA = pa.schema(
    [("table_name", pa.string())] + [(name, pa.timestamp("us", tz="UTC")) for name in ("start_at", "end_at")]
)


class Touched:
    """Windows per raw table, gathered over one transaction."""

    def __init__(self) -> None:
        """Begin with nothing touched."""
        self._windows: dict[str, set[Window]] = {}

    def add(self, table: str, window: Window) -> None:
        """Note that rows of `table` in `window` appeared, vanished or changed their meaning."""
        self._windows.setdefault(table, set()).add(window)

    def find_neighbours(self, conn: duckdb.DuckDBPyConnection, tables: Iterable[TableRows]) -> None:
        """Note the hour of each next sample after rows that arrive out of order: the gap it stands for changes.

        Call before the rows are inserted. Rows in time order cost one look at the table's statistics.
        """
        for staged in tables:
            for window in _beginnings(conn, staged):
                self.add(staged.name, window)
            keys = SERIES_KEYS.get(staged.name)
            if keys is None:
                continue
            with registered(conn, "landing_rows", staged.rows):
                hours = [floor_hour(next_at) for next_at in _next_samples(conn, staged.name, keys)]
            for table in FOLLOWERS[staged.name]:
                for hour in hours:
                    self.add(table, Window(hour, hour + HOUR))

    def write(self, conn: duckdb.DuckDBPyConnection, deliveries: Sequence[Staged]) -> None:
        """Insert the windows into state_touched, once each; call after the ledger holds the deliveries."""
        for staged in deliveries:
            for table, window in staged.spans.items():
                self.add(table, _reached(table, window, staged.info.interval_ms or 0))
        for source, export_name, period in sorted(_exports(deliveries)):
            for window in _restated(conn, export_name, period):
                for table in EXPORT_TABLES[source]:
                    self.add(table, window)
        for table, window in _loose_days(deliveries):
            self.add(table, window)
        for moment in _delivered(conn, deliveries):
            self.add(LEDGER, Window(moment, moment + INSTANT))
        rows = [
            {"table_name": table, "start_at": window.start_at, "end_at": window.end_at}
            for table, windows in sorted(self._windows.items())
            for window in merge(windows)
        ]
        with registered(conn, "landing_touched", pa.Table.from_pylist(rows, _SCHEMA)):
            conn.execute(
                "insert into state_touched by name select * from landing_touched "
                "except select table_name, start_at, end_at from state_touched"
            )


def _reached(table: str, span: Window, interval_ms: int) -> Window:
    """The time of rows, and for a table in REACH the time of what they may change."""
    return Window(span.start_at, span.end_at + REACH.get(table, 0) * timedelta(milliseconds=interval_ms))


def _beginnings(conn: duckdb.DuckDBPyConnection, staged: TableRows) -> list[Window]:
    """The hours in which accelerators begin after rows out of order: they may only have returned then.

    Whatever source and host name told of them first.
    """
    if staged.name not in {*SERIES_KEYS, *REACH} or "int_accelerator_places" not in existing_tables(conn):
        return []
    with registered(conn, "landing_rows", staged.rows):
        later = conn.execute(
            "select min(sample_at) from landing_rows having exists (select 1 from int_accelerator_places "
            "where seen_hour_at > (select min(sample_at) from landing_rows))"
        ).fetchall()
    if not later:  # in time order: one look at the table's statistics
        return []
    found = conn.execute(
        "select distinct hour from (select min(seen_hour_at) as hour from int_accelerator_places "
        "group by accelerator_id, instance_id) where hour > ? order by hour",
        list(later[0]),
    ).fetchall()
    return [Window(floor_hour(hour), floor_hour(hour) + HOUR) for (hour,) in found]


def _next_samples(conn: duckdb.DuckDBPyConnection, table: str, keys: tuple[str, ...]) -> list[datetime]:
    first = conn.execute(
        f"select min(sample_at) from landing_rows having exists (select 1 from {table} where sample_at > "
        "(select min(sample_at) from landing_rows))"
    ).fetchall()
    if not first:
        return []
    same = " and ".join(f"ours.{key} = theirs.{key}" for key in keys)
    names = ", ".join(keys)
    found = conn.execute(
        f"with ours as (select delivery_id, {names}, max(sample_at) as last_at from landing_rows "
        f"group by delivery_id, {names}), "
        f"theirs as (select {names}, sample_at from {table} where sample_at > ?) "
        "select distinct date_trunc('hour', theirs.sample_at) as next_at from ours "
        f"asof join theirs on {same} and ours.last_at < theirs.sample_at order by next_at",
        list(first[0]),
    ).fetchall()
    return [next_at for (next_at,) in found]


def _exports(deliveries: Sequence[Staged]) -> set[tuple[str, str, date]]:
    infos = (staged.info for staged in deliveries)
    return {
        (i.source, i.export_name, i.billing_period)
        for i in infos
        if i.export_name is not None and i.billing_period is not None
    }


def _loose_days(deliveries: Sequence[Staged]) -> Iterator[tuple[str, Window]]:
    """The days of bills without a Manifest: one speaks for whole account-days, and silences what older ones had."""
    for staged in deliveries:
        if staged.info.export_name is not None and staged.info.billing_period is None:
            for table, span in staged.spans.items():
                yield table, whole_days(span)


def _delivered(conn: duckdb.DuckDBPyConnection, deliveries: Sequence[Staged]) -> list[datetime]:
    """When these bills were delivered: their sums are new, whatever time they speak of."""
    ids = [str(staged.info.delivery_id) for staged in deliveries if staged.info.export_name is not None]
    found = conn.execute(
        "select distinct delivered_at from raw_deliveries where delivery_id in (select unnest(cast(? as uuid[])))",
        [ids],
    ).fetchall()
    return [moment.astimezone(UTC) for (moment,) in found]


def _restated(conn: duckdb.DuckDBPyConnection, export_name: str, period: date) -> list[Window]:
    """The month of a cost delivery, and the time of every delivery of the same export and month: those rows vanish."""
    first, after = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in billing_month(period))
    spans = conn.execute(
        "select min(event_start_at), max(event_end_at) from raw_deliveries "
        "where export_name = ? and billing_period = ?",
        [export_name, period],
    ).fetchall()
    delivered = [Window(start.astimezone(UTC), end.astimezone(UTC)) for start, end in spans if start is not None]
    return [Window(first, after), *delivered]
