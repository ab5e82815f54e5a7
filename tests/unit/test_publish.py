"""Readers have the old publication or the new one, whatever happens to the publisher."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipeline import checks, reading
from pipeline import publish as publisher
from pipeline.errors import CheckFailed, ChipledgerError, NothingPublished
from pipeline.home import Home
from pipeline.models import Models
from pipeline.publish import Published, publish
from pipeline.snapshots import dated_copies, dated_name
from pipeline.warehouse import bootstrap, open_warehouse
from tests.unit.toy_marts import DAY, DAY_1, NOW, add_hours, create_tables, toy_models

TABLES = ["dim_chip", "fct_hours", "mart_data_quality", "publication"]


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return toy_models(tmp_path / "sql")


@pytest.fixture
def place(tmp_path: Path) -> Home:
    return Home(tmp_path / "ledger")


@pytest.fixture
def conn(raw_conn: duckdb.DuckDBPyConnection, models: Models) -> duckdb.DuckDBPyConnection:
    create_tables(raw_conn, models)
    return raw_conn


def publish_at(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models, moment: datetime = NOW, version: str = "1"
) -> Published:
    return publish(conn, place, models, published_at=moment, as_of=moment, code_version=version)


def total(place: Home, as_of: datetime | None = None) -> object:
    return reading.query(place.root, "select coalesce(sum(cost_usd), 0)::bigint from fct_hours", as_of=as_of).rows[0][0]


def test_what_is_published_is_the_marts_in_grain_order_with_their_contract(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    add_hours(conn, (DAY_1 + DAY, "b", 1, "gpu"), (DAY_1 + DAY, "a", 2, "gpu"), (DAY_1, "c", 3, "gpu"))
    checks.run(conn, models, now=NOW)
    done = publish_at(conn, place, models)
    assert (done.path, done.tables) == (place.snapshot, 3)
    listed = reading.tables(place.root)
    assert [row[0] for row in listed.rows] == TABLES
    assert "what each chip cost in each hour. Grain: hour_at, chip." in [row[3] for row in listed.rows]
    assert [row[0] for row in reading.query(place.root, "select chip from fct_hours").rows] == ["c", "a", "b"]
    assert ("cost_usd", "DECIMAL(38,10)", "USD of the hour") in reading.tables(place.root, "fct_hours").rows
    with duckdb.connect() as other:
        other.execute(f"attach '{done.path}' as p (read_only)")
        tags = other.execute("select tags from duckdb_databases() where database_name = 'p'").fetchall()
    assert "v1.2.0" in str(tags)


def test_the_publication_says_when_through_when_and_by_what(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    conn.execute("insert into raw_deliveries (event_end_at) values (?)", [DAY_1])
    publish_at(conn, place, models, version="1.2.3")
    said = "select published_at, data_through_at, checks_failed, checks_warned, code_version from publication"
    assert reading.query(place.root, said).records() == [
        {"published_at": NOW, "data_through_at": DAY_1, "checks_failed": 0, "checks_warned": 0, "code_version": "1.2.3"}
    ]


def test_views_are_published_as_they_stand_at_as_of(
    conn: duckdb.DuckDBPyConnection, place: Home, tmp_path: Path, models: Models
) -> None:
    add_hours(conn, (DAY_1, "a", 1, "tpu"))
    checks.run(conn, models, now=NOW)
    publish_at(conn, place, models)
    rows = reading.query(place.root, "select status, count(*) from mart_data_quality group by all order by 1").rows
    assert rows == [("passed", 5), ("warned", 1)]


def test_a_failed_check_keeps_the_last_publication(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    add_hours(conn, (DAY_1, "a", 5, "gpu"))
    checks.run(conn, models, now=NOW)
    publish_at(conn, place, models)
    add_hours(conn, (DAY_1, "b", -1, "gpu"))
    checks.run(conn, models, now=NOW)
    with pytest.raises(CheckFailed, match="1 failed check stops publication; the last good one stands"):
        publish_at(conn, place, models, NOW + DAY)
    assert total(place) == 5


def test_the_parquet_files_are_the_published_tables_byte_for_byte_the_same_each_time(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    (place.parquet).mkdir(parents=True)
    (place.parquet / "fct_gone.parquet").write_bytes(b"of a model that is no more")
    conn.execute("insert into fct_hours select ? + to_hours(h), 'a', h % 7, 'gpu' from range(50000) as r(h)", [DAY_1])
    publish_at(conn, place, models)
    names = sorted(path.name for path in place.parquet.iterdir())
    assert names == ["dim_chip.parquet", "fct_hours.parquet", "mart_data_quality.parquet"]
    first = {name: (place.parquet / name).read_bytes() for name in names}
    conn.execute("create or replace table fct_hours as select * from fct_hours order by cost_usd, hour_at desc")
    publish_at(conn, place, models, NOW + DAY)
    assert {name: (place.parquet / name).read_bytes() for name in names} == first


def test_any_kept_publication_can_be_asked_again(conn: duckdb.DuckDBPyConnection, place: Home, models: Models) -> None:
    for number in range(3):
        add_hours(conn, (DAY_1 + number * DAY, "a", 1, "gpu"))
        publish_at(conn, place, models, NOW + number * DAY)
    assert [total(place, NOW + timedelta(hours=hours)) for hours in (0, 25, 1000)] == [1, 2, 3]
    assert total(place) == 3


def test_copies_thin_out_with_age_and_none_goes_unsaid(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    publish_at(conn, place, models)
    for hours in range(24 * 100):  # one an hour from September on
        (place.published / dated_name(NOW - timedelta(hours=hours + 1))).write_bytes(b"old")
    publish_at(conn, place, models, NOW + DAY)
    kept = sorted(dated_copies(place.published))
    assert kept[-30:] == [*(NOW - timedelta(hours=hours) for hours in reversed(range(29))), NOW + DAY]
    days = {moment.date() for moment in kept}
    assert len([day for day in days if day > (NOW + DAY - timedelta(days=65)).date()]) == 64 + 1  # none on the 11th
    ends = [moment for moment in kept if moment < NOW - timedelta(days=65)]
    assert [f"{moment:%m-%d %H}" for moment in ends] == ["10-31 23"]
    gone = NOW - timedelta(hours=50)
    with pytest.raises(NothingPublished, match=r"at 2026-01-08T10:00:00Z is of 2026-01-08T10:00:00Z.*no longer kept"):
        total(place, gone)


def test_a_publication_is_found_by_its_time_before_it_has_a_copy(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    publish_at(conn, place, models)
    add_hours(conn, (DAY_1, "a", 7, "gpu"))
    publish_at(conn, place, models, NOW + DAY)
    (place.published / dated_name(NOW + DAY)).unlink()  # as a kill between the two renames leaves it
    assert (total(place, NOW), total(place, NOW + 2 * DAY)) == (0, 7)


def test_a_copy_costs_no_space_and_the_file_system_may_lack_hard_links(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_at(conn, place, models)
    assert dated_copies(place.published)[NOW].samefile(place.snapshot)

    def refuse(self: Path, target: Path) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    publish_at(conn, place, models, NOW + DAY)
    assert total(place, NOW + DAY) == 0


def test_a_full_disk_keeps_the_old_publication_and_says_what_to_do(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    add_hours(conn, (DAY_1, "a", 5, "gpu"))
    publish_at(conn, place, models)
    conn.execute("insert into fct_hours select ? + to_hours(h), h, h, 'x' from range(200000) as r(h)", [DAY_1 + DAY])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (8_192, 100_000, 1_000_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(ChipledgerError, match=r"could not publish.*2026-01-10 12:00:00 UTC stands.*free space"):
                publish_at(conn, place, models, NOW + DAY)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert total(place) == 5
        assert leftovers(place) == []
    publish_at(conn, place, models, NOW + DAY)
    assert total(place) == sum(range(200_000)) + 5


def test_publishing_before_the_first_build_says_build(
    raw_conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    raw_conn.execute(f"create view mart_data_quality as {models['mart_data_quality'].sql}")
    with pytest.raises(ChipledgerError, match=r"nothing is published yet; build the tables first: chipledger build"):
        publish_at(raw_conn, place, models)
    assert leftovers(place) == []


def leftovers(place: Home) -> list[str]:
    return sorted(path.name for path in place.published.rglob(".*"))


CRASHING = """
import sys
from datetime import timedelta
from pathlib import Path
from pipeline import failpoints
from pipeline.home import Home
from pipeline.models import load_models
from pipeline.publish import publish
from pipeline.warehouse import open_warehouse
from tests.unit.toy_marts import DAY_1, NOW
root, failpoint = Path(sys.argv[1]), sys.argv[2]
failpoints.arm(failpoint)
with open_warehouse(root / "ledger" / "warehouse.duckdb") as conn:
    conn.execute("update fct_hours set cost_usd = cost_usd + 1")
    moment = NOW + timedelta(days=1)
    publish(conn, Home(root / "ledger"), load_models(root / "sql"), published_at=moment, as_of=moment, code_version="2")
