"""The same tables by pandas: what a competent analyst writes over Parquet of the raw rows, vectorised, texts as codes.

Samples become runs (one accelerator, hour and owner) in one pass over the sorted rows; all that follows is small.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from bench import marts_pandas_daily, marts_pandas_hours, marts_pandas_money
from bench.marts_pandas_fold import fold
from bench.marts_pandas_places import Inventory

TEXTS = ["hostname", "device", "gpu_uuid", "gpu_instance_id", "gpu_instance_profile", "delivery_id"]
TEXTS += ["namespace", "pod", "container", "hpc_job"]
MEASURES = ["gr_engine_active", "gpu_util", "tensor_active", "fb_used", "power_usage", "total_energy_consumption"]
MEASURES += ["gpu_temp", "xid_errors", "ecc_dbe_volatile"]
HOUR_MS = 3_600_000


def run(folder: Path) -> dict[str, pd.DataFrame]:
    """Every compared table from the files in `folder`, left there as Parquet too."""
    inventory = Inventory(pd.read_parquet(folder / "raw_inventory.parquet"))
    deliveries = pd.read_parquet(folder / "raw_deliveries.parquet").set_index("delivery_id")
    samples = _read(folder / "raw_dcgm_samples.parquet")
    folded = fold(samples, deliveries, inventory)
    del samples
    hours = marts_pandas_hours.run(folded, inventory)
    money = marts_pandas_money.run(hours, folder / "raw_cur_lines.parquet", inventory)
    results = {
        "fct_accelerator_usage_hourly": marts_pandas_hours.usage_fact(hours, money.oversubscribed),
        "fct_workload_usage_hourly": marts_pandas_hours.workload_fact(hours),
        "int_idle_stretches": hours.stretches,
        "fct_cost_allocated_hourly": money.allocated,
        **marts_pandas_daily.run(hours, money, inventory),
    }
    for name, frame in results.items():
        _dated(frame).to_parquet(folder / f"pandas_{name}.parquet")
    return results


def _read(path: Path) -> pd.DataFrame:
    """Only the columns needed, texts as codes straight from the file's dictionaries."""
    table = pq.read_table(path, columns=["sample_at", "cadence_ms", *TEXTS, *MEASURES], read_dictionary=TEXTS)
    frame: pd.DataFrame = table.to_pandas(self_destruct=True, split_blocks=True)
    return frame


def _dated(frame: pd.DataFrame) -> pd.DataFrame:
    """Hour and day numbers as times, under the names that the tables have."""
    frame = frame.rename(columns={"hour": "usage_hour_at", "day": "usage_date"})
    for name, unit_ms in (("usage_hour_at", HOUR_MS), ("usage_date", 24 * HOUR_MS)):
        if name in frame:
            frame[name] = (frame[name].to_numpy(np.int64) * unit_ms).astype("datetime64[ms]")
    return frame
