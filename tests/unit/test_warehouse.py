"""The warehouse opens in UTC, waits for its lock, names who holds it, and makes its own tables once."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import OlderHome, WarehouseLocked
from pipeline.warehouse import bootstrap, existing_tables, open_warehouse, scalar, transaction, utc_rows

HOLDER = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.readline()"


def test_a_warehouse_speaks_utc_whatever_the_machine_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    with open_warehouse(tmp_path / "new" / "warehouse.duckdb") as conn:
        assert scalar(conn, "select cast(timestamptz '2026-01-02 03:00:00+00' as date)::varchar") == "2026-01-02"


def test_nothing_is_drawn_into_what_others_read(tmp_path: Path) -> None:
    with open_warehouse(tmp_path / "w.duckdb") as conn:
        assert scalar(conn, "select current_setting('enable_progress_bar')") is False


def test_the_error_names_the_process_that_holds_the_warehouse(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(WarehouseLocked, match=rf"held by process {holder.pid}"),
            open_warehouse(path, wait_seconds=0.3),
        ):
            pass
        holder.communicate(b"\n")


def test_a_warehouse_held_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    script = HOLDER.replace("sys.stdin.readline()", "__import__('time').sleep(1)")
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with open_warehouse(path, wait_seconds=20) as conn:
            assert scalar(conn, "select 1") == 1


def test_bootstrap_makes_every_raw_table_with_its_comments_and_runs_again_unnoticed(
    tmp_path: Path, repo_root: Path
) -> None:
    with open_warehouse(tmp_path / "warehouse.duckdb") as conn:
        bootstrap(conn)
        names = {path.stem for path in (repo_root / "sql" / "raw").glob("*.sql")}
        assert set(existing_tables(conn)) == names
        assert scalar(conn, "select count(*) from duckdb_tables() where comment is null") == 0
        assert scalar(conn, "select count(*) from duckdb_columns() where not internal and comment is null") == 0
        conn.execute("insert into state_touched values ('raw_rejects', '2026-01-01', '2026-01-02')")
        bootstrap(conn)
        assert scalar(conn, "select count(*) from state_touched") == 1


def test_a_raw_table_of_an_older_home_gets_its_new_columns_and_keeps_its_rows(tmp_path: Path) -> None:
    with open_warehouse(tmp_path / "warehouse.duckdb") as conn:
        bootstrap(conn)
        conn.execute("insert into raw_cost_explorer_groups (account_id, unblended_cost) values ('1', 2)")
        conn.execute("alter table raw_cost_explorer_groups drop column blended_cost")
        bootstrap(conn)
        rows = conn.execute("select account_id, unblended_cost, blended_cost from raw_cost_explorer_groups").fetchall()
        assert [(account, int(cost), blended) for account, cost, blended in rows] == [("1", 2, None)]
        kind = "select data_type from duckdb_columns() where column_name = 'blended_cost' and comment is not null"
        assert scalar(conn, kind) == "DECIMAL(38,10)"


def test_a_home_with_columns_that_are_no_longer_kept_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with open_warehouse(path) as conn:
        bootstrap(conn)
        conn.execute("alter table raw_cloudwatch_samples add column neuron_core varchar")
        conn.execute("alter table raw_cost_explorer_groups drop column blended_cost")
        with pytest.raises(OlderHome, match=r"warehouse.duckdb: its table raw_cloudwatch_samples .* move the file"):
            bootstrap(conn)
        assert "blended_cost" not in conn.sql("from raw_cost_explorer_groups").columns


def test_a_transaction_sees_all_that_it_inserted(tmp_path: Path) -> None:
    """DuckDB 2.0.0 shows none of these rows before the commit when it keeps the order of insertion."""
    with open_warehouse(tmp_path / "warehouse.duckdb", threads=2) as conn, transaction(conn):
        conn.execute("create table numbers (number bigint)")
        conn.execute("insert into numbers select range from range(300000)")
        conn.execute("insert into numbers select range from range(100)")
        assert scalar(conn, "select count(*) from numbers") == 300_100


def _insert_and_break_off(conn: duckdb.DuckDBPyConnection) -> None:
    with transaction(conn):
        conn.execute("insert into numbers values (1)")
        raise KeyboardInterrupt


def test_what_breaks_off_inside_a_transaction_leaves_nothing() -> None:
    with duckdb.connect() as conn:
        conn.execute("create table numbers (number integer)")
        with pytest.raises(KeyboardInterrupt):
            _insert_and_break_off(conn)
        assert scalar(conn, "select count(*) from numbers") == 0


def test_times_are_read_as_aware_utc_whatever_the_session_says() -> None:
    with duckdb.connect() as conn:
        conn.execute("set TimeZone = 'Asia/Tokyo'")
        rows = utc_rows(conn, "select timestamptz '2026-01-02 03:00:00+09' as at, ? as word", ["x"])
        assert rows == [(datetime(2026, 1, 1, 18, tzinfo=UTC), "x")]


def test_a_query_without_rows_has_no_scalar() -> None:
    with duckdb.connect() as conn, pytest.raises(LookupError, match="no row from: select 1 where false"):
        scalar(conn, "select 1 where false")
