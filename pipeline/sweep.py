"""The sweep: list inboxes, tell formats by content, read, land; one bad object never blocks the good beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

import duckdb
import pyarrow as pa

from pipeline.errors import RefusedDelivery, SourceError, UsageError
from pipeline.failpoints import failpoint
from pipeline.landing import BATCH_DELIVERIES, LandingResult, land, refused, unreachable
from pipeline.sources import reader_of
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.cur_manifest import chunk_locations, read_manifest
from pipeline.sources.damage import refuse_damage
from pipeline.sources.detect import EXPORT_CHUNK, LAKE, detect
from pipeline.sources.exports import read_export, require_bill
from pipeline.sources.lake import read as read_dump
from pipeline.sources.lake_mapping import LakeMapping
from pipeline.sources.objects import S3Client, StoredObject, fetch, find_object, list_objects
from pipeline.staged import registered
from pipeline.warehouse import SQL_DIR

_SEEN_SCHEMA = pa.schema(
    [
        ("object", pa.string()),
        ("byte_count", pa.int64()),
        ("modified_at", pa.timestamp("us", tz="UTC")),
        ("delivery_id", pa.string()),
    ]
)
CHUNK_ENDINGS = (".parquet", ".csv.gz", ".csv")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SweepResult:
    """One result per object and per unreachable root; `waiting` names chunks whose Manifest has not come yet."""

    results: tuple[LandingResult, ...]
    waiting: tuple[str, ...]

    def of(self, status: str) -> list[LandingResult]:
        """Results with the status `landed`, `repeat`, `refused` or `unreachable`."""
        return [result for result in self.results if result.status == status]

    @property
    def row_count(self) -> int:
        """Rows landed by this sweep."""
        return sum(result.rows for result in self.results)

    @property
    def reject_count(self) -> int:
        """Records rejected by this sweep."""
        return sum(result.rejects for result in self.results)


def sweep(
    conn: duckdb.DuckDBPyConnection,
    roots: Sequence[str],
    options: IngestOptions,
    *,
    arrived_at: datetime,
    seeds: Seeds | None = None,
    s3_client: S3Client | None = None,
    on_progress: Progress | None = None,
    lake: LakeMapping | None = None,
) -> SweepResult:
    """Land every object under `roots` (files, folders, s3:// prefixes); what was seen unchanged is skipped unread.

    A root that cannot be listed becomes an `unreachable` result; the others are swept all the same. `on_progress` gets
    (objects done, objects listed). Needs the tables of `warehouse.bootstrap`.
    """
    run = _Sweep(conn, options, seeds or Seeds(SQL_DIR / "seeds"), arrived_at, s3_client, on_progress, lake)
    for root in roots:
        run.list_root(root)
    return run.take_listed()


def take_objects(
    conn: duckdb.DuckDBPyConnection,
    objects: Iterable[StoredObject],
    *,
    arrived_at: datetime,
    s3_client: S3Client,
    lake: LakeMapping | None = None,
) -> SweepResult:
    """Land objects that were announced, each location once, as a sweep that had listed them would.

    All are read: within a second one object can be written twice with the same size, and only its content tells.
    """
    run = _Sweep(conn, IngestOptions(), Seeds(SQL_DIR / "seeds"), arrived_at, s3_client, None, lake)
    run.listed |= {stored.location: stored for stored in objects}
    run.skips_seen = False
    return run.take_listed()


@dataclass
class _Sweep:
    """One sweep under way. `claimed` are the chunks that Manifests of this sweep list."""

    conn: duckdb.DuckDBPyConnection
    options: IngestOptions
    seeds: Seeds
    arrived_at: datetime
    s3_client: S3Client | None
    on_progress: Progress | None
    lake: LakeMapping | None = None
    listed: dict[str, StoredObject] = field(default_factory=dict)
    results: list[LandingResult] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    claimed: set[str] = field(default_factory=set)
    done_count: int = 0
    skips_seen: bool = True

    def list_root(self, root: str) -> None:
        """Note what lies under a root, or that it cannot be reached."""
        try:
            self.listed |= {stored.location: stored for stored in list_objects(root, self.s3_client)}
        except (SourceError, UsageError) as error:
            self.results.append(unreachable(root, self.options.source or "", error))

    def take_listed(self) -> SweepResult:
        """Land what was listed, Manifests before chunks."""
        self.refuse_unwritable_names()
        to_read = sorted(self.skip_seen(), key=lambda stored: (stored.name.endswith(CHUNK_ENDINGS), stored.name))
        for start in range(0, len(to_read), BATCH_DELIVERIES):
            self.take(to_read[start : start + BATCH_DELIVERIES])
        return SweepResult(tuple(sorted(self.results, key=lambda result: result.object)), tuple(sorted(self.waiting)))

    def refuse_unwritable_names(self) -> None:
        """Refuse objects whose path is not UTF-8: neither the ledger nor a message could name them."""
        for stored in [stored for stored in self.listed.values() if not _is_utf8(stored.location)]:
            del self.listed[stored.location]
            shown = stored.name.encode(errors="surrogateescape").decode(errors="backslashreplace")
            refusal = RefusedDelivery(shown, "its path is not valid UTF-8", "rename it")
            self.results.append(refused(shown, self.options.source or "", refusal))

    def skip_seen(self) -> list[StoredObject]:
        """The objects to read; those landed before with the same size and time become repeats at once."""
        skips = self.skips_seen and self.options == IngestOptions()
        seen = seen_objects(self.conn, self.listed.values(), self.lake) if skips else {}
        for location, (source, delivery_id) in seen.items():
            name = self.listed[location].name
            self.results.append(LandingResult(name, source, "repeat", delivery_id=delivery_id))
        self._progress(len(seen))
        return [stored for location, stored in self.listed.items() if location not in seen]

    def take(self, batch: Sequence[StoredObject]) -> None:
        """Open, read and land up to a batch of objects; downloads live until they have landed."""
        done_after = self.done_count + len(batch)
        with tempfile.TemporaryDirectory(prefix="chipledger-") as scratch:
            opened = [found for stored in batch if (found := self._open(stored, Path(scratch)))]
            results = land(self.conn, [delivery for delivery, _ in opened], arrived_at=self.arrived_at)
        self.results.extend(results)
        landed = [(each, result) for (_, parts), result in zip(opened, results, strict=True) for each in parts]
        remember_objects(self.conn, [(each, result) for each, result in landed if result.status != "refused"])
        self._progress(done_after - self.done_count)

    def _open(self, stored: StoredObject, scratch: Path) -> tuple[ParsedDelivery, list[StoredObject]] | None:
        """The delivery an object is, with every object it is made of; None when it is refused or waits."""
        if stored.location in self.claimed:
            return None
        try:
            with refuse_damage(stored.name):
                obj = fetch(stored, scratch, self.s3_client)
                source = detect(obj, self.options.source, self.lake)
                if source == "cur":
                    return self._open_export(stored, obj, scratch)
                if source == EXPORT_CHUNK:
                    require_bill(obj)
                    self.waiting.append(stored.name)
                    return None
                if source == LAKE and self.lake is not None:
                    return self._counted(read_dump(obj, self.options, self.seeds, self.lake)), [stored]
                return self._counted(reader_of(source)(obj, self.options, self.seeds)), [stored]
        except RefusedDelivery as error:
            self.results.append(refused(stored.name, self.options.source or "", error))
        except SourceError as error:
            self.results.append(LandingResult(stored.name, "", "refused", reason=str(error)))
        return None

    def _open_export(
        self, stored: StoredObject, obj: SourceObject, scratch: Path
    ) -> tuple[ParsedDelivery, list[StoredObject]]:
        """A Manifest's delivery; refused, naming the first chunk, while chunks are missing."""
        manifest = read_manifest(obj, self.options)
        found = {file: self._find_chunk(stored, file) for file in manifest.data_files}
        chunks = [chunk for chunk in found.values() if chunk is not None]
        self.claimed.update(chunk.location for chunk in chunks)
        missing = [file for file, chunk in found.items() if chunk is None]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            next_step = "it lands with the first sweep that finds all of them"
            raise RefusedDelivery(obj.name, f"waiting for chunk {missing[0]}{more}", next_step)
        delivery = read_export(manifest, [self._fetch_chunk(chunk, scratch) for chunk in chunks])
        return self._counted(delivery), [stored, *chunks]

    def _fetch_chunk(self, chunk: StoredObject, scratch: Path) -> SourceObject:
        """The chunk as it was listed; refused when S3 holds another one by the time it is here."""
        fetched = fetch(chunk, scratch, self.s3_client)
        if chunk.is_s3 and find_object(chunk.location, chunk.name, self.s3_client) != chunk:
            raise RefusedDelivery(chunk.name, "it was written over while it was read", "the next sweep reads it again")
        return fetched

    def _find_chunk(self, manifest: StoredObject, data_file: str) -> StoredObject | None:
        for location in chunk_locations(manifest.location, data_file):
            name = location if manifest.is_s3 else data_file.rpartition("/")[2]
            if found := self.listed.get(location) or find_object(location, name, self.s3_client):
                return found
        return None

    def _counted(self, delivery: ParsedDelivery) -> ParsedDelivery:
        """The same delivery, counting as one object done when its last row was read."""

        def batches() -> Iterator[tuple[str, pa.RecordBatch]]:
            yield from delivery.batches
            self._progress(1)

        return replace(delivery, batches=batches())

    def _progress(self, done: int) -> None:
        self.done_count += done
        if self.on_progress is not None:
            self.on_progress(self.done_count, len(self.listed))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def seen_objects(
    conn: duckdb.DuckDBPyConnection, stored: Iterable[StoredObject], lake: LakeMapping | None = None
) -> dict[str, tuple[str, UUID]]:
    """Location → (source, delivery) of the objects that landed before with the same size and modification time.

    A dump that landed by another mapping counts as new.
    """
    with registered(conn, "sweep_listed", _object_rows((each, None) for each in stored)):
        rows = conn.execute(
            "select seen.object, landed.source, seen.delivery_id from sweep_listed as listed "
            "join state_seen as seen using (object, byte_count, modified_at) "
            "join raw_deliveries as landed on landed.delivery_id = seen.delivery_id "
            "where landed.source <> ? or landed.execution_id = ?",
            [LAKE, lake.sha256 if lake else ""],
        ).fetchall()
    return {location: (source, delivery_id) for location, source, delivery_id in rows}


def remember_objects(conn: duckdb.DuckDBPyConnection, landed: Sequence[tuple[StoredObject, LandingResult]]) -> None:
    """Note which objects became which delivery. A cache: lost, the next sweep only reads them again."""
    if not landed:
        return
    rows = _object_rows((stored, result.delivery_id) for stored, result in landed)
    with registered(conn, "sweep_landed", rows):
        conn.begin()
        try:
            conn.execute("delete from state_seen where object in (select object from sweep_landed)")
            conn.execute("insert into state_seen by name select * from sweep_landed")
            failpoint("sweep.before_commit")
            conn.commit()
        except duckdb.Error:
            conn.rollback()
            raise
        failpoint("sweep.after_commit")


def _object_rows(objects: Iterable[tuple[StoredObject, UUID | None]]) -> pa.Table:
    columns: list[list[object]] = [[], [], [], []]
    for stored, delivery_id in objects:
        values = (stored.location, stored.byte_count, stored.modified_at, str(delivery_id) if delivery_id else None)
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    return pa.table(columns, schema=_SEEN_SCHEMA)
