"""The same marts by pandas: what a competent analyst writes over Parquet of the raw rows, vectorised, keys as codes.

It is made for this fleet and may assume what the pipeline may not: GPUs with UUIDs, no MIG, one cluster per host.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from bench import marts_pandas_idle, marts_pandas_money

HOUR_MS, UNITS = 3_600_000, 720_720
SUFFIXES = (
    r"(?<=.)-[a-z0-9]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$",
    r"(?<=.)-\d+-[bcdfghjklmnpqrstvwxz2456789]{5}$",
    r"(?<=.)-[bcdfghjklmnpqrstvwxz2456789]{5}$",
    r"(?<=.)-\d+$",
)
KEYS = ["hostname", "gpu_uuid", "namespace", "pod", "hpc_job", "delivery_id"]
MEASURES = ["gr_engine_active", "gpu_util", "tensor_active", "fb_used", "power_usage", "total_energy_consumption"]
MEASURES += ["gpu_temp", "xid_errors", "ecc_dbe_volatile"]

Integers = npt.NDArray[np.int64]


def run(folder: Path) -> dict[str, pd.DataFrame]:
    """Facts, exact costs, daily marts and idle stretches from the files in `folder`, left there as Parquet too."""
    samples = _read(folder / "raw_dcgm_samples.parquet", ["sample_at", "cadence_ms", *KEYS, *MEASURES], KEYS)
    deliveries = pd.read_parquet(folder / "raw_deliveries.parquet")
    inventory = pd.read_parquet(folder / "raw_inventory.parquet").sort_values("observed_at")
    hosts = inventory.drop_duplicates("private_dns_name", keep="last").set_index("private_dns_name")
    hosts["cluster"] = hosts["tags"].str.extract(r'"aws:eks:cluster-name": "([^"]*)"')[0]
    rows, owners, series = _fold(samples, deliveries)
    del samples
    parts = _parts(rows)
    owned = _held(parts, owners)
    workloads = _workloads(series["owner"], series["device"], hosts)
    held = _workload_hours(owned, workloads)
    usage = _device_hours(parts, held, series["device"], hosts)
    workload_usage = held.join(series["device"], on="device")
    workload_usage["instance_id"] = workload_usage["hostname"].map(hosts["instance_id"])
    idle = marts_pandas_idle.stretches(owned, workloads)
    idle["device"] = idle["device"].map(series["device"]["gpu_uuid"])
    costs = marts_pandas_money.run(usage, workload_usage, pd.read_parquet(folder / "raw_cur_lines.parquet"), hosts)
    results = {"usage": usage, "workload_usage": workload_usage, "stretches": idle, **costs}
    for name, frame in results.items():
        frame.to_parquet(folder / f"pandas_{name}.parquet")
    return results


def _read(path: Path, columns: list[str], texts: list[str]) -> pd.DataFrame:
    """Only the columns needed, texts as codes straight from the file's dictionaries."""
    table = pq.read_table(path, columns=columns, read_dictionary=texts)
    frame: pd.DataFrame = table.to_pandas(self_destruct=True, split_blocks=True)
    return frame


