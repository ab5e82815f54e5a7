"""Units that columns of a dump may state, and the factor from each to the unit of raw_dcgm_samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# unit → (what it measures, how much of the first unit of that kind one is)
UNITS: Final[Mapping[str, tuple[str, float]]] = {
    "ratio": ("a share", 1.0),
    "percent": ("a share", 0.01),
    "watts": ("power", 1.0),
    "milliwatts": ("power", 0.001),
    "kilowatts": ("power", 1000.0),
    "joules": ("energy", 1.0),
    "millijoules": ("energy", 0.001),
    "kilowatt_hours": ("energy", 3_600_000.0),
    "bytes": ("memory", 1.0),
    "kib": ("memory", 1024.0),
    "mib": ("memory", 1024.0**2),
    "gib": ("memory", 1024.0**3),
    "mb": ("memory", 1000.0**2),
    "gb": ("memory", 1000.0**3),
    "celsius": ("temperature", 1.0),
    "count": ("a count", 1.0),
    "code": ("a code", 1.0),
}
# the units of raw_dcgm_samples (sql/raw/raw_dcgm_samples.sql)
RAW_UNITS: Final[Mapping[str, str]] = {
    "gpu_util": "percent",
    "mem_copy_util": "percent",
    **dict.fromkeys(
        ("gr_engine_active", "sm_active", "sm_occupancy", "tensor_active", "dram_active"),
        "ratio",
    ),
    "power_usage": "watts",
    "total_energy_consumption": "millijoules",
    "gpu_temp": "celsius",
    "memory_temp": "celsius",
    **dict.fromkeys(("fb_used", "fb_free", "fb_reserved", "fb_total"), "mib"),
    "xid_errors": "code",
    "xid_errors_count": "count",
    "ecc_dbe_volatile": "count",
    "ecc_sbe_volatile": "count",
}


def factor(unit: str, field: str) -> float:
    """What a value in `unit` is multiplied by for `field`; ValueError where the unit is unknown or of another kind."""
    if unit not in UNITS:
        raise ValueError(f"{unit!r} is no unit; known are {', '.join(UNITS)}")
    (kind, size), (wanted, raw_size) = UNITS[unit], UNITS[RAW_UNITS[field]]
    if kind != wanted:
        raise ValueError(f"{unit} measures {kind}, but {field} is {wanted}")
    return size / raw_size
