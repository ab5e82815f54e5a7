"""Golden cases of models: `tests/sql/<model>/<case>/<input>.csv…` in, `expect.csv` out.

Each CSV fills the input of its name, typed like that input; text columns it leaves out are empty text, others NULL,
and inputs without a CSV are empty. A CSV may also fill an input further up: then the models on the way are built.
An empty field is NULL, a quoted one ("") is empty text, and `␟` stands for the unit separator between the parts of an
owner. A seed model reads the files of its case. `expect.csv` names the columns to compare; the order of rows does not
matter. `window.toml` (start_at, end_at) bounds a windowed model; without it all time is built. `claim.md`, where it
stands, works the expected figures out by hand.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from pipeline.headers import literal
from pipeline.models import Models, bind, load_models
from pipeline.warehouse import SQL_DIR, bootstrap
from pipeline.windows import ALL_TIME, Window

AS_OF = datetime(2026, 1, 8, tzinfo=UTC)
Rows = list[tuple[str | None, ...]]


@dataclass(frozen=True)
class Bench:
    """Every raw table and every model as an empty table, on one connection."""

    conn: duckdb.DuckDBPyConnection
    models: Models
    texts: dict[str, list[str]]
    barren: set[str] = field(default_factory=set)
    above: dict[str, set[str]] = field(default_factory=dict)

    def run(self, model: str, case: Path) -> tuple[Rows, Rows]:
        """(actual, expected) rows of a case as text, in the same order."""
        self.conn.begin()
        try:
            given = self._given(model, case)
            for csv in given:
                self._fill(csv.stem, csv)
            self._build_between({csv.stem for csv in given}, model, case)
            return self._compare(self._bind(model, case), case)
        finally:
            self.conn.rollback()

    def ask(self, sql: str, case: Path) -> tuple[Rows, Rows]:
        """(actual, expected) rows of a statement over tables filled with the CSVs of a case."""
        self.conn.begin()
        try:
            for csv in sorted(set(case.glob("*.csv")) - {case / "expect.csv"}):
                self._fill(csv.stem, csv)
            return self._compare(sql, case)
        finally:
            self.conn.rollback()

    def _given(self, model: str, case: Path) -> list[Path]:
        if model.startswith("seed_"):
            return []
        given = [csv for csv in sorted(case.glob("*.csv")) if csv.name != "expect.csv"]
        above = self._above(model)
        unread = [csv.name for csv in given if csv.stem not in above]
        assert not unread, f"{model} does not read {unread}; it and what it reads read {sorted(above)}"
        return given

    def _above(self, model: str) -> set[str]:
        if model not in self.above:
            inputs = self.models[model].inputs
            self.above[model] = set(inputs).union(*(self._above(name) for name in inputs if name in self.models))
        return self.above[model]

    def _build_between(self, given: set[str], model: str, case: Path) -> None:
        for name in self.models:
            if name in self._above(model) - given and given & self._above(name) and not name.startswith("seed_"):
                self._build(name, case)

    def _build(self, name: str, case: Path) -> None:
        """Fill one model. What is known to make no rows of no rows is not asked again: planning it takes its time."""
        is_starved = not any(map(self._has_rows, self.models[name].inputs))
        if is_starved and name in self.barren:
            return
        self.conn.execute(f"insert into {name} by name select * from ({self._bind(name, case)})")
        if is_starved and not self._has_rows(name):
            self.barren.add(name)

    def _has_rows(self, table: str) -> bool:
        return bool(self.conn.execute(f"select 1 from {table} limit 1").fetchall())

    def _bind(self, model: str, case: Path) -> str:
        window = _window(case) if case.parent.name == model else ALL_TIME
        bounds = {"start_at": window.start_at, "end_at": window.end_at}
        return bind(self.models[model], **bounds, seeds_dir=case, as_of=AS_OF)

    def _fill(self, table: str, csv: Path) -> None:
        rows = self.conn.sql(f"select * from {_read_csv(csv)}")
        absent = "".join(f", '' as \"{name}\"" for name in self.texts.get(table, []) if name not in rows.columns)
        self.conn.execute(f"insert into {table} by name select *{absent} from {_read_csv(csv)}")

    def _compare(self, sql: str, case: Path) -> tuple[Rows, Rows]:
        expected = self.conn.sql(f"select * from {_read_csv(case / 'expect.csv')}")
        types = dict(zip(*_columns(self.conn.sql(sql)), strict=True))
        unknown = [column for column in expected.columns if column not in types]
        assert not unknown, f"expect.csv names {unknown}; there are {sorted(types)}"
        texts = ", ".join(f'cast(cast("{name}" as {types[name]}) as varchar) as "{name}"' for name in expected.columns)
        actual = self.conn.execute(f"select {texts} from (\n{sql}\n) order by all").fetchall()
        return actual, self.conn.execute(
            f"select {texts} from {_read_csv(case / 'expect.csv')} order by all"
        ).fetchall()


def _columns(relation: duckdb.DuckDBPyRelation) -> tuple[list[str], list[str]]:
    return relation.columns, [str(kind) for kind in relation.types]


def _read_csv(csv: Path) -> str:
    options = "header = true, all_varchar = true, allow_quoted_nulls = false"
    return f"(select replace(columns(*), '␟', chr(31)) from read_csv({literal(csv.as_posix())}, {options}))"


def _window(case: Path) -> Window:
    path = case / "window.toml"
    if not path.is_file():
        return ALL_TIME
    bounds = tomllib.loads(path.read_text("utf-8"))
    return Window(bounds["start_at"], bounds["end_at"])


def create_empty(conn: duckdb.DuckDBPyConnection, models: Models) -> None:
    """Every model as an empty table, also those that are views in a warehouse."""
    for model in models.values():
        sql = bind(model, start_at=ALL_TIME.start_at, end_at=ALL_TIME.end_at, seeds_dir=models.seeds_dir, as_of=AS_OF)
        conn.execute(f"create table {model.name} as select * from (\n{sql}\n) limit 0")


def text_columns(conn: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The text columns of every table."""
    sql = "select table_name, list(column_name) from duckdb_columns() where data_type = 'VARCHAR' group by table_name"
    return dict(conn.execute(sql).fetchall())


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    with duckdb.connect(config={"threads": 1}) as conn:
        conn.execute("set TimeZone = 'UTC'")
        bootstrap(conn, comments=False)
        models = load_models(SQL_DIR)
        create_empty(conn, models)
        yield Bench(conn, models, text_columns(conn))
