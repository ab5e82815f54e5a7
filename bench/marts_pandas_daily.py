"""The daily marts by pandas, money in units of 1e-10 USD, times in nanoseconds, ratios as doubles."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.marts_pandas_hours import Hours
from bench.marts_pandas_instances import CHIPS
from bench.marts_pandas_money import PLACE, Money
from bench.marts_pandas_places import Inventory

HOUR_NS = 3_600_000_000_000
COSTS = ["effective_cost_usd", "billed_cost_usd"]


def run(hours: Hours, money: Money, inventory: Inventory) -> dict[str, pd.DataFrame]:
    """The four daily marts, by their names."""
    allocated = money.allocated
    return {
        "mart_workload_cost_daily": _workloads(allocated, hours, money),
        "mart_idle_cost_daily": _idle(allocated, money),
        "mart_accelerator_utilization_daily": _utilization(hours, money, inventory),
        "mart_reconciliation_daily": _reconciliation(allocated, money),
    }


def _workloads(allocated: pd.DataFrame, hours: Hours, money: Money) -> pd.DataFrame:
    key = ["day", "workload_id", "chip", "cost_status"]
    costs = allocated[allocated["cost_class"] == "workload"].groupby(key, as_index=False)[COSTS].sum()
    owned = money.weights[money.weights["part_class"] == "workload"]
    status = money.capacity[["hour", "instance_id", "is_covered"]]
    paid = owned[["hour", "instance_id", "workload_id", "instance_type"]].merge(status, on=["hour", "instance_id"])
    held = hours.held.join(hours.series[["instance_id", "slices", "device_slices"]], on="series")
    held = held.merge(paid, on=["hour", "instance_id", "workload_id"])
    held["day"], held["chip"] = held["hour"] // 24, held["instance_type"].map(CHIPS)
    held["cost_status"] = np.where(held["is_covered"], "billed", "estimated")
    times = ["held_ns", "busy_ns", "known_ns"]
    sums = held.groupby([*key, "slices", "device_slices"], as_index=False)[times].sum()
    for name in times:
        sums[name] = sums[name] * sums["slices"] // sums["device_slices"]
    days = costs.merge(sums.groupby(key, as_index=False)[times].sum(), on=key, how="left")
    known = days["known_ns"].where(days["known_ns"] > 0)
    days["device_hours"], days["known_device_hours"] = days["held_ns"] / HOUR_NS, days["known_ns"] / HOUR_NS
    days["busy_device_hours"] = days["busy_ns"].where(known.notna()) / HOUR_NS
    days["allocated_unused_cost_usd"] = _unused(days)
    days["utilization_ratio"] = days["busy_ns"] / known
    busy_hours = days["device_hours"] * days["utilization_ratio"]
    days["cost_per_busy_device_hour_usd"] = days["effective_cost_usd"] / 1e10 / busy_hours.replace(0, np.nan)
    return days.drop(columns=times).assign(is_seen=True)


def _unused(days: pd.DataFrame) -> pd.Series:
    """The part of the money whose time did not work, to the nearest unit: more than 64 bits hold in between."""
    money, known, busy = (days[name].to_numpy(object) for name in ("effective_cost_usd", "known_ns", "busy_ns"))
    parts = [
        (2 * abs(usd) * (all_ns - busy_ns) + all_ns) // (2 * all_ns) * (1 if usd >= 0 else -1) if all_ns else None
        for usd, all_ns, busy_ns in zip(money, known, busy, strict=True)
    ]
    return pd.Series(parts, index=days.index, dtype="Int64")


def _idle(allocated: pd.DataFrame, money: Money) -> pd.DataFrame:
    key = ["day", "cost_class", "chip", *PLACE, "cluster"]
    idle = allocated[allocated["cost_class"].str.startswith("idle.") | (allocated["cost_class"] == "unattributed")]
    is_billed = idle["cost_status"] == "billed"
    costs = idle[COSTS].where(is_billed, 0).assign(estimated_cost_usd=idle["effective_cost_usd"].where(~is_billed, 0))
    costs = costs.groupby([idle[name] for name in key]).sum().reset_index()
    weights = money.weights[money.weights["part_class"] != "workload"]
    weights = weights.rename(columns={"part_class": "cost_class", "of_region": "region"})
    weights = weights.assign(day=weights["hour"] // 24, chip=weights["instance_type"].map(CHIPS))
    capacity = (weights.groupby(key)["weight"].sum() / HOUR_NS).rename("device_hours")
    return costs.join(capacity, on=key)


def _utilization(hours: Hours, money: Money, inventory: Inventory) -> pd.DataFrame:
    usage = hours.usage.join(hours.series[["instance_id", "device", "slices", "device_slices"]], on="series")
    usage["allocated"] = usage["held_ns"] + usage["unknown_ms"] * 1_000_000
    usage["busy_known"], usage["achieved_known"] = (
        usage["busy_known_ms"] * 1_000_000,
        usage["achieved_known_ms"] * 1_000_000,
    )
    times = ["allocated", "busy_ns", "busy_known", "achieved_ns", "achieved_known"]
    for name in times:
        usage[name] = usage[name] * usage["slices"] // usage["device_slices"]
    key = ["hour", "instance_id"]
    devices = usage.groupby([*key, "device"]).agg({"device_ms": "max"} | dict.fromkeys(times, "sum"))
    seen = devices.groupby(key).sum().reset_index()
    every = seen.merge(money.capacity, on=key, how="outer").fillna(
        dict.fromkeys([*times, "device_ms", "capacity_ns"], 0)
    )
    every["observed"] = every["device_ms"] * 1_000_000
    every["capacity"] = every[["capacity_ns", "observed"]].max(axis=1)
    every["allocated"] = every[["allocated", "observed"]].min(axis=1)
    for name, unknown in (("instance_type", ""), ("cluster", "-")):
        every[name] = every[name].fillna(inventory.of(every["instance_id"], name, unknown))
    every["day"], every["chip"] = every["hour"] // 24, "H100"
    sums = every.groupby(["day", "chip", "instance_type", "cluster"])[["observed", "capacity", *times]].sum()
    some = sums.where(sums > 0)
    days = pd.DataFrame({"allocated_ratio": sums["allocated"] / some["observed"]})
    days["busy_ratio"] = sums["busy_ns"] / some["busy_known"]
    days["achieved_ratio"] = sums["achieved_ns"] / some["achieved_known"]
    days["device_hours"], days["observed_device_hours"] = sums["capacity"] / HOUR_NS, sums["observed"] / HOUR_NS
    return days.assign(observed_ratio=sums["observed"] / some["capacity"]).reset_index()


def _reconciliation(allocated: pd.DataFrame, money: Money) -> pd.DataFrame:
    key = ["day", "account_id", "record_type"]
    names = {"billed": "billed_cost_usd", "effective": "effective_cost_usd"}
    bill = money.lines.assign(day=money.lines["hour"] // 24).groupby(key)[list(names)].sum()
    of_bill = allocated[allocated["cost_status"] == "billed"].rename(columns={new: old for old, new in names.items()})
    sides = {"bill_usd": bill, "allocated_usd": of_bill.groupby(key)[list(names)].sum()}
    stacked = {name: each.rename_axis("basis", axis=1).stack() for name, each in sides.items()}
    days = pd.DataFrame(stacked).reset_index()
    days["difference_usd"] = days["allocated_usd"] - days["bill_usd"]
    days["cost_explorer_usd"], days["cost_explorer_difference_usd"] = pd.NA, pd.NA
    days["explanation"] = "not pulled"
    return days
