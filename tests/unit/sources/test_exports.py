"""A Manifest lands with its own chunks or not at all, whatever lies under their names meanwhile."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import IngestOptions, SourceObject
from pipeline.sources.cur_manifest import chunk_locations, read_manifest
from pipeline.sources.exports import read_export
from pipeline.sweep import sweep
from pipeline.warehouse import bootstrap
from tests.unit.conftest import LINE, SmallFiles

AT = datetime(2026, 10, 9, tzinfo=UTC)
RUNS = {"run-1": ("2026-10-03T05:00:00Z", 1.0), "run-2": ("2026-10-04T05:00:00Z", 2.0)}
NEWEST = """
    select sum(unblended_cost) from raw_cur_lines where delivery_id = (
        select delivery_id from raw_deliveries where source = 'cur' order by delivered_at desc limit 1
    )
"""


def manifest_object(folder: Path, **fields: object) -> SourceObject:
    document = {"exportName": "e", "billingPeriod": "2026-10", "createdAt": "2026-10-03T05:00:00Z", **fields}
    path = folder / "m-Manifest.json"
    path.write_text(json.dumps(document))
    return SourceObject(path.name, path, AT, modified_is_known=True)


def test_a_chunk_newer_than_its_manifest_belongs_to_the_next_delivery(tmp_path: Path, small_files: SmallFiles) -> None:
    manifest = read_manifest(manifest_object(tmp_path, dataFiles=["s3://b/data/a.parquet"]), IngestOptions())
    path = small_files.chunk("a.parquet", [LINE])
    older = SourceObject("a.parquet", path, AT - timedelta(minutes=1), modified_is_known=True)
    newer = SourceObject("a.parquet", path, AT + timedelta(seconds=1), modified_is_known=True)
    assert sum(len(rows) for _, rows in read_export(manifest, [older]).batches) == 1
    with pytest.raises(RefusedDelivery, match="is newer than the Manifest"):
        read_export(manifest, [newer])


def test_a_chunk_in_the_folder_of_its_execution_is_never_written_over(tmp_path: Path, small_files: SmallFiles) -> None:
    files = ["s3://b/x/data/BILLING_PERIOD=2026-10/2026-10-03T05:00:00Z-run-1/a.parquet"]
    manifest = read_manifest(manifest_object(tmp_path, executionId="run-1", dataFiles=files), IngestOptions())
    late = SourceObject("a.parquet", small_files.chunk("a.parquet", [LINE]), AT + timedelta(days=1), True)
    assert sum(len(rows) for _, rows in read_export(manifest, [late]).batches) == 1
    listed = "/copy/x/metadata/BILLING_PERIOD=2026-10/2026-10-03T05:00:00Z-run-1/m-Manifest.json"
    assert list(chunk_locations(listed, files[0])) == [
        "/copy/x/data/BILLING_PERIOD=2026-10/2026-10-03T05:00:00Z-run-1/a.parquet"
    ]


def test_a_manifest_that_lists_chunks_of_another_execution_is_refused(tmp_path: Path) -> None:
    folder = "s3://b/x/data/BILLING_PERIOD=2026-10/2026-10-03T05:00:00Z-"
    for fields in (
        {"executionId": "run-1", "dataFiles": [f"{folder}run-2/a.parquet"]},
        {"dataFiles": [f"{folder}run-1/a.parquet", f"{folder}run-2/b.parquet"]},
    ):
        with pytest.raises(RefusedDelivery, match="execution run-1 lists chunks of execution run-2"):
            read_manifest(manifest_object(tmp_path, **fields), IngestOptions())


def test_chunks_of_another_month_are_refused(tmp_path: Path, small_files: SmallFiles) -> None:
    september = LINE | {"bill_billing_period_start_date": datetime(2026, 9, 1, tzinfo=UTC)}
    manifest = read_manifest(manifest_object(tmp_path, dataFiles=["s3://b/data/a.parquet"]), IngestOptions())
    chunk = SourceObject("a.parquet", small_files.chunk("a.parquet", [september]))
    with pytest.raises(RefusedDelivery, match="lines of 2026-09 under a Manifest of 2026-10"):
        list(read_export(manifest, [chunk]).batches)


class Arrivals:
    """The files of two executions of one export, each of two chunks and a Manifest, written one by one."""

    def __init__(self, folder: Path, *, create_new: bool) -> None:
        self.files = SmallFiles(folder)
        self.create_new = create_new

    def folder_of(self, run: str) -> str:
        return f"{RUNS[run][0]}-{run}/" if self.create_new else ""

    def chunk(self, run: str, number: int) -> None:
        cost = RUNS[run][1]
        self.files.chunk(f"{self.folder_of(run)}c{number}.parquet", [LINE | {"line_item_unblended_cost": cost}])

    def manifest(self, run: str) -> None:
        names = [f"{self.folder_of(run)}c{number}.parquet" for number in (1, 2)]
        path = self.files.manifest(names, execution=run, creationTime=RUNS[run][0])
        if self.create_new:
            own = path.parent / self.folder_of(run) / path.name
            own.parent.mkdir(exist_ok=True)
            path.rename(own)

    def write(self, event: tuple[str, int]) -> None:
        run, number = event
        self.chunk(run, number) if number else self.manifest(run)


def newest_total(conn: duckdb.DuckDBPyConnection, folder: Path) -> float | None:
    """What the newest delivery sums to after a sweep."""
    sweep(conn, [str(folder)], IngestOptions(), arrived_at=AT)
    total = conn.execute(NEWEST).fetchall()[0][0]
    return None if total is None else float(total)


EVENTS = [(run, number) for run in RUNS for number in (1, 2, 0)]


@settings(max_examples=15)
@given(st.permutations(EVENTS))
def test_in_any_order_of_arrival_only_whole_deliveries_are_seen_and_the_later_execution_stays(
    tmp_path_factory: pytest.TempPathFactory, order: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("create-new")
    arrivals = Arrivals(folder, create_new=True)
    seen: list[float | None] = []
    with duckdb.connect() as conn:
        conn.execute("set timezone = 'UTC'")
        bootstrap(conn, comments=False)
        for event in order:
            arrivals.write(event)
            seen.append(newest_total(conn, folder))
        assert set(seen) <= {None, 2.0, 4.0}
        assert seen[-1] == 4.0
        assert conn.execute("select count(*) from raw_deliveries").fetchall() == [(2,)]


def test_a_delivery_being_written_over_keeps_the_last_whole_one(tmp_path: Path, raw_conn: Any) -> None:
    arrivals = Arrivals(tmp_path / "overwrite", create_new=False)
    arrivals.files.folder.mkdir()
    seen = []
    for event in EVENTS:
        arrivals.write(event)
        seen.append(newest_total(raw_conn, arrivals.files.folder))
    assert seen == [None, None, 2.0, 2.0, 2.0, 4.0]
    assert raw_conn.execute("select count(*), sum(unblended_cost) from raw_cur_lines").fetchall() == [(4, 6)]
