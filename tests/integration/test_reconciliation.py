"""CUR and Cost Explorer of the same world: every difference is zero or carries the category that explains it."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from pipeline.world import WorldOptions
from pipeline.world.cost_explorer import cost_explorer_files
from pipeline.world.cur import write_exports
from pipeline.world.world import World, simulate
from pipeline.world.writer import write_json
from tests.support import truth
from tests.support.ledgers import Ledger

DAYS = 20  # over two months: the first is closed
EXPLAINED = """
    select explanation, count(*), count(*) filter (where coalesce(cost_explorer_difference_usd, 0) <> 0)
    from mart_reconciliation_daily group by all
"""


class Bills:
    """The bills of a world without telemetry, delivery by delivery."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.world: World = simulate(WorldOptions(seed=seed, days=DAYS, telemetry_days=0))
        self.folder = folder
        self.manifests = list(write_exports(self.world.options, self.world.fleet, self.world.lines, folder))

    def early_and_final(self) -> tuple[list[Path], list[Path]]:
        """The deliveries of each month, the early ones apart: Manifest with chunks."""
        by_time = sorted(self.manifests, key=lambda path: path.parent.name)
        months = {path.parent.parent.name for path in by_time}
        early = [next(path for path in by_time if path.parent.parent.name == month) for month in sorted(months)]
        return early, [path for path in by_time if path not in early]

    def explorer(self, *left_out: str, estimated_from: date | None = None) -> Path:
        """Cost Explorer's pages, without the accounts left out; from a day on it is told as still estimated."""
        into = self.folder / f"cost_explorer-{len(left_out)}-{estimated_from}"
        ids = {self.world.fleet.accounts[key].account_id for key in left_out}
        for name, page in cost_explorer_files(self.world.options, self.world.fleet, self.world.lines):
            for result in page["ResultsByTime"]:
                day = date.fromisoformat(result["TimePeriod"]["Start"])
                result["Estimated"] = estimated_from is not None and day >= estimated_from
            if name.partition("-")[0] not in ids:
                write_json(into / name, page)
        return into


def explained(ledger: Ledger) -> dict[str, tuple[int, int]]:
    """Category → (rows, rows that differ)."""
    ledger.publish()
    assert truth.rows(ledger, truth.RECONCILIATION) == []
    return {name: (rows, differing) for name, rows, differing in truth.rows(ledger, EXPLAINED)}


def assert_every_row_is_explained(seed: int, folder: Path) -> None:
    bills = Bills(seed, folder / "landing")
    early, final = bills.early_and_final()
    ledger = Ledger(folder / "ledger")

    assert not ledger.ingest(*early, bills.explorer("research")).refused
    while_settling = explained(ledger)
    assert "unexplained" not in while_settling
    assert while_settling["equal"][1] == 0
    assert while_settling["timing"][1] > 20
    assert while_settling["missing account"][0] > 0

    assert not ledger.ingest(*final, bills.explorer()).refused
    settled = explained(ledger)
    assert settled.keys() == {"equal"}
    assert settled["equal"] == (sum(rows for rows, _ in settled.values()), 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 12))
def test_bills_of_every_seed_are_equal_or_explained(seed: int, tmp_path: Path, no_settings: None) -> None:
    assert_every_row_is_explained(seed, tmp_path)
    shutil.rmtree(tmp_path)


@pytest.mark.slow
def test_a_difference_that_nothing_explains_is_called_so(tmp_path: Path, no_settings: None) -> None:
    bills = Bills(1, tmp_path / "landing")
    pages = bills.explorer()
    wrong = sorted(pages.iterdir())[-1]  # a day of the month that both know equally well
    page = json.loads(wrong.read_text())
    page["ResultsByTime"][-1]["Groups"][0]["Metrics"]["UnblendedCost"]["Amount"] = "123456.78"
    wrong.write_text(json.dumps(page))
    ledger = Ledger(tmp_path / "ledger")
    ledger.ingest(*bills.manifests, pages)
    found = explained(ledger)
    assert found.keys() == {"equal", "unexplained"}
    assert found["unexplained"] == (1, 1)
