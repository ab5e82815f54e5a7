"""Where a ledger keeps its things: one folder, whose names are part of the public contract."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError

COST_FOLDERS = frozenset({"cur", "focus", "cost_explorer"})
OWN_HOME = "simulated and real money must not mix: set CHIPLEDGER_HOME to another folder for your own data"
REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Home:
    """The folders and files below one ledger's root."""

    root: Path

    @property
    def landing(self) -> Path:
        """Files that wait to be swept, or that were fetched from a supplier."""
        return self.root / "landing"

    @property
    def warehouse(self) -> Path:
        """The one file that only the pipeline opens."""
        return self.root / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """What analysts read: marts.duckdb, dated copies, parquet/."""
        return self.root / "published"

    @property
    def snapshot(self) -> Path:
        """The current publication."""
        return self.published / "marts.duckdb"

    @property
    def parquet(self) -> Path:
        """The current publication, one Parquet file per table."""
        return self.published / "parquet"

    @property
    def closed(self) -> Path:
        """The publication that each closed billing period keeps the figures of."""
        return self.published / "closed"

    @property
    def published_sql(self) -> Path:
        """The models' SQL behind the kept publications, one folder per version."""
        return self.published / "sql"

    @property
    def outbox(self) -> Path:
        """Messages as JSON, where no Slack is configured."""
        return self.root / "outbox"

    @property
    def state(self) -> Path:
        """The alert ledger."""
        return self.root / "state"

    @property
    def spool(self) -> Path:
        """Messages of queues that are not in the warehouse yet."""
        return self.root / "spool"

    @property
    def services(self) -> Path:
        """What `chipledger up` keeps: secrets, Airflow's home, its database, logs."""
        return self.root / "services"

    @property
    def airflow(self) -> Path:
        """AIRFLOW_HOME of the in-process runner."""
        return self.root / "airflow"

    @property
    def sample(self) -> Path:
        """The sample fleet of `run --sample`."""
        return self.root / "sample"

    @property
    def sample_rules(self) -> Path:
        """The sample fleet's own attribution rules."""
        return self.sample / "workloads.toml"

    @property
    def holds_sample(self) -> bool:
        """The sample fleet was written here: nothing else may be ingested beside it."""
        return (self.sample / "landing").is_dir()

    @property
    def has_arrivals(self) -> bool:
        """Something lies in the landing folder that a sweep would look at."""
        return self.landing.is_dir() and any(not path.name.startswith(".") for path in self.landing.iterdir())

    def create(self) -> Home:
        """Make the folders that do not exist yet."""
        for folder in (self.landing, self.published, self.outbox, self.state):
            folder.mkdir(parents=True, exist_ok=True)
        return self


def refuse_strangers(place: Home, sources: Iterable[str]) -> None:
    """Raise UsageError where a source (a path, a prefix, a supplier's name) would join the sample fleet in its home."""
    if not place.holds_sample:
        return
    fleet = place.sample.resolve()
    if strangers := [source for source in sources if not Path(source).resolve().is_relative_to(fleet)]:
        raise UsageError(f"{place.root} holds the sample fleet, and {strangers[0]} is not part of it; {OWN_HOME}")


def split_by_kind(roots: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sort roots into (telemetry and inventory, bills).

    A local folder with sub-folders named after a bill's format is opened up, so that bills and telemetry can be
    swept at different times; what lies loose beside them counts as telemetry. Sorting decides only when a thing is
    swept: its format always comes from its content.
    """
    metrics: list[str] = []
    costs: list[str] = []
    for root in roots:
        children = [] if root.startswith("s3://") else _children(Path(root))
        if not any(child.name in COST_FOLDERS for child in children):
            (costs if root.rstrip("/").rpartition("/")[2] in COST_FOLDERS else metrics).append(root)
            continue
        for child in children:
            (costs if child.name in COST_FOLDERS else metrics).append(str(child))
    return tuple(metrics), tuple(costs)


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError:  # the sweep meets it again, and names it
        return []
