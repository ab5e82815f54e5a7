"""One small world in memory and on disk, shared by the tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.world import World, WorldOptions, generate, simulate

OPTIONS = WorldOptions(seed=3, days=7, telemetry_days=1)


@pytest.fixture(scope="session")
def world() -> World:
    return simulate(OPTIONS)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world")
    generate(OPTIONS, out)
    return out
