"""Idle stretches by pandas: unbroken time in which a workload held a GPU and worked less than 5 %, within an hour."""

from __future__ import annotations

import pandas as pd

HOUR_MS, UNITS, IDLE_PPM = 3_600_000, 720_720, 50_000


def stretches(owned: pd.DataFrame, workloads: tuple[pd.Series, pd.Series]) -> pd.DataFrame:
    """One row per stretch: hour, device, workload_id, start_ms, end_ms, held_ns, busy_ns.

    `owned` has one row per part of a sample and owner; `workloads` names the owners and the clusters of the devices.
    """
    names, clusters = workloads
    is_idle = (owned["busy_ppm"] < IDLE_PPM).to_numpy() & (names != "").to_numpy()[owned["owner"].to_numpy()]
    idle = owned[is_idle].copy()
    idle["workload_id"] = idle["device"].map(clusters) + "/" + idle["owner"].map(names)
    idle["end_ms"] = idle["at_ms"].clip(upper=(idle["hour"] + 1) * HOUR_MS)
    idle["start_ms"] = idle["end_ms"] - idle["ms"]
    idle["held"] = idle["ms"] * idle["share"]
    idle["busy"] = idle["held"] * idle["busy_ppm"]
    key = ["hour", "device", "workload_id"]
    instants = idle.groupby([*key, "start_ms"], as_index=False).agg({"end_ms": "max", "held": "sum", "busy": "sum"})
    ends = instants.groupby(key)["end_ms"].shift()
    instants["stretch"] = (instants["start_ms"] != ends).cumsum()
    found = instants.groupby([*key, "stretch"], as_index=False).agg(
        start_ms=("start_ms", "min"), end_ms=("end_ms", "max"), held=("held", "sum"), busy=("busy", "sum")
    )
    found["held_ns"] = found["held"] * 1_000_000 // UNITS
    found["busy_ns"] = found["busy"] // UNITS
    return found.drop(columns=["stretch", "held", "busy"])
