"""From raw rows to one row per accelerator and instant, in order, by pandas: what each stands for and who held it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.marts_pandas_parts import Rows, parts
from bench.marts_pandas_places import BITS, Inventory, places, workloads

UNITS = 720_720

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass
class Folded:
    """`parts`: a row per accelerator and instant, and one for what it stands for of the hour before, where it does.

    `series`: accelerators on instances, by their number. `holders`: who holds a device under each owner code of the
    parts, and how many 720720ths; nobody has no row.
    """

    parts: list[pd.DataFrame]
    series: pd.DataFrame
    holders: pd.DataFrame


def fold(samples: pd.DataFrame, deliveries: pd.DataFrame, inventory: Inventory) -> Folded:
    """Fold the rows of `samples`, which are in no order, with copies per owner and rows delivered twice."""
    label, labels = _codes(samples, ["hostname", "device", "gpu_uuid", "gpu_instance_id", "gpu_instance_profile"])
    owner, owners = _codes(samples, ["namespace", "pod", "container", "hpc_job"])
    at_ms = samples["sample_at"].dt.tz_localize(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
    place, known = places(labels, label, at_ms, inventory)
    series_of = pd.factorize(known["accelerator_id"] + " " + known["instance_id"])[0]
    known = known.groupby(series_of).first()
    key = (series_of.astype(np.int64)[place] << BITS) + at_ms
    delivery = samples["delivery_id"].cat
    known_deliveries = deliveries.loc[delivery.categories]
    times = known_deliveries[["observed_at"]].reset_index()
    rank = np.empty(len(times), dtype=np.int64)
    rank[times.sort_values(["observed_at", "delivery_id"]).index] = np.arange(len(times))
    silent = _beside_mig(known, series_of[place], at_ms)
    order = np.argsort(key)
    kept, owner, holders = _newest(key, order, owner, rank[delivery.codes], silent, owners)
    guessed = known_deliveries["time_guessed"].to_numpy()[delivery.codes]
    rows = Rows(kept, key[kept] >> BITS, at_ms[kept], owner, guessed[kept])
    return Folded(parts(samples, rows, (known["device_slices"] > 1).to_numpy()), known, holders)


def _codes(frame: pd.DataFrame, names: list[str]) -> tuple[Integers, pd.DataFrame]:
    """One code for several categorical columns, and what each code means."""
    sizes = [len(frame[name].cat.categories) for name in names]
    code = np.zeros(len(frame), dtype=np.int64)
    for name, size in zip(names, sizes, strict=True):
        code = code * size + frame[name].cat.codes.to_numpy()
    numbers, codes = pd.factorize(code)
    meant = np.unravel_index(codes, sizes)
    return numbers, pd.DataFrame(
        {n: frame[n].cat.categories.take(m).astype(str) for n, m in zip(names, meant, strict=True)}
    )


def _beside_mig(series: pd.DataFrame, number: Integers, at_ms: Integers) -> Booleans:
    """Rows of a whole GPU at instants at which MIG divides it: then only its instances exist."""
    device = pd.factorize(series["device_id"] + " " + series["instance_id"])[0].astype(np.int64)
    is_part = (series["device_slices"] > 1).to_numpy()
    is_both = np.isin(device, device[is_part]) & ~is_part
    whole, parts = np.flatnonzero(is_both[number]), np.flatnonzero(is_part[number])
    silent = np.zeros(len(number), dtype=bool)
    silent[whole] = np.isin(
        (device[number[whole]] << BITS) + at_ms[whole], (device[number[parts]] << BITS) + at_ms[parts]
    )
    return silent


def _newest(
    key: Integers,
    order: Integers,
    owner: Integers,
    rank: Integers,
    silent: Booleans,
    owners: pd.DataFrame,
) -> tuple[Integers, Integers, pd.DataFrame]:
    """Rows to keep in order of `key`, the owner code of each, and the holders under each code.

    Of rows of one instant the newest delivery's speak; where they name several owners, their set gets its own code.
    """
    ordered = key[order]
    is_again = np.concatenate([[False], ordered[1:] == ordered[:-1]])
    is_double = is_again | np.concatenate([is_again[1:], [False]])
    doubles = pd.DataFrame({"row": order[is_double], "key": ordered[is_double]})
    doubles["owner"], doubles["rank"] = owner[doubles["row"]], rank[doubles["row"]]
    doubles = doubles[doubles["rank"] == doubles.groupby("key", sort=False)["rank"].transform("max")]
    names = workloads(owners)
    doubles["is_named"] = (names != "").to_numpy()[doubles["owner"]]
    doubles = doubles.sort_values(["key", "is_named", "owner", "row"], ascending=[True, False, True, True])
    speaking = doubles.drop_duplicates("key")
    keep = np.ones(len(order), dtype=bool)
    keep[is_double] = np.isin(order[is_double], speaking["row"])
    keep &= ~silent[order]
    several = doubles[doubles["is_named"]].drop_duplicates(["key", "owner"])
    several = several[several.duplicated("key", keep=False)]
    sets, members = _sets(several, len(owners))
    owner = owner.copy()
    owner[speaking.set_index("key")["row"].loc[sets.index].to_numpy()] = sets.to_numpy()
    kept = order[keep]
    return kept, owner[kept], _holders(owners, names, members)


def _sets(several: pd.DataFrame, first_code: int) -> tuple[pd.Series, pd.DataFrame]:
    """A code for the set of owners of each key (several owners per key, in order), and the members of each set."""
    wide = several.assign(number=several.groupby("key").cumcount()).pivot(index="key", columns="number", values="owner")
    wide = wide.fillna(-1).astype("int64")
    numbers = wide.groupby(list(wide.columns), sort=False).ngroup() + first_code
    members = wide.assign(code=numbers).drop_duplicates("code").melt("code", value_name="owner")
    return numbers, members.loc[members["owner"] >= 0, ["code", "owner"]]


def _holders(owners: pd.DataFrame, names: pd.Series, sets: pd.DataFrame) -> pd.DataFrame:
    """code, owner, name, share: pods and jobs share a device equally, the containers of a pod what is its."""
    alone = np.flatnonzero(names != "")
    members = pd.concat([pd.DataFrame({"code": alone, "owner": alone}), sets], ignore_index=True)
    members = members.join(owners, on="owner").sort_values(["code", "namespace", "pod", "hpc_job", "container"])
    sharer = members.groupby(["code", "namespace", "pod", "hpc_job"]).ngroup()
    number = sharer - sharer.groupby(members["code"]).transform("min")
    count = sharer.groupby(members["code"]).transform("nunique")
    units = UNITS // count + (number < UNITS % count)
    inside, each = sharer.groupby(sharer).cumcount(), sharer.groupby(sharer).transform("count")
    members["share"] = units // each + (inside < units % each)
    members["name"] = names.loc[members["owner"]].to_numpy()
    return members[["code", "owner", "name", "share"]].reset_index(drop=True)
