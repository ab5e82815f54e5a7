"""Landing: deliveries → raw tables and ledger, each exactly once, a batch in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from uuid import UUID

import duckdb
import pyarrow as pa

from pipeline.errors import ChipledgerError, RefusedDelivery
from pipeline.failpoints import failpoint
from pipeline.sources.base import ParsedDelivery
from pipeline.sources.damage import refuse_damage
from pipeline.staged import CATALOGUES, Staged, TableRows, ledger_table, registered, rejects_table
from pipeline.touched import Touched
from pipeline.warehouse import scalar

BATCH_DELIVERIES = 500
BUFFER_BYTES = 48 * 1024 * 1024
MISSING_MODULE = "Required module"  # how DuckDB words, as InvalidInputException, that Python lacks a package


@dataclass(frozen=True)
class LandingResult:
    """What became of one object: `landed`, `repeat` or `refused`; counts are rows and rejects of this delivery.

    A source that could not be read at all (a missing folder, a bucket, a supplier) is `unreachable`, by its own name.
    """

    object: str
    source: str
    status: str
    rows: int = 0
    rejects: int = 0
    unmapped: int = 0
    reason: str = ""
    next_step: str = ""
    delivery_id: UUID | None = None

    @property
    def words(self) -> str:
        """What was refused, why, and what to do, as one sentence."""
        told = self.reason if self.object in self.reason else f"{self.object}: {self.reason}"
        return f"{told}; {self.next_step}" if self.next_step else told


def land(
    conn: duckdb.DuckDBPyConnection,
    deliveries: Iterable[ParsedDelivery],
    *,
    arrived_at: datetime,
    batch: int = BATCH_DELIVERIES,
) -> list[LandingResult]:
    """Land deliveries in order; a delivery already in the ledger is a repeat and is not read.

    Rows, rejects, ledger and touched windows of up to `batch` deliveries commit together; a delivery too large to
    hold in memory is streamed in a transaction of its own. One that fails is refused alone and leaves nothing.
    """
    landing = _Landing(conn, arrived_at)
    source = iter(deliveries)
    while group := list(islice(source, batch)):
        landing.take_all(group)
    return landing.results


def refused(name: str, source: str, error: RefusedDelivery) -> LandingResult:
    """The result of an object that was refused before it became a delivery, or while it was read."""
    return LandingResult(name, source, "refused", reason=error.reason, next_step=error.next_step)


def unreachable(place: str, source: str, error: ChipledgerError) -> LandingResult:
    """The result of a source that could not be read: its message says the place, the reason and the next step."""
    return LandingResult(place, source, "unreachable", reason=str(error))


class _ValuesDoNotFit(Exception):
    """DuckDB refused rows for what they hold."""


class _Landing:
    """One run: the results so far, and the deliveries read but not yet committed."""

    def __init__(self, conn: duckdb.DuckDBPyConnection, arrived_at: datetime) -> None:
        self.conn = conn
        self.arrived_at = arrived_at
        self.results: list[LandingResult] = []
        self._pending: list[tuple[int, Staged]] = []

    def take_all(self, group: list[ParsedDelivery]) -> None:
        """Land up to a batch of deliveries; their results keep the order given."""
        known = self._known([delivery.info.delivery_id for delivery in group])
        for delivery in group:
            info = delivery.info
            if info.delivery_id in known:
                self.results.append(LandingResult(info.object, info.source, "repeat", delivery_id=info.delivery_id))
            elif self._take(delivery):
                known.add(info.delivery_id)
        self._flush()

    def _known(self, delivery_ids: list[UUID]) -> set[UUID]:
        rows = self.conn.execute(
            "select delivery_id from raw_deliveries where delivery_id in (select unnest(cast(? as uuid[])))",
            [[str(delivery_id) for delivery_id in delivery_ids]],
        ).fetchall()
        return {delivery_id for (delivery_id,) in rows}

    def _take(self, delivery: ParsedDelivery) -> bool:
        """Read one delivery; whether it will land (a failing commit may still refuse it later)."""
        staged = Staged(delivery)
        batches = _readable(delivery)
        try:
            for table, rows in batches:
                staged.add(table, rows)
                if staged.byte_count > BUFFER_BYTES:
                    return self._stream(staged, batches)
        except RefusedDelivery as error:
            self.results.append(refused(delivery.info.object, delivery.info.source, error))
            return False
        self._pending.append((len(self.results), staged))
        self.results.append(_landed(staged))
        if sum(each.byte_count for _, each in self._pending) > BUFFER_BYTES:
            self._flush()
        return True

    def _stream(self, staged: Staged, batches: Iterator[tuple[str, pa.RecordBatch]]) -> bool:
        """Commit what waits, then this large delivery alone, a buffer at a time; RefusedDelivery undoes it whole."""
        self._flush()
        name = staged.info.object

        def write(touched: Touched) -> None:
            for table, rows in batches:
                if staged.byte_count > BUFFER_BYTES:
                    _insert(self.conn, [staged], touched)
                    staged.drop_rows()
                staged.add(table, rows)
            self._finish([staged], touched)

        try:
            self._commit(write)
        except _ValuesDoNotFit as error:
            raise _not_storable(name, error) from error
        self.results.append(_landed(staged))
        return True

    def _flush(self) -> None:
        """Commit the pending deliveries together; when their data cannot be stored, each alone."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        try:
            self._commit(lambda touched: self._finish([staged for _, staged in pending], touched))
        except _ValuesDoNotFit:
            for position, staged in pending:
                self._commit_alone(position, staged)

    def _commit_alone(self, position: int, staged: Staged) -> None:
        try:
            self._commit(lambda touched: self._finish([staged], touched))
        except _ValuesDoNotFit as error:
            refusal = _not_storable(staged.info.object, error)
            self.results[position] = refused(staged.info.object, staged.info.source, refusal)

    def _finish(self, deliveries: list[Staged], touched: Touched) -> None:
        _insert(self.conn, deliveries, touched)
        landed = scalar(self.conn, "select coalesce(max(landed_number), 0) from raw_deliveries")
        _append(self.conn, TableRows("raw_deliveries", ledger_table(deliveries, self.arrived_at, landed)))
        _append(self.conn, TableRows("raw_rejects", rejects_table(deliveries)))
        touched.write(self.conn, deliveries)

    def _commit(self, write: Callable[[Touched], None]) -> None:
        """Run `write` in one transaction; whatever it raises, nothing of it stays.

        Raises _ValuesDoNotFit where the rows are at fault; a full disk or memory, and whatever else ails the machine,
        comes out as it is: it says nothing of the delivery.
        """
        self.conn.begin()
        try:
            write(Touched())
            failpoint("landing.before_commit")
            self.conn.commit()
        except BaseException as error:
            with suppress(duckdb.Error):  # a commit that met a full disk has ended the transaction already
                self.conn.rollback()
            if _is_about_values(error):
                raise _ValuesDoNotFit(str(error)) from error
            raise
        failpoint("landing.after_commit")


