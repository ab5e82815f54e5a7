"""A month of a large fleet, already rolled up to hours, and a bill of a million lines: what its ledger costs to build.

Run by hand: python -m bench.ledger_scale [--hosts 288] [--lines 1000000]
Each GPU has one sample an hour that stands for that hour, so that a build starts from as many rows as the hourly
rollup of minute samples holds. The hours after the month are landed and built one by one; the bill covers the first of
them, the others are estimated. Then every table must equal that of a full build of the same rows. Every step runs in a
child process; CPU seconds and peak memory are the child's.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb

from bench.marts_fleet import GPUS, HOUR, START_AT, Fleet, info_of
from bench.marts_fleet_bill import ACCOUNTS, INSTANCE_TYPE, inventory
from bench.marts_vs_pandas import ROOT, Used, measured
from pipeline.sources.base import ParsedDelivery

MEMORY_LIMIT = "1500MB"
FULL_SECONDS, HOUR_SECONDS, PEAK_MIB = 60.0, 3.0, 2048.0
HOURS = 3  # after the month
AS_OF = START_AT + timedelta(days=41)

# Hosts train, serve, run Slurm jobs by day, or lend single GPUs; one GPU in eight of the last kind is free.
SAMPLES = """
select $start_at + to_hours(hour + 1) as sample_at, 3600000::bigint as cadence_ms,
    format('ip-10-{}-{}-17.ec2.internal', host // 250, host % 250) as hostname, gpu::varchar as gpu_index,
    'nvidia' || gpu as device, format('GPU-{:08x}-5d2a-4c1b-9e3f-{:012x}', host, gpu + 1) as gpu_uuid,
    '' as gpu_instance_id, '' as gpu_instance_profile, 'NVIDIA H100 80GB HBM3' as model_name, '' as pod_uid,
    case host % 4 when 0 then 'training' when 1 then 'serving' when 3 then if(gpu < 7, 'notebooks', '') else '' end
        as namespace,
    case host % 4 when 0 then format('llm-{}-{}-{}', host // 16, hour // 120, host)
        when 1 then format('chat-{}-7d9f8b6c5d-x{}z{}k', gpu % 3, host % 8 + 2, gpu + 2)
        when 3 then if(gpu < 7, 'nb-' || gpu || '-0', '') else '' end as pod,
    case when host % 4 = 2 then '' else 'main' end as container,
    case when host % 4 = 2 and hour % 24 between 6 and 19 then (4000 + hour // 24)::varchar else '' end as hpc_job,
    round((hash(host, gpu, hour) % 1000) / 1000, 3)::double as gr_engine_active,
    (90 + hash(gpu, hour) % 600)::double as power_usage,
    (hour * 3600 * 350000.0 + gpu * 1e9)::double as total_energy_consumption,
    50::double as gpu_temp, 60::double as memory_temp, 40000::double as fb_used, 0::double as xid_errors
from range($first, $first + $count) as h(hour), range($hosts) as o(host), range($gpus) as g(gpu)
"""
DEVICES = """
select hostname, gpu_index, device, gpu_uuid, model_name, min(sample_at) as first_at, max(sample_at) as last_at
from samples group by all
"""
LINES = """
with boxes as (
    select 'box-' || host || '-' || hour as line_item_id, host, hour, 'BoxUsage:' || $type as usage_type,
        format('i-{:017x}', host + 1) as resource_id, $type as instance_type,
        if(host % 3 = 0, 'Usage', 'SavingsPlanCoveredUsage') as record_type, 55.04 as cost,
        if(host % 3 = 0, null, 31.4064) as sp_effective_cost
    from range($hours) as h(hour), range($hosts) as o(host)
), others as (
    select 'ebs-' || n as line_item_id, n % $hosts as host, n // $hosts % $hours as hour,
        if(n % 2 = 0, 'EBS:VolumeUsage.gp3', 'DataTransfer-Regional-Bytes') as usage_type,
        format('vol-{:017x}', n % 9000) as resource_id, '' as instance_type, 'Usage' as record_type,
        (hash(n) % 100000) / 1000000 as cost, null as sp_effective_cost
    from range($lines - $hosts * $hours) as l(n)
)
select row_number() over () as line_number, line_item_id, $period as billing_period,
    $start_at + to_hours(hour) as usage_start_at, $start_at + to_hours(hour + 1) as usage_end_at,
    $accounts[host % 3 + 1] as account_id, record_type, 'AmazonEC2' as product_code, usage_type, resource_id,
    instance_type, 'us-east-1' as region, 'USD' as currency, 1::decimal(38, 10) as usage_amount,
    cost::decimal(38, 10) as unblended_cost, cost::decimal(38, 10) as public_on_demand_cost,
    sp_effective_cost::decimal(38, 10) as sp_effective_cost, false as has_net_columns
from (from boxes union all by name from others)
"""


def telemetry(fleet: Fleet, first: int, count: int) -> ParsedDelivery:
    """The hourly samples of `count` hours as one delivery."""
    with duckdb.connect() as conn:
        conn.execute("set TimeZone = 'UTC'")
        values = {"start_at": START_AT, "first": first, "count": count, "hosts": fleet.hosts, "gpus": GPUS}
        samples = conn.sql(SAMPLES, params=values).to_arrow_table()
        devices = conn.from_arrow(samples).query("samples", DEVICES).to_arrow_table()
    batches = [("raw_dcgm_samples", batch) for batch in samples.to_batches()]
    batches += [("raw_dcgm_devices", batch) for batch in devices.to_batches()]
    info = info_of("dcgm", f"dcgm/{first}", START_AT + (first + count) * HOUR)
    return ParsedDelivery(info, iter(batches))


def bill(fleet: Fleet, lines: int, hours: int) -> ParsedDelivery:
    """One CUR delivery of `lines` lines: every instance-hour, the rest volumes and traffic."""
    values = {"start_at": START_AT, "hosts": fleet.hosts, "hours": hours, "lines": lines, "type": INSTANCE_TYPE}
    with duckdb.connect() as conn:
        conn.execute("set TimeZone = 'UTC'")
        table = conn.sql(
            LINES, params=values | {"accounts": list(ACCOUNTS), "period": START_AT.date()}
        ).to_arrow_table()
    more = {"export_name": "bench", "billing_period": START_AT.date(), "execution_id": "1"}
    info = info_of("cur", "cur/1", START_AT + timedelta(days=fleet.days + 2), **more)
    return ParsedDelivery(info, iter([("raw_cur_lines", batch) for batch in table.to_batches()]))


def deliveries(fleet: Fleet, lines: int) -> Iterator[ParsedDelivery]:
    """Everything of the month, a day of telemetry at a time."""
    yield from inventory(fleet)
    yield bill(fleet, lines, fleet.days * 24 + 1)
    for day in range(fleet.days):
        yield telemetry(fleet, day * 24, 24)


def load(folder: Path, fleet: Fleet, lines: int) -> Used:
    """Land the month."""
    from pipeline.landing import land
    from pipeline.warehouse import bootstrap, open_warehouse

    with measured() as used, open_warehouse(folder / "work.duckdb") as conn:
        bootstrap(conn)
        results = land(conn, deliveries(fleet, lines), arrived_at=START_AT + timedelta(days=40))
        assert {result.status for result in results} == {"landed"}
    return used


def build(folder: Path) -> Used:
    """Build every model of what has landed, from nothing or what is new."""
    from pipeline.build import build as build_models
    from pipeline.models import load_models
    from pipeline.warehouse import open_warehouse

    models = load_models(ROOT / "sql")
    with measured() as used, open_warehouse(folder / "work.duckdb", memory_limit=MEMORY_LIMIT) as conn:
        assert not build_models(conn, models, as_of=AS_OF).is_noop
        wrong = "select count(*) from mart_reconciliation_daily where difference_usd <> 0"
        assert conn.execute(wrong).fetchall() == [(0,)]
    return used


def land_hour(folder: Path, fleet: Fleet, number: int) -> Used:
    """Land an hour after the month, 0 being the first."""
    from pipeline.landing import land
    from pipeline.warehouse import open_warehouse

    one = [telemetry(fleet, fleet.days * 24 + number, 1)]
    with measured() as used, open_warehouse(folder / "work.duckdb") as conn:
        land(conn, one, arrived_at=AS_OF)
    return used


def hour(folder: Path, fleet: Fleet, number: int) -> Used:
    """Land an hour after the month and build it."""
    landed, used = land_hour(folder, fleet, number), build(folder)
    return {name: used[name] + landed[name] if name != "peak_mib" else used[name] for name in used}


def compare(folder: Path) -> Used:
    """Assert that hour by hour every table got the rows that a full build of the same deliveries gives."""
    from pipeline.models import load_models

    with measured() as used, duckdb.connect() as conn:
        for name in ("work", "whole"):
            conn.execute(f"attach '{folder / name / 'work.duckdb'}' as {name} (read_only)")
        tables = [model.name for model in load_models(ROOT / "sql").values() if not model.is_view]
        for table in tables:
            sums = "select count(*), sum(hash(rows)::hugeint)"
            ours, theirs = (
                conn.execute(f"{sums} from {name}.{table} as rows").fetchall() for name in ("work", "whole")
            )
            assert ours == theirs, f"{table} differs after {HOURS} hours and after a full build: {ours}, {theirs}"
    return used


STEPS: dict[str, Callable[[Path, Fleet, int, int], Used]] = {
    "load": lambda folder, fleet, lines, number: load(folder, fleet, lines),
    "build": lambda folder, fleet, lines, number: build(folder),
    "land": lambda folder, fleet, lines, number: land_hour(folder, fleet, number),
    "hour": lambda folder, fleet, lines, number: hour(folder, fleet, number),
    "compare": lambda folder, fleet, lines, number: compare(folder),
}


@dataclass(frozen=True)
class Runner:
    """Runs steps over one fleet and bill, each in a process of its own."""

    hosts: int
    lines: int

    def step(self, step: str, title: str, folder: Path, number: int = 0) -> Used:
        """Run one step and print what it used."""
        command = [sys.executable, "-m", "bench.ledger_scale", "--child", step, "--folder", str(folder)]
        command += ["--hosts", str(self.hosts), "--lines", str(self.lines), "--number", str(number)]
        used: Used = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT).stdout)
        print(f"{title:<44}{used['cpu']:>9.2f} CPU s{used['wall']:>9.2f} s{used['peak_mib']:>9.0f} MiB", flush=True)
        return used

    def hours(self, folder: Path) -> list[Used]:
        """The hours after the month, one by one."""
        titles = [f"hour {number + 1} after the month, landed and built" for number in range(HOURS)]
        return [self.step("hour", title, folder, number) for number, title in enumerate(titles)]

    def compared(self, folder: Path) -> None:
        """Build the same rows at once beside it, and compare."""
        for number in range(HOURS):
            self.step("land", f"hour {number + 1}, landed alone", folder / "whole", number)
        self.step("build", "full build with these hours", folder / "whole")
        self.step("compare", "equal tables", folder)


def main(hosts: int, lines: int) -> int:
    """Measure and print; 1 when a bar is missed."""
    print(f"{hosts * GPUS:,} devices, 30 days, {lines:,} bill lines")
    runner = Runner(hosts, lines)
    with tempfile.TemporaryDirectory(prefix="chipledger-bench-") as root:
        folder = Path(root)
        for name in ("work", "whole"):
            (folder / name).mkdir()
        runner.step("load", "load", folder / "work")
        shutil.copyfile(folder / "work" / "work.duckdb", folder / "whole" / "work.duckdb")
        whole = runner.step("build", "full build", folder / "work")
        dearest = max(used["wall"] for used in runner.hours(folder / "work"))
        runner.compared(folder)
    is_met = whole["wall"] <= FULL_SECONDS and dearest <= HOUR_SECONDS and whole["peak_mib"] <= PEAK_MIB
    print(f"bars: ≤ {FULL_SECONDS:.0f} s, ≤ 2 GiB, each hour ≤ {HOUR_SECONDS:.0f} s: {'met' if is_met else 'missed'}")
    return int(not is_met)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=288, help="p5.48xlarge hosts of 8 GPUs (default 288: 2,304 GPUs)")
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines of the bill")
    parser.add_argument("--child", choices=sorted(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(STEPS[chosen.child](chosen.folder, Fleet(chosen.hosts), chosen.lines, chosen.number)))
    else:
        sys.exit(main(chosen.hosts, chosen.lines))
