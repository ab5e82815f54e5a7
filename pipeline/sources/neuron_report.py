"""What one neuron-monitor report says: rows of reports, cores, owners and devices, under every name the groups had."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeAlias

from pipeline.sources.base import MOST_OF_A_DEVICE

Json: TypeAlias = Mapping[str, Any]
Row: TypeAlias = tuple[Any, ...]

DEFAULT_PERIOD_SECONDS: Final = 5.0
SHORT_PERIOD_RATIO: Final = 0.5
REPORT_KEYS: Final = frozenset({"neuron_runtime_data", "system_data", "neuron_hardware_info", "instance_info"})
COUNTERS: Final = ("neuroncore_counters", "nc_counters")
HARDWARE_COUNTERS: Final = ("neuron_hw_counters", "hw_counters")
ECC: Final = ("mem_ecc_corrected", "mem_ecc_uncorrected", "sram_ecc_corrected", "sram_ecc_uncorrected")
CORE_NAME: Final = re.compile(r"0|[1-9][0-9]{0,7}")
MAX_INT32: Final = 2**31 - 1
MAX_INT64: Final = 2**63 - 1


class ReportError(ValueError):
    """JSON that is no neuron-monitor report; the message is the reason shown in raw_rejects."""


@dataclass
class ReportRows:
    """One report's rows, in the column order of the raw tables without their leading keys.

    report: instance columns up to ultraserver_id. cores: (pid, runtime_tag, core_index, utilization_percent, flops,
    memory_used_bytes, loaded_model_count). owners: (core_index, device_index, pod_name, namespace, container_name).
    devices: (device_index, four ECC counts). `period_seconds` is the longest period of the system groups.
    """

    instance_id: str
    period_seconds: float
    report: Row = ()
    cores: list[Row] = field(default_factory=list)
    owners: list[Row] = field(default_factory=list)
    devices: list[Row] = field(default_factory=list)


@dataclass
class _Runtimes:
    """What the runtimes of a report say, and what had to be dropped."""

    cores: list[Row]
    error_count: int
    counter_error_count: int
    shortest_period: float


def read_report(document: object, topology: Mapping[str, tuple[int | None, int | None]]) -> ReportRows:
    """Rows of one report. `topology`: instance type → (devices, logical cores per device), where a report is silent.

    A group with an `error` is dropped and counted. Raises ReportError where the JSON has another shape.
    """
    if not isinstance(document, dict) or not REPORT_KEYS & document.keys():
        raise ReportError("JSON, but no neuron-monitor report")
    system = _object(document, "system_data")
    runtimes = _runtimes(document)
    period = _system_period(system)
    instance = _object(document, "instance_info")
    if not _text(instance, "instance_id"):
        raise ReportError("no instance_id in instance_info: its devices could not be told from another host's")
    rows = ReportRows(_text(instance, "instance_id"), period, cores=runtimes.cores)
    error_count = runtimes.error_count + sum(_failed(group) for group in system.values())
    kubernetes = _object(document, "neuron_k8s_info") or _object(system, "neuron_k8s_info")
    if _failed(kubernetes):
        error_count += 1
    else:
        rows.owners = list(_owners(kubernetes))
    rows.devices = list(_devices(_first(system, HARDWARE_COUNTERS)))
    rows.report = (
        *_instance(instance, _object(document, "neuron_hardware_info"), topology),
        round(period * 1000),
        len(_list(document, "neuron_runtime_data")),
        error_count,
        runtimes.counter_error_count,
        runtimes.shortest_period < SHORT_PERIOD_RATIO * period,
        _text(instance, "ultraserver_id"),
    )
    return rows


def _instance(info: Json, hardware: Json, topology: Mapping[str, tuple[int | None, int | None]]) -> Row:
    instance_type = _text(info, "instance_type")
    usual_devices, usual_cores = topology.get(instance_type, (None, None))
    return (
        instance_type,
        _text(info, "instance_name"),
        _text(info, "instance_region"),
        _text(info, "instance_availability_zone"),
        _whole(hardware, "neuron_device_count", MAX_INT32) or usual_devices,
        _whole(hardware, "neuroncore_per_device_count", MAX_INT32) or usual_cores,
        _whole(hardware, "logical_neuroncore_config", MAX_INT32) or None,
        _whole(hardware, "neuron_device_memory_size") or None,
    )


def _system_period(system: Json) -> float:
    periods = [
        _number(group, "period") or 0.0
        for name, group in system.items()
        if name != "neuron_k8s_info" and isinstance(group, dict) and not _failed(group)
    ]
    return max((period for period in periods if 0 < period < MAX_INT32), default=DEFAULT_PERIOD_SECONDS)


def _runtimes(document: Json) -> _Runtimes:
    found = _Runtimes([], 0, 0, float("inf"))
    runtimes = _list(document, "neuron_runtime_data")
    for runtime in runtimes:
        _add_runtime(runtime, found)
    if len({row[:2] for row in found.cores}) < len(runtimes):
        found.cores = _without_doubles(found.cores)
    return found


def _add_runtime(runtime: Json, found: _Runtimes) -> None:
    pid = _whole(runtime, "pid")
    if pid is None:
        raise ReportError("a runtime without pid")
    dead = _failed(runtime)
    groups = _object(runtime, "report")
    found.error_count += dead + sum(_failed(group) for group in groups.values())
    counters, memory = _first(groups, COUNTERS), _object(groups, "memory_used")
    # a configuration without core counters tells as little of them as counters that failed
    busy_counts = not dead and not _failed(counters) and any(name in groups for name in COUNTERS)
    held_counts = not dead and not _failed(memory)
    found.counter_error_count += not busy_counts
    for group in (counters if busy_counts else {}, memory if held_counts else {}):
        found.shortest_period = min(found.shortest_period, _number(group, "period") or float("inf"))
    busy = _object(counters, "neuroncores_in_use")
    held = _object(_object(_object(memory, "neuron_runtime_used_bytes"), "usage_breakdown"), "neuroncore_memory_usage")
    models = _models_per_core(memory) if held_counts else {}
    tag = "" if (said := runtime.get("neuron_runtime_tag")) is None else str(said)
    for name in {**busy, **held, **models}:
        use = _object(busy, name) if busy_counts else {}
        found.cores.append(
            (
                pid,
                tag,
                _index(name),
                _number(use, "neuroncore_utilization"),
                _number(use, "flops"),
                _bytes(_object(held, name)) if held_counts and name in held else None,
                models.get(name, 0) if held_counts else None,
            )
        )


def _without_doubles(rows: list[Row]) -> list[Row]:
    """One row per pid, tag and core: of doubles (containers count pids apart) the busiest, and sums of the rest."""
    merged: dict[Row, Row] = {}
    for row in rows:
        key, values = row[:3], row[3:]
        merged[key] = values if key not in merged else _merged(merged[key], values)
    return [(*key, *values) for key, values in merged.items()]


def _merged(one: Row, other: Row) -> Row:
    pairs = [[value for value in pair if value is not None] for pair in zip(one, other, strict=True)]
    sums = [sum(pair) if pair else None for pair in pairs[1:]]
    if sums[1] is not None and sums[1] > MAX_INT64:
        raise ReportError("memory of one core past 64 bits")
    return (max(pairs[0], default=None), *sums)


def _models_per_core(memory: Json) -> dict[str, int]:
    counts: dict[str, int] = {}
    for model in _list(memory, "loaded_models"):
        subgraphs = _object(model, "subgraphs")
        cores = {_whole(_object(subgraphs, name), "neuroncore_index", MAX_INT32) for name in subgraphs}
        for core in cores - {None}:
            counts[str(core)] = counts.get(str(core), 0) + 1
    return counts


def _owners(info: Json) -> Iterator[Row]:
    for key, is_core in (("neuroncores_k8s_info", True), ("neurondevices_k8s_info", False)):
        for name, owners in _object(info, key).items():
            index = _index(name)
            for owner in owners if isinstance(owners, list) else [owners]:
                if not isinstance(owner, dict):
                    raise ReportError(f"{key} of {name} is no object")
                containers = owner.get("container_name") or []
                container = ",".join(map(str, containers)) if isinstance(containers, list) else str(containers)
                place = (index, None) if is_core else (None, index)
                yield (*place, _text(owner, "pod_name"), _text(owner, "namespace"), container)


def _devices(group: Json) -> Iterator[Row]:
    if _failed(group):
        return
    for device in _list(group, "neuron_devices"):
        if (index := _whole(device, "neuron_device_index", MAX_INT32)) is None:
            raise ReportError("a device without neuron_device_index")
        yield (index, *(_whole(device, count, MOST_OF_A_DEVICE) for count in ECC))


def _bytes(breakdown: Json) -> int:
    try:
        total = sum(breakdown.values())
    except TypeError:
        total = None
    if type(total) is not int or not 0 <= total <= MOST_OF_A_DEVICE:
        raise ReportError("a part of neuroncore_memory_usage is no count of bytes")
    return total


def _failed(group: object) -> bool:
    return isinstance(group, dict) and bool(group.get("error"))


def _first(parent: Json, names: tuple[str, ...]) -> Json:
    return next((_object(parent, name) for name in names if name in parent), {})


def _object(parent: Json, name: str) -> Json:
    value = parent.get(name)
    if type(value) is dict:
        return value
    if value is None:
        return {}
    raise ReportError(f"{name} is no object")


def _list(parent: Json, name: str) -> list[Json]:
    value = parent.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ReportError(f"{name} is no list of objects")
    return value


def _text(parent: Json, name: str) -> str:
    value = parent.get(name)
    return "" if value is None else str(value)


def _number(parent: Json, name: str) -> float | None:
    value = parent.get(name)
    if value is None or type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    raise ReportError(f"{name} is no number")


def _whole(parent: Json, name: str, limit: int = MAX_INT64) -> int | None:
    value = parent.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if value is None or value == "":
        return None
    if type(value) is not int or not 0 <= value <= limit:
        raise ReportError(f"{name} is no whole number")
    return value


@lru_cache(maxsize=4096)
def _index(name: str) -> int:
    if not CORE_NAME.fullmatch(name):
        raise ReportError(f"{name[:40]!r} is no core or device number")
    return int(name)
