"""Inventory and telemetry of a drawn bill's nodes, as rows of raw tables, and the device time that they mean.

One sample per device and ten-minute slot; it stands for the time since the sample before, at most two slots.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.properties.bills import HOUR, HOURS, Bill, Node
from tests.properties.lines import OTHER_TYPE, hours_of, instance_id

Row = dict[str, Any]
SLOT = timedelta(minutes=10)
CADENCE_MS = 600_000
OBSERVED_DEVICES = 2
CORES = {"cores": 4, "lnc": 4}
# what `more` makes of a slot: pod a holds what nobody known held
MORE = {"free": "a", "busy": "a"}
# a device in parts: whole GPUs and halves, MIG instances of three and four slices of seven, cores of four and of eight
WHOLE = 56
# what owners hold of the first device that telemetry tells of, of the second …; the last stands for those behind it
Parts = tuple[dict[str, int], ...]
A, B, UNNAMED = {"a": WHOLE}, {"b": WHOLE}, {"unnamed": WHOLE}
WEIGHTS: dict[str, dict[str, Parts]] = {
    "gpu": {
        "a": (A,), "b": (B,), "ab": ({"a": 28, "b": 28},), "job": ({"job": WHOLE},), "renewed": (A,),
        "busy": (UNNAMED,),
    },
    "mig": {"ab": ({"a": 24, "b": 32},), "a": ({"a": 24},), "whole": (A,)},
    "cores": {"split": ({"a": 42, "b": 14}, B), "a": (A, {}), "busy": ({"unnamed": 14}, {})},
    "lnc": {"lnc1": ({"a": 21},), "lnc2": ({"a": 14},), "busy": ({"unnamed": 14},)},
}  # fmt: skip


@dataclass(frozen=True)
class Meaning:
    """Device time of one instance-hour in 56ths of seconds: of each owner ('' is idle), and of all."""

    hour_at: datetime
    instance_id: str
    held: dict[str, int]
    total: int
    # a slice of a nanosecond is cut off where time divides by seven
    is_exact: bool


def with_more(bill: Bill) -> Bill:
    """The bill whose pod a holds whatever nobody known held, and whole GPUs where no sample came.

    Part of a device that no sample told of would bring the rest of it into sight too, as idle time.
    """
    return replace(bill, nodes=tuple(_with_more(node) for node in bill.nodes))


def _with_more(node: Node) -> Node:
    more = {**MORE, "gap": "a"} if node.telemetry == "gpu" else MORE
    return replace(node, states=tuple(more.get(state, state) for state in node.states))


def slots(node: Node, bill: Bill) -> Iterator[tuple[int, datetime]]:
    """(number, end by the clock of the node) of the slots that end while the node runs."""
    start_at = bill.first_at + timedelta(minutes=node.start_minute)
    for number in range(HOURS * 6):
        end_at = bill.first_at + (number + 1) * SLOT
        if start_at < end_at <= start_at + timedelta(minutes=node.minutes):
            yield number, end_at + timedelta(seconds=node.skew_seconds)


def state_of(node: Node, device: int, slot: int) -> str:
    """Who holds the device in the slot."""
    return node.states[(slot + device) % len(node.states)]


def inventory_rows(node: Node, which: int, bill: Bill, twin: int, account: str) -> Iterator[Row]:
    """The lives of a listed node: one, or two where it comes back as another type."""
    if not node.is_listed:
        return
    start_at = bill.first_at + timedelta(minutes=node.start_minute)
    end_at = start_at + timedelta(minutes=node.minutes)
    change_at = start_at.replace(minute=0) + HOUR
    lives = [(start_at, end_at, node.instance_type)]
    if node.changes_type and change_at < end_at:
        lives = [(start_at, change_at, node.instance_type), (change_at, end_at, OTHER_TYPE)]
    for launch_at, stopped_at, instance_type in lives:
        yield {
            "observed_at": end_at, "instance_id": instance_id(twin, which), "instance_type": instance_type,
            "account_id": account, "region": "us-east-1", "launch_at": launch_at, "state": "terminated",
            "stopped_at": stopped_at, "lifecycle": "spot" if node.purchase == "spot" else "on-demand", "tags": "{}",
        }  # fmt: skip


def _pods(state: str, namespace: str) -> list[Row]:
    """The owner labels of one GPU sample: a row for each."""
    pod = {"namespace": namespace, "container": "main"}
    match state:
        case "job":
            return [{"hpc_job": f"{namespace}job"}]
        case "free" | "busy":
            return [{}]
        case "renewed":
            return [{**pod, "pod": "wa-0", "pod_uid": "second"}]
    return [{**pod, "pod": f"w{owner}-0", "pod_uid": "first"} for owner in state]


def _parts(state: str, kind: str) -> list[tuple[Row, str]]:
    """The whole GPU, or its MIG instances, each with who holds it."""
    if kind != "mig" or state == "whole":
        return [({}, "a" if state == "whole" else state)]
    three = {"gpu_instance_id": "1", "gpu_instance_profile": "3g.20gb"}
    four = {"gpu_instance_id": "2", "gpu_instance_profile": "4g.20gb"}
    first, second = {"ab": ("a", "b"), "a": ("a", "free")}.get(state, (state, state))
    return [(three, first), (four, second)]


def gpu_rows(node: Node, which: int, bill: Bill, twin: int, namespace: str) -> Iterator[tuple[str, Row]]:
    """(table, row) of the exporter on the node."""
    host = instance_id(twin, which)
    for device in range(min(node.device_count, OBSERVED_DEVICES)):
        place = {
            "hostname": host, "gpu_index": str(device), "device": f"nvidia{device}",
            "gpu_uuid": f"GPU-{twin:08x}-{which:04x}-{device:04x}", "model_name": "",
        }  # fmt: skip
        times = []
        for slot, end_at in slots(node, bill):
            state = state_of(node, device, slot)
            if state == "gap":
                continue
            times.append(end_at)
            sample = {**place, "sample_at": end_at, "cadence_ms": CADENCE_MS}
            for part, holder in _parts(state, node.telemetry):
                busy = 0.0 if holder == "free" else 0.5
                for owner in _pods(holder, namespace):
                    yield "raw_dcgm_samples", {**sample, **part, **owner, "gr_engine_active": busy}
        if times:
            yield "raw_dcgm_devices", {**place, "first_at": times[0], "last_at": times[-1]}


def _core_owners(state: str, kind: str) -> list[tuple[str, int]]:
    """(pod, core) held: three and thirteen of sixteen cores, or the first device."""
    if state == "split":
        return [("wa-0" if core < 3 else "wb-0", core) for core in range(16)]
    held = {"a": CORES[kind], "lnc1": 3, "lnc2": 1}.get(state, 0)
    return [("wa-0", core) for core in range(held)]


def neuron_rows(node: Node, which: int, bill: Bill, twin: int, namespace: str) -> Iterator[tuple[str, Row]]:
    """(table, row) of neuron-monitor on the node."""
    for slot, end_at in slots(node, bill):
        state = state_of(node, 0, slot)
        if state == "gap":
            continue
        cores = 8 if state == "lnc1" else CORES[node.telemetry]
        key = {"report_number": which * 100 + slot + 1, "sample_at": end_at, "instance_id": instance_id(twin, which)}
        unnamed = state == "busy"
        yield (
            "raw_neuron_reports",
            {
                **key, "instance_type": node.instance_type, "region": "us-east-1", "device_count": node.device_count,
                "cores_per_device": cores, "cadence_ms": CADENCE_MS, "runtime_count": int(unnamed),
                "error_group_count": 0, "counter_error_count": 0, "short_period": False,
            },
        )  # fmt: skip
        if unnamed:
            runtime = {
                "pid": 7,
                "runtime_tag": "7",
                "core_index": 0,
                "utilization_percent": 50.0,
                "loaded_model_count": 1,
            }
            yield "raw_neuron_cores", {**key, **runtime}
        for pod, core in _core_owners(state, node.telemetry):
            owner = {"core_index": core, "pod_name": pod, "namespace": namespace, "container_name": "main"}
            yield "raw_neuron_owners", {**key, **owner}


def telemetry_rows(bill: Bill, twin: int, namespace: str) -> Iterator[tuple[int, str, Row]]:
    """(node, table, row) of all telemetry; GPU pods and Neuron pods alike."""
    for which, node in enumerate(bill.nodes):
        rows = gpu_rows if node.telemetry in ("gpu", "mig") else neuron_rows
        for table, row in rows(node, which, bill, twin, namespace):
            yield which, table, row


def meanings(bill: Bill, twin: int) -> Iterator[Meaning]:
    """What the samples mean, worked out apart from the pipeline, owner by owner."""
    for which, node in enumerate(bill.nodes):
        if node.changes_type or _switches_back(node, bill):
            continue
        spent = _device_time(node, bill)
        for _, hour_at, seconds in hours_of(node, bill):
            held = {owner: time for (at, owner), time in spent.items() if at == hour_at}
            observed, unnamed = held.pop("observed", 0), held.pop("unnamed", 0)
            free = max(observed - sum(held.values()) - unnamed, 0)
            rest = max(seconds * node.device_count * WHOLE - sum(held.values()) - free, unnamed)
            total = sum(held.values()) + free + rest
            yield Meaning(hour_at, instance_id(twin, which), {**held, "": free}, total, node.telemetry != "mig")


def _switches_back(node: Node, bill: Bill) -> bool:
    """MIG goes on and off again: a series that returns covers up to a cadence that the other told of."""
    for device in range(OBSERVED_DEVICES if node.telemetry == "mig" else 0):
        told = [state_of(node, device, slot) for slot, _ in slots(node, bill)]
        whole = [state == "whole" for state in told if state != "gap"]
        if sum(one != other for one, other in pairwise(whole)) > 1:
            return True
    return False


def _device_time(node: Node, bill: Bill) -> dict[tuple[datetime, str], int]:
    """Parts of device seconds by (hour, owner), with the owners `observed` and `unnamed`."""
    spent: dict[tuple[datetime, str], int] = defaultdict(int)
    is_gpu = node.telemetry in ("gpu", "mig")
    for device in range(min(node.device_count, OBSERVED_DEVICES) if is_gpu else node.device_count):
        before_at, was_whole = None, None
        for slot, end_at in slots(node, bill):
            # one report of neuron-monitor tells of all devices
            state = state_of(node, device if is_gpu else 0, slot)
            if state == "gap":
                continue
            is_whole = state == "whole"
            covered = min(end_at - before_at, 2 * SLOT) if before_at and is_whole == was_whole else SLOT
            start_at, before_at, was_whole = end_at - covered, end_at, is_whole
            owners = WEIGHTS[node.telemetry].get(state, ({},))
            for hour_at, seconds in _by_hour(start_at, end_at):
                for owner, share in {**owners[min(device, len(owners) - 1)], "observed": WHOLE}.items():
                    spent[hour_at, owner] += seconds * share
    return spent


def _by_hour(start_at: datetime, end_at: datetime) -> Iterator[tuple[datetime, int]]:
    while start_at < end_at:
        hour_at = start_at.replace(minute=0, second=0)
        until_at = min(end_at, hour_at + HOUR)
        yield hour_at, int((until_at - start_at).total_seconds())
        start_at = until_at
