"""DCGM telemetry of the benchmark's fleet as deliveries of dcgm-exporter's text, made with numpy.

One host-minute in a thousand is missing; each day one host-hour is delivered twice, and the newer values count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.marts_fleet import (
    ENDED_MINUTE,
    GPUS,
    HOUR,
    MINUTES,
    REPLACED_MINUTE,
    START_AT,
    UUID_HOUR,
    Fleet,
    gpu_uuid,
    info_of,
)
from pipeline.sources.base import ParsedDelivery

MODEL = "NVIDIA H100 80GB HBM3"
PROFILES = ("", "1g.10gb", "2g.20gb", "4g.40gb")  # by MIG instance, 0 = whole GPU
SUFFIX = "bcdfghjklmnpqrstvwxz2456789"

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Owner(NamedTuple):
    """What the labels of a device row say about who holds the device."""

    namespace: str = ""
    pod: str = ""
    container: str = ""
    hpc_job: str = ""


@dataclass(frozen=True)
class Hour:
    """What is scraped of a host in one hour: minute from START_AT, GPU and MIG instance (0 = whole) of each row."""

    fleet: Fleet
    host: int
    number: int
    minute: Integers
    gpu: Integers
    part: Integers


def telemetry(fleet: Fleet, hours: range) -> Iterator[ParsedDelivery]:
    """One delivery per host and hour, hour by hour, as exporters' files arrive."""
    for number in hours:
        for host in range(fleet.hosts):
            yield _host_hour(fleet, host, number, version=0)
        if number % 24 == 5:
            yield _host_hour(fleet, number // 24 % fleet.hosts, number, version=1)


def _host_hour(fleet: Fleet, host: int, number: int, version: int) -> ParsedDelivery:
    start_at = START_AT + number * HOUR
    rng = np.random.default_rng([host, number, version])
    hour = _scrapes(fleet, host, number)
    owners, codes, copies = _owners(hour)
    is_held = np.array([bool(any(owner)) for owner in owners])[codes]
    measures = _measures(rng, hour, is_held)
    again = np.flatnonzero(copies >= 0)
    rows = np.concatenate([np.arange(len(hour.gpu)), again])
    # a host is scraped at its own second of the minute
    seconds = hour.minute[rows] * 60 + host * 7 % 60 + 1
    columns: dict[str, Any] = {"sample_at": _times(seconds), "cadence_ms": np.full(len(rows), 30_000)}
    columns |= _identity(hour, rows) | _labels(owners, np.concatenate([codes, copies[again]]))
    columns |= {name: pa.array(values[rows], from_pandas=True) for name, values in measures.items()}
    name = f"dcgm/{fleet.dns_name(host)}/{start_at:%Y%m%dT%H%M%SZ}.{version}.prom"
    info = info_of("dcgm", name, start_at + (1 + version) * HOUR, time_guessed=host % 16 == 6)
    samples = pa.RecordBatch.from_pydict(columns)
    return ParsedDelivery(info, iter([("raw_dcgm_samples", samples), ("raw_dcgm_devices", _devices(samples))]))


def _scrapes(fleet: Fleet, host: int, number: int) -> Hour:
    """A row per minute and GPU; where MIG divides it, one per instance instead, and on some hosts beside it."""
    minutes = np.flatnonzero(np.random.default_rng([host, number]).random(MINUTES) >= 0.001) + number * MINUTES
    if host % 8 == 4:  # nobody scrapes between two instances
        minutes = minutes[(minutes <= ENDED_MINUTE + 1) | (minutes > REPLACED_MINUTE)]
    minute, gpu = np.repeat(minutes, GPUS), np.tile(np.arange(GPUS), len(minutes))
    mig = np.array([fleet.mig_gpu(host, int(each)) for each in minutes])[np.arange(len(minute)) // GPUS]
    is_divided = gpu == mig
    is_beside = host % 16 == 3
    rows = np.repeat(np.arange(len(gpu)), np.where(is_divided, len(PROFILES) - 1 + is_beside, 1))
    part = np.arange(len(rows)) - np.searchsorted(rows, rows) + 1 - is_beside
    return Hour(fleet, host, number, minute[rows], gpu[rows], np.where(is_divided[rows], part, 0))


def _owners(hour: Hour) -> tuple[list[Owner], Integers, Integers]:
    """The owners of this hour, the owner of each row, and that of its copy (-1: no copy)."""
    host, gpu, day = hour.host, hour.gpu, hour.number // 24
    none = np.full(len(gpu), -1)
    if host % 4 == 0:
        return [Owner("training", f"llm-{host // 16}-{day // 5}-{host}", "train")], np.zeros_like(gpu), none
    if host % 4 == 1:
        pods = [_serving_pod(host, slot, day - (turn == 0)) for turn in range(2) for slot in range(GPUS)]
        is_new_pod = hour.minute % (24 * MINUTES) >= 631
        return [Owner("serving", pod, "server") for pod in pods], gpu + GPUS * is_new_pod, none
    if host % 4 == 2:
        is_day = 6 <= hour.number % 24 < 20
        return [Owner(hpc_job=str(4000 + day))] if is_day else [Owner()], np.zeros_like(gpu), none
    owners = [*(Owner("notebooks", f"nb-{slot}-0", "jupyter") for slot in range(GPUS - 1)), Owner()]
    owners += [Owner("notebooks", f"shared-{slot}-0", "jupyter") for slot in range(2)]
    owners += [Owner("notebooks", f"slice-{part}-{host}-x", "jupyter") for part in (1, 2)] + [Owner()]
    copies = np.where((gpu < 2) & (hour.part == 0), GPUS + gpu, -1)
    return owners, np.where(hour.part > 0, GPUS + 1 + hour.part, gpu), copies


def _serving_pod(host: int, gpu: int, day: int) -> str:
    digest = hashlib.sha256(f"{host}/{gpu}/{day}".encode()).digest()
    return f"chat-{gpu % 3}-7d9f8b6c5d-" + "".join(SUFFIX[byte % len(SUFFIX)] for byte in digest[:5])


def _measures(rng: np.random.Generator, hour: Hour, is_held: npt.NDArray[np.bool_]) -> dict[str, Doubles]:
    host, count = hour.host, len(hour.gpu)
    level = (0.85, 0.45 + 0.3 * np.sin(hour.number / 24 * 2 * np.pi), 0.6, 0.2)[host % 4]
    # at night somebody works whom no label names
    works = is_held | ((host % 8 == 2) & (hour.number // 24 % 3 == 0) & (hour.gpu < 4) & (hour.part == 0))
    busy = np.where(works, np.clip(np.round(rng.normal(level, 0.1, count), 3), 0, 1), 0.0)
    profiled = np.full(count, np.nan) if host % 8 == 7 else busy
    used = np.floor(works * (20_000 + 50_000 * rng.random(count)))
    measures = {
        "gpu_util": np.floor(busy * 100 + 0.5),
        "gr_engine_active": profiled,
        "sm_active": np.round(profiled * 0.9, 3),
        "sm_occupancy": np.round(profiled * 0.5, 3),
        "tensor_active": np.round(profiled * 0.6, 3),
        "dram_active": np.round(profiled * 0.4, 3),
        "mem_copy_util": np.floor(busy * 40),
        "power_usage": np.round(90 + 600 * busy + rng.random(count), 3),
        "total_energy_consumption": _energy(rng, hour),
        "gpu_temp": np.floor(30 + 45 * busy),
        "memory_temp": np.floor(35 + 45 * busy),
        "fb_used": used,
        "fb_free": 81_000 - used,
        "xid_errors": np.where(rng.random(count) < 1e-5, 31.0, 0.0),
        "ecc_dbe_volatile": np.zeros(count),
    }
    return measures | (_troubled(rng, hour, measures) if host % 8 == 6 else {})


def _energy(rng: np.random.Generator, hour: Hour) -> Doubles:
    """A counter of millijoules, from 0 again after every fifth day on some hosts; older drivers have none."""
    energy = hour.minute * 21_000_000.0 + hour.gpu * 1e9 + np.floor(rng.random(len(hour.gpu)) * 1e6)
    if hour.host % 8 == 6:
        energy %= 5 * 24 * MINUTES * 21_000_000.0
    return np.full(len(energy), np.nan) if hour.host % 8 == 5 else energy


def _troubled(rng: np.random.Generator, hour: Hour, measures: dict[str, Doubles]) -> dict[str, Doubles]:
    """Power and frame buffer that are not told now and then, ratios above their scale, errors that a reboot forgets."""
    count = len(hour.gpu)
    since_reboot = hour.minute % (5 * 24 * MINUTES)
    return {
        "power_usage": np.where(rng.random(count) < 0.01, np.nan, measures["power_usage"]),
        "fb_used": np.where(rng.random(count) < 0.01, np.nan, measures["fb_used"]),
        "gr_engine_active": np.where(rng.random(count) < 1e-4, 1.02, measures["gr_engine_active"]),
        "tensor_active": np.where(rng.random(count) < 0.01, np.nan, measures["tensor_active"]),
        "ecc_dbe_volatile": np.floor(since_reboot / (24 * MINUTES) + hour.gpu / GPUS),
        "xid_errors": np.where(since_reboot % 977 < 5, 63.0, 0.0),
    }


def _identity(hour: Hour, rows: Integers) -> dict[str, pa.Array]:
    fleet, host, gpu, part = hour.fleet, hour.host, hour.gpu[rows], hour.part[rows]
    last = hour.number * MINUTES + MINUTES - 1
    is_second = (hour.minute[rows] >= REPLACED_MINUTE).astype(np.int64)  # of two lives within an hour
    lives = (min(hour.number * MINUTES, REPLACED_MINUTE - 1), max(last, REPLACED_MINUTE))
    uuids = [gpu_uuid(fleet.board(host, minute), each) for minute in lives for each in range(GPUS)]
    if host % 8 == 5 and hour.number < UUID_HOUR:
        uuids = [""] * len(uuids)
    columns = {
        "hostname": _coded(is_second, [fleet.label(host, minute) for minute in lives]),
        "gpu_index": _coded(gpu, [str(each) for each in range(GPUS)]),
        "device": _coded(gpu, [f"nvidia{each}" for each in range(GPUS)]),
        "gpu_uuid": _coded(gpu + GPUS * is_second, uuids),
        "gpu_instance_id": _coded(part, ["", *(str(each) for each in range(1, len(PROFILES)))]),
        "gpu_instance_profile": _coded(part, list(PROFILES)),
    }
    fixed = {"model_name": MODEL, "pod_uid": ""}
    return columns | {name: _coded(np.zeros_like(gpu), [value]) for name, value in fixed.items()}


def _labels(owners: list[Owner], codes: Integers) -> dict[str, pa.Array]:
    return {name: _coded(codes, [getattr(owner, name) for owner in owners]) for name in Owner._fields}


def _devices(samples: pa.RecordBatch) -> pa.RecordBatch:
    """When each physical GPU was seen, as the source tells beside the samples."""
    keys = ["hostname", "gpu_index", "device", "gpu_uuid", "model_name"]
    table = pa.table(
        {name: samples.column(name).cast(pa.string()) for name in keys} | {"at": samples.column("sample_at")}
    )
    spans = table.group_by(keys).aggregate([("at", "min"), ("at", "max")])
    return spans.rename_columns({"at_min": "first_at", "at_max": "last_at"}).combine_chunks().to_batches()[0]


def _coded(codes: Integers, values: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(values))


def _times(seconds: Integers) -> pa.Array:
    return pa.array(seconds * 1_000_000 + int(START_AT.timestamp()) * 1_000_000, pa.timestamp("us", tz="UTC"))
