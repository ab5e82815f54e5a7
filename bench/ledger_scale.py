"""A month of a large fleet, already rolled up to hours, and a bill of a million lines: what its ledger costs to build.

Run by hand: python -m bench.ledger_scale [--hosts 288] [--lines 1000000]
Each GPU has one sample an hour that stands for that hour, so that a build starts from as many rows as the hourly
rollup of minute samples holds. Every step runs in a child process; CPU seconds and peak memory are the child's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb

from bench.marts_fleet import ACCOUNTS, GPUS, HOUR, INSTANCE_TYPE, START_AT, Fleet, info_of, inventory
from bench.marts_vs_pandas import ROOT, Used, measured
from pipeline.sources.base import ParsedDelivery

MEMORY_LIMIT = "1500MB"
FULL_SECONDS, HOUR_SECONDS, PEAK_MIB = 60.0, 3.0, 2048.0
NAMES = {"load": "load", "build": "full build", "hour": "one more hour, landed and built"}

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


def build(folder: Path, fleet: Fleet, lines: int) -> Used:
    """Build every model of what has landed, from nothing or what is new."""
    from pipeline.build import build as build_models
    from pipeline.models import load_models
    from pipeline.warehouse import open_warehouse

    models = load_models(ROOT / "sql")
    with measured() as used, open_warehouse(folder / "work.duckdb", memory_limit=MEMORY_LIMIT) as conn:
        assert not build_models(conn, models, as_of=START_AT + timedelta(days=41)).is_noop
        wrong = "select count(*) from mart_reconciliation_daily where difference_usd <> 0"
        assert conn.execute(wrong).fetchall() == [(0,)]
    return used


def hour(folder: Path, fleet: Fleet, lines: int) -> Used:
    """Land the hour after the month and build it."""
    from pipeline.landing import land
    from pipeline.warehouse import open_warehouse

    one = [telemetry(fleet, fleet.days * 24, 1)]
    with measured() as landed, open_warehouse(folder / "work.duckdb") as conn:
        land(conn, one, arrived_at=START_AT + timedelta(days=41))
    used = build(folder, fleet, lines)
    return {name: used[name] + landed[name] if name != "peak_mib" else used[name] for name in used}


STEPS = {"load": load, "build": build, "hour": hour}


def child(step: str, folder: Path, hosts: int, lines: int) -> Used:
    """Run one step in a process of its own."""
    command = [sys.executable, "-m", "bench.ledger_scale", "--child", step, "--folder", str(folder)]
    command += ["--hosts", str(hosts), "--lines", str(lines)]
    used: Used = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT).stdout)
    print(f"{NAMES[step]:<34}{used['cpu']:>9.2f} CPU s{used['wall']:>9.2f} s{used['peak_mib']:>9.0f} MiB")
    return used


def main(hosts: int, lines: int) -> int:
    """Measure and print; 1 when a bar is missed."""
    print(f"{hosts * GPUS:,} devices, 30 days, {lines:,} bill lines")
    with tempfile.TemporaryDirectory(prefix="chipledger-bench-") as folder:
        used = {step: child(step, Path(folder), hosts, lines) for step in STEPS}
    is_met = used["build"]["wall"] <= FULL_SECONDS and used["hour"]["wall"] <= HOUR_SECONDS
    is_met = is_met and used["build"]["peak_mib"] <= PEAK_MIB
    print(f"bars: ≤ {FULL_SECONDS:.0f} s, ≤ 2 GiB, one hour ≤ {HOUR_SECONDS:.0f} s: {'met' if is_met else 'missed'}")
    return int(not is_met)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=288, help="p5.48xlarge hosts of 8 GPUs (default 288: 2,304 GPUs)")
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines of the bill")
    parser.add_argument("--child", choices=sorted(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        print(json.dumps(STEPS[chosen.child](chosen.folder, Fleet(chosen.hosts), chosen.lines)))
    else:
        sys.exit(main(chosen.hosts, chosen.lines))
