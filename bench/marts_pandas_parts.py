"""What each sample stands for, by pandas: milliseconds of UTC hours, and measures as integers (-1: not told)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

HOUR_MS = 3_600_000
PROFILED, UTILIZED, SUSPECT, GUESSED = 1, 2, 8, 256  # bits: which counter spoke, and doubts

Integers = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """Which rows of the samples count, in order of series and time, and what is known of each."""

    kept: Integers
    series: Integers
    at_ms: Integers
    owner: Integers
    is_guessed: Booleans


def parts(samples: pd.DataFrame, rows: Rows, is_mig: Booleans) -> list[pd.DataFrame]:
    """series, hour, owner, at_ms, ms and measures: for the hour in which each sample lies, and for the hour before."""
    at_ms = rows.at_ms
    cadence = _values(samples, "cadence_ms", rows).astype(np.int64)
    is_first = np.concatenate([[True], rows.series[1:] != rows.series[:-1]])
    gap = np.diff(at_ms, prepend=at_ms[0])
    sample_ms = np.where(is_first, cadence, np.minimum(gap, 2 * cadence))
    end_hour = (at_ms - 1) // HOUR_MS
    ended = pd.DataFrame({"series": rows.series, "hour": end_hour, "owner": rows.owner, "at_ms": at_ms}, copy=False)
    ended["ms"] = np.minimum(sample_ms, at_ms - end_hour * HOUR_MS)
    _add_measures(ended, samples, rows, is_mig)
    is_counted = ~is_first & (gap <= 2 * cadence)
    ended["energy"] = _energy(_values(samples, "total_energy_consumption", rows), ended["power"], sample_ms, is_counted)
    ended["errors"] = _errors(
        _values(samples, "xid_errors", rows),
        _values(samples, "ecc_dbe_volatile", rows),
        ~is_first & (gap <= 2 * HOUR_MS),
    )
    before = ended[sample_ms > ended["ms"]].copy()
    before["hour"] -= 1
    before["ms"] = sample_ms[before.index] - before["ms"]
    before["energy"], before["errors"] = -1, 0
    return [ended, before]


def _values(samples: pd.DataFrame, name: str, rows: Rows) -> Doubles:
    values: Doubles = samples[name].to_numpy()[rows.kept]
    return values


def _add_measures(frame: pd.DataFrame, samples: pd.DataFrame, rows: Rows, is_mig: Booleans) -> None:
    profiled, tensor = (_values(samples, name, rows) for name in ("gr_engine_active", "tensor_active"))
    is_profiled = ~np.isnan(profiled)
    # GPU_UTIL means nothing for a MIG instance
    utilized = np.where(is_mig[rows.series], np.nan, _values(samples, "gpu_util", rows) * 0.01)
    ratio = np.where(is_profiled, profiled, utilized)
    frame["busy_ppm"] = _whole(np.minimum(ratio, 1) * 1_000_000)
    frame["achieved_ppm"] = _whole(np.minimum(tensor, 1) * 1_000_000)
    frame["power"] = _whole(_values(samples, "power_usage", rows) * 1000)
    frame["memory"] = _whole(_values(samples, "fb_used", rows) * 1_048_576)
    frame["temperature"] = _whole(_values(samples, "gpu_temp", rows))
    counter = np.where(is_profiled, PROFILED, np.where(np.isnan(ratio), 0, UTILIZED))
    frame["bits"] = counter + SUSPECT * ((ratio > 1.005) | (tensor > 1.005)) + GUESSED * rows.is_guessed


def _energy(counter: Doubles, power: pd.Series, sample_ms: Integers, is_counted: Booleans) -> Integers:
    """Millijoules since the sample before by the counter; power times time where it was reset, silent or far away."""
    change = np.diff(counter, prepend=np.nan)
    by_power = np.where(power >= 0, power.to_numpy() * sample_ms // 1000, -1)
    return np.where(is_counted & (change >= 0), np.nan_to_num(change), by_power).astype(np.int64)


def _errors(xid: Doubles, memory_errors: Doubles, is_comparable: Booleans) -> Integers:
    """Memory errors since the sample before, of a counter that a reload sets to 0, and a new XID code."""
    new_xid = (xid != 0) & (np.diff(xid, prepend=np.nan) != 0) & ~np.isnan(np.diff(xid, prepend=np.nan))
    change = np.diff(memory_errors, prepend=np.nan)
    more = np.nan_to_num(np.where(change < 0, memory_errors, change))
    return np.where(is_comparable, more + new_xid, 0).astype(np.int64)


def _whole(values: Doubles) -> Integers:
    """To the nearest integer, -1 for what is not told."""
    return np.where(np.isnan(values), -1, np.floor(values + 0.5)).astype(np.int64)
