"""The sample fleet of `run --sample`: which world it is, where it lies, and which clock belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.settings import Settings
from pipeline.steps import warehouse
from pipeline.warehouse import scalar

# a fleet whose first look shows an open finding, a closed one and a cost spike
SEED, DAYS, TELEMETRY_DAYS, SIZE = 5, 35, 3, "S"
# three days after the last usage: its bill is final by then, so that the newest days count as complete
CLOCK = datetime(2026, 11, 18, tzinfo=UTC)


@dataclass(frozen=True)
class Sample:
    """A folder that holds, or will hold, the sample fleet."""

    folder: Path

    @property
    def landing(self) -> Path:
        """The fleet's files, as its suppliers would deliver them."""
        return self.folder / "landing"

    @property
    def unfinished(self) -> Path:
        """Where it is written before it gets its name, so that a cut-off simulation is never taken for a fleet."""
        return self.folder.with_name(f"{self.folder.name}.partial")

    @property
    def is_there(self) -> bool:
        """It was written completely."""
        return self.landing.is_dir()

    def settings(self, settings: Settings) -> Settings:
        """`settings` turned to the sample: its files alone, its attribution rules, its clock unless one is fixed."""
        rules = self.folder / "workloads.toml"
        return settings.model_copy(
            update={
                "inbox": (str(self.landing),),
                "now": settings.now or CLOCK,
                "workloads": rules if rules.is_file() else settings.workloads,
                "regions": (),
                "cost_explorer": False,
            }
        )


def refuse_beside_real_data(settings: Settings, sample: Sample) -> None:
    """Raise UsageError where the ledger holds deliveries but no sample: simulated money must not join real money."""
    if sample.is_there or not settings.place.warehouse.is_file():
        return
    with warehouse(settings) as conn:
        if scalar(conn, "select count(*) from raw_deliveries"):
            raise UsageError(
                f"{settings.place.root} holds deliveries of its own; the sample fleet would mix with them. "
                "Give it another home: CHIPLEDGER_HOME=./sample-ledger chipledger run --sample"
            )
