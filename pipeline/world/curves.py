"""How hard a holder works, sample by sample.

Levels follow the GPU utilization CDFs of Acme (InternLM/AcmeTrace, CC BY 4.0; CDF pickles of Seren and Kalos).
Quantiles taken from them:

| share of samples    | 25 % | 30 % | 35 % | 50 % | 75 % | 90 % | 95 % | 99 % |
|---------------------|------|------|------|------|------|------|------|------|
| Seren GPU_UTIL, %   |    0 |    0 |   83 |   99 |   99 |  100 |  100 |  100 |
| Kalos GPU_UTIL, %   |    0 |    0 |   16 |   97 |  100 |  100 |  100 |  100 |
| Seren SM active, %  |    0 |  0.1 | 11.0 | 50.2 | 73.1 | 80.9 | 85.1 | 92.7 |
| Seren series 4, %   |    0 |    0 |  3.0 | 14.0 | 20.4 | 23.8 | 30.5 | 49.5 |
| Kalos power, W      | 66.4 | 73.0 | 90.4 |  102 |  372 |  404 |  413 |  442 |

A third of the samples do nothing: here those are idle nodes, free cores and planted stalls. Held training devices
read 83 to 99 % busy, with SM (here DRAM) and tensor activity drawn from the working part of rows three and four.
No held device falls below 8 % unless a stall is planted, so that no idle finding arises by chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import pi

import numpy as np
import numpy.typing as npt

from pipeline.world.options import SECONDS_PER_DAY
from pipeline.world.seeds import stream

Array = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PPM = 1_000_000
LEAST_BUSY = 0.08
MOST_BUSY = 0.985
STALLED_BUSY = 0.02

# Inverse CDFs over the working 65 % of Acme's samples: (share, value).
_SM_ACTIVE = ((0.0, 0.11), (0.23, 0.502), (0.61, 0.731), (0.85, 0.809), (0.92, 0.851), (1.0, 0.927))
_TENSOR_ACTIVE = ((0.0, 0.03), (0.23, 0.14), (0.61, 0.204), (0.85, 0.238), (0.92, 0.305), (1.0, 0.495))
_GPU_BUSY = ((0.0, 0.83), (0.23, 0.95), (0.61, 0.97), (1.0, 0.985))


@dataclass(frozen=True)
class Profile:
    """A kind of work and its job-wide constants, all ratios: 0 to 1."""

    kind: str
    level: float
    tensor: float
    dram: float
    memory: float


def draw_profile(kind: str, *keys: object) -> Profile:
    """A job's constants, drawn from Acme's distributions for training, from daily rhythms for the rest."""
    draw = stream("profile", kind, *keys)
    level = {
        "training": _quantile(_GPU_BUSY, draw.random()),
        "inference": 0.5 + 0.3 * draw.random(),
        "notebook": 0.12 + 0.06 * draw.random(),
        "steady": 0.3 + 0.4 * draw.random(),
    }[kind]
    tensor = _quantile(_TENSOR_ACTIVE, draw.random())
    return Profile(kind, level, tensor, _quantile(_SM_ACTIVE, draw.random()), 0.35 + 0.5 * draw.random())


def busy_curve(profile: Profile, at: Array, units: int, generator: np.random.Generator) -> Array:
    """Busy share in ppm, one row per sample and one column per unit, between 8 and 98.5 %."""
    shape = (len(at), units)
    base = _SHAPES[profile.kind](profile, at, generator)
    noise = (generator.random(shape) - 0.5) * (0.03 if profile.kind == "training" else 0.05)
    busy = np.clip(base[:, None] * (1.0 + noise), LEAST_BUSY, MOST_BUSY)
    return np.rint(busy * PPM).astype(np.int64)


def stalled_curve(samples: int, units: int, generator: np.random.Generator) -> Array:
    """Next to nothing, in ppm."""
    return np.rint(generator.random((samples, units)) * STALLED_BUSY * PPM).astype(np.int64)


def _training(profile: Profile, at: Array, generator: np.random.Generator) -> Floats:
    every = int(generator.integers(45, 120))
    checkpoint = (np.arange(len(at)) + every // 2) % every == 0
    return np.where(checkpoint, 0.3 * profile.level, profile.level)


def _inference(profile: Profile, at: Array, generator: np.random.Generator) -> Floats:
    peak = 12.0 / 24 + 4.0 / 24 * generator.random()
    day = (at % SECONDS_PER_DAY) / SECONDS_PER_DAY
    rhythm = 0.5 * (1.0 + np.cos(2 * pi * (day - peak)))
    bursts = 1.0 + 0.25 * (generator.random(len(at)) - 0.5)
    return profile.level * (0.22 + 0.78 * rhythm) * bursts


def _notebook(profile: Profile, at: Array, generator: np.random.Generator) -> Floats:
    cells = len(at) // 8 + 1
    running = np.repeat(generator.random(cells) < 0.25, 8)[: len(at)]
    return np.where(running, 0.35 + 0.4 * generator.random(len(at)), profile.level)


def _steady(profile: Profile, at: Array, generator: np.random.Generator) -> Floats:
    return profile.level * (1.0 + 0.1 * (generator.random(len(at)) - 0.5))


_SHAPES = {"training": _training, "inference": _inference, "notebook": _notebook, "steady": _steady}


def _quantile(points: tuple[tuple[float, float], ...], share: float) -> float:
    for (left, low), (right, high) in pairwise(points):
        if share <= right:
            return low + (high - low) * (share - left) / (right - left)
    return points[-1][1]
