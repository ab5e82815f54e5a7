"""Spoiled deliveries among good ones give the marts of the good ones alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.world.file_faults import FILE_FAULTS, HOSTILE
from tests.integration.conftest import WriteWorld
from tests.support.ledgers import Ledger, differing, exports, published

OPTIONS = {"seed": 3, "days": 1, "telemetry_days": 1, "interval_seconds": 300}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clean(world_of: WriteWorld, no_settings: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    home = tmp_path_factory.mktemp("clean") / "ledger"
    published(home, world_of(**OPTIONS).landing)
    return exports(home, home.parent / "exports")


@pytest.mark.parametrize("faults", [(name,) for name in FILE_FAULTS] + [tuple(FILE_FAULTS)], ids="+".join)
def test_spoiled_deliveries_change_no_mart(
    world_of: WriteWorld, clean: dict[str, bytes], tmp_path: Path, faults: tuple[str, ...]
) -> None:
    world, ledger = world_of(**OPTIONS, faults=faults), Ledger(tmp_path / "ledger")

    first = ledger.ingest(world.landing)
    if "late" in faults:
        ledger.build()
        assert ledger.ingest(world.folder / "late").count("landed") > 10
    ledger.publish()

    assert differing(exports(ledger.home, tmp_path / "exports"), clean) == []
    if "hostile" in faults:
        assert first.count("refused") >= len(HOSTILE) - 3
    if "duplicated" in faults:
        assert first.count("repeat") > 10
    if "truncated" in faults:
        assert sum("-cut." in one.object for one in first.refused) > 10
