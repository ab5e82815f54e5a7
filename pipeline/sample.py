"""The sample fleet of `run --sample`: which world it is, where it lies, and which clock belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.home import OWN_HOME, Home
from pipeline.settings import Settings
from pipeline.steps import warehouse

# a fleet whose first look shows an open finding, a closed one and a cost spike
SEED, DAYS, TELEMETRY_DAYS, SIZE = 5, 35, 3, "S"
# three days after the last usage: its bill is final by then, so that the newest days count as complete
CLOCK = datetime(2026, 11, 18, tzinfo=UTC)

# what its people would bring: two runs on each of two chips; simulated like the fleet
BROUGHT = {
    "benchmarks/llama-pretrain-7b.csv": """
workload,instance_type,unit,throughput_per_second,software,run,measured_date
llama-pretrain-7b,p5.48xlarge,trained_tokens,92400,NeMo 25.07,1,2026-11-05
llama-pretrain-7b,p5.48xlarge,trained_tokens,91200,NeMo 25.07,2,2026-11-05
llama-pretrain-7b,trn2.48xlarge,trained_tokens,70300,NxD Training 1.5,1,2026-11-09
llama-pretrain-7b,trn2.48xlarge,trained_tokens,73100,NxD Training 1.5,2,2026-11-09
""",
}


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

    def bring(self) -> Path:
        """Put what people would bring beside the simulated files, and give the fleet its name; its folder."""
        for name, text in BROUGHT.items():
            path = self.unfinished / "landing" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.lstrip(), "utf-8")
        return self.unfinished.rename(self.folder)

    def settings(self, settings: Settings) -> Settings:
        """`settings` turned to the sample: its files alone, its attribution rules, its clock unless one is fixed."""
        rules = settings.place.sample_rules
        return settings.model_copy(
            update={
                "inbox": (str(self.landing),),
                "now": settings.now or CLOCK,
                "workloads": rules if rules.is_file() else settings.workloads,
                "regions": (),
                "inventory_regions": (),
                "prometheus": (),
                "lake_mapping": None,
                "cost_explorer": False,
            }
        )


def refuse_plain_run(place: Home) -> None:
    """Raise UsageError where a pass over real sources would begin in the home of the sample fleet."""
    if place.holds_sample:
        raise UsageError(
            f"{place.root} holds the sample fleet; {OWN_HOME}, or look at the sample again: chipledger run --sample"
        )


def refuse_beside_real_data(settings: Settings, sample: Sample) -> None:
    """Raise UsageError where the home holds anything that is not the fleet's: it must not join real money."""
    place = settings.place
    strangers = [f"files in {place.landing}"] if place.has_arrivals else _foreign_deliveries(settings, sample)
    if strangers:
        more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
        raise UsageError(
            f"{place.root} holds data that is not the sample's ({strangers[0]}{more}); simulated and real money must "
            "not mix. Give the sample another home: CHIPLEDGER_HOME=./sample-ledger chipledger run --sample"
        )


def _foreign_deliveries(settings: Settings, sample: Sample) -> list[str]:
    """Objects in the ledger that no file of the fleet is called; by name, so that a home can be moved."""
    if not settings.place.warehouse.is_file():
        return []
    fleet = {path.name for path in sample.landing.rglob("*")}
    with warehouse(settings) as conn:
        rows = conn.execute("select distinct object from raw_deliveries order by object").fetchall()
    return [name for (name,) in rows if name.rpartition("/")[2] not in fleet]
