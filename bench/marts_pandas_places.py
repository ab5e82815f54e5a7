"""Where telemetry belongs, by pandas: hosts to instances over time, labels to accelerators, owners to workloads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
SUFFIXES = (
    rf"(?<=.)-{SAFE}{{6,10}}-{SAFE}{{5}}$",
    rf"(?<=.)-\d+-{SAFE}{{5}}$",
    rf"(?<=.)-{SAFE}{{5}}$",
    r"(?<=.)-\d+$",
)
INSTANCE = r"i-[0-9a-f]{8,17}"
RUNNING = ["pending", "running"]
BITS = 42  # of a time in milliseconds, within one integer with a code before it

Integers = npt.NDArray[np.int64]


class Inventory:
    """Instances by id (account_id, region, instance_type, cluster), their lives, and when a host name meant which."""

    def __init__(self, rows: pd.DataFrame) -> None:
        """Read the listings: one row per instance, life and listing."""
        rows = rows.sort_values("observed_at")
        rows["cluster"] = rows["tags"].str.extract(r'"aws:eks:cluster-name": "([^"]*)"')[0].fillna("-")
        life = rows.groupby(["instance_id", "launch_at"])
        lives = life[["account_id", "region", "instance_type", "cluster", "private_dns_name"]].last()
        lives["ended_at"] = rows[rows["state"].isin(RUNNING)].groupby(["instance_id", "launch_at"])["observed_at"].max()
        self.lives = lives.reset_index().sort_values("launch_at", ignore_index=True)
        self.instances = self.lives.drop_duplicates("instance_id", keep="last").set_index("instance_id")
        self.lives["launch_ms"], self.lives["ended_ms"] = (
            self.lives[name].astype("datetime64[ms, UTC]").astype("int64") for name in ("launch_at", "ended_at")
        )

    def names(self) -> pd.DataFrame:
        """hostname, instance_id, from_ms: each name, whole or its first part, from when it meant that instance."""
        whole = self.lives[["private_dns_name", "instance_id", "launch_ms"]]
        whole = whole.set_axis(["hostname", "instance_id", "from_ms"], axis=1)
        short = whole.assign(hostname=whole["hostname"].str.split(".").str[0])
        return pd.concat([whole, short]).drop_duplicates().sort_values(["hostname", "from_ms"], ignore_index=True)

    def of(self, instance_ids: pd.Series, column: str, unknown: str) -> pd.Series:
        """What the inventory says of instances."""
        return instance_ids.map(self.instances[column]).fillna(unknown)


def places(
    labels: pd.DataFrame, label: Integers, at_ms: Integers, inventory: Inventory
) -> tuple[Integers, pd.DataFrame]:
    """The place of each row, and what the places are: accelerator, device, instance and slices, one row per number.

    `labels` has a row per code in `label`. Most host names mean one instance for all time; the others are looked up.
    """
    names = inventory.names()
    hosts = names["hostname"].unique()
    host = pd.Index(hosts).get_indexer(labels["hostname"])
    span_keys = (pd.Index(hosts).get_indexer(names["hostname"]) << BITS) + names["from_ms"].to_numpy()
    first = np.searchsorted(span_keys, host << BITS)
    last = np.searchsorted(span_keys, (host << BITS) + int(at_ms.min()), side="right") - 1
    is_named = labels["hostname"].str.fullmatch(INSTANCE).to_numpy()
    is_fixed = is_named | (host < 0) | (np.searchsorted(span_keys, (host + 1) << BITS) - 1 == last) & (last >= first)
    span_of_label = np.where(is_named | (host < 0), -1, last)
    span = span_of_label[label]
    moved = np.flatnonzero(~is_fixed[label])
    found = np.searchsorted(span_keys, (host[label[moved]] << BITS) + at_ms[moved], side="right") - 1
    span[moved] = np.where(found >= first[label[moved]], found, -1)
    code = (span + 1) * len(labels) + label
    place, codes = pd.factorize(code)
    spans, of_label = codes // len(labels) - 1, codes % len(labels)
    known = labels.iloc[of_label].reset_index(drop=True)
    instance = names["instance_id"].reindex(spans).fillna("").reset_index(drop=True)
    known["instance_id"] = instance.where(~is_named[of_label], known["hostname"])
    return place, _accelerators(known)


def _accelerators(known: pd.DataFrame) -> pd.DataFrame:
    """`known` with device, accelerator and slices: a GPU without UUID has the one seen at its place at another time."""
    told = known[known["gpu_uuid"] != ""].drop_duplicates(["hostname", "device"], keep="last")
    aliases = told.set_index(["hostname", "device"])["gpu_uuid"]
    at_place = pd.MultiIndex.from_frame(known[["hostname", "device"]])
    uuid = known["gpu_uuid"].where(known["gpu_uuid"] != "", aliases.reindex(at_place).to_numpy())
    host = known["instance_id"].where(known["instance_id"] != "", known["hostname"])
    known["device_id"] = uuid.fillna(host + "/" + known["device"])
    is_part = known["gpu_instance_id"] != ""
    known["accelerator_id"] = known["device_id"] + ("/GI" + known["gpu_instance_id"]).where(is_part, "")
    slices = known["gpu_instance_profile"].str.extract(r"^(\d+)g")[0].astype(float)
    known["slices"] = slices.where(is_part, 1).fillna(1).astype("int64")
    known["device_slices"] = np.where(is_part, 7, 1)
    return known


def workloads(owners: pd.DataFrame) -> pd.Series:
    """Name of each owner after the cluster: namespace/kind/name; '' for nobody."""
    name = owners["pod"]
    done = pd.Series(False, index=name.index)
    for suffix in SUFFIXES:
        cut = name.str.replace(suffix, "", regex=True)
        name = name.where(done, cut)
        done |= cut != owners["pod"]
    pods = owners["namespace"] + "/-/" + name
    return pods.where(owners["pod"] != "", ("-/slurm/" + owners["hpc_job"]).where(owners["hpc_job"] != "", ""))
