"""What the shipped reference tables say: units and their factors, and how many devices and cores a machine has."""

from __future__ import annotations

import csv
import shutil
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from pipeline.models import bind, load_models
from pipeline.sources.base import Seeds
from pipeline.sources.dcgm_rows import MEASURES
from pipeline.warehouse import SQL_DIR
from pipeline.windows import ALL_TIME

FACTORS = {
    "percent": ("0.01", "ratio"),
    "ratio": ("1", "ratio"),
    "MiB": ("1048576", "bytes"),
    "bytes/second": ("1", "bytes_per_second"),
    "watts": ("1", "watts"),
    "millijoule": ("0.001", "joules"),
    "celsius": ("1", "celsius"),
    "MHz": ("1000000", "hertz"),
    "nanoseconds": ("0.000000001", "seconds"),
    **dict.fromkeys(("count", "count in window", "flag/count", "pages", "rows", "cycles"), ("1", "count")),
    **dict.fromkeys(("xid code", "bitmask", "bool", "enum", "flag"), ("1", "code")),
}
STORED = {
    **dict.fromkeys(("gpu_util", "mem_copy_util"), "percent"),
    **dict.fromkeys(("gr_engine_active", "sm_active", "sm_occupancy", "tensor_active", "dram_active"), "ratio"),
    **dict.fromkeys(("fb_used", "fb_free", "fb_reserved", "fb_total"), "MiB"),
    "power_usage": "watts",
    "total_energy_consumption": "millijoule",
    **dict.fromkeys(("gpu_temp", "memory_temp"), "celsius"),
    "xid_errors": "xid code",
    "xid_errors_count": "count in window",
    **dict.fromkeys(("ecc_sbe_volatile", "ecc_dbe_volatile"), "count"),
}


@pytest.fixture(scope="module")
def shipped(repo_root: Path) -> Seeds:
    """The tables in sql/seeds."""
    return Seeds(repo_root / "sql" / "seeds")


def test_every_unit_has_its_exact_factor(shipped: Seeds) -> None:
    for row in shipped.rows("dcgm_fields"):
        if row["factor_to_canonical"]:
            factor, house_unit = FACTORS[row["unit"]]
            assert Decimal(row["factor_to_canonical"]) == Decimal(factor), row["name"]
            assert row["canonical_unit"] == house_unit, row["name"]


def test_every_stored_measure_is_in_the_unit_that_dcgm_states(shipped: Seeds) -> None:
    units = {row["column_name"]: row["unit"] for row in shipped.rows("dcgm_fields") if row["column_name"]}
    assert units == STORED
    assert units.keys() == set(MEASURES)


def test_the_catalogue_agrees_with_the_research_it_was_made_from(shipped: Seeds, shared_data: Path) -> None:
    with (shared_data / "dcgm" / "dcgm_metrics.csv").open(encoding="utf-8", newline="") as lines:
        researched = {row["name"]: (row["field_id"], row["unit"]) for row in csv.DictReader(lines)}
    for row in shipped.rows("dcgm_fields"):
        assert (row["field_id"], row["unit"]) == researched[row["name"]], row["name"]


@pytest.mark.parametrize(
    ("instance_type", "chip", "devices", "logical_cores"),
    [
        ("trn1.32xlarge", "Trainium1", 16, 2),
        ("trn1n.32xlarge", "Trainium1", 16, 2),
        ("trn2.48xlarge", "Trainium2", 16, 4),
        ("inf2.48xlarge", "Inferentia2", 12, 2),
        ("p5.48xlarge", "H100", 8, None),
        ("p6-b200.48xlarge", "B200", 8, None),
        ("g6.48xlarge", "L4", 8, None),
    ],
)
def test_a_machine_has_the_devices_that_its_maker_says(
    shipped: Seeds, instance_type: str, chip: str, devices: int, logical_cores: int | None
) -> None:
    (row,) = [row for row in shipped.rows("instance_types") if row["instance_type"] == instance_type]
    cores = int(row["logical_cores_per_device"]) if row["logical_cores_per_device"] else None
    assert (row["chip"], int(row["device_count"]), cores) == (chip, devices, logical_cores)


def test_a_placeholder_price_fails_the_check_of_the_price_history(shipped: Seeds, tmp_path: Path) -> None:
    model = load_models(SQL_DIR)["seed_price_history"]
    shutil.copy(shipped.directory / "price_history.csv", tmp_path)
    with (tmp_path / "price_history.csv").open("a", encoding="utf-8") as rows:
        rows.write("tpu-v7,us-central1,on_demand,2026-01-01,,700.0,a catalogue\n")
    sql = bind(model, start_at=ALL_TIME.start_at, end_at=ALL_TIME.end_at, seeds_dir=tmp_path, as_of=ALL_TIME.end_at)
    failures = [f"select instance_type from ({sql}) where not ({check.expression})" for check in model.checks]
    with duckdb.connect() as conn:
        found = [conn.execute(failure).fetchall() for failure in failures]
    assert found == [[], [], [("tpu-v7",)]]
