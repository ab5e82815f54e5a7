"""Exact costs and daily marts by pandas: lines of the bill split by largest remainder in units of 1e-10 USD."""

from __future__ import annotations

import numpy as np
import pandas as pd

HOUR_MS, GPUS, UNITS_PER_USD = 3_600_000, 8, 10**10
BASES = ["billed", "effective", "list"]
PART = ["cost_line_id", "hour", "cost_class", "workload_id"]
OTHER_CLASSES = {"Tax": "adjustment", "Usage": "shared"}


def run(
    usage: pd.DataFrame, held: pd.DataFrame, raw_lines: pd.DataFrame, hosts: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """The allocated fact and the daily marts; `hosts` by host name, `usage` and `held` per device and hour."""
    lines = _lines(raw_lines)
    is_box = lines["usage_type"].str.contains("BoxUsage")
    boxes = lines[is_box].rename(columns={"resource_id": "instance_id"})
    clusters = hosts.set_index("instance_id")["cluster"]
    parts = _exact(_weights(boxes, usage, held), boxes)
    others = lines[~is_box].assign(workload_id="")
    others["cost_class"] = others["record_type"].map(OTHER_CLASSES)
    named = parts.merge(lines[["cost_line_id", "account_id", "record_type", "resource_id"]], on="cost_line_id")
    named["cluster"] = named["resource_id"].map(clusters)
    allocated = pd.concat([named, others[[*named.columns.drop("cluster")]].assign(cluster="-")], ignore_index=True)
    allocated["day"] = allocated["hour"] // 24
    return {
        "allocated": allocated[[*PART, *BASES]],
        "workload": _workload_days(allocated, held),
        "idle": _idle_days(allocated),
        "utilization": _utilization(boxes, usage, clusters),
        "reconciliation": _reconciliation(allocated, lines),
    }


def _lines(raw: pd.DataFrame) -> pd.DataFrame:
    lines = raw[["account_id", "usage_type", "record_type", "resource_id"]].copy()
    start = raw["usage_start_at"].dt.strftime("%Y%m%dT%H%M%SZ")
    lines["cost_line_id"] = "bench/2026-10/" + start + "/" + raw["line_item_id"]
    lines["hour"] = raw["usage_start_at"].astype("datetime64[ms, UTC]").astype("int64") // HOUR_MS
    lines["seconds"] = raw["usage_amount"].astype(float) * 3600
    lines["billed"] = _units(raw["unblended_cost"])
    lines["effective"] = _units(raw["sp_effective_cost"].fillna(raw["unblended_cost"]))
    lines["list"] = _units(raw["public_on_demand_cost"])
    return lines


def _units(usd: pd.Series) -> pd.Series:
    return (usd * UNITS_PER_USD).astype("int64")


def _weights(boxes: pd.DataFrame, usage: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    """Nanoseconds of each line's devices by class and workload: they sum to the line's capacity."""
    key = ["hour", "instance_id"]
    capacity = boxes[["cost_line_id", *key]].assign(capacity=(boxes["seconds"] * GPUS * 1e9).astype("int64"))
    seen = usage.assign(seen=usage["ms"] * 1_000_000).groupby(key, as_index=False)["seen"].sum()
    work = held.groupby([*key, "workload_id"], as_index=False)["held_ns"].sum()
    known = work.groupby(key, as_index=False)["held_ns"].sum()
    hours = capacity.merge(seen, on=key, how="left").merge(known, on=key, how="left").fillna({"seen": 0, "held_ns": 0})
    hours["idle.unallocated"] = (hours["seen"] - hours["held_ns"]).clip(lower=0)
    hours["unattributed"] = (hours["capacity"] - hours["held_ns"] - hours["idle.unallocated"]).clip(lower=0)
    rest = hours.melt(["cost_line_id", "hour"], ["idle.unallocated", "unattributed"], "cost_class", "weight")
    owned = work.merge(capacity, on=key).rename(columns={"held_ns": "weight"}).assign(cost_class="workload")
    parts = pd.concat([owned[[*PART, "weight"]], rest.assign(workload_id="")], ignore_index=True)
    return parts[parts["weight"] > 0].astype({"weight": "int64"})


def _exact(parts: pd.DataFrame, boxes: pd.DataFrame) -> pd.DataFrame:
    """`parts` with the money of each basis: the units of a line over its weights, none lost."""
    whole = parts.groupby("cost_line_id")["weight"].transform("sum").to_numpy().astype(object)
    weights = parts["weight"].to_numpy().astype(object)
    money = boxes.set_index("cost_line_id")[BASES].loc[parts["cost_line_id"]]
    done = parts.drop(columns="weight")
    for basis in BASES:
        product = money[basis].to_numpy().astype(object) * weights
        split = done[PART].assign(floor=(product // whole).astype("int64"), remainder=product % whole)
        missing = money[basis].to_numpy() - split.groupby("cost_line_id")["floor"].transform("sum").to_numpy()
        order = split.sort_values(
            ["cost_line_id", "remainder", "cost_class", "workload_id"], ascending=[True, False, True, True]
        )
        rank = order.groupby("cost_line_id").cumcount().sort_index().to_numpy()
        done[basis] = split["floor"].to_numpy() + np.where(rank < missing, 1, 0)
    return done


def _workload_days(allocated: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    key = ["day", "workload_id"]
    costs = allocated[allocated["cost_class"] == "workload"].groupby(key, as_index=False)[["billed", "effective"]].sum()
    paid = allocated.loc[allocated["cost_class"] == "workload", ["hour", "resource_id", "workload_id"]]
    paid = paid.drop_duplicates().rename(columns={"resource_id": "instance_id"})
    work = held.merge(paid, on=["hour", "instance_id", "workload_id"])
    work["day"] = work["hour"] // 24
    return costs.merge(work.groupby(key, as_index=False)[["held_ns", "busy_ns"]].sum(), on=key, how="left")


def _idle_days(allocated: pd.DataFrame) -> pd.DataFrame:
    idle = allocated[allocated["cost_class"].isin(["idle.unallocated", "unattributed"])]
    return idle.groupby(["day", "cost_class", "account_id", "cluster"], as_index=False)[["billed", "effective"]].sum()


def _utilization(boxes: pd.DataFrame, usage: pd.DataFrame, clusters: pd.Series) -> pd.DataFrame:
    key = ["hour", "instance_id"]
    seen = usage.assign(seen=usage["ms"] * 1_000_000, known=usage["achieved_ms"] * 1_000_000)
    measures = ["seen", "held_ns", "busy_ns", "achieved_ns", "known"]
    hours = seen.groupby(key, as_index=False)[measures].sum()
    paid = boxes[key].assign(capacity=boxes["seconds"] * GPUS * 1e9)
    # every host was up an hour before the bill begins
    before = pd.DataFrame({"instance_id": clusters.index, "hour": boxes["hour"].min() - 1, "capacity": GPUS * 3.6e12})
    hours = hours.merge(pd.concat([paid, before]), on=key, how="outer").fillna(0)
    hours["capacity"] = hours[["capacity", "seen"]].max(axis=1)
    hours["day"], hours["cluster"] = hours["hour"] // 24, hours["instance_id"].map(clusters)
    days = hours.groupby(["day", "cluster"], as_index=False)[["capacity", *measures]].sum()
    observed = days["seen"].where(days["seen"] > 0)
    days["allocated"], days["busy"] = days["held_ns"] / observed, days["busy_ns"] / observed
    days["achieved"] = days["achieved_ns"] / days["known"].where(days["known"] > 0)
    days["hours"], days["observed"] = days["capacity"] / 3.6e12, days["seen"] / days["capacity"]
    return days[["day", "cluster", "allocated", "busy", "achieved", "hours", "observed"]]


def _reconciliation(allocated: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    key = ["day", "account_id", "record_type"]
    sides = {"bill": lines.assign(day=lines["hour"] // 24), "allocated": allocated}
    sums = {name: frame.groupby(key)[["billed", "effective"]].sum() for name, frame in sides.items()}
    stacked = [each.rename_axis("basis", axis=1).stack().rename(name) for name, each in sums.items()]
    return pd.concat(stacked, axis=1).reset_index()
