"""The setting `allocation`: what it says becomes rows that the build applies; what it cannot mean is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipeline import rule_tables, settings
from pipeline.allocation import Allocation
from pipeline.errors import UsageError
from pipeline.warehouse import bootstrap, utc_rows
from pipeline.windows import ALL_TIME

FAMILIES = {"g6", "g6e", "p5", "trn2"}
DEFAULTS = [
    ("policy", "", "accelerator_only"),
    ("weight.opencost.idle", "accelerator", "0.95"),
    ("weight.opencost.idle", "memory", "0.004237"),
    ("weight.opencost.idle", "vcpu", "0.031611"),
    ("weight.scad.pods", "accelerator", "9"),
    ("weight.scad.pods", "memory", "0.1"),
    ("weight.scad.pods", "vcpu", "0.9"),
]


def load(text: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Allocation:
    """The setting as chipledger.toml gives it."""
    monkeypatch.chdir(folder)
    (folder / "chipledger.toml").write_text(text, "utf-8")
    return settings.load().allocation


@pytest.fixture
def conn() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("set TimeZone = 'UTC'")
        bootstrap(opened, comments=False)
        yield opened


def test_without_a_setting_device_time_divides_and_nothing_is_distributed() -> None:
    assert Allocation().rows(FAMILIES) == DEFAULTS


def test_the_table_of_the_file_becomes_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = """
[allocation]
default = "mig_slices"
families = { g6 = "opencost", p5 = "scad" }
scad.unused = "idle"
opencost.accelerator_usd_per_hour = 6.88

[allocation.distribute]
shared = "weighted"
"idle.unallocated" = "even"
over = "account"
shared_namespaces = ["kube-system"]
shared_labels = { app = "app1" }
shared_workloads = "even"
overhead_usd_per_hour = "7.50"
"""
    rows = load(text, monkeypatch, tmp_path).rows(FAMILIES)
    assert {row for row in rows if not row[0].startswith("weight")} == {
        ("policy", "", "mig_slices"),
        ("policy", "g6", "opencost"),
        ("policy", "p5", "scad"),
        ("distribute", "shared", "weighted"),
        ("distribute", "idle.unallocated", "even"),
        ("distribute", "workload", "even"),
        ("distribute", "overhead", "weighted"),
        ("over", "", "account"),
        ("shared_namespace", "kube-system", ""),
        ("shared_label", "app", "app1"),
        ("overhead_usd_per_hour", "", "7.5"),
    }
    assert {("weight.scad.idle", "vcpu", "0.9"), ("weight.opencost.idle", "accelerator", "6.88")} <= set(rows)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('default = "scda"', ["allocation.default", "accelerator_only", "mig_slices", "scad", "opencost"]),
        ('families = { g6 = "koku" }', ["allocation.families.g6", "accelerator_only"]),
        ('polcy = "scad"', ["allocation.polcy"]),
        ("opencost.vcpu_usd_per_hour = 0", ["allocation.opencost.vcpu_usd_per_hour", "greater than 0"]),
        ('distribute.unattributed = "even"', ["allocation.distribute.unattributed"]),
        ('distribute.shared = "evenly"', ["allocation.distribute.shared", "separate", "even", "weighted"]),
        ("distribute.overhead_usd_per_hour = -1", ["allocation.distribute.overhead_usd_per_hour"]),
        ("distribute.overhead_usd_per_hour = nan", ["allocation.distribute.overhead_usd_per_hour"]),
        ("distribute.shared_labels = { 'a\"b' = 'x' }", ["no label key"]),
    ],
)
def test_a_wrong_name_is_refused_with_the_allowed_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, named: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        load(f"[allocation]\n{text}\n", monkeypatch, tmp_path)
    assert all(word in str(caught.value) for word in named), str(caught.value)


def test_a_family_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"'g66' is no family of accelerated instances; did you mean g6"):
        Allocation(families={"g66": "scad"}).rows(FAMILIES)


def test_the_environment_carries_it_to_other_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wanted = load('[allocation]\nfamilies.g6 = "scad"\ndistribute."idle.unallocated" = "even"\n', monkeypatch, tmp_path)
    told = settings.load().as_environment()
    (tmp_path / "chipledger.toml").unlink()
    monkeypatch.setenv("CHIPLEDGER_ALLOCATION", told["CHIPLEDGER_ALLOCATION"])
    assert settings.load().allocation == wanted
    assert json.loads(told["CHIPLEDGER_ALLOCATION"])["families"] == {"g6": "scad"}


def test_another_setting_touches_all_time_and_the_same_one_nothing(conn: duckdb.DuckDBPyConnection) -> None:
    rows = Allocation().rows(FAMILIES)
    assert rule_tables.load_allocation(conn, rows)
    touched = utc_rows(conn, "from state_touched")
    assert touched == [("raw_allocation_settings", ALL_TIME.start_at, ALL_TIME.end_at)]
    assert not rule_tables.load_allocation(conn, list(reversed(rows)))
    assert rule_tables.load_allocation(conn, Allocation(families={"g6": "scad"}).rows(FAMILIES))
    assert len(conn.execute("from raw_allocation_settings").fetchall()) == len(rows) + 1
