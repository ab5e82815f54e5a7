"""Checks judge whole days, a failure stands until its days pass, and the gate names what on-call needs."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import checks
from pipeline.check_sql import evaluate
from pipeline.errors import CheckFailed, ModelError
from pipeline.models import Models, load_models
from pipeline.warehouse import utc_rows
from pipeline.windows import ALL_TIME
from tests.unit.toy_marts import DAY, DAY_1, NOW, add_hours, create_tables, touch, touch_whole, toy_models

HOUR = timedelta(hours=1)
KIND = "fct_hours:kind_in_gpu_trn"
COST = "fct_hours:cost_usd_gte_0"


@cache
def toy_models_once() -> Models:
    with TemporaryDirectory() as folder:
        return toy_models(Path(folder) / "sql")


@pytest.fixture
def models() -> Models:
    return toy_models_once()


@pytest.fixture
def conn(raw_conn: duckdb.DuckDBPyConnection, models: Models) -> duckdb.DuckDBPyConnection:
    create_tables(raw_conn, models)
    return raw_conn


def results(conn: duckdb.DuckDBPyConnection, check_id: str, columns: str) -> list[tuple[Any, ...]]:
    sql = f"select {columns} from state_check_results where check_id = ? order by window_start_at"
    return utc_rows(conn, sql, [check_id])


def test_each_day_with_rows_has_one_result_per_check(conn: duckdb.DuckDBPyConnection, models: Models) -> None:
    add_hours(conn, (DAY_1, "a", 1, "gpu"), (DAY_1 + HOUR, "a", 1, "gpu"), (DAY_1 + 2 * DAY, "a", 1, "tpu"))
    report = checks.run(conn, models, now=NOW)
    assert [(r.check_id, r.failed_count, r.checked_count) for r in report.warned] == [(KIND, 1, 1)]
    assert results(conn, KIND, "window_start_at, status, severity, checked_count") == [
        (DAY_1, "passed", "warning", 2),
        (DAY_1 + 2 * DAY, "warned", "warning", 1),
    ]
    assert report.failed == []


def test_a_null_makes_an_expression_fail(conn: duckdb.DuckDBPyConnection, models: Models) -> None:
    conn.execute("insert into fct_hours values (?, 'a', null, 'gpu')", [DAY_1])
    touch(conn, DAY_1)
    assert [r.check_id for r in checks.run(conn, models, now=NOW).failed] == [COST]


def test_the_grain_is_checked_without_being_asked(conn: duckdb.DuckDBPyConnection, models: Models) -> None:
    add_hours(conn, (DAY_1, "a", 1, "gpu"), (DAY_1, "a", 2, "gpu"), (DAY_1, None, 1, "gpu"), (DAY_1, "b", 1, "gpu"))
    (failed,) = checks.run(conn, models, now=NOW).failed
    assert (failed.check_id, failed.failed_count, failed.checked_count) == ("fct_hours:grain", 3, 4)
    assert {key["chip"] for key in failed.sample_keys} == {"a", None}
    assert len(conn.execute(failed.reproduce_sql).fetchdf()) == 3


def test_only_unchecked_windows_are_judged(conn: duckdb.DuckDBPyConnection, models: Models) -> None:
    add_hours(conn, (DAY_1, "a", 1, "gpu"), (DAY_1 + DAY, "a", 1, "gpu"))
    checks.run(conn, models, now=NOW)
    conn.execute("update fct_hours set cost_usd = -1")
    touch(conn, DAY_1 + DAY + 5 * HOUR)
    assert [r.window_start_at for r in checks.run(conn, models, now=NOW).failed] == [DAY_1 + DAY]


def test_a_failure_stands_until_its_day_passes(conn: duckdb.DuckDBPyConnection, models: Models) -> None:
    add_hours(conn, (DAY_1, "a", -1, "gpu"))
    checks.run(conn, models, now=NOW)
    add_hours(conn, (DAY_1 + DAY, "a", 1, "gpu"))
    assert [r.check_id for r in checks.run(conn, models, now=NOW + DAY).failed] == [COST]
    touch(conn, DAY_1)
    (again,) = checks.run(conn, models, now=NOW + DAY).failed
    assert again.first_failed_at == NOW
    conn.execute("update fct_hours set cost_usd = 1")
    touch(conn, DAY_1)
    assert checks.run(conn, models, now=NOW + DAY).failed == []
    assert results(conn, COST, "status, first_failed_at")[0] == ("passed", None)


def test_a_failed_day_that_lost_its_rows_is_forgotten(conn: duckdb.DuckDBPyConnection, models: Models) -> None:
    add_hours(conn, (DAY_1, "a", -1, "gpu"))
    checks.run(conn, models, now=NOW)
    conn.execute("delete from fct_hours")
    touch(conn, DAY_1)
    assert checks.run(conn, models, now=NOW).failed == []


def test_results_of_models_and_checks_that_are_gone_are_dropped(
    conn: duckdb.DuckDBPyConnection, models: Models
) -> None:
    conn.execute(
        "insert into state_check_results (check_id, window_start_at, window_end_at, model, status) values "
        "('fct_hours:old', ?, ?, 'fct_hours', 'failed'), ('gx:gone:grain', ?, ?, 'gone', 'warned')",
        [DAY_1] * 4,
    )
    report = checks.run(conn, models, now=NOW)
    assert (report.failed, report.warned) == ([], [])


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.sets(st.integers(1, 95), max_size=6), bad=st.sets(st.integers(0, 95), max_size=4), data=st.data())
def test_results_do_not_depend_on_how_windows_were_cut_or_ordered(
    cuts: set[int], bad: set[int], data: st.DataObject, conn: duckdb.DuckDBPyConnection
) -> None:
    models = toy_models_once()
    answers = []
    for edges in ([0, 96], [0, *sorted(cuts), 96]):
        for table in ("fct_hours", "state_check_results", "state_unchecked"):
            conn.execute(f"delete from {table}")
        usd = "case when list_contains($bad, hour) then -1 else 1 end"
        sql = f"insert into fct_hours select $day + to_hours(hour), 'a', {usd}, 'gpu' from range(96) as hours(hour)"
        conn.execute(sql, {"day": DAY_1, "bad": sorted(bad)})
        for start, end in data.draw(st.permutations(list(pairwise(edges)))):
            touch(conn, DAY_1 + start * HOUR, hours=end - start)
            checks.run(conn, models, now=NOW)
        answers.append(conn.execute("select columns(*)::varchar from state_check_results order by all").fetchall())
    assert answers[0] == answers[1]
    assert len(answers[0]) >= 4 * 5


def test_a_query_that_returns_the_window_column_fails_on_the_days_it_names(
    conn: duckdb.DuckDBPyConnection, models: Models
) -> None:
    add_hours(conn, (DAY_1, "ghost", 1, "gpu"), (DAY_1 + DAY, "a", 1, "gpu"))
    (failed,) = checks.run(conn, models, now=NOW).failed
    assert (failed.check_id, failed.window_start_at) == ("fct_hours:ghosts_own_no_hours", DAY_1)
    assert failed.sample_keys == ({"hour_at": "2026-01-01 00:00:00+00", "chip": "ghost"},)


def test_a_query_that_takes_the_window_is_asked_day_by_day_where_it_fails(
    conn: duckdb.DuckDBPyConnection, models: Models
) -> None:
    add_hours(conn, *((DAY_1 + day * DAY, "a", 1500 if day in (3, 7) else 1, "gpu") for day in range(10)))
    touch_whole(conn, ["fct_hours"])
    failed = checks.run(conn, models, now=NOW).failed
    assert {r.check_id for r in failed} == {"fct_hours:a_day_above_1000_usd_is_a_unit_error"}
    assert [r.window_start_at for r in failed] == [DAY_1 + 3 * DAY, DAY_1 + 7 * DAY]


def test_any_other_query_sees_the_whole_table(conn: duckdb.DuckDBPyConnection, models: Models) -> None:
    conn.execute("insert into fct_hours select ? + to_hours(h), 'a', 1, 'gpu' from range(901) as r(h)", [DAY_1])
    touch(conn, DAY_1)
    (failed,) = checks.run(conn, models, now=NOW).failed
    assert (failed.check_id, failed.window_start_at) == ("fct_hours:more_hours_than_the_fleet_has", ALL_TIME.start_at)
    assert failed.sample_keys == ({"n": 901},)
    assert "whole table" in str(failed)


def test_a_table_without_rows_is_skipped_not_passed(conn: duckdb.DuckDBPyConnection, models: Models) -> None:
    touch_whole(conn, ["dim_chip", "fct_hours"])
    assert checks.run(conn, models, now=NOW).passed_count == 0
    assert results(conn, "dim_chip:grain", "status, checked_count") == [("skipped", 0)]


def test_keys_that_repeat_on_another_day_fail_when_the_grain_has_no_time(
    conn: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    toy_models(tmp_path / "sql")
    file = tmp_path / "sql" / "marts" / "fct_hours.sql"
    file.write_text(file.read_text().replace("grain:  hour_at, chip", "grain:  chip"))
    models = load_models(tmp_path / "sql")
    add_hours(conn, (DAY_1, "a", 1, "gpu"), (DAY_1 + DAY, "a", 1, "gpu"), (DAY_1 + DAY, "b", 1, "gpu"))
    conn.execute("delete from state_unchecked")
    touch(conn, DAY_1 + DAY)
    (failed,) = checks.run(conn, models, now=NOW).failed
    assert (failed.check_id, failed.failed_count, failed.window_start_at) == ("fct_hours:grain", 1, DAY_1 + DAY)


def test_a_check_that_does_not_run_names_its_file_and_leaves_nothing(
    conn: duckdb.DuckDBPyConnection, models: Models
) -> None:
    add_hours(conn, (DAY_1, "a", 1, "gpu"))
    conn.execute("alter table fct_hours drop column kind")
    with pytest.raises(ModelError, match=r"fct_hours.sql.*a check does not run.*kind"):
        checks.run(conn, models, now=NOW)
    assert conn.execute("select count(*) from state_unchecked").fetchall() == [(1,)]


def test_the_gate_names_check_window_count_keys_and_sql(conn: duckdb.DuckDBPyConnection, models: Models) -> None:
    add_hours(conn, *((DAY_1, f"chip-{number}", -1, "gpu") for number in range(7)))
    checks.run(conn, models, now=NOW)
    with pytest.raises(CheckFailed) as caught:
        checks.gate(conn)
    text = str(caught.value)
    for part in (COST, "2026-01-01", "7 of 7 rows of fct_hours", "lost credit row", "chip-4", "chipledger build"):
        assert part in text
    assert "chip-5" not in text
    sql = next(line.strip() for line in text.splitlines() if line.strip().startswith("select"))
    assert len(conn.execute(sql).fetchdf()) == 7


def test_the_gate_lets_warnings_pass(conn: duckdb.DuckDBPyConnection, models: Models) -> None:
    add_hours(conn, (DAY_1, "a", 1, "tpu"))
    assert len(checks.run(conn, models, now=NOW).warned) == 1
    checks.gate(conn)


def test_a_view_that_later_steps_fill_is_judged_when_published(conn: duckdb.DuckDBPyConnection, models: Models) -> None:
    conn.execute(
        "insert into state_check_results (check_id, window_start_at, status) values ('x:y', ?, 'odd')",
        [DAY_1],
    )
    with pytest.raises(CheckFailed, match="mart_data_quality:status_in"):
        checks.judge_views(conn, models.values(), now=NOW)


def test_one_pass_counts_all_expressions(conn: duckdb.DuckDBPyConnection, models: Models) -> None:
    add_hours(conn, (DAY_1, "a", -1, "tpu"))
    outcomes = {out.check_id: out for out in evaluate(conn, models["fct_hours"], [ALL_TIME])}
    assert {slug for slug, out in outcomes.items() if out.failed_count} == {KIND, COST}
    assert json.loads(outcomes[COST].sample_keys or "") == [{"hour_at": "2026-01-01 00:00:00+00", "chip": "a"}]


def test_nothing_to_validate_costs_no_import_of_great_expectations(
    conn: duckdb.DuckDBPyConnection, models: Models
) -> None:
    was_loaded = "great_expectations" in sys.modules
    touch_whole(conn, ["dim_chip", "fct_hours"])
    checks.run(conn, models, now=NOW)
    report = checks.validate_batches(lambda: nullcontext(conn), models, now=NOW, docs_dir=None)
    assert str(report) == "0 results passed, 0 warned, 0 failed"
    assert ("great_expectations" in sys.modules) == was_loaded


@pytest.mark.slow
def test_great_expectations_judges_the_newest_days_from_the_same_headers(
    conn: duckdb.DuckDBPyConnection, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "BATCH_ROWS", 3)
    add_hours(conn, (DAY_1, "old", -1, "gpu"))
    add_hours(conn, *((DAY_1 + DAY, chip, usd, "tpu") for chip, usd in (("a", 1), ("b", -1), ("c", 1))))
    conn.execute("insert into dim_chip values ('a', 1), ('b', 2)")
    touch_whole(conn, ["dim_chip"])
    failed = checks.run(conn, models, now=NOW).failed
    report = checks.validate_batches(lambda: nullcontext(conn), models, now=NOW, docs_dir=tmp_path / "docs")
    assert {(r.check_id, r.severity, r.failed_count) for r in report.warned} == {
        (f"gx:{COST}", "warning", 1),
        (f"gx:{KIND}", "info", 3),
    }
    assert {r.window_start_at for r in report.warned} == {DAY_1 + DAY}
    assert next(r for r in report.warned if r.check_id == f"gx:{COST}").sample_keys[0]["chip"] == "b"
    assert results(conn, "gx:dim_chip:grain", "status, checked_count") == [("passed", 2)]
    assert (tmp_path / "docs" / "index.html").is_file()
    assert checks.standing(conn, is_gx=False).failed == failed
    assert conn.execute("select count(*) from state_unvalidated").fetchall() == [(0,)]
    conn.execute("update fct_hours set cost_usd = 1, kind = 'gpu'")
    touch(conn, DAY_1 + DAY)
    checks.run(conn, models, now=NOW)
    assert checks.validate_batches(lambda: nullcontext(conn), models, now=NOW, docs_dir=tmp_path / "docs").warned == []
    touch(conn, DAY_1 + DAY + HOUR)
    checks.run(conn, models, now=NOW)
    checks.validate_batches(lambda: nullcontext(conn), models, now=NOW, docs_dir=None)
    twice = "select check_id from state_check_results group by check_id, window_start_at having count(*) > 1"
    assert conn.execute(twice).fetchall() == [], "an hour of a day that was judged before replaces the day's verdict"