def _readable(delivery: ParsedDelivery) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The delivery's batches; whatever damage its reader meets comes out as RefusedDelivery."""
    with refuse_damage(delivery.info.object):
        yield from delivery.batches


def _insert(conn: duckdb.DuckDBPyConnection, deliveries: list[Staged], touched: Touched) -> None:
    tables = list(Staged.tables(deliveries))
    touched.find_neighbours(conn, tables)
    for table in tables:
        _append(conn, table)


def _append(conn: duckdb.DuckDBPyConnection, table: TableRows) -> None:
    """Insert by column name; columns that the rows lack become NULL. A catalogue takes the keys that it lacks."""
    key = CATALOGUES.get(table.name)
    news = f"select distinct * from landing_rows anti join {table.name} using ({key})" if key else "from landing_rows"
    with registered(conn, "landing_rows", table.rows):
        conn.execute(f"insert into {table.name} by name {news}")


def _landed(staged: Staged) -> LandingResult:
    info = staged.info
    return LandingResult(
        object=info.object,
        source=info.source,
        status="landed",
        rows=staged.row_count,
        rejects=len(staged.rejects),
        unmapped=staged.unmapped_count,
        delivery_id=info.delivery_id,
    )


def _is_about_values(error: BaseException) -> bool:
    if isinstance(error, duckdb.InvalidInputException):
        return MISSING_MODULE not in str(error)
    return isinstance(error, duckdb.DataError | duckdb.IntegrityError)


def _not_storable(name: str, error: _ValuesDoNotFit) -> RefusedDelivery:
    reason = f"its values do not fit the raw tables: {str(error).splitlines()[0][:200]}"
    return RefusedDelivery(name, reason, "compare it with a good object")
