"""A reader gets one read-only statement over the published snapshot, and nothing else."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from pipeline import reading
from pipeline.errors import ChipledgerError, NothingPublished, QueryRefused, UsageError
from pipeline.home import Home
from pipeline.publish import publish
from pipeline.warehouse import bootstrap
from tests.unit.toy_marts import DAY, DAY_1, NOW, add_hours, create_tables, toy_models


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger published at NOW."""
    folder = tmp_path_factory.mktemp("reading")
    models = toy_models(folder / "sql")
    with duckdb.connect() as conn:
        conn.execute("set TimeZone = 'UTC'")
        bootstrap(conn, comments=False)
        create_tables(conn, models)
        add_hours(conn, (DAY_1 + DAY, "b", 2, "gpu"), (DAY_1, "a", 1.5, "a,b\n"))
        publish(conn, Home(folder / "ledger"), models, published_at=NOW, as_of=NOW, code_version="1")
    return folder / "ledger"


def test_before_any_publication_the_reader_is_told_what_to_run(tmp_path: Path) -> None:
    for read in (
        lambda: reading.query(tmp_path, "select 1"),
        lambda: reading.tables(tmp_path),
        lambda: reading.export(tmp_path, "fct_hours", tmp_path / "out.csv"),
    ):
        with pytest.raises(NothingPublished, match=r"^nothing published yet: run chipledger build$"):
            read()


def test_no_progress_is_drawn_into_an_answer(root: Path) -> None:
    assert reading.query(root, "select current_setting('enable_progress_bar')").rows == [(False,)]


def test_answers_are_python_values_in_utc(root: Path) -> None:
    columns, rows = reading.query(root, "select *, 1::hugeint as n, date '2026-01-01' as day from fct_hours;")
    assert columns == ["hour_at", "chip", "cost_usd", "kind", "n", "day"]
    assert rows[0] == (DAY_1, "a", Decimal("1.5000000000"), "a,b\n", 1, date(2026, 1, 1))
    assert rows[0][0].utcoffset() == timedelta(0)
    assert isinstance(rows[0][4], int)


@pytest.mark.parametrize(
    "sql",
    [
        "from fct_hours",
        "values (1)",
        "describe fct_hours",
        "summarize fct_hours",
        "show tables",
        "explain select 1",
        "with x as (select 1 as one) select one from x",
        "select 1; ",
        "select 'a;b' -- c;",
    ],
)
def test_every_way_to_read_is_taken(sql: str, root: Path) -> None:
    assert reading.query(root, sql).rows


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("", "one statement at a time, got 0"),
        ("select 1; select 2", "one statement at a time, got 2"),
        ("insert into fct_hours values (1)", "INSERT is refused"),
        ("update fct_hours set kind = ''", "UPDATE is refused"),
        ("delete from fct_hours", "DELETE is refused"),
        ("drop table fct_hours", "DROP is refused"),
        ("create table x as select 1", "CREATE is refused"),
        ("create temp table x as select 1", "CREATE is refused"),
        ("attach 'x.duckdb'", "ATTACH is refused"),
        ("detach published", "DETACH is refused"),
        ("copy fct_hours to 'x.csv'", "COPY is refused"),
        ("install httpfs", "LOAD is refused"),
        ("set threads = 1", "SET is refused"),
        ("pragma threads = 1", "is refused"),
        ("call pragma_version()", "CALL is refused"),
        ("export database 'x'", "EXPORT is refused"),
        ("begin", "TRANSACTION is refused"),
        ("checkpoint", "is refused"),
        ("connect 'x'", "this statement is refused"),
        ("with x as (insert into dim_chip values ('a', 1) returning chip) from x", "read-only"),
        ("explain analyze copy fct_hours to '/tmp/x.csv'", "reaches for a file"),
        ("select * from read_csv('/etc/passwd')", "reaches for a file"),
        ("select * from read_text('/etc/hostname')", "reaches for a file"),
        ("select * from glob('/*')", "reaches for a file"),
        ("select * from '/etc/passwd'", "does not exist"),
        ("select * from home", "does not exist"),
        ("select * from fct_hour", r"(?s)Did you mean.*fct_hours.*chipledger tables"),
        ("select nothing from fct_hours", "nothing"),
        ("selec 1", "syntax error"),
        ("select 1 / 'x'", "Could not convert"),
    ],
)
def test_everything_else_is_refused_with_a_reason(sql: str, told: str, root: Path) -> None:
    before = (root / "published" / "marts.duckdb").read_bytes()
    with pytest.raises(QueryRefused, match=told):
        reading.query(root, sql)
    assert (root / "published" / "marts.duckdb").read_bytes() == before


def test_a_time_before_the_first_kept_publication_names_the_earliest(root: Path) -> None:
    assert reading.query(root, "select count(*) from fct_hours", as_of=NOW).rows == [(2,)]
    with pytest.raises(
        NothingPublished, match="by 2026-01-09T12:00:00Z; the earliest publication kept is 2026-01-10T12"
    ):
        reading.query(root, "select 1", as_of=NOW - DAY)


