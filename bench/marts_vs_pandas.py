"""The shipped sql/ beside an honest pandas chain over the same raw rows, and what one more hour costs.

Run by hand: python -m bench.marts_vs_pandas [--rows 10022400] [--runs 3]
Every step runs in a child process of its own; CPU seconds and peak memory are the child's, imports left out.
Like is compared with like: pandas makes the tables of marts_compare.COMPARED, and the shipped builder these and what
they are made from. One more hour is measured on all models, as it runs every hour.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    from pipeline.models import Models

ROOT = Path(__file__).resolve().parents[1]
MINUTES_PER_HOST = 8 * 30 * 24 * 60
RAW = ("raw_dcgm_samples", "raw_deliveries", "raw_inventory", "raw_cur_lines")
# What the marts read of each sample: the bare scan.
KEYS = ("hostname", "gpu_uuid", "device", "gpu_instance_id", "model_name", "namespace", "pod", "container", "hpc_job")
VALUES = (
    *("cadence_ms", "gr_engine_active", "gpu_util", "tensor_active", "fb_used", "power_usage"),
    *("total_energy_consumption", "gpu_temp", "memory_temp", "xid_errors", "ecc_dbe_volatile"),
)
MEMORY_LIMIT = "1GB"  # half of what open_warehouse allows: what it is allowed it keeps as a cache of the file
HOURS_MORE = 6
NEEDED_SPEED, NEEDED_MEMORY, NEEDED_INCREMENT = 3.0, 1 / 3, 20.0

Used = dict[str, float]


@contextmanager
def measured() -> Iterator[Used]:
    """CPU and wall seconds of the block, and the peak memory of this process in MiB."""
    used: Used = {}
    cpu, wall = time.process_time(), time.perf_counter()
    yield used
    used |= {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    # not ru_maxrss, which a child inherits from the process that started it
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    used["peak_mib"] = int(peak.split()[1]) / 1024


def load(folder: Path, hosts: int) -> Used:
    """Land 30 days, and write the same raw rows as Parquet for pandas."""
    from bench.marts_fleet import START_AT, Fleet
    from bench.marts_fleet_bill import bill, inventory
    from bench.marts_fleet_telemetry import telemetry
    from pipeline.landing import land
    from pipeline.warehouse import bootstrap, open_warehouse

    fleet = Fleet(hosts)
    with measured() as used, open_warehouse(folder / "raw.duckdb") as conn:
        bootstrap(conn)
        deliveries = chain(inventory(fleet), [bill(fleet)], telemetry(fleet, range(fleet.days * 24)))
        results = land(conn, deliveries, arrived_at=START_AT + timedelta(days=40))
        assert {result.status for result in results} == {"landed"}
        for table in RAW:
            rows = f"select * replace (cast(delivery_id as varchar) as delivery_id) from {table}"
            conn.execute(f"copy ({rows}) to '{folder / table}.parquet' (compression zstd)")
        _settle(conn)
    return used


def _settle(conn: duckdb.DuckDBPyConnection) -> None:
    """Let DuckDB do what it puts off to the next checkpoints after many small commits: it is landing's work."""
    for number in range(3):
        conn.execute(f"create table settling as select {number} as number; checkpoint; drop table settling; checkpoint")


def land_hours(folder: Path, hosts: int) -> None:
    """Land the hours after the 30 days."""
    for number in range(HOURS_MORE):
        _land_hour(folder, hosts, number)


def _land_hour(folder: Path, hosts: int, number: int) -> Used:
    from bench.marts_fleet import START_AT, Fleet
    from bench.marts_fleet_telemetry import telemetry
    from pipeline.landing import land
    from pipeline.warehouse import open_warehouse

    fleet = Fleet(hosts)
    hour = fleet.days * 24 + number
    deliveries = list(telemetry(fleet, range(hour, hour + 1)))
    with measured() as used, open_warehouse(folder / "work.duckdb") as conn:
        land(conn, deliveries, arrived_at=START_AT + timedelta(days=41))
    return used


def build_compared(folder: Path, hosts: int) -> Used:
    """Full build of the compared tables and their ancestors, in a warehouse that holds raw rows alone."""
    from bench.marts_compare import COMPARED, ancestors
    from pipeline.models import load_models

    return _build(folder, ancestors(load_models(ROOT / "sql"), COMPARED))


def build_all(folder: Path, hosts: int) -> Used:
    """Full build of every model in a warehouse that holds raw rows alone."""
    from pipeline.models import load_models

    return _build(folder, load_models(ROOT / "sql"))


def build_hours(folder: Path, hosts: int) -> Used:
    """Land hours one by one and bring the marts up to date after each: what one of them costs.

    Their mean, as closing the file rewrites the last row group of the samples, which is nearly empty in some hours and
    nearly full in others.
    """
    used: Used = dict.fromkeys(("cpu", "wall", "peak_mib"), 0.0)
    for number in range(HOURS_MORE):
        for step in (_land_hour(folder, hosts, number), build_all(folder, hosts)):
            used["cpu"] += step["cpu"] / HOURS_MORE
            used["wall"] += step["wall"] / HOURS_MORE
            used["peak_mib"] = max(used["peak_mib"], step["peak_mib"])
    return used


def _build(folder: Path, models: Models) -> Used:
    from bench.marts_fleet import START_AT
    from pipeline.build import build
    from pipeline.warehouse import open_warehouse

    with measured() as used, open_warehouse(folder / "work.duckdb", memory_limit=MEMORY_LIMIT) as conn:
        assert not build(conn, models, as_of=START_AT + timedelta(days=41)).is_noop
    return used


