"""The models of the chip comparison over the shipped seeds, and what else a test puts beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from pipeline.headers import literal
from pipeline.models import bind
from pipeline.windows import ALL_TIME

if TYPE_CHECKING:
    from tests.sql.conftest import Bench

SEEDS = (
    *("seed_chips", "seed_instance_types", "seed_comparison_types", "seed_price_history", "seed_evidence_grades"),
    *("seed_published_benchmarks", "seed_vendor_claims"),
)
BUILT = (
    *("stg_benchmarks", "stg_comparison_settings", "int_prices", "int_comparison_types", "int_comparison_settings"),
    *("int_benchmarks", "int_vendor_claims", "mart_chip_prices", "mart_benchmarks", "mart_break_even"),
    *("mart_throughput_ratio", "mart_vendor_claims", "mart_chip_comparison"),
)


class Shipped:
    """One bench's connection, in a transaction, with the comparison built."""

    def __init__(self, bench: Bench) -> None:
        """Nothing is built yet."""
        self.bench = bench

    def build(self, model: str) -> None:
        """Fill one model from its inputs."""
        bounds = {"start_at": ALL_TIME.start_at, "end_at": ALL_TIME.end_at, "as_of": ALL_TIME.start_at}
        sql = bind(self.bench.models[model], seeds_dir=self.bench.models.seeds_dir, **bounds)
        self.bench.conn.execute(f"insert into {model} by name select * from (\n{sql}\n)")

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.bench.conn.execute(sql).fetchall()

    def publish(self, root: Path, tables: Sequence[str]) -> Path:
        """A home under `root` whose published snapshot holds these tables; its folder."""
        home = root / "ledger"
        (home / "published").mkdir(parents=True)
        for name in tables:
            self.bench.conn.execute(f"copy {name} to {literal(str(root / f'{name}.parquet'))} (format parquet)")
        with duckdb.connect(str(home / "published" / "marts.duckdb")) as conn:
            for name in tables:
                conn.execute(f"create table {name} as from {literal(str(root / f'{name}.parquet'))}")
        return home


@contextmanager
def shipped_comparison(bench: Bench, beside: Sequence[str] = ()) -> Iterator[Shipped]:
    """The comparison over the shipped seeds and what the statements `beside` insert; undone at the end."""
    made = Shipped(bench)
    bench.conn.begin()
    try:
        for statement in beside:
            bench.conn.execute(statement)
        for model in (*SEEDS, *BUILT):
            made.build(model)
        yield made
    finally:
        bench.conn.rollback()
