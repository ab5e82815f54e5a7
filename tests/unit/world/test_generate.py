from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.attribution import read_rules
from pipeline.world import WorldOptions, generate

ELSEWHERE = """
import sys
from pathlib import Path
from pipeline.world import WorldOptions, generate
generate(WorldOptions.from_json(sys.argv[1]), Path(sys.argv[2]))
"""


def _digests(out: Path) -> dict[str, str]:
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def _generate_elsewhere(options: WorldOptions, out: Path) -> None:
    """Write a world in a process with other hashes and another time zone."""
    env = {**os.environ, "PYTHONHASHSEED": "17", "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", ELSEWHERE, options.to_json(), str(out)], env=env, check=True)


def test_the_same_options_give_the_same_bytes_in_any_process_and_another_seed_does_not(tmp_path: Path) -> None:
    five, six = (WorldOptions(seed, days=2, telemetry_days=1, interval_seconds=600) for seed in (5, 6))
    generate(five, tmp_path / "first")
    _generate_elsewhere(five, tmp_path / "again")
    generate(six, tmp_path / "other")
    first, again, other = (_digests(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert len(first) > 50
    assert {name for name, digest in first.items() if digest in other.values()} == {"workloads.toml"}


def test_telemetry_covers_the_last_days_alone_and_the_bill_all_of_them(written: Path) -> None:
    folders = ("neuron_monitor", "dcgm")
    stamps = {path.name.split(".")[0][-16:] for folder in folders for path in (written / "landing" / folder).iterdir()}
    assert {stamp[:8] for stamp in stamps} == {"20261114"}
    usage = pq.read_table(written / "truth" / "accelerator_usage_hourly.parquet")
    hours: set[datetime] = set(usage["usage_hour_at"].to_pylist())
    assert {hour.date() for hour in hours} == {date(2026, 11, 14)}
    assert len(hours) == 24
    bill = pq.read_table(written / "truth" / "bill_daily.parquet")
    assert sorted(set(bill["usage_date"].to_pylist())) == [date(2026, 11, day) for day in range(8, 15)]


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
