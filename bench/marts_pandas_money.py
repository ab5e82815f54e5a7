"""Exact costs by pandas: the bill, and estimates after it, split by largest remainder in units of 1e-10 USD."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.marts_pandas_hours import Hours
from bench.marts_pandas_instances import CHIPS, GPUS, estimates, instance_hours
from bench.marts_pandas_parts import HOUR_MS
from bench.marts_pandas_places import Inventory

UNITS_PER_USD = 10**10
BASES = ["billed", "effective", "list"]
PLACE = ["account_id", "region", "instance_type"]
TEXTS = ["line_item_id", "record_type", "usage_type", "resource_id", *PLACE]
MONEY = ["unblended_cost", "sp_effective_cost", "sp_total_commitment", "sp_used_commitment", "public_on_demand_cost"]
BOX = r"(?:^|[-:])(?:BoxUsage|SpotUsage|DedicatedUsage)(?:[-:]|$)"
SHARED = "EBS:|VolumeUsage|DataTransfer|NatGateway|LoadBalancer"
USES = ["Usage", "SavingsPlanCoveredUsage", "DiscountedUsage"]
CLASSES = {"Tax": "adjustment", "Credit": "adjustment", "Refund": "adjustment", "SavingsPlanNegation": "adjustment"}
CLASSES |= {"SavingsPlanRecurringFee": "idle.reserved_unused", "RIFee": "idle.reserved_unused"}


@dataclass
class Money:
    """`lines` of the bill, `allocated` rows of them and of estimates, `weights` of instance-hours, and `capacity`."""

    lines: pd.DataFrame
    allocated: pd.DataFrame
    weights: pd.DataFrame
    capacity: pd.DataFrame
    oversubscribed: pd.DataFrame


def run(hours: Hours, path: Path, inventory: Inventory) -> Money:
    """Allocate the bill in `path`."""
    lines = _lines(path)
    boxes = lines[lines["cost_class"] == "accelerator"]
    capacity = instance_hours(boxes, hours, inventory)
    totals, weights = _weights(capacity, hours)
    estimated = estimates(capacity, boxes)
    every = pd.concat([lines.assign(cost_status="billed", cost_source="cur"), estimated], ignore_index=True)
    spread = every[every["cost_class"] == "accelerator"].merge(
        weights[["hour", "instance_id", "part_class", "workload_id", "weight", "cluster", "of_region"]],
        on=["hour", "instance_id"],
    )
    spread["cost_class"], spread["region"] = spread["part_class"], spread["of_region"]
    rest = every[~every["cost_line_id"].isin(spread["cost_line_id"])].copy()
    rest["cost_class"] = rest["cost_class"].replace("accelerator", "unattributed")
    rest["cluster"] = inventory.of(rest["instance_id"], "cluster", "-")
    allocated = pd.concat(
        [
            _exact(spread).assign(allocation_policy="accelerator_only"),
            rest.assign(workload_id="", allocation_policy=""),
        ],
        ignore_index=True,
    )
    allocated["day"] = allocated["hour"] // 24
    allocated["chip"] = allocated["instance_type"].map(CHIPS).fillna("other")
    names = ["hour", "day", "cost_line_id", "cost_class", "workload_id", "chip", *PLACE, "cluster", "instance_id"]
    names += ["record_type", "cost_source", "allocation_policy", "cost_status"]
    fact = allocated[[*names, *BASES]].rename(columns={name: f"{name}_cost_usd" for name in BASES})
    over = totals.loc[totals["is_over"], ["hour", "instance_id"]]
    return Money(lines, fact, weights, capacity, over)


def _lines(path: Path) -> pd.DataFrame:
    """The bill: cost_line_id, hour, place, class, usage_ms, and money in whole units."""
    raw = pq.read_table(path, columns=[*TEXTS, *MONEY, "usage_start_at", "usage_amount"])
    lines = raw.select([*TEXTS, "usage_start_at"]).to_pandas()
    money = {name: _units(raw.column(name)) for name in MONEY}
    amount = pc.cast(raw.column("usage_amount"), pa.float64()).to_numpy()
    start = lines["usage_start_at"].dt
    lines["cost_line_id"] = "bench/2026-10/" + start.strftime("%Y%m%dT%H%M%SZ") + "/" + lines["line_item_id"]
    lines["hour"] = lines["usage_start_at"].astype("datetime64[ms, UTC]").astype("int64") // HOUR_MS
    kind = lines["record_type"]
    unused = money["sp_total_commitment"] - money["sp_used_commitment"]
    effective = {
        "SavingsPlanCoveredUsage": money["sp_effective_cost"],
        "SavingsPlanNegation": np.zeros_like(unused),
        "SavingsPlanRecurringFee": unused,
    }
    lines["billed"], lines["list"] = money["unblended_cost"], money["public_on_demand_cost"]
    lines["effective"] = np.select([kind == name for name in effective], list(effective.values()), lines["billed"])
    is_box = lines["usage_type"].str.contains(BOX) & lines["instance_type"].isin(CHIPS)
    is_spread = is_box & kind.isin(USES) & lines["resource_id"].str.startswith("i-")
    is_shared = lines["usage_type"].str.contains(SHARED)
    by_meter = np.select([is_spread, is_shared], ["accelerator", "shared"], "unattributed")
    lines["cost_class"] = kind.map(CLASSES).where(kind.isin(CLASSES), by_meter)
    is_spread = lines["cost_class"] == "accelerator"
    lines["instance_id"] = lines["resource_id"].where(is_spread, "")
    lines["usage_ms"] = np.where(is_spread, np.rint(amount * HOUR_MS), 0).astype("int64")
    bill: pd.DataFrame = lines.drop(columns=["line_item_id", "usage_start_at", "resource_id", "usage_type"])
    return bill


def _units(usd: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Whole units of 1e-10 USD, 0 where no cost is told: doubles hold them exactly up to 900,000 USD."""
    values = pc.fill_null(pc.cast(usd, pa.float64()), 0).to_numpy()
    units: npt.NDArray[np.int64] = np.rint(values * UNITS_PER_USD).astype(np.int64)
    return units


