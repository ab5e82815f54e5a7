"""A model file is its contract: what it lacks, breaks or reads against the layers is an error naming the place."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import ModelError
from pipeline.headers import Check, parse_header
from pipeline.models import Models, bind, load_models

HEADER = """\
-- {name}: things as they are
-- grain:  thing_id
-- column: thing_id | what it is
-- check:  fail | thing_id <> '' | a thing has a name
"""
WINDOWED = HEADER + "-- column: seen_at | when it was seen\n-- window: seen_at\n"
FILTER = "where seen_at >= $start_at and seen_at < $end_at"


def write(sql_dir: Path, layer: str, name: str, sql: str, header: str = HEADER) -> Path:
    (sql_dir / layer).mkdir(parents=True, exist_ok=True)
    path = sql_dir / layer / f"{name}.sql"
    path.write_text(header.format(name=name) + sql + "\n")
    return path


@pytest.fixture
def sql_dir(tmp_path: Path) -> Path:
    write(tmp_path, "raw", "raw_things", "create table if not exists raw_things (thing_id varchar)")
    write(tmp_path, "staging", "stg_things", "select thing_id from raw_things")
    return tmp_path


def refusal(sql_dir: Path) -> str:
    with pytest.raises(ModelError) as error:
        load_models(sql_dir)
    return str(error.value)


def test_the_header_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "int_things.sql"
    path.write_text(
        "-- int_things: things: once an hour\n"
        "-- grain:  seen_at, thing_id\n"
        "-- column: seen_at | the hour\n"
        "-- column: thing_id | which one, a || b,\n"
        "--         told over two lines\n"
        "-- check:  fail | thing_id || 'x' <> 'x' | a nameless thing\n"
        "-- check:  warn | query: select 1\n"
        "--         where false | more than one\n"
        "-- window: seen_at\n"
        "-- lookback: 2 hours\n"
        "\n"
        "select 1 as a\n"
        ";\n"
    )
    header = parse_header(path)
    assert (header.purpose, header.grain) == ("things: once an hour", ("seen_at", "thing_id"))
    assert header.columns == {"seen_at": "the hour", "thing_id": "which one, a || b, told over two lines"}
    assert header.checks == (
        Check("fail", "a nameless thing", "thing_id_x_ne_x", expression="thing_id || 'x' <> 'x'"),
        Check("warn", "more than one", "more_than_one", query="select 1 where false"),
    )
    assert (header.window, header.lookback) == ("seen_at", timedelta(hours=2))
    assert (header.sql, header.first_sql_line) == ("select 1 as a", 12)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("-- owner: me", "owner: me"),
        ("--", "not a header line"),
        ("-- grain: thing_id", "a second grain"),
        ("-- column: thing_id | again", "each column once"),
        ("-- column: other", "each column once"),
        ("-- check: maybe | true | why", "fail|warn"),
        ("-- check: fail | true", "fail|warn"),
        ("-- check: warn | thing_id <> '' | again", "say it once"),
        ("-- lookback: soon", "minutes, hours or days"),
    ],
)
def test_a_broken_header_line_is_named_by_file_and_line(sql_dir: Path, line: str, complaint: str) -> None:
    write(sql_dir, "staging", "stg_things", "select thing_id from raw_things", HEADER + line + "\n")
    message = refusal(sql_dir)
    assert message.startswith("sql/staging/stg_things.sql:5: ")
    assert complaint in message


@pytest.mark.parametrize("key", ["grain", "column", "check"])
def test_a_model_without_grain_columns_or_check_does_not_build(sql_dir: Path, key: str) -> None:
    header = "".join(line for line in HEADER.splitlines(keepends=True) if f"-- {key}:" not in line)
    write(sql_dir, "staging", "stg_things", "select thing_id from raw_things", header)
    assert f"a model without {key} does not build" in refusal(sql_dir)


def test_a_file_says_its_own_name_first(sql_dir: Path) -> None:
    write(sql_dir, "staging", "stg_things", "select 1", HEADER.replace("{name}", "stg_other"))
    assert "the first line must read '-- stg_things: " in refusal(sql_dir)


def test_inputs_come_from_the_sql_and_order_the_models(sql_dir: Path) -> None:
    write(
        sql_dir,
        "intermediate",
        "int_a",
        "with own as (select * from int_b) select own.thing_id from own join stg_things as s using (thing_id) "
        "where thing_id not in (select thing_id from seed_things) union all select unnest(['a']) as thing_id",
    )
    write(sql_dir, "intermediate", "int_b", "select thing_id from stg_things")
    write(sql_dir, "seeds", "seed_things", "select 'a' as thing_id")
    models = load_models(sql_dir)
    assert models["int_a"].inputs == {"int_b", "stg_things", "seed_things"}
    assert list(models).index("int_b") < list(models).index("int_a")
    assert models["int_a"].layer == "intermediate"
    assert set(models.raw) == {"raw_things"}


@pytest.mark.parametrize(
    ("layer", "name", "reads", "complaint"),
    [
        ("staging", "stg_more", "stg_things", "staging must not read stg_things (staging)"),
        ("staging", "stg_more", "state_touched", "staging must not read state_touched"),
        ("intermediate", "int_more", "raw_things", "intermediate must not read raw_things (raw)"),
        ("marts", "mart_more", "stg_things", "marts must not read stg_things (staging)"),
        ("marts", "mart_freshness", "stg_things", "marts must not read stg_things (staging)"),
        ("signals", "sig_more", "stg_things", "signals must not read stg_things (staging)"),
        ("seeds", "seed_more", "raw_things", "it reads CSV files only"),
        ("staging", "stg_more", "raw_thing", "did you mean raw_things?"),
        ("marts", "int_more", "raw_things", "names in marts start with dim_ or fct_ or mart_"),
        ("staging", "stg_things", "raw_things union all select 2", ""),
    ],
)
def test_a_layer_reads_only_what_its_law_allows(
    sql_dir: Path, layer: str, name: str, reads: str, complaint: str
) -> None:
    write(sql_dir, "raw", "state_touched", "create table if not exists state_touched (thing_id varchar)")
    write(sql_dir, layer, name, f"select thing_id from {reads}")
    if complaint:
        assert complaint in refusal(sql_dir)
    else:
        assert load_models(sql_dir)


def test_marts_over_state_tables_are_views(sql_dir: Path) -> None:
    write(sql_dir, "marts", "mart_anomalies", "select thing_id from raw_things")
    models = load_models(sql_dir)
    assert [model.name for model in models.values() if model.is_view] == ["mart_anomalies"]


@pytest.mark.parametrize("clock", ["now()", "current_date", "Current_Timestamp", "today()", "random()"])
def test_no_model_reads_a_clock_or_a_die(sql_dir: Path, clock: str) -> None:
    write(sql_dir, "staging", "stg_things", f"select\n    {clock} as thing_id")
    assert refusal(sql_dir).startswith("sql/staging/stg_things.sql:6: ")


def test_a_staging_model_over_time_that_takes_neither_bound_is_a_view(sql_dir: Path) -> None:
    write(sql_dir, "staging", "stg_things", "select thing_id, seen_at from raw_things", WINDOWED)
    assert load_models(sql_dir)["stg_things"].is_view


def test_below_staging_a_model_over_time_takes_both_bounds(sql_dir: Path) -> None:
    write(sql_dir, "intermediate", "int_things", "select thing_id, seen_at from stg_things", WINDOWED)
    assert "filters by $start_at and $end_at" in refusal(sql_dir)


def test_words_that_only_look_like_a_clock_are_fine(sql_dir: Path) -> None:
    sql = "select -- not now()\n'today()' as thing_id, thing_id as now, cast(thing_id as uuid) as id from raw_things"
    write(sql_dir, "staging", "stg_things", sql)
    assert load_models(sql_dir)


@pytest.mark.parametrize(
    ("header", "sql", "complaint"),
    [
        (HEADER, f"select thing_id from raw_things {FILTER}", "known here: none (it has no window)"),
        (WINDOWED, f"select thing_id, $as_of as seen_at from raw_things {FILTER}", "$as_of is not given"),
        (WINDOWED, "select thing_id, seen_at from raw_things where seen_at < $end_at", "filters by $start_at and"),
        (HEADER, "select thing_id from read_csv('x.csv')", "make the file a seed"),
        (HEADER, "select 1; select 2", "a model is one SELECT"),
        (HEADER, "drop table raw_things", "a model is one SELECT"),
        (HEADER, "select thing_id\nfrom (", "stg_things.sql:6: does not parse"),
        (HEADER, "with raw_things as (select 1) select * from raw_things", "hides the table raw_things"),
        (HEADER + "-- window: other_at\n", "select 1", "other_at is part of the grain or the window"),
        (HEADER + "-- window: thing_id\n", "select 1", "must be a time (_at) or a UTC date (_date)"),
        (HEADER + "-- lookback: 2 hours\n", "select 1", "lookback without window"),
        (HEADER, "", "no statement below the header"),
    ],
)
def test_sql_that_cannot_be_replaced_window_by_window_is_refused(
    sql_dir: Path, header: str, sql: str, complaint: str
) -> None:
    write(sql_dir, "staging", "stg_things", sql, header)
    assert complaint in refusal(sql_dir)


def test_a_circle_of_models_is_shown(sql_dir: Path) -> None:
    write(sql_dir, "intermediate", "int_a", "select thing_id from int_b")
    write(sql_dir, "intermediate", "int_b", "select thing_id from int_a")
    assert "int_a → int_b → int_a" in refusal(sql_dir)


def test_a_seed_changes_with_its_csv(sql_dir: Path) -> None:
    write(sql_dir, "seeds", "seed_things", "select thing_id from read_csv($seeds_dir || '/things.csv')")
    assert "things.csv is not in sql/seeds" in refusal(sql_dir)
    hashes = set()
    for rows in ("thing_id\na\n", "thing_id\nb\n"):
        (sql_dir / "seeds" / "things.csv").write_text(rows)
        hashes.add(load_models(sql_dir)["seed_things"].definition_hash)
    assert len(hashes) == 2


def bound(models: Models, name: str) -> str:
    start_at, end_at = datetime(2026, 1, 1, 5, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    return bind(models[name], start_at=start_at, end_at=end_at, seeds_dir=Path("/it's"), as_of=end_at)


def test_binding_gives_sql_that_runs_as_it_stands(sql_dir: Path) -> None:
    write(
        sql_dir,
        "staging",
        "stg_hours",
        "select thing_id, seen_at from (select 'a$start_at' as thing_id, $start_at as seen_at from raw_things) "
        + FILTER,
        WINDOWED,
    )
    daily = WINDOWED.replace("seen_at", "seen_date")
    write(sql_dir, "staging", "stg_days", f"select thing_id, $start_at as seen_date from raw_things {FILTER}", daily)
    write(sql_dir, "seeds", "seed_things", "select $seeds_dir as thing_id")
    models = load_models(sql_dir)
    with duckdb.connect() as conn:
        conn.execute("set TimeZone = 'UTC'")
        conn.execute(
            "create table raw_things as select 'x' as thing_id, timestamptz '2026-01-01 06:00:00+00' as seen_at"
        )
        assert conn.execute(f"select seen_at::varchar from ({bound(models, 'stg_hours')})").fetchall() == [
            ("2026-01-01 05:00:00+00",)
        ]
        assert conn.execute(bound(models, "stg_days")).fetchall() == [("x", datetime(2026, 1, 1).date())]  # noqa: DTZ001
        assert conn.execute(bound(models, "seed_things")).fetchall() == [("/it's",)]


def test_the_shipped_models_keep_every_law(repo_root: Path) -> None:
    assert load_models(repo_root / "sql").raw
