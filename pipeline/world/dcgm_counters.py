"""The numbers behind a scrape: one array of samples × fields × units, from busy shares and job constants."""

from __future__ import annotations

import numpy as np

from pipeline.world.chips import MIG_PROFILES
from pipeline.world.curves import PPM, Array, Floats
from pipeline.world.dcgm_fields import FIELDS
from pipeline.world.fleet import Node
from pipeline.world.seeds import stream
from pipeline.world.telemetry import Telemetry

# Degrees over the inlet, at idle and at full power: Acme's GPU temperatures lie between 25 and 69.
_IDLE_CELSIUS = 27
_RISE_CELSIUS = 38
_MEMORY_OVER_GPU_CELSIUS = 12
_IDLE_MHZ = 345
_BUSY_MHZ = 1755
_RESERVED_MIB = 551
_MILLI = 1000


def counters(telemetry: Telemetry, seed: int) -> Floats:
    """Numbers per sample, field (order of FIELDS) and unit.

    Ratios in ppm, power in watts, energy in millijoules; `GPU_UTIL` never reads below the engine's share.
    """
    node = telemetry.node
    ratios = _ratios(telemetry)
    power = _power(node, telemetry.busy, ratios["tensor"])
    busy_percent = -(-telemetry.busy // (PPM // 100))
    spread = (power - node.spec.idle_watts * _MILLI) / (node.spec.top_watts - node.spec.idle_watts) / _MILLI
    temperature = (_IDLE_CELSIUS + _RISE_CELSIUS * spread).astype(np.int64)
    values = {
        "clock": np.where(telemetry.busy > 0, _BUSY_MHZ, _IDLE_MHZ),
        "memory_temp": np.zeros_like(power) if _lacks_memory_sensor(node) else temperature + _MEMORY_OVER_GPU_CELSIUS,
        "temp": temperature,
        "power": power / _MILLI,
        "energy": _energy(telemetry, power, seed),
        "gpu_util": np.minimum(busy_percent, 100),
        "mem_copy": ratios["dram"] // (PPM // 100),
        "xid": np.zeros_like(power),
        "fb_free": ratios["memory_mib"] - ratios["used_mib"],
        "fb_used": ratios["used_mib"],
        "busy": telemetry.busy,
        "tensor": ratios["tensor"],
        "dram": ratios["dram"],
    }
    return np.stack([values[field.key].astype(np.float64) for field in FIELDS], axis=1)


def _lacks_memory_sensor(node: Node) -> bool:
    return node.spec.chip == "L4"


def _ratios(telemetry: Telemetry) -> dict[str, Array]:
    shape = telemetry.busy.shape
    zero = np.zeros(shape, dtype=np.int64)
    out = {"tensor": zero, "dram": zero.copy(), "used_mib": zero.copy()}
    rooms = np.array([_memory_mib(telemetry.node, unit.gi_profile) for unit in telemetry.node.units])
    out["memory_mib"] = np.broadcast_to(rooms, shape).astype(np.int64)
    for ranged in telemetry.held:
        profile, units = ranged.holding.profile, list(ranged.holding.units)
        rows = slice(ranged.first, ranged.last)
        out["tensor"][rows, units] = (ranged.busy * profile.tensor).astype(np.int64)
        out["dram"][rows, units] = (ranged.busy * profile.dram).astype(np.int64)
        out["used_mib"][rows, units] += (rooms[units] * profile.memory).astype(np.int64)
    out["used_mib"] = np.minimum(out["used_mib"], out["memory_mib"])
    return out


def _memory_mib(node: Node, profile: str) -> int:
    whole = node.spec.memory_bytes // 1024**2 - _RESERVED_MIB
    return MIG_PROFILES[profile][1] if profile else whole


def _power(node: Node, busy: Array, tensor: Array) -> Array:
    """Milliwatts per unit: a MIG instance repeats its GPU's."""
    spec = node.spec
    effort: Floats = 0.45 * busy / PPM + 0.55 * np.minimum(tensor / PPM * 2.2, 1.0)
    devices = [unit.device for unit in node.units]
    weights = np.array([float(unit.weight) for unit in node.units])
    whole = np.zeros((len(busy), spec.devices))
    for unit, device in enumerate(devices):
        whole[:, device] += effort[:, unit] * weights[unit]
    watts = spec.idle_watts + (spec.top_watts - spec.idle_watts) * np.minimum(whole, 1.0)
    return np.rint(watts[:, devices] * _MILLI).astype(np.int64)


def _energy(telemetry: Telemetry, power: Array, seed: int) -> Array:
    start = stream(seed, "energy", telemetry.node.instance_id).randrange(10**9, 10**12)
    if telemetry.node.stopped_at is not None:
        start = 0
    spent: Array = start + np.cumsum(power * telemetry.cover[:, None], axis=0)
    return spent
