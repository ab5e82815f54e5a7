"""The builder replaces exactly what was touched: in any batches and any order, the tables equal one full build."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.build import build
from pipeline.errors import ModelError
from pipeline.models import load_models
from pipeline.rule_tables import load_rules
from pipeline.warehouse import existing_tables, scalar
from pipeline.windows import ALL_TIME
from tests.unit.toy_build import (
    AS_OF,
    CONTRACTS,
    TABLES,
    TOY,
    Sample,
    at,
    connect,
    contents,
    deliveries,
    land,
    price,
    rows,
    run,
    window,
    write_model,
    write_toy,
)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "sql")


@pytest.fixture
def sql_dir(toy: Path, tmp_path: Path) -> Path:
    """A copy of the toy models that a test may change."""
    return shutil.copytree(toy, tmp_path / "sql")


@pytest.fixture
def conn(toy: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(toy) as connection:
        yield connection


@settings(max_examples=settings().max_examples // 2)
@given(stream=deliveries(), data=st.data())
def test_builds_in_any_batches_and_order_equal_one_full_build(
    toy: Path, stream: list[list[Sample]], data: st.DataObject
) -> None:
    numbered = list(enumerate(stream))
    prices = data.draw(st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 3)), min_size=1, max_size=3))
    with connect(toy) as whole, connect(toy) as parts:
        for number, samples in numbered:
            land(whole, samples, number)
        load_rules(whole, price(*prices))
        run(whole, toy)
        for number, samples in data.draw(st.permutations(numbered)):
            land(parts, samples, number)
            if data.draw(st.booleans()):
                load_rules(parts, price(*data.draw(st.lists(st.sampled_from(prices), max_size=3))))
            if data.draw(st.booleans()):
                run(parts, toy)
        load_rules(parts, price(*prices))
        run(parts, toy)
        assert contents(parts) == contents(whole)


def test_an_empty_warehouse_gets_every_table_empty(conn: duckdb.DuckDBPyConnection, toy: Path) -> None:
    result = run(conn, toy)
    assert set(result.rebuilt) == set(TABLES)
    assert all(not found for name, found in contents(conn).items() if name != "seed_devices")
    assert existing_tables(conn)["mart_freshness"] == "view"


def test_a_build_with_nothing_touched_does_nothing_and_says_so(conn: duckdb.DuckDBPyConnection, toy: Path) -> None:
    land(conn, [(5, "a", 3)], 1)
    assert not run(conn, toy).is_noop
    assert run(conn, toy).is_noop


def test_only_the_touched_hours_and_days_are_rebuilt(conn: duckdb.DuckDBPyConnection, toy: Path) -> None:
    load_rules(conn, price((0, 1)))
    land(conn, [(minute, "a", 1) for minute in range(0, 3 * 1440, 60)], 1)
    run(conn, toy)
    land(conn, [(1500, "a", 1), (1501, "a", 2)], 2)
    rebuilt = run(conn, toy).rebuilt
    assert rebuilt["stg_samples"] == [window(1500, 1560)]
    assert rebuilt["int_hours"] == rebuilt["int_costs"] == [window(1500 - 120, 1560 + 120)]
    assert rebuilt["int_devices"] == [ALL_TIME]


def test_hours_that_were_and_stay_empty_do_not_rebuild_what_is_made_of_them(
    conn: duckdb.DuckDBPyConnection, sql_dir: Path
) -> None:
    write_model(sql_dir, "intermediate/int_devices", "select device, team, 0 as joules from seed_devices")
    load_rules(conn, price((0, 1), device="a"))
    land(conn, [(minute, "b", 1) for minute in range(0, 3 * 1440, 60)], 1)
    run(conn, sql_dir)
    land(conn, [(1500, "b", 2)], 2)
    rebuilt = run(conn, sql_dir).rebuilt
    assert rebuilt["int_costs"] == [window(1500 - 120, 1560 + 120)]  # b has no price
    assert "mart_days" not in rebuilt
    land(conn, [(1500, "a", 2)], 3)
    assert run(conn, sql_dir).rebuilt["mart_days"] == [window(0, 2 * 1440)]


def test_hours_that_become_empty_rebuild_what_is_made_of_them(conn: duckdb.DuckDBPyConnection, toy: Path) -> None:
    load_rules(conn, price((0, 1), device="a"))
    land(conn, [(600, "a", 1)], 1)
    run(conn, toy)
    assert scalar(conn, "select count(*) from mart_days") == 1
    conn.execute("delete from raw_samples")
    conn.execute("insert into state_touched values ('raw_samples', ?, ?)", [at(600), at(601)])
    run(conn, toy)
    assert scalar(conn, "select count(*) from mart_days") == 0


def test_a_staging_view_stores_no_row_and_hands_on_what_was_touched(
    conn: duckdb.DuckDBPyConnection, sql_dir: Path
) -> None:
    write_model(sql_dir, "staging/stg_samples", "select sample_at, device, watts from raw_samples")
    load_rules(conn, price((0, 1)))
    land(conn, [(minute, "a", 1) for minute in range(0, 3 * 1440, 60)], 1)
    run(conn, sql_dir)
    assert existing_tables(conn)["stg_samples"] == "view"
    land(conn, [(1500, "a", 1), (1501, "a", 2)], 2)
    rebuilt = run(conn, sql_dir).rebuilt
    assert rebuilt["stg_samples"] == [window(1500, 1560)]
    assert rebuilt["int_hours"] == [window(1500 - 120, 1560 + 120)]
    step_by_step = rows(conn, "select * from mart_days order by all")
    conn.execute("delete from state_models")
    run(conn, sql_dir)
    assert rows(conn, "select * from mart_days order by all") == step_by_step


def test_a_changed_staging_view_rebuilds_its_readers(conn: duckdb.DuckDBPyConnection, sql_dir: Path) -> None:
    write_model(sql_dir, "staging/stg_samples", "select sample_at, device, watts from raw_samples")
    load_rules(conn, price((0, 1)))
    land(conn, [(5, "a", 1)], 1)
    run(conn, sql_dir)
    write_model(sql_dir, "staging/stg_samples", "select sample_at, device, 10 * watts as watts from raw_samples")
    run(conn, sql_dir)
    assert scalar(conn, "select sum(joules) from int_hours") == 10 * 120


def test_deliveries_that_brought_no_row_do_not_stop_a_build(conn: duckdb.DuckDBPyConnection, toy: Path) -> None:
    land(conn, [(5, "a", 1)], 1)
    conn.execute("update raw_deliveries set row_count = 0")
    assert run(conn, toy).rebuilt["int_hours"]


def test_another_version_of_duckdb_builds_everything_anew(
    conn: duckdb.DuckDBPyConnection, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(conn, toy)
    monkeypatch.setattr(duckdb, "__version__", "9.9.9")
    assert run(conn, toy).rebuilt["int_hours"]


def test_a_day_table_is_replaced_by_whole_days(conn: duckdb.DuckDBPyConnection, sql_dir: Path) -> None:
    independent = TOY["marts/mart_days"].replace("join int_devices using (device)", "").replace("team", "device")
    grain, columns, more = CONTRACTS["mart_days"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(
            CONTRACTS, "mart_days", (grain.replace("team", "device"), columns.replace("team", "device"), more)
        )
        write_model(sql_dir, "marts/mart_days", independent)
    load_rules(conn, price((0, 1)))
    land(conn, [(minute, "a", 1) for minute in range(0, 4 * 1440, 60)], 1)
    run(conn, sql_dir)
    land(conn, [(1440 + 300, "a", 9)], 2)
    assert run(conn, sql_dir).rebuilt["mart_days"] == [window(1440, 2880)]


def test_rebuilt_windows_wait_for_the_checks_until_these_clear_them(conn: duckdb.DuckDBPyConnection, toy: Path) -> None:
    run(conn, toy)
    conn.execute("delete from state_unchecked")
    land(conn, [(5, "b", 3)], 1)
    rebuilt = run(conn, toy).rebuilt
    waiting = rows(conn, "select model, start_at, end_at from state_unchecked order by all")
    assert waiting == sorted((name, w.start_at, w.end_at) for name, windows in rebuilt.items() for w in windows)
    assert rows(conn, "select * from state_touched") == []


def test_a_changed_price_rebuilds_only_the_time_since_it_holds(conn: duckdb.DuckDBPyConnection, toy: Path) -> None:
    load_rules(conn, price((0, 1), (3000, 2)))
    land(conn, [(minute, "a", 1) for minute in range(10, 3 * 1440, 60)], 1)
    run(conn, toy)
    assert load_rules(conn, price((0, 1), (3000, 7)))
    rebuilt = run(conn, toy).rebuilt
    assert rebuilt["int_costs"][0].start_at == at(3000)
    assert "int_hours" not in rebuilt
    assert not load_rules(conn, price((0, 1), (3000, 7)))
    assert run(conn, toy).is_noop


def test_a_seed_whose_csv_changes_reaches_its_readers(conn: duckdb.DuckDBPyConnection, sql_dir: Path) -> None:
    load_rules(conn, price((0, 1)))
    land(conn, [(5, "a", 3)], 1)
    run(conn, sql_dir)
    (sql_dir / "seeds" / "devices.csv").write_text("device,team\nb,blue\na,green\n")
    assert set(run(conn, sql_dir).rebuilt) == {"seed_devices", "int_devices", "mart_days"}
    assert rows(conn, "select team from mart_days") == [("green",)]


def test_a_seed_written_in_another_order_changes_nothing_below(conn: duckdb.DuckDBPyConnection, sql_dir: Path) -> None:
    run(conn, sql_dir)
    (sql_dir / "seeds" / "devices.csv").write_text("device,team\nb,blue\na,red\n")
    assert set(run(conn, sql_dir).rebuilt) == {"seed_devices"}


def test_a_changed_model_and_its_readers_are_rebuilt_everywhere(conn: duckdb.DuckDBPyConnection, sql_dir: Path) -> None:
    load_rules(conn, price((0, 1)))
    land(conn, [(5, "a", 3), (1600, "a", 3)], 1)
    run(conn, sql_dir)
    write_model(sql_dir, "intermediate/int_costs", TOY["intermediate/int_costs"].replace("* max_by", "* 2 * max_by"))
    rebuilt = run(conn, sql_dir).rebuilt
    assert set(rebuilt) == {"int_costs", "mart_days"}
    assert rows(conn, "select sum(cost)::integer from mart_days") == [(2 * 2 * 2 * 60 * 3,)]


def test_a_lost_table_is_built_again(conn: duckdb.DuckDBPyConnection, toy: Path) -> None:
    land(conn, [(5, "a", 3)], 1)
    run(conn, toy)
    before = contents(conn)
    conn.execute("drop table int_hours")
    run(conn, toy)
    assert contents(conn) == before


def test_the_table_of_a_deleted_model_is_dropped(conn: duckdb.DuckDBPyConnection, sql_dir: Path) -> None:
    run(conn, sql_dir)
    for name in ("mart_days", "mart_freshness"):
        (sql_dir / "marts" / f"{name}.sql").unlink()
    run(conn, sql_dir)
    assert not {"mart_days", "mart_freshness"} & set(existing_tables(conn))
    assert scalar(conn, "select count(*) from state_models where model like 'mart%'") == 0


def test_a_table_that_becomes_a_view_is_replaced(conn: duckdb.DuckDBPyConnection, toy: Path) -> None:
    conn.execute("create table mart_freshness (leftover integer)")
    run(conn, toy)
    assert existing_tables(conn)["mart_freshness"] == "view"


def test_freshness_is_judged_at_the_time_given_even_when_nothing_was_touched(
    conn: duckdb.DuckDBPyConnection, toy: Path
) -> None:
    land(conn, [(5, "a", 3)], 1)
    run(conn, toy)
    later = AS_OF + timedelta(hours=1)
    assert build(conn, load_models(toy), as_of=later).is_noop
    assert rows(conn, "select judged_at from mart_freshness") == [(later,)]


def test_the_header_is_written_onto_tables_and_columns(conn: duckdb.DuckDBPyConnection, toy: Path) -> None:
    land(conn, [(5, "a", 3)], 1)
    run(conn, toy)
    tables = dict(
        rows(conn, "select table_name, comment from duckdb_tables() where not starts_with(table_name, 'raw')")
    )
    assert {tables[name] for name in TABLES if name != "mart_freshness"} == {"toy"}
    assert rows(conn, "select comment from duckdb_views() where view_name = 'mart_freshness'") == [("toy",)]
    columns = "select comment from duckdb_columns() where table_name = 'int_devices' order by column_index"
    assert rows(conn, columns) == [("the device",), ("the team",), ("the joules",)]


@pytest.mark.parametrize(
    ("place", "old", "new", "complaint"),
    [
        ("staging/stg_samples", "watts\n", "watts, 1 as more\n", "columns without a '-- column:' line: more"),
        ("staging/stg_samples", "device, watts", "device", "documented, but not selected: watts"),
        ("staging/stg_samples", "select sample_at", "select sample_at::varchar as sample_at", "it must be TIMESTAMP"),
        ("staging/stg_samples", "raw_samples join", "raw_samples joined", "stg_samples.sql:10: "),
        ("staging/stg_samples", "select sample_at, device", "select sample_at, divice as device", "sql:9: "),
        ("staging/stg_samples", "device, watts", "device::integer as device, watts", "Could not convert string 'b'"),
        ("marts/mart_days", "as date) as", "as date) + 9 as", "lies outside its window"),
    ],
)
def test_a_model_that_breaks_its_contract_stops_the_build_and_changes_nothing(
    conn: duckdb.DuckDBPyConnection, sql_dir: Path, place: str, old: str, new: str, complaint: str
) -> None:
    load_rules(conn, price((0, 1), device="b"))
    land(conn, [(5, "b", 3)], 1)
    run(conn, sql_dir)
    conn.execute("drop view mart_freshness")  # it sees the ledger, not the build
    before = rows(conn, "select * from stg_samples, int_hours, mart_days")
    land(conn, [(6, "b", 4)], 2)
    write_model(sql_dir, place, TOY[place].replace(old, new))
    with pytest.raises(ModelError, match=place) as error:
        run(conn, sql_dir)
    assert complaint in str(error.value)
    assert rows(conn, "select * from stg_samples, int_hours, mart_days") == before
    assert scalar(conn, "select count(*) from state_touched") == 1


def test_progress_is_told_before_each_model(conn: duckdb.DuckDBPyConnection, toy: Path) -> None:
    told: list[tuple[str, int, int]] = []
    build(conn, load_models(toy), as_of=AS_OF, on_progress=lambda *step: told.append(step))
    assert [step[0] for step in told] == list(load_models(toy))
    assert told[-1][1:] == (len(TABLES) - 1, len(TABLES))
