"""A sweep lands every good object under its roots, once, and says of every other why not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.base import IngestOptions
from pipeline.sweep import SweepResult, sweep
from pipeline.warehouse import bootstrap, open_warehouse

ARRIVED = datetime(2026, 11, 1, tzinfo=UTC)
CONTENT = (
    "raw_dcgm_samples",
    "raw_dcgm_devices",
    "raw_inventory",
    "raw_cur_lines",
    "raw_cost_explorer_groups",
    "raw_rejects",
    "(select * exclude (arrived_at, landed_number) from raw_deliveries)",
)
# A child that sweeps an inbox into a warehouse and dies at the failpoint it is given.
SWEEP_AND_DIE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from pipeline.failpoints import arm
from pipeline.sources.base import IngestOptions
from pipeline.sweep import sweep
from pipeline.warehouse import bootstrap, open_warehouse
warehouse, inbox, failpoint = sys.argv[1:]
with open_warehouse(Path(warehouse)) as conn:
    bootstrap(conn, comments=False)
    arm(failpoint)
    sweep(conn, [inbox], IngestOptions(), arrived_at=datetime(2026, 11, 1, tzinfo=UTC))
"""


def _sweep(conn: duckdb.DuckDBPyConnection, *roots: Path | str, **options: Any) -> SweepResult:
    return sweep(conn, [str(root) for root in roots], IngestOptions(**options), arrived_at=ARRIVED)


def _emptied(conns: tuple[duckdb.DuckDBPyConnection, ...]) -> tuple[duckdb.DuckDBPyConnection, ...]:
    for conn in conns:
        for (table,) in conn.execute("select table_name from duckdb_tables()").fetchall():
            conn.execute(f"delete from {table}")
    return conns


def _content(conn: duckdb.DuckDBPyConnection) -> list[list[tuple[Any, ...]]]:
    return [conn.execute(f"select * from {table} order by all").fetchall() for table in CONTENT]


def _statuses(result: SweepResult) -> dict[str, str]:
    return {each.object.rpartition("/")[2]: each.status for each in result.results}


def _fill(files: Any, line: dict[str, Any]) -> None:
    files.scrape("20261001T000100Z")
    files.scrape("20261001T000200Z", busy=7)
    files.instances("fleet.ndjson", "i-0123456789abcdef0", "i-2")
    files.cost_page("444455556666-20261003T000000Z.json")
    files.chunk("a.parquet", [line])
    files.chunk("b.parquet", [{**line, "line_item_unblended_cost": 1.0}])
    files.manifest(["a.parquet", "b.parquet"])


def test_every_format_of_an_inbox_lands(raw_conn: duckdb.DuckDBPyConnection, small_files: Any, bill_line: Any) -> None:
    _fill(small_files, bill_line)
    result = _sweep(raw_conn, small_files.folder)
    assert {(each.source, each.status) for each in result.results} == {
        (source, "landed") for source in ("dcgm", "inventory", "cost_explorer", "cur")
    }
    assert result.waiting == ()
    bill = raw_conn.execute("select sum(unblended_cost), count(*) from raw_cur_lines").fetchall()
    assert [str(value) for value in bill[0]] == ["56.0400000000", "2"]