def _weights(capacity: pd.DataFrame, hours: Hours) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Nanoseconds of the devices of each instance-hour by class and workload: they make its capacity."""
    key = ["hour", "instance_id"]
    usage = hours.usage.join(hours.series[["instance_id", "device", "slices", "device_slices"]], on="series")
    usage["unknown"] = usage["unknown_ms"] * 1_000_000 * usage["slices"] // usage["device_slices"]
    devices = usage.groupby([*key, "device"]).agg(seen=("device_ms", "max"), unknown=("unknown", "sum"))
    seen = devices.groupby(key).sum()
    holdings = hours.holdings.join(hours.series[["instance_id", "slices", "device_slices"]], on="series")
    holdings["weight"] = holdings["held_ns"] * holdings["slices"] // holdings["device_slices"]
    work = holdings.groupby([*key, "workload_id"], as_index=False)["weight"].sum()
    known = work.groupby(key)["weight"].sum().rename("known")
    totals = capacity.join(seen, on=key).join(known, on=key).fillna({"seen": 0, "unknown": 0, "known": 0})
    totals = totals.astype({"seen": "int64", "unknown": "int64", "known": "int64"})
    totals["idle.unallocated"] = (totals["seen"] * 1_000_000 - totals["known"] - totals["unknown"]).clip(lower=0)
    rest = totals["capacity_ns"] - totals["known"] - totals["idle.unallocated"]
    totals["unattributed"] = np.maximum(rest, totals["unknown"])
    used = totals[["known", "idle.unallocated", "unknown"]].sum(axis=1)
    totals.loc[(used == 0) & (totals["capacity_ns"] == 0), "unattributed"] = 1
    totals["is_over"] = used > totals["capacity_ns"] + GPUS * 1_000_000_000
    place = [*key, *PLACE, "cluster"]
    free = totals.melt(place, ["idle.unallocated", "unattributed"], "part_class", "weight").assign(workload_id="")
    owned = totals[place].merge(work, on=key).assign(part_class="workload")
    weights = pd.concat([owned, free], ignore_index=True)
    return totals, weights[weights["weight"] > 0].rename(columns={"region": "of_region"})


def _exact(parts: pd.DataFrame) -> pd.DataFrame:
    """`parts` with the money of each basis: the units of a line over its weights, none lost."""
    line = parts.groupby("cost_line_id", sort=False)
    is_alone = (line["weight"].transform("size") == 1).to_numpy()
    split = parts[~is_alone].reset_index(drop=True)
    line = split.groupby("cost_line_id", sort=False)
    # a unit times a weight is more than 64 bits hold
    whole, weight = line["weight"].transform("sum").to_numpy(object), split["weight"].to_numpy(object)
    for basis in BASES:
        money = split[basis].to_numpy()
        product = np.abs(money).astype(object) * weight
        floor = (product // whole).astype(np.int64)
        missing = np.abs(money) - pd.Series(floor).groupby(line.ngroup()).transform("sum").to_numpy()
        left = split[["cost_line_id", "cost_class", "workload_id"]].assign(remainder=(product % whole).astype(np.int64))
        order = left.sort_values(
            ["cost_line_id", "remainder", "cost_class", "workload_id"], ascending=[True, False, True, True]
        )
        rank = order.groupby("cost_line_id", sort=False).cumcount().sort_index().to_numpy()
        split[basis] = np.sign(money) * (floor + (rank < missing))
    return pd.concat([parts[is_alone], split], ignore_index=True)
