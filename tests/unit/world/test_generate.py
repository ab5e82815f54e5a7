from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.attribution import read_rules
from pipeline.world import WorldOptions, generate


def _digests(out: Path) -> dict[str, str]:
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def test_the_same_options_give_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for name, seed in (("first", 5), ("again", 5), ("other", 6)):
        generate(WorldOptions(seed, days=2, telemetry_days=1, interval_seconds=600), tmp_path / name)
    first, again, other = (_digests(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert len(first) > 50
    assert {name for name, digest in first.items() if digest in other.values()} == {"workloads.toml"}


def test_a_folder_with_another_world_is_refused(written: Path) -> None:
    with pytest.raises(FileExistsError, match="choose another folder"):
        generate(WorldOptions(1, days=1), written)


def test_progress_ends_complete(tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    options = WorldOptions(1, days=1, telemetry_days=0)
    generate(options, tmp_path / "world", lambda label, done, total: steps.append((label, done, total)))
    assert steps[0][1] == 0
    assert steps[-1][1] == steps[-1][2]


def test_a_day_of_size_s_stays_within_a_seventh_of_the_bar(written: Path) -> None:
    size = sum(path.stat().st_size for path in (written / "landing").rglob("*") if path.is_file())
    assert size < 150_000_000 / 7


def test_the_worlds_rules_name_teams_and_change_no_identity(written: Path) -> None:
    rules = read_rules(written / "workloads.toml")
    assert {rule.team for rule in rules} >= {"foundation-models", "research"}
    assert not any(rule.workload or rule.kind for rule in rules)


def test_truth_has_its_columns_with_exact_money(written: Path) -> None:
    table = pq.read_table(written / "truth" / "cost_class_daily.parquet")
    assert table.column_names == [
        "usage_date", "cost_class", "instance_type", "chip", "account_id", "region", "cluster", "effective_cost_usd",
        "billed_cost_usd",
    ]  # fmt: skip
    assert table.schema.field("effective_cost_usd").type == pa.decimal128(38, 10)
    assert set(table["cost_class"].to_pylist()) == {
        "workload", "idle.unallocated", "idle.reserved_unused", "shared", "unattributed", "adjustment",
    }  # fmt: skip
    names = sorted(path.name for path in (written / "truth").iterdir())
    assert names == [
        "accelerator_usage_hourly.parquet", "bill_daily.parquet", "cost_class_daily.parquet", "findings.parquet",
        "workload_cost_daily.parquet",
    ]  # fmt: skip
