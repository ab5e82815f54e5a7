"""A toy way of the data for tests of the builder: models, deliveries, prices, and what the tables hold."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import strategies as st

from pipeline.attribution import WorkloadRule
from pipeline.build import BuildResult, build
from pipeline.models import load_models
from pipeline.warehouse import bootstrap, utc_rows
from pipeline.windows import Window

BASE = datetime(2026, 1, 1, tzinfo=UTC)
AS_OF = datetime(2026, 2, 1, tzinfo=UTC)
REPO_SQL = Path(__file__).resolve().parents[2] / "sql"
LEDGER = ("raw_deliveries", "raw_rejects", "raw_workload_rules")
LEDGER += ("state_built", "state_models", "state_touched", "state_unchecked")

# One toy way of the data: a sample covers the (at most two) minutes before it, so that it reaches into the hour before;
# prices hold from a time on; days are summed from hours; a dimension is computed whole.
TOY = {
    "raw/raw_samples": "create table if not exists raw_samples "
    "(delivery_id uuid, sample_at timestamptz, device varchar, watts integer)",
    "seeds/seed_devices": "select device, team from read_csv($seeds_dir || '/devices.csv', all_varchar = true)",
    "staging/stg_samples": """
select sample_at, device, watts
from raw_samples join raw_deliveries using (delivery_id)
where sample_at >= $start_at and sample_at < $end_at
qualify row_number() over (partition by sample_at, device order by delivered_at desc, delivery_id) = 1""",
    "staging/stg_prices": """
select pod as device, cast(namespace as timestamptz) as valid_from_at, cast(workload as integer) as price
from raw_workload_rules""",
    "intermediate/int_hours": """
with covered as (
    select device, watts, sample_at - interval 2 minutes as from_at, sample_at as to_at
    from stg_samples
    where sample_at >= $start_at - interval 2 hours and sample_at < $end_at + interval 2 hours
), hours as (
    select device, watts, unnest(generate_series(
        date_trunc('hour', from_at), to_at - interval 1 microsecond, interval 1 hour)) as hour_at, from_at, to_at
    from covered
)
select hour_at, device, sum(watts * date_diff(
    'second', greatest(from_at, hour_at), least(to_at, hour_at + interval 1 hour)))::bigint as joules
from hours where hour_at >= $start_at and hour_at < $end_at group by hour_at, device""",
    "intermediate/int_costs": """
select hour_at, h.device, joules * max_by(price, (valid_from_at, price)) as cost
from int_hours as h join stg_prices as p on p.device = h.device and p.valid_from_at <= h.hour_at
where hour_at >= $start_at and hour_at < $end_at group by hour_at, h.device, joules""",
    "intermediate/int_devices": """
select device, max(team) as team, sum(joules)::bigint as joules
from int_hours join seed_devices using (device) group by device""",
    "marts/mart_days": """
select cast(hour_at as date) as usage_date, team, sum(cost)::bigint as cost
from int_costs join int_devices using (device)
where hour_at >= $start_at and hour_at < $end_at group by usage_date, team""",
    "marts/mart_freshness": "select source, max(event_end_at) as last_event_at, $as_of as judged_at "
    "from raw_deliveries group by source",
}
CONTRACTS = {
    "raw_samples": ("device", "delivery_id sample_at device watts", ""),
    "seed_devices": ("device", "device team", ""),
    "stg_samples": ("sample_at, device", "sample_at device watts", "-- window: sample_at\n"),
    "stg_prices": ("device, valid_from_at", "device valid_from_at price", ""),
    "int_hours": ("hour_at, device", "hour_at device joules", "-- window: hour_at\n-- lookback: 2 hours\n"),
    "int_costs": ("hour_at, device", "hour_at device cost", "-- window: hour_at\n"),
    "int_devices": ("device", "device team joules", ""),
    "mart_days": ("usage_date, team", "usage_date team cost", "-- window: usage_date\n"),
    "mart_freshness": ("source", "source last_event_at judged_at", ""),
}
TABLES = sorted(name.partition("/")[2] for name in TOY if not name.startswith("raw/"))


def write_model(sql_dir: Path, place: str, sql: str, purpose: str = "toy") -> None:
    name = place.partition("/")[2]
    grain, columns, more = CONTRACTS[name]
    header = f"-- {name}: {purpose}\n-- grain:  {grain}\n-- check:  fail | true | toy\n{more}"
    header += "".join(f"-- column: {column} | the {column}\n" for column in columns.split())
    (sql_dir / f"{place}.sql").write_text(f"{header}\n{sql.strip()}\n")


def write_toy(sql_dir: Path) -> Path:
    """All the toy models, under `sql_dir`."""
    for layer in ("raw", "seeds", "staging", "intermediate", "marts", "signals"):
        (sql_dir / layer).mkdir(parents=True)
    for name in LEDGER:
        shutil.copy(REPO_SQL / "raw" / f"{name}.sql", sql_dir / "raw")
    (sql_dir / "seeds" / "devices.csv").write_text("device,team\na,red\nb,blue\n")
    for place, sql in TOY.items():
        write_model(sql_dir, place, sql)
    return sql_dir


def connect(sql_dir: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("set TimeZone = 'UTC'")
    bootstrap(connection, sql_dir)
    return connection


def at(minutes: float) -> datetime:
    return BASE + timedelta(minutes=minutes)


def window(start: float, end: float) -> Window:
    return Window(at(start), at(end))


Sample = tuple[int, str, int]  # minute, device, watts


def land(conn: duckdb.DuckDBPyConnection, samples: list[Sample], number: int) -> None:
    """One delivery, as landing leaves it: rows, ledger, touched window."""
    delivery = f"00000000-0000-0000-0000-{number:012}"
    start_at = min(at(sample[0]) for sample in samples)
    end_at = max(at(sample[0]) for sample in samples) + timedelta(microseconds=1)
    for minute, device, watts in samples:
        conn.execute("insert into raw_samples values (?, ?, ?, ?)", [delivery, at(minute), device, watts])
    conn.execute(
        "insert into raw_deliveries by name select ?::uuid as delivery_id, 'toy' as source, ?::timestamptz as "
        "delivered_at, ?::timestamptz as event_start_at, ?::timestamptz as event_end_at, ?::bigint as row_count",
        [delivery, at(number), start_at, end_at, len(samples)],
    )
    conn.execute("insert into state_touched values ('raw_samples', ?, ?)", [start_at, end_at])


def price(*since: tuple[int, int], device: str = "a") -> list[WorkloadRule]:
    """Prices of a device as (minute from which it holds, price)."""
    return [
        WorkloadRule(rule_number=number, pod=device, namespace=at(minute).isoformat(), workload=str(value))
        for number, (minute, value) in enumerate(since, start=1)
    ]


def run(conn: duckdb.DuckDBPyConnection, sql_dir: Path) -> BuildResult:
    return build(conn, load_models(sql_dir), as_of=AS_OF)


def contents(conn: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[Any, ...]]]:
    return {name: rows(conn, f"select * from {name} order by all") for name in TABLES}


def rows(conn: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return utc_rows(conn, sql)


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[Sample]]:
    minute = st.integers(0, 3 * 24 * 4).map(lambda quarter: quarter * 15) | st.integers(0, 3 * 24 * 60)
    sample = st.tuples(minute, st.sampled_from("ab"), st.integers(1, 9))
    delivery = st.lists(sample, min_size=1, max_size=5, unique_by=lambda sample: sample[:2])
    return draw(st.lists(delivery, min_size=1, max_size=6))
