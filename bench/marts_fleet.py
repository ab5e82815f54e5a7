"""A GPU fleet's raw rows as deliveries, made with numpy: input of the marts benchmark, landed by pipeline.landing.

Every host has 8 GPUs, scraped once a minute. By turns hosts train (a gang of pods), serve (a pod per GPU, replaced
daily), run Slurm jobs by day, and share: two GPUs between two pods each (rows copied, as dcgm-exporter does), one free.
One host-minute in a thousand is missing; each day one host-hour is delivered twice, and the newer values count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.sources.base import DeliveryInfo, ParsedDelivery

START_AT = datetime(2026, 10, 1, tzinfo=UTC)
GPUS, MINUTES = 8, 60
ACCOUNTS = ("111111111111", "222222222222", "333333333333")
INSTANCE_TYPE, LIST_USD, PLAN_USD = "p5.48xlarge", Decimal("55.04"), Decimal("31.4064")
SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
HOUR = timedelta(hours=1)

Doubles = npt.NDArray[np.float64]


class Owner(NamedTuple):
    """What the labels of a device row say about who holds the device."""

    namespace: str = ""
    pod: str = ""
    container: str = ""
    hpc_job: str = ""


@dataclass(frozen=True)
class Fleet:
    """How many hosts, over how many days from START_AT."""

    hosts: int
    days: int = 30

    @property
    def accelerator_minutes(self) -> int:
        """Device rows without copies and gaps."""
        return self.hosts * GPUS * self.days * 24 * MINUTES

    def hostname(self, host: int) -> str:
        return f"ip-10-{host // 250}-{host % 250}-17.ec2.internal"

    def instance_id(self, host: int) -> str:
        return f"i-{host + 1:017x}"


def telemetry(fleet: Fleet, hours: range) -> Iterator[ParsedDelivery]:
    """One delivery per host and hour, hour by hour, as exporters' files arrive."""
    for hour in hours:
        for host in range(fleet.hosts):
            yield _host_hour(fleet, host, hour, version=0)
        if hour % 24 == 5:
            yield _host_hour(fleet, hour // 24 % fleet.hosts, hour, version=1)


def inventory(fleet: Fleet) -> Iterator[ParsedDelivery]:
    """One listing of all instances per day, and one after the last day."""
    for day in range(fleet.days + 1):
        observed_at = START_AT + timedelta(days=day, hours=2)
        rows = [_inventory_row(fleet, host, observed_at) for host in range(fleet.hosts)]
        batch = pa.RecordBatch.from_pylist(rows)
        yield ParsedDelivery(info_of("inventory", f"inventory/{day}", observed_at), iter([("raw_inventory", batch)]))


def bill(fleet: Fleet) -> ParsedDelivery:
    """One CUR delivery: an instance line per host-hour up to an hour after the last day, EBS per host-day, one tax."""
    delivered_at = START_AT + timedelta(days=fleet.days + 2)
    rows = [*_box_lines(fleet), *_ebs_lines(fleet), _tax_line()]
    numbered = [{"line_number": number, **row} for number, row in enumerate(rows, start=1)]
    schema = pa.schema([(name, _cur_type(name, value)) for name, value in numbered[0].items()])
    batch = pa.Table.from_pylist(numbered, schema).combine_chunks().to_batches()[0]
    info = info_of("cur", "cur/1", delivered_at, export_name="bench", billing_period=START_AT.date(), execution_id="1")
    return ParsedDelivery(info, iter([("raw_cur_lines", batch)]))


def _host_hour(fleet: Fleet, host: int, hour: int, version: int) -> ParsedDelivery:
    start_at = START_AT + hour * HOUR
    observed_at = start_at + (1 + version) * HOUR
    rng = np.random.default_rng([host, hour, version])
    minute = np.repeat(np.flatnonzero(np.random.default_rng([host, hour]).random(MINUTES) >= 0.001), GPUS)
    gpu = np.tile(np.arange(GPUS), len(minute) // GPUS)
    owners, codes, copies = _owners(host, hour, minute, gpu)
    measures = _measures(rng, host, hour, minute, gpu, np.array([bool(any(owner)) for owner in owners])[codes])
    again = np.flatnonzero(copies >= 0)
    rows = np.concatenate([np.arange(len(gpu)), again])
    codes = np.concatenate([codes, copies[again]])
    # a host is scraped at its own second of the minute
    seconds = hour * 3600 + minute[rows] * 60 + host * 7 % 60 + 1
    columns: dict[str, Any] = {"sample_at": _times(seconds), "cadence_ms": np.full(len(rows), 30_000)}
    columns |= _identity(fleet, host, gpu[rows]) | _labels(owners, codes)
    columns |= {name: pa.array(values[rows], from_pandas=True) for name, values in measures.items()}
    samples = pa.RecordBatch.from_pydict(columns)
    name = f"dcgm/{fleet.hostname(host)}/{start_at:%Y%m%dT%H%M%SZ}.{version}.prom"
    first_at, last_at = (START_AT + timedelta(seconds=int(each)) for each in (seconds.min(), seconds.max()))
    batches = iter([("raw_dcgm_samples", samples), ("raw_dcgm_devices", _devices(fleet, host, first_at, last_at))])
    return ParsedDelivery(info_of("dcgm", name, observed_at), batches)


def _owners(
    host: int, hour: int, minute: npt.NDArray[np.int64], gpu: npt.NDArray[np.int64]
) -> tuple[list[Owner], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The owners of this hour, the owner of each row, and that of its copy (-1: no copy)."""
    day, kind = hour // 24, host % 4
    none = np.full(len(gpu), -1)
    if kind == 0:
        return [Owner("training", f"llm-{host // 16}-{day // 5}-{host}", "train")], np.zeros_like(gpu), none
    if kind == 1:
        pods = [_serving_pod(host, slot, day - (turn == 0)) for turn in range(2) for slot in range(GPUS)]
        is_new_pod = hour % 24 * 60 + minute >= 631
        return [Owner("serving", pod, "server") for pod in pods], gpu + GPUS * is_new_pod, none
    if kind == 2:
        is_day = 6 <= hour % 24 < 20
        return [Owner(hpc_job=str(4000 + day))] if is_day else [Owner()], np.zeros_like(gpu), none
    owners = [*(Owner("notebooks", f"nb-{slot}-0", "jupyter") for slot in range(GPUS - 1)), Owner()]
    owners += [Owner("notebooks", f"shared-{slot}-0", "jupyter") for slot in range(2)]
    return owners, gpu, np.where(gpu < 2, GPUS + gpu, -1)


def _serving_pod(host: int, gpu: int, day: int) -> str:
    digest = hashlib.sha256(f"{host}/{gpu}/{day}".encode()).digest()
    return f"chat-{gpu % 3}-7d9f8b6c5d-" + "".join(SUFFIX[byte % len(SUFFIX)] for byte in digest[:5])


def _measures(
    rng: np.random.Generator,
    host: int,
    hour: int,
    minute: npt.NDArray[np.int64],
    gpu: npt.NDArray[np.int64],
    is_held: npt.NDArray[np.bool_],
) -> dict[str, Doubles]:
    count = len(gpu)
    level = (0.85, 0.45 + 0.3 * np.sin(hour / 24 * 2 * np.pi), 0.6, 0.2)[host % 4]
    busy = np.where(is_held, np.clip(np.round(rng.normal(level, 0.1, count), 3), 0, 1), 0.0)
    without_profiling = host % 8 == 7
    profiled = np.full(count, np.nan) if without_profiling else busy
    used = np.floor(is_held * (20_000 + 50_000 * rng.random(count)))
    elapsed = (hour * MINUTES + minute) * 60
    return {
        "gpu_util": np.floor(busy * 100 + 0.5),
        "gr_engine_active": profiled,
        "sm_active": np.round(profiled * 0.9, 3),
        "sm_occupancy": np.round(profiled * 0.5, 3),
        "tensor_active": np.round(profiled * 0.6, 3),
        "dram_active": np.round(profiled * 0.4, 3),
        "mem_copy_util": np.floor(busy * 40),
        "power_usage": np.round(90 + 600 * busy + rng.random(count), 3),
        "total_energy_consumption": elapsed * 350_000.0 + gpu * 1e9 + np.floor(rng.random(count) * 1e6),
        "gpu_temp": np.floor(30 + 45 * busy),
        "memory_temp": np.floor(35 + 45 * busy),
        "fb_used": used,
        "fb_free": 81_000 - used,
        "xid_errors": np.where(rng.random(count) < 1e-5, 31.0, 0.0),
        "ecc_dbe_volatile": np.zeros(count),
    }


def _identity(fleet: Fleet, host: int, gpu: npt.NDArray[np.int64]) -> dict[str, pa.Array]:
    texts = {
        "gpu_index": [str(each) for each in range(GPUS)],
        "device": [f"nvidia{each}" for each in range(GPUS)],
        "gpu_uuid": [_gpu_uuid(host, each) for each in range(GPUS)],
    }
    fixed = {"hostname": fleet.hostname(host), "model_name": "NVIDIA H100 80GB HBM3"}
    fixed |= dict.fromkeys(("gpu_instance_id", "gpu_instance_profile", "pod_uid"), "")
    columns = {name: _coded(gpu, values) for name, values in texts.items()}
    return columns | {name: _coded(np.zeros_like(gpu), [value]) for name, value in fixed.items()}


def _labels(owners: list[Owner], codes: npt.NDArray[np.int64]) -> dict[str, pa.Array]:
    return {name: _coded(codes, [getattr(owner, name) for owner in owners]) for name in Owner._fields}


def _devices(fleet: Fleet, host: int, first_at: datetime, last_at: datetime) -> pa.RecordBatch:
    rows = [
        {"hostname": fleet.hostname(host), "gpu_index": str(gpu), "device": f"nvidia{gpu}"}
        | {"gpu_uuid": _gpu_uuid(host, gpu), "model_name": "NVIDIA H100 80GB HBM3"}
        | {"first_at": first_at, "last_at": last_at}
        for gpu in range(GPUS)
    ]
    return pa.RecordBatch.from_pylist(rows)


def _gpu_uuid(host: int, gpu: int) -> str:
    return f"GPU-{host:08x}-5d2a-4c1b-9e3f-{gpu + 1:012x}"


def _coded(codes: npt.NDArray[np.int64], values: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(values))


def _times(seconds: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(seconds * 1_000_000 + int(START_AT.timestamp()) * 1_000_000, pa.timestamp("us", tz="UTC"))


def _inventory_row(fleet: Fleet, host: int, observed_at: datetime) -> dict[str, Any]:
    return {
        "observed_at": observed_at,
        "instance_id": fleet.instance_id(host),
        "instance_type": INSTANCE_TYPE,
        "account_id": ACCOUNTS[host % 3],
        "region": "us-east-1",
        "availability_zone": "us-east-1a",
        "private_dns_name": fleet.hostname(host),
        "launch_at": START_AT - HOUR,
        "state": "running",
        "lifecycle": "on-demand",
        "tags": json.dumps({"aws:eks:cluster-name": ("train", "serve", "slurm", "lab")[host % 4]}),
    }


def _box_lines(fleet: Fleet) -> Iterator[dict[str, Any]]:
    for hour in range(fleet.days * 24 + 1):
        for host in range(fleet.hosts):
            is_covered = host % 3 != 0
            line = _line(host, START_AT + hour * HOUR, HOUR, f"BoxUsage:{INSTANCE_TYPE}", LIST_USD)
            line["line_item_id"] = f"box-{host}-{hour}"
            line["record_type"] = "SavingsPlanCoveredUsage" if is_covered else "Usage"
            yield line | {"resource_id": fleet.instance_id(host), "sp_effective_cost": PLAN_USD if is_covered else None}


def _ebs_lines(fleet: Fleet) -> Iterator[dict[str, Any]]:
    for day in range(fleet.days):
        for host in range(fleet.hosts):
            line = _line(host, START_AT + timedelta(days=day), timedelta(days=1), "EBS:VolumeUsage.gp3", Decimal("2.6"))
            yield line | {"line_item_id": f"ebs-{host}-{day}", "resource_id": f"vol-{host:017x}", "instance_type": ""}


def _tax_line() -> dict[str, Any]:
    line = _line(0, START_AT, HOUR, "", Decimal("1234.56"))
    return line | {"line_item_id": "tax", "record_type": "Tax", "instance_type": ""}


def _line(host: int, start_at: datetime, length: timedelta, usage_type: str, cost: Decimal) -> dict[str, Any]:
    return {
        "line_item_id": "",
        "billing_period": START_AT.date(),
        "usage_start_at": start_at,
        "usage_end_at": start_at + length,
        "account_id": ACCOUNTS[host % 3],
        "record_type": "Usage",
        "product_code": "AmazonEC2",
        "usage_type": usage_type,
        "resource_id": "",
        "instance_type": INSTANCE_TYPE,
        "region": "us-east-1",
        "currency": "USD",
        "usage_amount": Decimal(1),
        "unblended_cost": cost,
        "public_on_demand_cost": cost,
        "sp_effective_cost": None,
        "has_net_columns": False,
    }


def _cur_type(name: str, value: object) -> pa.DataType:
    if name.endswith(("_cost", "_amount")):
        return pa.decimal128(38, 10)
    if name.endswith("_at"):
        return pa.timestamp("us", tz="UTC")
    return {date: pa.date32(), bool: pa.bool_(), int: pa.int64()}.get(type(value), pa.string())


def info_of(source: str, name: str, observed_at: datetime, **more: Any) -> DeliveryInfo:
    return DeliveryInfo(
        source=source,
        object=name,
        content_sha256=hashlib.sha256(name.encode()).hexdigest(),
        observed_at=observed_at,
        time_guessed=False,
        delivered_at=observed_at,
        **more,
    )