def _fold(
    samples: pd.DataFrame, deliveries: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, pd.DataFrame]]:
    """One row per device and instant in order, its owners beside it, and what the codes of devices and owners mean."""
    device, devices = _codes(samples, ["hostname", "gpu_uuid"])
    owner, owners = _codes(samples, ["namespace", "pod", "hpc_job"])
    frame = samples.drop(columns=["hostname", "gpu_uuid", "namespace", "pod", "hpc_job"])
    frame["device"], frame["owner"] = device, owner
    frame["at_ms"] = frame.pop("sample_at").astype("datetime64[ms, UTC]").astype("int64")
    observed = deliveries.set_index("delivery_id")["observed_at"].rank(method="dense").astype("int64")
    delivery = frame.pop("delivery_id").cat
    frame["rank"] = observed.reindex(delivery.categories).to_numpy()[delivery.codes]
    frame = frame.sort_values(["device", "at_ms"], kind="stable", ignore_index=True)
    place = ["device", "at_ms"]
    is_shared = frame.duplicated(place, keep=False).to_numpy()
    copies = frame[is_shared]
    newest = copies[copies["rank"] == copies.groupby(place)["rank"].transform("max")]
    rows = pd.concat([frame[~is_shared], newest.drop_duplicates(place)]).sort_values(place, ignore_index=True)
    shared = newest[newest.duplicated([*place], keep=False)][[*place, "owner"]].drop_duplicates()
    count = shared.groupby(place)["owner"].transform("count")
    number = shared.groupby(place).cumcount() + 1
    shared["share"] = UNITS // count + (number <= UNITS % count)
    return rows, shared, {"device": devices, "owner": owners}


def _codes(frame: pd.DataFrame, names: list[str]) -> tuple[Integers, pd.DataFrame]:
    """One code for several categorical columns, and what each code means."""
    code = np.zeros(len(frame), dtype=np.int64)
    for name in names:
        code = code * len(frame[name].cat.categories) + frame[name].cat.codes.to_numpy()
    numbers, _ = pd.factorize(code)
    first = pd.Series(np.arange(len(code))).groupby(numbers).first().to_numpy()
    return numbers, frame.iloc[first][names].astype(str).reset_index(drop=True)


