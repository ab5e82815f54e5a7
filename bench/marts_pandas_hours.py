"""Hourly facts by pandas: what each accelerator and each workload on it did, and idle stretches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.marts_pandas_fold import UNITS, Folded
from bench.marts_pandas_parts import GUESSED, HOUR_MS, PROFILED, SUSPECT, UTILIZED
from bench.marts_pandas_places import Inventory

IDLE_PPM = 50_000
RUN = ["series", "hour", "owner"]
SUMS = ["ms", "busy_known_ms", "busy_ns", "unknown_ms", "achieved_known_ms", "achieved_ns", "power_known_ms"]
SUMS += ["power_mw_ms", "energy", "energy_known", "errors"]
SLICES = {"slices": "slice_count", "device_slices": "device_slice_count"}
PEAKS = ["memory", "temperature"]
BITS = [PROFILED, UTILIZED, SUSPECT, GUESSED]
SOURCES = {0: "none", 1: "gr_engine_active", 2: "gpu_util", 3: "gr_engine_active+gpu_util"}
OVERSUBSCRIBED = 4
FLAGS = {OVERSUBSCRIBED: "oversubscribed", SUSPECT: "scale_suspect", GUESSED: "time_guessed"}


@dataclass
class Hours:
    """`usage` per series and hour, `holdings` per owner too, `held` per workload too; series, and idle stretches."""

    usage: pd.DataFrame
    holdings: pd.DataFrame
    held: pd.DataFrame
    series: pd.DataFrame
    stretches: pd.DataFrame


def run(folded: Folded, inventory: Inventory) -> Hours:
    """Sum the parts: first those of unbroken runs, which come in order, then what is left of them."""
    series, holders = folded.series, folded.holders
    series["cluster"] = inventory.of(series["instance_id"], "cluster", "-")
    series["device"] = pd.factorize(series["device_id"] + " " + series["instance_id"])[0]
    runs = pd.concat([_runs(part, holders) for part in folded.parts], ignore_index=True)
    usage = runs.groupby(["series", "hour"])[SUMS].sum()
    usage = usage.join(runs.groupby(["series", "hour"])[PEAKS].max())
    bits = pd.DataFrame({bit: runs["bits"] & bit for bit in BITS}).groupby([runs["series"], runs["hour"]]).max()
    usage["bits"] = bits.sum(axis=1)
    usage = usage.reset_index()
    holdings = _holdings(runs, holders, series)
    key = ["hour", "series", "workload_id"]
    held = holdings.groupby(key, as_index=False)[["held_ns", "busy_ns", "known_ns"]].sum()
    known = held.groupby(["series", "hour"])["held_ns"].sum()
    usage = usage.join(known, on=["series", "hour"]).fillna({"held_ns": 0}).astype({"held_ns": "int64"})
    usage["device_ms"] = _device_ms(usage, folded)
    return Hours(usage, holdings, held, series, _stretches(folded))


def _runs(parts: pd.DataFrame, holders: pd.DataFrame) -> pd.DataFrame:
    """One row per unbroken run of parts of one series, hour and owner."""
    keys = [parts[name].to_numpy() for name in RUN]
    is_new = np.concatenate([[True], np.logical_or.reduce([key[1:] != key[:-1] for key in keys])])
    starts, run = np.flatnonzero(is_new), np.cumsum(is_new)
    ms, is_held = parts["ms"].to_numpy(), np.isin(np.arange(parts["owner"].max() + 1), holders["code"])
    busy, achieved, power, energy = (parts[name].to_numpy() for name in ("busy_ppm", "achieved_ppm", "power", "energy"))
    columns = {
        "ms": ms,
        "busy_known_ms": np.where(busy >= 0, ms, 0),
        "busy_ns": ms * np.maximum(busy, 0),
        "unknown_ms": np.where((busy > 0) & ~is_held[parts["owner"]], ms, 0),
        "achieved_known_ms": np.where(achieved >= 0, ms, 0),
        "achieved_ns": ms * np.maximum(achieved, 0),
        "power_known_ms": np.where(power >= 0, ms, 0),
        "power_mw_ms": ms * np.maximum(power, 0),
        "energy": np.maximum(energy, 0),
        "energy_known": energy >= 0,
        "errors": parts["errors"].to_numpy(),
    }
    sums = pd.DataFrame(columns, copy=False).groupby(run, sort=False).sum()
    runs = sums.join(parts[PEAKS].groupby(run, sort=False).max()).reset_index(drop=True)
    runs["bits"] = np.bitwise_or.reduceat(parts["bits"].to_numpy(), starts)
    return runs.assign(**dict(zip(RUN, (key[starts] for key in keys), strict=True)))


def _holdings(runs: pd.DataFrame, holders: pd.DataFrame, series: pd.DataFrame) -> pd.DataFrame:
    shared = runs[[*RUN, "ms", "busy_ns", "busy_known_ms"]].rename(columns={"owner": "code"}).merge(holders, on="code")
    for name in ("ms", "busy_ns", "busy_known_ms"):
        shared[name] *= shared["share"]
    holdings = shared.groupby(["hour", "series", "owner", "name"], as_index=False)[
        ["ms", "busy_ns", "busy_known_ms"]
    ].sum()
    holdings["held_ns"] = holdings["ms"] * 1_000_000 // UNITS
    holdings["busy_ns"] //= UNITS
    holdings["known_ns"] = holdings["busy_known_ms"] * 1_000_000 // UNITS
    holdings["workload_id"] = holdings["series"].map(series["cluster"]) + "/" + holdings["name"]
    return holdings


def _device_ms(usage: pd.DataFrame, folded: Folded) -> pd.Series:
    """Milliseconds in which any part of the physical device was covered: under MIG an instant counts once."""
    series = folded.series
    device = series["device"].to_numpy()
    of_usage = pd.MultiIndex.from_arrays([device[usage["series"]], usage["hour"]])
    mig_series = (series["device_slices"] > 1).to_numpy()
    is_divided = np.isin(device, device[mig_series])
    parts = pd.concat(
        [part.loc[is_divided[part["series"]], ["series", "hour", "at_ms", "ms"]] for part in folded.parts]
    )
    parts["device"] = device[parts["series"]]
    covered = parts.groupby(["device", "hour", "at_ms"])["ms"].max().groupby(["device", "hour"]).sum()
    is_mig_hour = of_usage.isin(of_usage[mig_series[usage["series"]]])
    found = covered.reindex(of_usage).to_numpy()
    return pd.Series(np.where(is_mig_hour, found, usage["ms"]).astype("int64"), index=usage.index)


def _stretches(folded: Folded) -> pd.DataFrame:
    """Unbroken time in which a workload held a GPU and worked less than 5 %, within an hour."""
    columns = [*RUN, "at_ms", "ms", "busy_ppm"]
    is_idle = [(part["busy_ppm"] >= 0) & (part["busy_ppm"] < IDLE_PPM) for part in folded.parts]
    idle = pd.concat([part.loc[chosen, columns] for part, chosen in zip(folded.parts, is_idle, strict=True)])
    idle = idle.rename(columns={"owner": "code"}).merge(folded.holders, on="code")
    idle["start_ms"] = np.minimum(idle["at_ms"], (idle["hour"] + 1) * HOUR_MS) - idle["ms"]
    idle["held"] = idle["ms"] * idle["share"]
    idle["busy"] = idle["held"] * idle["busy_ppm"]
    key = ["hour", "series", "name"]
    found = idle.groupby([*key, "start_ms"], as_index=False).agg({"ms": "max", "held": "sum", "busy": "sum"})
    found["end_ms"] = found["start_ms"] + found["ms"]
    found["stretch"] = (found["start_ms"] != found.groupby(key)["end_ms"].shift()).cumsum()
    found = found.groupby([*key, "stretch"], as_index=False).agg(
        start_ms=("start_ms", "min"), end_ms=("end_ms", "max"), held=("held", "sum"), busy=("busy", "sum")
    )
    found = found.join(folded.series[["accelerator_id", "instance_id", "cluster", *SLICES]], on="series")
    found["workload_id"] = found["cluster"] + "/" + found["name"]
    found["start_at"], found["end_at"] = (found[name].astype("datetime64[ms]") for name in ("start_ms", "end_ms"))
    found["held_ns"], found["busy_ns"] = found["held"] * 1_000_000 // UNITS, found["busy"] // UNITS
    kept = ["hour", "accelerator_id", "instance_id", "workload_id", "start_at", "end_at", "held_ns", "busy_ns"]
    return found.rename(columns=SLICES)[[*kept, *SLICES.values()]]


def usage_fact(hours: Hours, oversubscribed: pd.DataFrame) -> pd.DataFrame:
    """fct_accelerator_usage_hourly, decimals as whole units."""
    usage = hours.usage.join(hours.series[["accelerator_id", "instance_id"]], on="series")
    fact = usage[["hour", "accelerator_id", "instance_id"]].copy()
    fact["observed_seconds"] = usage["ms"] * 1_000_000
    fact["allocated_seconds"] = usage["held_ns"] + usage["unknown_ms"] * 1_000_000
    fact["known_allocated_seconds"] = usage["held_ns"]
    fact["busy_seconds"] = usage["busy_ns"].astype("Int64").where(usage["busy_known_ms"] > 0)
    fact["busy_observed_seconds"] = usage["busy_known_ms"] * 1_000_000
    fact["achieved_ratio"] = usage["achieved_ns"] / (usage["achieved_known_ms"] * 1_000_000).replace(0, np.nan)
    fact["utilization_source"] = (usage["bits"] & 3).map(SOURCES)
    fact["memory_used_bytes_max"] = usage["memory"].astype("Int64").where(usage["memory"] >= 0)
    fact["power_watts_avg"] = usage["power_mw_ms"] / usage["power_known_ms"].replace(0, np.nan) / 1000
    fact["energy_joules"] = usage["energy"].astype("Int64").where(usage["energy_known"] > 0)
    fact["temperature_celsius_max"] = usage["temperature"].astype("Int64").where(usage["temperature"] >= 0)
    fact["error_count"] = usage["errors"]
    over = pd.MultiIndex.from_frame(fact[["hour", "instance_id"]]).isin(pd.MultiIndex.from_frame(oversubscribed))
    bits = usage["bits"] & ~3 | OVERSUBSCRIBED * over
    texts = {each: ",".join(flag for bit, flag in FLAGS.items() if each & bit) for each in bits.unique()}
    return fact.assign(quality_flags=bits.map(texts))


def workload_fact(hours: Hours) -> pd.DataFrame:
    """fct_workload_usage_hourly, decimals as whole units."""
    held = hours.held.join(hours.series[["accelerator_id", "instance_id", *SLICES]], on="series").rename(columns=SLICES)
    fact = held[["hour", "accelerator_id", "instance_id", "workload_id", *SLICES.values()]].copy()
    fact["held_seconds"], fact["busy_held_seconds"] = held["held_ns"], held["known_ns"]
    fact["busy_seconds"] = held["busy_ns"].astype("Int64").where(held["known_ns"] > 0)
    return fact
