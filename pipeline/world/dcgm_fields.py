"""The DCGM fields the simulated exporter prints: both generations of names, help, type and number format.

Names: DCGM 4.6.0 renamed 328 fields (dcgm_fields.h); help and type: dcgm-exporter 4.8.2 etc/default-counters.csv.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """One exported field. `form` prints the stored number, `scope` says whose value it is.

    Scope `unit`: the MIG instance's own; `device`: the whole GPU's, repeated per instance; `whole`: absent under MIG.
    """

    key: str
    old_name: str
    new_name: str
    kind: str
    help: str
    form: str
    scope: str = "device"
    profiling: bool = False


FIELDS = (
    Field("clock", "DCGM_FI_DEV_SM_CLOCK", "DCGM_FI_DEV_SM_CLOCK", "gauge", "SM clock frequency (in MHz).", "%d"),
    Field("memory_temp", "DCGM_FI_DEV_MEMORY_TEMP", "DCGM_FI_DEV_MEMORY_TEMP_CELSIUS", "gauge",
          "Memory temperature (in C).", "%d"),
    Field("temp", "DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_GPU_TEMP_CELSIUS", "gauge", "GPU temperature (in C).", "%d"),
    Field("power", "DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_BOARD_POWER_WATTS", "gauge", "Power draw (in W).", "%.6f"),
    Field("energy", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "counter",
          "Total energy consumption since boot (in mJ).", "%d"),
    Field("gpu_util", "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_GPU_UTIL_RATIO", "gauge", "GPU utilization (in %).", "%d",
          scope="whole"),
    Field("mem_copy", "DCGM_FI_DEV_MEM_COPY_UTIL", "DCGM_FI_DEV_MEM_COPY_UTIL", "gauge",
          "Memory utilization (in %).", "%d", scope="whole"),
    Field("xid", "DCGM_FI_DEV_XID_ERRORS", "DCGM_FI_DEV_XID_ERROR", "gauge",
          "Value of the last XID error encountered.", "%d"),
    Field("fb_free", "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_FREE", "gauge", "Framebuffer memory free (in MiB).", "%d",
          scope="unit"),
    Field("fb_used", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_USED", "gauge", "Framebuffer memory used (in MiB).", "%d",
          scope="unit"),
    Field("busy", "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO", "gauge",
          "Ratio of time the graphics engine is active.", "0.%06d", scope="unit", profiling=True),
    Field("tensor", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "DCGM_FI_PROF_TENSOR_UTIL_RATIO", "gauge",
          "Ratio of cycles the tensor (HMMA) pipe is active.", "0.%06d", scope="unit", profiling=True),
    Field("dram", "DCGM_FI_PROF_DRAM_ACTIVE", "DCGM_FI_PROF_DRAM_UTIL_RATIO", "gauge",
          "Ratio of cycles the device memory interface is active sending or receiving data.", "0.%06d", scope="unit",
          profiling=True),
)  # fmt: skip
