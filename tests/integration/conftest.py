"""Worlds written once per session, and an environment without settings of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.support.worlds import WorldFiles, write_world

WriteWorld = Callable[..., WorldFiles]


@pytest.fixture(scope="session")
def world_of(tmp_path_factory: pytest.TempPathFactory) -> WriteWorld:
    """Writes the world of given options, once for all workers of a session."""
    base = tmp_path_factory.getbasetemp()
    cache = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "worlds"
    cache.mkdir(exist_ok=True)
    return lambda **options: write_world(cache, **options)


@pytest.fixture(scope="session")
def no_settings() -> Iterator[None]:
    """No setting of this machine reaches the ledgers under test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("CHIPLEDGER_", "AWS_", "SLACK_"))]:
            patch.delenv(name)
        yield