def run_pandas(folder: Path, hosts: int) -> Used:
    """The pandas chain, which leaves its results in Parquet files."""
    from bench.marts_pandas import run

    with measured() as used:
        run(folder)
    return used


def scan(folder: Path, hosts: int) -> Used:
    """A bare scan of the columns that the marts read."""
    from pipeline.warehouse import open_warehouse

    wanted = [f"max({name})" for name in ("delivery_id", "sample_at", *KEYS)] + [f"sum({name})" for name in VALUES]
    with open_warehouse(folder / "raw.duckdb") as conn, measured() as used:
        conn.execute(f"select {', '.join(wanted)} from raw_dcgm_samples").fetchall()
    return used


STEPS: dict[str, Callable[[Path, int], Used]] = {
    "load": load,
    "build": build_compared,
    "all": build_all,
    "pandas": run_pandas,
    "hours": build_hours,
    "scan": scan,
}


def child(step: str, folder: Path, hosts: int) -> Used:
    """Run one step in a process of its own."""
    command = [sys.executable, "-m", "bench.marts_vs_pandas", "--child", step, "--folder", str(folder)]
    done = subprocess.run([*command, "--hosts", str(hosts)], stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    used: Used = json.loads(done.stdout)
    print(f"{step}: {used['cpu']:.2f} CPU s, {used['wall']:.2f} s, {used['peak_mib']:.0f} MiB", file=sys.stderr)
    return used


def measure(folder: Path, hosts: int, runs: int) -> dict[str, Used]:
    """All steps, builds and pandas by turns; medians of the runs."""
    from bench.marts_compare import compare_marts, compare_with_pandas
    from pipeline.models import load_models

    raw, work = folder / "raw.duckdb", folder / "work.duckdb"
    figures: dict[str, list[Used]] = {"load": [child("load", folder, hosts)]}
    for _ in range(runs):
        shutil.copyfile(raw, work)
        for step in ("build", "pandas", "scan"):
            figures.setdefault(step, []).append(child(step, folder, hosts))
    print(f"equal results: {compare_with_pandas(folder, load_models(ROOT / 'sql')):,} rows")
    shutil.copyfile(raw, work)
    for step in ("all", "hours"):
        figures[step] = [child(step, folder, hosts)]
    increment = work.rename(folder / "increment.duckdb")
    shutil.copyfile(raw, work)
    land_hours(folder, hosts)
    figures["rebuild"] = [child("all", folder, hosts)]
    print(f"equal marts after {HOURS_MORE} more hours and after a full build: {compare_marts(increment, work):,} rows")
    return {step: {key: median(run[key] for run in used) for key in used[0]} for step, used in figures.items()}


def report(used: dict[str, Used], rows: int) -> bool:
    """Print the table; whether every bar is met."""
    print(f"\n{'step':<34}{'CPU s':>9}{'wall s':>9}{'peak MiB':>10}{'ns CPU/row':>12}")
    names = {"pandas": "pandas chain", "build": "build of the same tables", "all": "build of all models"}
    names |= {"rebuild": "build of all, hours more", "hours": "one more hour, landed and built"}
    names |= {"scan": "bare scan of the same columns", "load": "load"}
    for step, name in names.items():
        one = used[step]
        per_row = one["cpu"] / rows * 1e9
        print(f"{name:<34}{one['cpu']:>9.2f}{one['wall']:>9.2f}{one['peak_mib']:>10.0f}{per_row:>12.0f}")
    build, pandas = used["build"], used["pandas"]
    speed, cpu = pandas["wall"] / build["wall"], pandas["cpu"] / build["cpu"]
    memory, cheaper = build["peak_mib"] / pandas["peak_mib"], used["rebuild"]["cpu"] / used["hours"]["cpu"]
    print(f"\nthe same tables: {speed:.1f} x faster than pandas (CPU {cpu:.1f} x), {memory:.2f} of its memory")
    print(f"one more hour: {cheaper:.0f} x cheaper than a full build (CPU)")
    print(f"the same tables: {build['cpu'] / used['scan']['cpu']:.0f} x the CPU of a bare scan of the same columns")
    is_met = speed >= NEEDED_SPEED and memory <= NEEDED_MEMORY and cheaper >= NEEDED_INCREMENT
    print(f"bars: ≥ {NEEDED_SPEED:.0f} x, ≤ 1/3, ≥ {NEEDED_INCREMENT:.0f} x: {'met' if is_met else 'missed'}")
    return is_met


def main(rows: int, runs: int) -> int:
    """Measure and print; 1 when a bar is missed."""
    hosts = max(4, round(rows / MINUTES_PER_HOST))
    rows = hosts * MINUTES_PER_HOST
    print(f"{rows:,} accelerator-minutes: {hosts * 8} GPUs on {hosts} hosts, 30 days, {runs} runs by turns")
    with tempfile.TemporaryDirectory(prefix="chipledger-bench-") as folder:
        return int(not report(measure(Path(folder), hosts, runs), rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=int, default=8 * MINUTES_PER_HOST, help="accelerator-minutes (default 2,764,800)"
    )
    parser.add_argument("--runs", type=int, default=1, help="runs of build and pandas, by turns")
    parser.add_argument("--child", choices=sorted(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--hosts", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(STEPS[chosen.child](chosen.folder, chosen.hosts)))
    else:
        sys.exit(main(chosen.rows, chosen.runs))