def _parts(rows: pd.DataFrame) -> pd.DataFrame:
    """Each sample with the milliseconds that it stands for in each UTC hour, and its measures as integers."""
    same = rows["device"].to_numpy()[1:] == rows["device"].to_numpy()[:-1]
    first = np.concatenate([[True], ~same])
    at_ms, cadence = rows["at_ms"].to_numpy(), rows["cadence_ms"].to_numpy()
    gap = np.diff(at_ms, prepend=at_ms[0])
    sample_ms = np.where(first, cadence, np.minimum(gap, 2 * cadence))
    ratio = rows["gr_engine_active"].fillna(rows["gpu_util"] * 0.01)
    energy = _whole(rows["total_energy_consumption"])
    change = np.diff(energy, prepend=energy[0])
    power = _whole(rows["power_usage"] * 1000)
    counted = ~first & (change >= 0) & (gap <= 2 * cadence)
    xid, errors = _whole(rows["xid_errors"]), _whole(rows["ecc_dbe_volatile"])
    new_xid = ~first & (xid != 0) & (np.diff(xid, prepend=0) != 0)
    end_hour = (at_ms - 1) // HOUR_MS
    end_ms = np.minimum(sample_ms, at_ms - end_hour * HOUR_MS)
    tensor = rows["tensor_active"]
    parts = pd.DataFrame({"device": rows["device"], "owner": rows["owner"], "at_ms": at_ms, "hour": end_hour})
    parts["ms"] = end_ms
    parts["busy_ppm"] = np.minimum(_whole(ratio * 1_000_000), 1_000_000)
    parts["achieved_ppm"] = _whole(tensor.fillna(0) * 1_000_000)
    parts["achieved_ms"] = np.where(tensor.notna(), end_ms, 0)
    parts["counter"] = np.where(rows["gr_engine_active"].notna(), 1, 2)
    parts["memory"] = _whole(rows["fb_used"] * 1_048_576)
    parts["temperature"], parts["power"] = _whole(rows["gpu_temp"]), power
    parts["energy"] = np.where(counted, change, power * sample_ms // 1000)
    parts["errors"] = np.where(first, 0, np.maximum(np.diff(errors, prepend=0), 0)) + new_xid
    over = sample_ms > end_ms
    spill = parts[over].copy()
    spill["hour"] -= 1
    spill["ms"] = (sample_ms - end_ms)[over]
    spill["achieved_ms"] = np.where(tensor.notna()[over], spill["ms"], 0)
    spill[["energy", "errors"]] = 0
    both: pd.DataFrame = pd.concat([parts, spill], ignore_index=True)
    return both


def _whole(values: pd.Series) -> Integers:
    whole: Integers = np.floor(values.to_numpy() + 0.5).astype(np.int64)
    return whole


def _held(parts: pd.DataFrame, shared: pd.DataFrame) -> pd.DataFrame:
    """Parts with owner and share: those of one owner as they are, those of several once per owner."""
    columns = ["device", "hour", "owner", "ms", "busy_ppm", "at_ms"]
    keys = shared[["device", "at_ms"]].drop_duplicates()
    alone = parts[columns].merge(keys.assign(several=True), on=["device", "at_ms"], how="left")
    is_several = alone.pop("several").notna().to_numpy()
    split = alone[is_several].drop(columns="owner").merge(shared, on=["device", "at_ms"])
    single = alone[~is_several].assign(share=UNITS)
    return pd.concat([single, split], ignore_index=True)


def _workloads(owners: pd.DataFrame, devices: pd.DataFrame, hosts: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Name of each owner (the part after the cluster), and the cluster of each device."""
    name = owners["pod"]
    done = pd.Series(False, index=name.index)
    for suffix in SUFFIXES:
        cut = name.str.replace(suffix, "", regex=True)
        name = name.where(done, cut)
        done |= cut != owners["pod"]
    pods = owners["namespace"] + "/-/" + name
    named = pods.where(owners["pod"] != "", ("-/slurm/" + owners["hpc_job"]).where(owners["hpc_job"] != "", ""))
    clusters = devices["hostname"].map(hosts["cluster"])
    return named, clusters


def _workload_hours(owned: pd.DataFrame, workloads: tuple[pd.Series, pd.Series]) -> pd.DataFrame:
    names, clusters = workloads
    owned = owned[(names != "").to_numpy()[owned["owner"].to_numpy()]]
    units = owned["ms"] * owned["share"]
    sums = pd.DataFrame({"held": units, "busy": units * owned["busy_ppm"]})
    sums[["hour", "device", "owner"]] = owned[["hour", "device", "owner"]]
    hours = sums.groupby(["hour", "device", "owner"], as_index=False).sum()
    hours["held_ns"] = hours["held"] * 1_000_000 // UNITS
    hours["busy_ns"] = hours["busy"] // UNITS
    hours["workload_id"] = hours["device"].map(clusters) + "/" + hours["owner"].map(names)
    return hours.groupby(["hour", "device", "workload_id"], as_index=False)[["held_ns", "busy_ns"]].sum()


def _device_hours(parts: pd.DataFrame, held: pd.DataFrame, devices: pd.DataFrame, hosts: pd.DataFrame) -> pd.DataFrame:
    for name, weight in (("busy_ns", "busy_ppm"), ("achieved_ns", "achieved_ppm"), ("power_ms", "power")):
        parts[name] = parts["ms"] * parts[weight]
    grouped = parts.groupby(["hour", "device"])
    sums = grouped[["ms", "busy_ns", "achieved_ns", "achieved_ms", "power_ms", "energy", "errors"]].sum()
    peaks = grouped[["memory", "temperature"]].max()
    hours = sums.join(peaks).join(grouped["counter"].agg(["min", "max"]))
    known = held.groupby(["hour", "device"])["held_ns"].sum()
    hours = hours.join(known).fillna({"held_ns": 0}).astype({"held_ns": "int64"}).reset_index()
    hours = hours.join(devices, on="device")
    hours["instance_id"] = hours["hostname"].map(hosts["instance_id"])
    hours["achieved_ratio"] = (hours["achieved_ns"] / (hours["achieved_ms"] * 1_000_000).replace(0, np.nan)).round(6)
    hours["power_watts"] = (hours["power_ms"] / hours["ms"] / 1000).round(3)
    return hours