"""


@pytest.mark.parametrize(
    ("failpoint", "seen"),
    [
        ("publish.before_rename", 1),
        ("publish.after_rename", 2),
        ("publish.before_dated_rename", 2),
        ("publish.after_dated_rename", 2),
        ("publish.before_parquet_rename", 2),
        ("publish.after_parquet_rename@2", 2),
    ],
)
def test_a_kill_at_any_rename_leaves_a_whole_publication_and_the_next_run_mends_the_rest(
    failpoint: str, seen: int, place: Home, models: Models, tmp_path: Path
) -> None:
    with open_warehouse(place.warehouse) as conn:
        bootstrap(conn, comments=False)
        create_tables(conn, models)
        add_hours(conn, (DAY_1, "a", 1, "gpu"))
        publish_at(conn, place, models)
    repo = str(Path(publisher.__file__).parents[1])
    command = [sys.executable, "-c", CRASHING, str(tmp_path), failpoint]
    ended = subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": repo}, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert total(place) == seen
    assert total(place, NOW) == 1
    with open_warehouse(place.warehouse) as conn:
        publish_at(conn, place, models, NOW + 2 * DAY)
    assert leftovers(place) == []
    assert (total(place), total(place, NOW)) == (2, 1)
    assert (NOW + DAY in dated_copies(place.published)) == (seen == 2)
    parquet = f"select sum(cost_usd)::int from '{place.parquet}/fct_hours.parquet'"
    assert duckdb.connect().execute(parquet).fetchall() == [(2,)]


READER = """
import json, sys, time
from pathlib import Path
from pipeline import reading
home, stop = Path(sys.argv[1]), Path(sys.argv[2])
seen, errors = [], []
while not stop.exists():
    try:
        version = "(select code_version::int from publication)"
        sql = f"select count(*), min(cost_usd)::int, max(cost_usd)::int, {version} from fct_hours"
        seen.append(reading.query(home, sql).rows[0])
    except Exception as error:
        errors.append(str(error))
