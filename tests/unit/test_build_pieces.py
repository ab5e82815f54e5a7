"""A build cuts its work into pieces, and takes no more threads than it needs: the tables are the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings

from pipeline import build as build_module
from pipeline.build import build
from pipeline.materialise import replace_window
from pipeline.models import Model, load_models
from pipeline.rule_tables import load_rules
from pipeline.warehouse import scalar
from pipeline.windows import Window
from tests.unit.toy_build import AS_OF, Sample, at, connect, contents, deliveries, land, price, rows, run, write_toy


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "sql")


@pytest.fixture
def conn(toy: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(toy) as connection:
        yield connection


@settings(max_examples=settings().max_examples // 5)
@given(stream=deliveries())
def test_chunks_of_a_day_give_the_same_tables_as_one_chunk(toy: Path, stream: list[list[Sample]]) -> None:
    results = []
    for chunk_rows in (1, 10**9):
        with connect(toy) as conn, pytest.MonkeyPatch.context() as patch:
            patch.setattr(build_module, "CHUNK_ROWS", chunk_rows)
            load_rules(conn, price((0, 1)))
            for number, samples in enumerate(stream):
                land(conn, samples, number)
            run(conn, toy)
            results.append(contents(conn))
    assert results[0] == results[1]


def test_the_newest_days_are_written_last_and_alone(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Window] = []

    def replace(conn: duckdb.DuckDBPyConnection, model: Model, select: str, window: Window, **options: Any) -> Any:
        if model.name == "int_costs":
            built.append(window)
        return replace_window(conn, model, select, window, **options)

    monkeypatch.setattr(build_module, "replace_window", replace)
    with connect(toy) as conn:
        load_rules(conn, price((0, 1)))
        land(conn, [(1440 * day, "a", day) for day in range(1, 5)], 0)
        run(conn, toy)
    assert len(built) == 2
    assert built[0].end_at == built[1].start_at == at(1440 * 3)


def _threads_of_build(conn: duckdb.DuckDBPyConnection, sql_dir: Path) -> set[int]:
    seen: set[int] = set()

    def look(name: str, done: int, total: int) -> None:
        seen.add(scalar(conn, "select current_setting('threads')"))

    build(conn, load_models(sql_dir), as_of=AS_OF, on_progress=look)
    return seen


def test_an_hour_of_few_rows_is_built_by_one_thread_and_everything_else_by_all(
    conn: duckdb.DuckDBPyConnection, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn.execute("set threads = 3")
    land(conn, [(minute, "a", 1) for minute in range(0, 3 * 1440, 60)], 1)
    assert _threads_of_build(conn, toy) == {3}
    land(conn, [(1500, "a", 2)], 2)
    assert _threads_of_build(conn, toy) == {1}
    land(conn, [(0, "b", 2), (2 * 1440, "b", 2)], 3)
    assert _threads_of_build(conn, toy) == {3}
    load_rules(conn, price((0, 1)))
    assert _threads_of_build(conn, toy) == {3}
    monkeypatch.setattr(build_module, "LIGHT_ROWS", 10)
    land(conn, [(1500, "b", 2)], 4)
    assert _threads_of_build(conn, toy) == {3}


def test_a_failed_build_gives_the_threads_back(conn: duckdb.DuckDBPyConnection, toy: Path) -> None:
    conn.execute("set threads = 3")
    land(conn, [(1500, "a", 1)], 1)
    run(conn, toy)
    land(conn, [(1500, "a", 2)], 2)
    with pytest.raises(RuntimeError, match="stopped"):
        build(conn, load_models(toy), as_of=AS_OF, on_progress=_stop_within)
    assert scalar(conn, "select current_setting('threads')") == 3


def _stop_within(name: str, done: int, total: int) -> None:
    if done == 3:
        raise RuntimeError("stopped")


def test_a_large_chunk_before_a_small_one_reaches_the_models_below(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB 2.0.0 would hide the rows of the first chunk until the commit, and int_hours would stay empty."""
    monkeypatch.setattr(build_module, "CHUNK_ROWS", 1000)
    with connect(toy) as conn:
        conn.execute("set threads = 2")
        land(conn, [(0, "a", 1), (1440, "a", 1), (2000, "a", 1)], 1)
        conn.execute(
            "insert into raw_samples select delivery_id, sample_at + to_milliseconds(number), device, watts "
            "from raw_samples, range(1, 140000) as numbers (number) where sample_at = '2026-01-01 00:00:00+00'"
        )
        conn.execute("update raw_deliveries set row_count = 140002")
        run(conn, toy)
        assert rows(conn, "select joules > 0 from int_hours where hour_at = '2026-01-01 00:00:00+00'") == [(True,)]


def test_an_absurd_time_in_the_data_costs_one_more_chunk_not_a_million(
    conn: duckdb.DuckDBPyConnection, toy: Path
) -> None:
    land(conn, [(5, "a", 3)], 1)
    conn.execute("insert into raw_samples values (uuid(), '1971-01-01', 'a', 1)")
    conn.execute("update raw_deliveries set event_start_at = '1650-01-01'")
    assert run(conn, toy).seconds < 5
    assert scalar(conn, "select count(*) from int_hours") == 1
