"""A delivery lands exactly once, whole or not at all, whatever the order and the batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import landing
from pipeline.errors import RefusedDelivery
from pipeline.landing import LandingResult, land
from pipeline.sources.base import DeliveryInfo, ParsedDelivery, Reject
from pipeline.sources.cloudwatch_rows import catalogue_rows
from pipeline.sources.cloudwatch_series import Series, name_series

ARRIVED = datetime(2026, 11, 1, tzinfo=UTC)
START = datetime(2026, 10, 1, tzinfo=UTC)
TIME = pa.timestamp("us", tz="UTC")
CONTENT = (
    "raw_dcgm_samples",
    "raw_inventory",
    "raw_rejects",
    "(select * exclude (arrived_at, landed_number) from raw_deliveries)",
)


@dataclass(frozen=True)
class Telemetry:
    """A delivery to be: samples of one host at these minutes; `breaks_after` batches it turns out damaged."""

    key: str
    minutes: tuple[int, ...] = (1,)
    host: str = "node-1"
    rejects: int = 0
    breaks_after: int | None = None
    error: Exception | None = None

    def parsed(self) -> ParsedDelivery:
        rejects = [Reject.of(number, "bad line", "text") for number in range(1, self.rejects + 1)]
        info = DeliveryInfo("dcgm", f"{self.key}.prom", self.key, START, False, START, byte_count=1)
        return ParsedDelivery(info, self._batches(), rejects)

    def _batches(self) -> Iterator[tuple[str, pa.RecordBatch]]:
        for number, minute in enumerate(self.minutes):
            if number == self.breaks_after:
                raise self.error or RefusedDelivery(self.key, "cut", "deliver it again")
            yield "raw_dcgm_samples", _samples(self.host, [minute])


def _samples(host: str, minutes: Sequence[int]) -> pa.RecordBatch:
    at = [START + timedelta(minutes=minute) for minute in minutes]
    columns: dict[str, Any] = {"sample_at": pa.array(at, TIME), "cadence_ms": [30_000] * len(at)}
    texts = dict.fromkeys(("gpu_index", "device", "gpu_instance_id", "model_name", "pod"), [""] * len(at))
    return pa.RecordBatch.from_pydict({**columns, **texts, "hostname": [host] * len(at), "gpu_uuid": [host] * len(at)})


def _land(conn: duckdb.DuckDBPyConnection, *deliveries: Telemetry, batch: int = 500) -> list[LandingResult]:
    return land(conn, [each.parsed() for each in deliveries], arrived_at=ARRIVED, batch=batch)


def _count(conn: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(conn.execute(f"select count(*) from {table}").fetchall()[0][0])


def _emptied(conns: tuple[duckdb.DuckDBPyConnection, ...]) -> tuple[duckdb.DuckDBPyConnection, ...]:
    for conn in conns:
        for (table,) in conn.execute("select table_name from duckdb_tables()").fetchall():
            conn.execute(f"delete from {table}")
    return conns


def _content(conn: duckdb.DuckDBPyConnection) -> list[list[tuple[Any, ...]]]:
    return [conn.execute(f"select * from {table} order by all").fetchall() for table in CONTENT]


def _touched(conn: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return conn.execute("select table_name, start_at, end_at from state_touched order by all").fetchall()


def test_rows_rejects_ledger_and_touched_windows_land_together(raw_conn: duckdb.DuckDBPyConnection) -> None:
    result = _land(raw_conn, Telemetry("a", (1, 3), rejects=2))[0]
    assert (result.status, result.rows, result.rejects) == ("landed", 2, 2)
    ledger = raw_conn.execute(
        "select delivery_id, row_count, reject_count, event_start_at, event_end_at, arrived_at from raw_deliveries"
    ).fetchall()
    first, last = START + timedelta(minutes=1), START + timedelta(minutes=3, microseconds=1)
    assert ledger == [(result.delivery_id, 2, 2, first, last, ARRIVED)]
    assert _touched(raw_conn) == [("raw_dcgm_samples", first, last)]
    assert _count(raw_conn, "raw_rejects") == 2


def test_a_delivery_landed_before_is_a_repeat_and_is_not_read(raw_conn: duckdb.DuckDBPyConnection) -> None:
    _land(raw_conn, Telemetry("a"))
    before = _content(raw_conn)
    broken = Telemetry("a", breaks_after=0)
    assert [result.status for result in _land(raw_conn, broken, broken)] == ["repeat", "repeat"]
    assert _content(raw_conn) == before


def test_the_same_delivery_twice_in_one_batch_lands_once(raw_conn: duckdb.DuckDBPyConnection) -> None:
    assert [result.status for result in _land(raw_conn, Telemetry("a"), Telemetry("a"))] == ["landed", "repeat"]
    assert _count(raw_conn, "raw_dcgm_samples") == 1


@pytest.mark.parametrize(
    "error", [None, EOFError("ended"), pa.ArrowInvalid("bad page"), TypeError("int"), OSError(5, "I/O")]
)
def test_a_delivery_that_fails_midway_leaves_nothing_and_the_others_land(
    raw_conn: duckdb.DuckDBPyConnection, error: Exception | None
) -> None:
    bad = Telemetry("bad", (1, 2, 3), rejects=3, breaks_after=2, error=error)
    results = _land(raw_conn, Telemetry("a"), bad, Telemetry("b"))
    assert [result.status for result in results] == ["landed", "refused", "landed"]
    assert results[1].reason
    assert [_count(raw_conn, table) for table in ("raw_dcgm_samples", "raw_deliveries", "raw_rejects")] == [2, 2, 0]


def test_a_refused_delivery_may_come_again_whole(raw_conn: duckdb.DuckDBPyConnection) -> None:
    _land(raw_conn, Telemetry("a", (1, 2), breaks_after=1))
    assert _land(raw_conn, Telemetry("a", (1, 2)))[0].status == "landed"


def test_values_that_do_not_fit_refuse_their_delivery_alone(raw_conn: duckdb.DuckDBPyConnection) -> None:
    def listing(lifecycle: str, tags: pa.Array) -> ParsedDelivery:
        info = DeliveryInfo("inventory", f"{lifecycle}.ndjson", lifecycle, START, False, START)
        columns = {"observed_at": pa.array([START], TIME), "lifecycle": [lifecycle], "launch_at": tags}
        return ParsedDelivery(info, iter([("raw_inventory", pa.RecordBatch.from_pydict(columns))]))

    good, bad = pa.array(["2026-10-01 00:00:00+00"]), pa.array(["not a time"])
    results = land(raw_conn, [listing("a", good), listing("b", bad), listing("c", good)], arrived_at=ARRIVED)
    assert [result.status for result in results] == ["landed", "refused", "landed"]
    assert "do not fit" in results[1].reason
    assert _count(raw_conn, "raw_inventory") == 2


@pytest.mark.parametrize("breaks_after", [None, 5, 9])
def test_a_delivery_larger_than_the_buffer_is_streamed_whole_or_not_at_all(
    raw_conn: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, breaks_after: int | None
) -> None:
    monkeypatch.setattr(landing, "BUFFER_BYTES", 300)
    large = Telemetry("large", tuple(range(10)), breaks_after=breaks_after)
    results = _land(raw_conn, Telemetry("a"), large, Telemetry("b"))
    assert [result.status for result in results] == ["landed", "refused" if breaks_after else "landed", "landed"]
    assert _count(raw_conn, "raw_dcgm_samples") == (2 if breaks_after else 12)
    assert _count(raw_conn, "raw_deliveries") == (2 if breaks_after else 3)


def test_a_sample_that_arrives_late_touches_the_hour_of_the_next_one(raw_conn: duckdb.DuckDBPyConnection) -> None:
    _land(raw_conn, Telemetry("later", (190, 250)), Telemetry("other", (100,), host="node-2"))
    raw_conn.execute("delete from state_touched")
    _land(raw_conn, Telemetry("late", (30,)))
    hour = START + timedelta(hours=3)
    own = START + timedelta(minutes=30)
    assert _touched(raw_conn) == [
        ("raw_dcgm_samples", own, own + timedelta(microseconds=1)),
        ("raw_dcgm_samples", hour, hour + timedelta(hours=1)),
    ]


def test_older_rows_touch_the_hour_in_which_an_accelerator_began_whoever_told_of_it(
    raw_conn: duckdb.DuckDBPyConnection,
) -> None:
    """A first sample stands for one cadence, that of one which only returned for two."""
    raw_conn.execute(
        "create table int_accelerator_places (accelerator_id text, instance_id text, seen_hour_at timestamptz)"
    )
    began = START + timedelta(hours=50)
    for hour in (began, began + timedelta(hours=1)):
        raw_conn.execute("insert into int_accelerator_places values ('GPU-1', 'i-1', ?)", [hour])
    _land(raw_conn, Telemetry("older", (30,)))
    assert _touched(raw_conn)[1:] == [("raw_dcgm_samples", began, began + timedelta(hours=1))]
    raw_conn.execute("delete from state_touched")
    _land(raw_conn, Telemetry("newer", (60 * 52,), host="node-3"))
    assert len(_touched(raw_conn)) == 1


def test_samples_in_time_order_touch_their_own_window_alone(raw_conn: duckdb.DuckDBPyConnection) -> None:
    _land(raw_conn, Telemetry("first", (1,)))
    raw_conn.execute("delete from state_touched")
    _land(raw_conn, Telemetry("second", (90,)))
    assert len(_touched(raw_conn)) == 1


def _stream(key: str, cores: Sequence[str], at: datetime) -> ParsedDelivery:
    series = [Series("node_neuroncore_utilization", (("NeuronCore", core),)) for core in cores]
    named = list(name_series("1", "us-east-1", series))
    points = {"series_key": [one.key for one in named], "sample_at": pa.array([at] * len(cores), TIME)}
    points["value"] = [1.0] * len(cores)
    info = DeliveryInfo("metric_stream", key, key, START, False, START, interval_ms=60_000)
    batches = [("raw_cloudwatch_series", catalogue_rows("1", "us-east-1", named))]
    return ParsedDelivery(info, iter([*batches, ("raw_cloudwatch_samples", pa.RecordBatch.from_pydict(points))]))


@pytest.mark.parametrize("batch", [1, 500])
def test_a_series_is_kept_once_whoever_brings_it_and_counts_as_no_row(
    raw_conn: duckdb.DuckDBPyConnection, batch: int
) -> None:
    told = [_stream("a", ["core0", "core1"], START), _stream("b", ["core1", "core2"], START + timedelta(minutes=58))]
    results = land(raw_conn, told, arrived_at=ARRIVED, batch=batch)
    assert [result.rows for result in results] == [2, 2]
    kept = "select neuron_core, first_seen_at from raw_cloudwatch_series order by neuron_core"
    assert raw_conn.execute(kept).fetchall() == [("core0", None), ("core1", None), ("core2", None)]
    assert {table for table, *_ in _touched(raw_conn)} == {"raw_cloudwatch_samples"}
    # a point changes what the next ones stand for, up to three periods after it
    assert max(end_at for _, _, end_at in _touched(raw_conn)) >= START + timedelta(minutes=61)


def _bill(execution: str, day: int) -> ParsedDelivery:
    period = START.date()
    info = DeliveryInfo(
        "cur", "m", execution, START, False, START, export_name="e", billing_period=period, execution_id=execution
    )
    at = pa.array([START + timedelta(days=day)], TIME)
    rows = pa.RecordBatch.from_pydict({"usage_start_at": at, "usage_end_at": at})
    return ParsedDelivery(info, iter([("raw_cur_lines", rows)]))


def test_a_restated_bill_touches_its_month_and_what_it_replaces(raw_conn: duckdb.DuckDBPyConnection) -> None:
    land(raw_conn, [_bill("run-1", 40)], arrived_at=ARRIVED)
    raw_conn.execute("delete from state_touched")
    land(raw_conn, [_bill("run-2", 3)], arrived_at=ARRIVED)
    end = START + timedelta(days=40, microseconds=1)
    month = [("raw_cur_lines", START, end), ("raw_cur_splits", START, end)]
    delivered = ("raw_deliveries", START, START + timedelta(microseconds=1))
    assert _touched(raw_conn) == [*month, delivered]


def test_windows_are_noted_once(raw_conn: duckdb.DuckDBPyConnection) -> None:
    _land(raw_conn, Telemetry("a"), batch=1)
    _land(raw_conn, Telemetry("b"), batch=1)
    assert len(_touched(raw_conn)) == 1


@given(
    st.permutations([Telemetry("a", (1, 2), rejects=1), Telemetry("b", (70,)), Telemetry("c", (3,), host="n2")] * 2),
    st.integers(1, 4),
    st.sampled_from([300, 48 * 1024 * 1024]),
)
def test_order_repeats_and_batches_do_not_change_what_lies_in_raw(
    two_raw_conns: Any, order: list[Telemetry], batch: int, buffer_bytes: int
) -> None:
    conn, plain = _emptied(two_raw_conns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landing, "BUFFER_BYTES", buffer_bytes)
        _land(conn, *order, batch=batch)
        _land(plain, *sorted(set(order), key=lambda delivery: delivery.key))
        assert _content(conn) == _content(plain)


def test_rows_that_duckdb_calls_invalid_refuse_their_delivery_alone(raw_conn: duckdb.DuckDBPyConnection) -> None:
    def listing(key: str, text: bytes) -> ParsedDelivery:
        size = len(text).to_bytes(4, "little")
        texts = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(bytes(4) + size), pa.py_buffer(text)])
        rows = pa.RecordBatch.from_pydict({"observed_at": pa.array([START], TIME), "lifecycle": texts})
        return ParsedDelivery(DeliveryInfo("inventory", key, key, START, False, START), iter([("raw_inventory", rows)]))

    results = land(raw_conn, [listing("a", b"spot"), listing("b", b"\xff\xfe")], arrived_at=ARRIVED)
    assert [result.status for result in results] == ["landed", "refused"]


@pytest.mark.parametrize(
    "error",
    [
        duckdb.OutOfMemoryException("failed to allocate"),
        duckdb.IOException("No space left on device"),
        duckdb.InvalidInputException("Invalid Input Error: Required module 'pytz' failed to import"),
        duckdb.FatalException("database has been invalidated"),
        duckdb.BinderException("Table does not have a column with name x"),
    ],
)
def test_what_ails_the_machine_stops_the_sweep_and_refuses_no_delivery(
    raw_conn: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, error: duckdb.Error
) -> None:
    def fails(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(landing, "_insert", fails)
        with pytest.raises(type(error)):
            _land(raw_conn, Telemetry("a"))
    assert _land(raw_conn, Telemetry("a"))[0].status == "landed"


def test_a_commit_that_a_full_disk_ends_tells_of_the_disk(raw_conn: duckdb.DuckDBPyConnection) -> None:
    class FullDisk:
        def __getattr__(self, name: str) -> Any:
            return getattr(raw_conn, name)

        def commit(self) -> None:
            raw_conn.rollback()
            raise duckdb.TransactionException("Failed to commit: No space left on device")

    with pytest.raises(duckdb.TransactionException, match="No space left"):
        _land(FullDisk(), Telemetry("a"))  # type: ignore[arg-type]