def test_a_second_sweep_reads_nothing_and_changes_nothing(
    raw_conn: duckdb.DuckDBPyConnection, small_files: Any, bill_line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(small_files, bill_line)
    _sweep(raw_conn, small_files.folder)
    before = _content(raw_conn)
    monkeypatch.setattr("pipeline.sweep.detect", lambda *_: pytest.fail("an object seen unchanged was read again"))
    again = _sweep(raw_conn, small_files.folder)
    assert set(_statuses(again).values()) == {"repeat"}
    assert _content(raw_conn) == before


def test_a_copy_or_a_touched_file_is_a_repeat_too(raw_conn: duckdb.DuckDBPyConnection, small_files: Any) -> None:
    path = small_files.scrape("20261001T000100Z")
    _sweep(raw_conn, small_files.folder)
    before = _content(raw_conn)
    copy = path.with_name("copy-" + path.name)
    shutil.copy(path, copy)
    os.utime(path, (1, 1))
    assert _statuses(_sweep(raw_conn, small_files.folder)) == {path.name: "repeat", copy.name: "repeat"}
    assert _content(raw_conn) == before


def test_the_same_bytes_at_another_known_time_are_a_new_delivery(
    raw_conn: duckdb.DuckDBPyConnection, small_files: Any
) -> None:
    path = small_files.scrape("20261001T000100Z")
    first = _sweep(raw_conn, path)
    later = _sweep(raw_conn, path, observed_at=datetime(2026, 10, 2, tzinfo=UTC))
    assert [first.results[0].status, later.results[0].status] == ["landed", "landed"]


def test_one_bad_object_never_blocks_the_good_beside_it(raw_conn: duckdb.DuckDBPyConnection, small_files: Any) -> None:
    small_files.scrape("20261001T000100Z")
    small_files.write("dcgm/bad.prom", b"\x1f\x8b\x08 no gzip")
    small_files.write("empty.ndjson", b"")
    result = _sweep(raw_conn, small_files.folder)
    assert sorted(_statuses(result).values()) == ["landed", "refused", "refused"]
    assert all(each.reason and each.next_step for each in result.of("refused"))


def test_chunks_wait_for_their_manifest(
    raw_conn: duckdb.DuckDBPyConnection, small_files: Any, bill_line: dict[str, Any]
) -> None:
    small_files.chunk("a.parquet", [bill_line])
    result = _sweep(raw_conn, small_files.folder)
    assert (result.results, len(result.waiting)) == ((), 1)
    small_files.manifest(["a.parquet"])
    assert _sweep(raw_conn, small_files.folder).of("landed")[0].source == "cur"


def test_a_manifest_without_all_its_chunks_lands_nothing_and_names_the_missing_one(
    raw_conn: duckdb.DuckDBPyConnection, small_files: Any, bill_line: dict[str, Any]
) -> None:
    small_files.chunk("a.parquet", [bill_line])
    small_files.manifest(["a.parquet", "b.parquet"])
    half = _sweep(raw_conn, small_files.folder)
    assert "waiting for chunk s3://bills" in half.of("refused")[0].reason
    assert half.of("refused")[0].reason.endswith("b.parquet")
    assert (half.waiting, half.row_count) == ((), 0)
    small_files.chunk("b.parquet", [bill_line])
    assert _sweep(raw_conn, small_files.folder).row_count == 2


def test_a_restated_month_is_a_second_delivery_and_the_first_stays(
    raw_conn: duckdb.DuckDBPyConnection, small_files: Any, bill_line: dict[str, Any]
) -> None:
    small_files.chunk("a.parquet", [bill_line])
    small_files.manifest(["a.parquet"])
    _sweep(raw_conn, small_files.folder)
    small_files.chunk("a.parquet", [{**bill_line, "line_item_unblended_cost": 50.0}])
    small_files.manifest(["a.parquet"], execution="run-2", creationTime="2026-10-09T05:00:00Z")
    _sweep(raw_conn, small_files.folder)
    rows = raw_conn.execute(
        "select execution_id, delivered_at, unblended_cost from raw_deliveries join raw_cur_lines using (delivery_id) "
        "order by delivered_at"
    ).fetchall()
    assert [(run, at.day, str(cost)) for run, at, cost in rows] == [
        ("run-1", 3, "55.0400000000"),
        ("run-2", 9, "50.0000000000"),
    ]


def test_a_manifest_alone_finds_its_chunks_beside_it(
    raw_conn: duckdb.DuckDBPyConnection, small_files: Any, bill_line: dict[str, Any]
) -> None:
    small_files.chunk("a.parquet", [bill_line])
    assert _sweep(raw_conn, small_files.manifest(["a.parquet"])).row_count == 1


def test_hidden_and_temporary_files_are_passed_over(raw_conn: duckdb.DuckDBPyConnection, small_files: Any) -> None:
    for name in (".hidden", "half.prom.tmp", "x.part", ".git/config"):
        small_files.write(name, "nonsense")
    os.mkfifo(small_files.folder / "pipe")
    assert _sweep(raw_conn, small_files.folder).results == ()


def test_a_missing_root_is_told_and_the_others_are_swept(
    raw_conn: duckdb.DuckDBPyConnection, small_files: Any, tmp_path: Path
) -> None:
    small_files.scrape("20261001T000100Z")
    result = _sweep(raw_conn, tmp_path / "nowhere", small_files.folder, "s3://")
    lost = {each.object: each.words for each in result.of("unreachable")}
    assert len(result.of("landed")) == 1
    assert set(lost) == {str(tmp_path / "nowhere"), "s3://"}
    assert "neither a file nor a folder; give an existing path" in lost[str(tmp_path / "nowhere")]


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(
    raw_conn: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pipeline.sources.objects.os.scandir", refuse)
    (lost,) = _sweep(raw_conn, tmp_path).of("unreachable")
    assert lost.words == f"{tmp_path} cannot be listed: Permission denied; make it readable, or mount it again"


def test_progress_ends_at_the_number_of_objects(raw_conn: duckdb.DuckDBPyConnection, small_files: Any) -> None:
    small_files.scrape("20261001T000100Z")
    small_files.write("bad", "x")
    seen: list[tuple[int, int]] = []
    roots = [str(small_files.folder)]
    for _ in range(2):
        sweep(raw_conn, roots, IngestOptions(), arrived_at=ARRIVED, on_progress=lambda *at: seen.append(at))
        assert seen[-1] == (2, 2)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Any:
    boto3 = pytest.importorskip("boto3")
    moto = pytest.importorskip("moto")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with moto.mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="inbox")
        yield client


def test_an_s3_prefix_is_swept_like_a_folder(
    raw_conn: duckdb.DuckDBPyConnection, small_files: Any, bill_line: dict[str, Any], bucket: Any
) -> None:
    _fill(small_files, bill_line)
    for path in sorted(small_files.folder.rglob("*")):
        if path.is_file():
            bucket.upload_file(str(path), "inbox", f"fleet/{path.relative_to(small_files.folder).as_posix()}")
    once = sweep(raw_conn, ["s3://inbox/fleet/"], IngestOptions(), arrived_at=ARRIVED, s3_client=bucket)
    assert {each.status for each in once.results} == {"landed"}
    assert len(once.results) == 5
    assert all(each.object.startswith("s3://inbox/fleet/") for each in once.results)
    again = sweep(raw_conn, ["s3://inbox/fleet/"], IngestOptions(), arrived_at=ARRIVED, s3_client=bucket)
    assert {each.status for each in again.results} == {"repeat"}


def test_a_bucket_that_is_not_there_says_what_to_check(raw_conn: duckdb.DuckDBPyConnection, bucket: Any) -> None:
    (lost,) = sweep(raw_conn, ["s3://nowhere/x"], IngestOptions(), arrived_at=ARRIVED, s3_client=bucket).results
    assert (lost.object, lost.status) == ("s3://nowhere/x", "unreachable")
    assert lost.words.endswith("correct its name in CHIPLEDGER_INBOX or on the command line")


@settings(max_examples=20)
@given(st.permutations(range(5)), st.lists(st.integers(0, 4), max_size=3))
def test_any_order_and_repetition_of_sweeps_gives_the_same_raw_tables(
    two_raw_conns: Any, tmp_path_factory: pytest.TempPathFactory, order: list[int], again: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("inboxes")
    text = '# TYPE DCGM_FI_DEV_GPU_UTIL gauge\nDCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",Hostname="n"} %d\n'
    roots = [folder / f"scrape-20261001T00{minute}000Z.prom" for minute in range(5)]
    for busy, root in enumerate(roots):
        root.write_text(text % busy + ("" if busy % 2 else "bad line {\n"))
    conn, plain = _emptied(two_raw_conns)
    for index in [*order, *again]:
        _sweep(conn, roots[index])
    _sweep(plain, folder)
    assert _content(conn) == _content(plain)


@pytest.mark.parametrize(
    "failpoint",
    ["landing.before_commit", "landing.after_commit", "sweep.before_commit", "sweep.after_commit"],
)
def test_killed_at_any_commit_the_next_sweep_ends_as_if_undisturbed(
    tmp_path: Path, small_files: Any, bill_line: dict[str, Any], failpoint: str
) -> None:
    _fill(small_files, bill_line)
    warehouse = tmp_path / "warehouse.duckdb"
    command = [sys.executable, "-c", SWEEP_AND_DIE, str(warehouse), str(small_files.folder), failpoint]
    assert subprocess.run(command, check=False).returncode == -9
    with open_warehouse(warehouse) as conn, duckdb.connect() as plain:
        plain.execute("set timezone = 'UTC'")
        bootstrap(plain, comments=False)
        _sweep(conn, small_files.folder)
        _sweep(plain, small_files.folder)
        assert _content(conn) == _content(plain)


@pytest.mark.slow
def test_two_thousand_small_files_land_in_one_sweep(raw_conn: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for number in range(2000):
        line = f'DCGM_FI_DEV_GPU_UTIL{{gpu="0",UUID="GPU-{number}",Hostname="n"}} 1\n'
        (tmp_path / f"n{number}-20261001T000000Z.prom").write_text(line)
    result = _sweep(raw_conn, tmp_path)
    assert (len(result.of("landed")), result.reject_count) == (2000, 0)
    assert json.dumps([each.status for each in result.results]).count("landed") == 2000


def test_a_name_that_is_not_utf_8_is_refused_and_the_good_beside_it_lands(
    raw_conn: duckdb.DuckDBPyConnection, small_files: Any
) -> None:
    small_files.scrape("20261001T000000Z")
    Path(os.fsdecode(os.fsencode(small_files.folder) + b"/bad-\xff.prom")).write_text("up 1\n", "utf-8")
    assert {result.object: result.status for result in _sweep(raw_conn, small_files.folder).results} == {
        "bad-\\xff.prom": "refused",
        "dcgm/node-1-20261001T000000Z.prom": "landed",
    }
