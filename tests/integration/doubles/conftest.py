"""One world served over HTTP, and real boto3 clients of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.world import World, WorldOptions, simulate
from pipeline.world.serve_http import DoublesServer
from tests.support.doubles import serving
from tests.support.world_clients import (
    DAYS,
    SERVING,
    TRAINING,
    Connect,
    connected,
    pull,
)


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldOptions(seed=7, days=DAYS, telemetry_days=1))


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[DoublesServer]:
    with serving(world, groups_per_page=5) as server:
        yield server


@pytest.fixture(scope="module")
def connect(server: DoublesServer) -> Connect:
    return lambda service, region=TRAINING, **more: connected(server, service, region, **more)


@pytest.fixture(scope="module")
def serving_rows(connect: Connect) -> list[dict[str, Any]]:
    return pull(connect("cloudwatch", SERVING), SERVING)
