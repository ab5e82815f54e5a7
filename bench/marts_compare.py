"""Whether two ways gave the same tables: every column of every row, by the grain that the table's header names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb

from pipeline.models import Models

# Tables that the pandas chain makes too.
COMPARED = (
    *("fct_accelerator_usage_hourly", "fct_workload_usage_hourly", "int_idle_stretches", "fct_cost_allocated_hourly"),
    *("mart_workload_cost_daily", "mart_idle_cost_daily", "mart_accelerator_utilization_daily"),
    "mart_reconciliation_daily",
)
# Ratios and means in doubles, which both round: they may fall to either side of half a unit.
DOUBLES = {"achieved_ratio": 6, "power_watts_avg": 3}


def ancestors(models: Models, names: tuple[str, ...]) -> Models:
    """The models that these need, and no other, as the shipped builder takes them."""
    needed, left = set[str](), list(names)
    while left:
        name = left.pop()
        if name in models and name not in needed:
            needed.add(name)
            left += models[name].inputs
    return Models({name: models[name] for name in models if name in needed}, models.raw, models.sql_dir)


def compare_with_pandas(folder: Path, models: Models) -> int:
    """Assert that both gave the same; the number of rows compared."""
    compared = 0
    with duckdb.connect(folder / "work.duckdb", read_only=True) as conn:
        conn.execute("set TimeZone = 'UTC'")
        for table in COMPARED:
            ours, theirs = conn.table(table), conn.read_parquet(str(folder / f"pandas_{table}.parquet"))
            assert set(ours.columns) == set(theirs.columns), f"{table}: {set(ours.columns) ^ set(theirs.columns)}"
            grain = models[table].grain
            differences = " or ".join(_differences(ours, theirs, grain))
            keys = " and ".join(f"ours.{key} = cast(theirs.{key} as {_type(ours, key)})" for key in grain)
            sql = f"from {table} as ours full join theirs on {keys} where {differences}"
            found = conn.sql(sql)
            different = len(found.fetchall())
            assert different == 0, f"{table}: {different} rows differ, e.g.\n{_shown(found, ours)}"
            compared += len(ours)
    return compared


def _differences(
    ours: duckdb.DuckDBPyRelation, theirs: duckdb.DuckDBPyRelation, grain: tuple[str, ...]
) -> Iterator[str]:
    """Conditions that hold where a column differs: exactly where theirs is whole, else in its last decimal."""
    yield f"(ours.{grain[0]} is null) <> (theirs.{grain[0]} is null)"
    for name in ours.columns:
        scale = re.fullmatch(r"DECIMAL\(\d+,(\d+)\)", _type(ours, name))
        decimals = int(scale[1]) if scale else DOUBLES.get(name)
        if _type(theirs, name) == "DOUBLE" and decimals is not None:
            apart = f"abs(cast(ours.{name} as double) - theirs.{name}) > 0.6e-{decimals}"
            yield f"coalesce({apart}, (ours.{name} is null) <> (theirs.{name} is null))"
        elif scale:
            whole = f"cast(ours.{name} * 1{'0' * int(scale[1])}::hugeint as hugeint)"
            yield f"{whole} is distinct from cast(theirs.{name} as hugeint)"
        else:
            yield f"ours.{name} is distinct from cast(theirs.{name} as {_type(ours, name)})"


def _type(relation: duckdb.DuckDBPyRelation, name: str) -> str:
    return str(relation.types[relation.columns.index(name)])


def _shown(found: duckdb.DuckDBPyRelation, ours: duckdb.DuckDBPyRelation) -> str:
    """The first differing row, column by column."""
    row = dict(zip(found.columns, found.limit(1).fetchall()[0], strict=True))
    return "\n".join(f"{name}: {row[name]}" for name in row)


def compare_marts(ours: Path, theirs: Path) -> int:
    """Assert that two warehouses hold the same marts, row by row; the number of rows."""
    rows = 0
    with duckdb.connect() as conn:
        conn.execute(f"attach '{ours}' as ours (read_only); attach '{theirs}' as theirs (read_only)")
        tables = conn.sql(
            "select table_name from duckdb_tables() where database_name = 'ours' and "
            "regexp_matches(table_name, '^(dim|fct|mart)_')"
        ).fetchall()
        for (table,) in tables:
            both = [
                f"(from {one}.{table} except all from {other}.{table})"
                for one, other in (("ours", "theirs"), ("theirs", "ours"))
            ]
            different = conn.sql(f"select count(*) from ({' union all '.join(both)})").fetchall()[0][0]
            assert different == 0, f"{table}: {different} rows differ after the hour and after a full build"
            rows += conn.sql(f"select count(*) from ours.{table}").fetchall()[0][0]
    return rows