def test_tables_lists_purpose_and_rows_and_one_tables_columns(root: Path) -> None:
    columns, rows = reading.tables(root)
    assert columns == ["table", "rows", "columns", "purpose"]
    assert ("fct_hours", 2, 4) in [row[:3] for row in rows]
    columns, rows = reading.tables(root, "dim_chip")
    assert (columns, rows[0]) == (["column", "type", "meaning"], ("chip", "VARCHAR", "the chip"))


@pytest.mark.parametrize("read", ["tables", "export"])
def test_an_unknown_table_is_answered_with_near_names(read: str, root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no published table is called fct_hour; did you mean fct_hours"):
        reading.tables(root, "fct_hour") if read == "tables" else reading.export(root, "fct_hour", tmp_path / "x.csv")
    assert list(tmp_path.iterdir()) == []


def test_exports_hold_the_table_in_the_format_of_the_suffix(root: Path, tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet", ".json", ".jsonl"):
        assert reading.export(root, "fct_hours", tmp_path / "new" / f"out{suffix}") == 2
    written = tmp_path / "new"
    assert (written / "out.csv").read_text().splitlines()[:2] == [
        "hour_at,chip,cost_usd,kind",
        '2026-01-01 00:00:00+00,a,1.5000000000,"a,b',
    ]
    assert pq.read_table(written / "out.parquet").column("chip").to_pylist() == ["a", "b"]
    assert [row["chip"] for row in json.loads((written / "out.json").read_text())] == ["a", "b"]
    assert [json.loads(line)["chip"] for line in (written / "out.jsonl").read_text().splitlines()] == ["a", "b"]
    assert sorted(path.name for path in written.iterdir()) == ["out.csv", "out.json", "out.jsonl", "out.parquet"]


def test_no_text_of_a_csv_export_is_a_formula_and_every_number_keeps_its_sign(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-2", "@x", "\tx", "\rx", "a=1", "'=1", "", "x\n=1"]
    models = toy_models(tmp_path / "sql")
    with duckdb.connect() as conn:
        conn.execute("set TimeZone = 'UTC'")
        bootstrap(conn, comments=False)
        create_tables(conn, models)
        hours = [(DAY_1 + number * timedelta(hours=1), "a", number, text) for number, text in enumerate(texts)]
        add_hours(conn, *hours, (DAY_1 + DAY, "a", -2.5, "gpu"))
        publish(conn, Home(tmp_path), models, published_at=NOW, as_of=NOW, code_version="1")
    for suffix in (".csv", ".CSV", ".parquet", ".json"):
        reading.export(tmp_path, "fct_hours", tmp_path / f"out{suffix}")
    for name in ("out.csv", "out.CSV"):
        with (tmp_path / name).open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        guarded = ["'=1+1", "'+1", "'-2", "'@x", "'\tx", "'\rx", "a=1", "'=1", "", "x\n=1", "gpu"]
        assert [row["kind"] for row in rows] == guarded
        assert rows[-1]["cost_usd"] == "-2.5000000000"
    assert pq.read_table(tmp_path / "out.parquet").column("kind").to_pylist() == [*texts, "gpu"]
    assert [row["kind"] for row in json.loads((tmp_path / "out.json").read_text())] == [*texts, "gpu"]


def test_an_export_replaces_a_file_whole_or_not_at_all(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("yesterday")
    with pytest.raises(UsageError, match=r"no format for suffix '.xlsx'; use one of .csv, .parquet"):
        reading.export(root, "fct_hours", tmp_path / "out.xlsx")
    assert target.read_text() == "yesterday"
    reading.export(root, "fct_hours", target)
    assert target.read_text().startswith("hour_at")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ChipledgerError, match="could not write"):
        reading.export(root, "fct_hours", tmp_path / "file" / "out.csv")


def test_times_are_utc_whatever_zone_the_query_writes(root: Path) -> None:
    sql = "select timestamptz '2026-01-01 01:00+01' as t, null::timestamptz as n, timestamp '2026-01-01' as bare"
    assert reading.query(root, sql).rows == [(datetime(2026, 1, 1, tzinfo=UTC), None, datetime(2026, 1, 1))]  # noqa: DTZ001
    assert reading.query(root, "select [timestamptz '2026-01-01 00:00+00'] as t").rows == [
        ("['2026-01-01 00:00:00+00']",)
    ]


def test_columns_of_one_name_keep_their_own_values(root: Path) -> None:
    assert reading.query(root, "select 1 as a, 2 as a") == (["a", "a"], [(1, 2)])


def test_a_query_imports_neither_pandas_nor_arrow(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline import reading; "
        "reading.query(Path(sys.argv[1]), 'from fct_hours'); print({'pandas', 'pyarrow'} & set(sys.modules))"
    )
    repo = Path(reading.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code, str(root)], cwd=repo, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
