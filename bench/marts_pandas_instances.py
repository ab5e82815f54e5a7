"""Instance-hours by pandas: for how long each instance was paid for, or existed where no bill tells, and estimates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.marts_pandas_hours import Hours
from bench.marts_pandas_parts import HOUR_MS
from bench.marts_pandas_places import Inventory

GPUS = 8
CHIPS = {"p5.48xlarge": "H100"}
ON_DEMAND_USD = {"p5.48xlarge": 55.04}
UNITS_PER_USD = 10**10
KEY = ["hour", "instance_id"]
PLACE = ["account_id", "region", "instance_type", "cluster"]
RATE = ["day", "account_id", "instance_type"]


def instance_hours(boxes: pd.DataFrame, hours: Hours, inventory: Inventory) -> pd.DataFrame:
    """hour, instance_id, place, capacity_ns, is_covered: whether a bill speaks for the hour.

    `boxes` are the instance lines of the bill. It speaks for its months up to its last hour; where it does not, what
    the inventory or telemetry saw existed.
    """
    billed = boxes.groupby(KEY, as_index=False).agg(
        {"account_id": "max", "region": "max", "instance_type": "max", "usage_ms": "sum"}
    )
    covered = boxes.groupby("account_id")["hour"].max() + 1
    months = pd.MultiIndex.from_frame(pd.DataFrame({"account": boxes["account_id"], "month": _month(boxes["hour"])}))
    seen = hours.usage.join(hours.series["instance_id"], on="series").groupby(KEY, as_index=False)["device_ms"].max()
    existed = _lives(inventory).merge(seen, on=KEY, how="outer").fillna({"usage_ms": 0, "device_ms": 0})
    existed["usage_ms"] = np.maximum(existed["usage_ms"], existed["device_ms"]).astype("int64")
    existed = existed[existed["instance_id"].isin(inventory.instances.index)].drop(columns="device_ms")
    for name in ("account_id", "instance_type"):
        existed[name] = existed["instance_id"].map(inventory.instances[name])
    is_told = pd.MultiIndex.from_arrays([existed["account_id"], _month(existed["hour"])]).isin(months)
    existed = existed[~(is_told & (existed["hour"] < existed["account_id"].map(covered)))]
    is_billed = pd.MultiIndex.from_frame(existed[KEY]).isin(pd.MultiIndex.from_frame(billed[KEY]))
    every = pd.concat([billed, existed[~is_billed]], ignore_index=True)
    every["region"] = every["region"].fillna(inventory.of(every["instance_id"], "region", ""))
    every["cluster"] = inventory.of(every["instance_id"], "cluster", "-")
    every["capacity_ns"] = every.pop("usage_ms") * 1_000_000 * GPUS
    every["is_covered"] = every["hour"] < every["account_id"].map(covered)
    return every


def _month(hour: pd.Series) -> pd.Series:
    return (hour * HOUR_MS).astype("datetime64[ms]").dt.to_period("M")


def _lives(inventory: Inventory) -> pd.DataFrame:
    """Milliseconds of each hour in which the listings know an instance alive."""
    lives = inventory.lives[inventory.lives["ended_ms"] > inventory.lives["launch_ms"]]
    first, last = lives["launch_ms"] // HOUR_MS, (lives["ended_ms"] - 1) // HOUR_MS
    every = lives.loc[lives.index.repeat(last - first + 1), ["instance_id", "launch_ms", "ended_ms"]]
    every["hour"] = first.loc[every.index].to_numpy() + every.groupby(level=0).cumcount().to_numpy()
    ended = np.minimum(every["ended_ms"], (every["hour"] + 1) * HOUR_MS)
    every["usage_ms"] = ended - np.maximum(every["launch_ms"], every["hour"] * HOUR_MS)
    return every.groupby(KEY)[["usage_ms"]].sum().reset_index()


def estimates(capacity: pd.DataFrame, boxes: pd.DataFrame) -> pd.DataFrame:
    """Lines for instance-hours after the bill: at the account's own rate of two to eight days before, else by list."""
    unbilled = capacity[~capacity["is_covered"]].rename(columns={"cluster": "of_cluster"}).reset_index(drop=True)
    days = (
        boxes.assign(day=boxes["hour"] // 24).groupby(RATE, as_index=False)[["billed", "effective", "usage_ms"]].sum()
    )
    later = pd.concat([days.assign(day=days["day"] + number) for number in range(2, 9)])
    rates = later.groupby(RATE)[["billed", "effective", "usage_ms"]].sum()
    unbilled["day"] = unbilled["hour"] // 24
    own = unbilled[RATE].join(rates, on=RATE)
    list_usd = unbilled["instance_type"].map(ON_DEMAND_USD)
    usage_ms = unbilled["capacity_ns"] // (GPUS * 1_000_000)
    for basis in ("billed", "effective", "list"):
        rate = (
            list_usd if basis == "list" else (own[basis] / UNITS_PER_USD * HOUR_MS / own["usage_ms"]).fillna(list_usd)
        )
        usd = rate.round(10) * usage_ms / HOUR_MS
        unbilled[basis] = np.rint(usd * UNITS_PER_USD).astype("int64")
    at = (unbilled["hour"] * HOUR_MS).astype("datetime64[ms]").dt.strftime("%Y%m%dT%HZ")
    unbilled["cost_line_id"] = "estimate/" + at + "/" + unbilled["instance_id"]
    named = {
        "record_type": "Estimate",
        "cost_source": "estimate",
        "cost_status": "estimated",
        "cost_class": "accelerator",
    }
    return unbilled.drop(columns=["capacity_ns", "is_covered", "of_cluster", "day"]).assign(**named)