print(json.dumps([seen, errors]))
"""


def test_readers_in_other_processes_never_see_an_error_or_a_mixture(
    place: Home, models: Models, tmp_path: Path
) -> None:
    stop = tmp_path / "stop"
    repo = str(Path(publisher.__file__).parents[1])
    with open_warehouse(place.warehouse) as conn:
        bootstrap(conn, comments=False)
        create_tables(conn, models)
        conn.execute("insert into fct_hours select ? + to_hours(h), 'a', 0, 'gpu' from range(5000) as r(h)", [DAY_1])
        publish_at(conn, place, models, version="0")
        command = [sys.executable, "-c", READER, str(place.root), str(stop)]
        environment = {**os.environ, "PYTHONPATH": repo}
        readers = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
        inside: list[tuple[object, ...]] = []
        for number in range(1, 11):
            conn.execute(f"update fct_hours set cost_usd = {number}")
            publish_at(conn, place, models, NOW + timedelta(minutes=number), version=str(number))
            inside.append(reading.query(place.root, "select max(cost_usd)::int from fct_hours").rows[0])
            threading.Event().wait(0.05)
        stop.touch()
        answers = [json.loads(reader.communicate(timeout=60)[0]) for reader in readers]
    assert inside == [(number,) for number in range(1, 11)]
    for seen, errors in answers:
        assert errors == []
        assert len(seen) > 3
        assert [row for row in seen if not (row[0] == 5000 and row[1] == row[2] == row[3])] == []
