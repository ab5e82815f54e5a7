"""The steps of a pass, shared by `chipledger run` and the DAG tasks: settings and the time in, a result out.

Each opens the warehouse only while it needs it. Telling people is alerts.steps, one layer up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING

import duckdb

from pipeline import attribution, checks, periods, rule_tables
from pipeline import build as builder
from pipeline import publish as publisher
from pipeline.comparison_settings import load_move_settings, move_settings
from pipeline.errors import CheckFailed, NothingPublished, UsageError
from pipeline.home import refuse_strangers, split_by_kind
from pipeline.landing import LandingResult
from pipeline.models import Models, load_models
from pipeline.settings import Settings
from pipeline.warehouse import SQL_DIR, bootstrap, open_warehouse, scalar, utc_rows

if TYPE_CHECKING:
    from pipeline.check_results import CheckReport, FailingRows
    from pipeline.periods import Closing
    from pipeline.publish import Published
    from pipeline.sources.base import IngestOptions
    from pipeline.verify import Verdict

NAMED_REFUSALS = 20
OnObject = Callable[[int, int], None]
OnModel = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Ingested:
    """What came of the objects of one sweep or pull, in order; `waiting` are CUR chunks without their Manifest yet.

    `spent_usd` is what AWS charges at list price for the requests of a pull, `notes` what else it has to say.
    """

    results: tuple[LandingResult, ...] = ()
    waiting: tuple[str, ...] = ()
    spent_usd: Decimal = Decimal(0)
    notes: tuple[str, ...] = ()

    def count(self, status: str) -> int:
        """How many objects ended as `landed`, `repeat`, `refused` or `dead`, or sources as `unreachable`."""
        return sum(result.status == status for result in self.results)

    @property
    def unreachable(self) -> list[LandingResult]:
        """The sources that could not be read at all, with reason and next step."""
        return [result for result in self.results if result.status == "unreachable"]

    @property
    def refused(self) -> list[LandingResult]:
        """All that was not taken: unreachable sources first, then refused objects, those given up among them."""
        return [*self.unreachable, *(result for result in self.results if result.status in ("refused", "dead"))]

    @property
    def rows(self) -> int:
        """Raw rows that are new."""
        return sum(result.rows for result in self.results)

    @property
    def rejects(self) -> int:
        """Lines that went to raw_rejects."""
        return sum(result.rejects for result in self.results)

    def __add__(self, other: Ingested) -> Ingested:
        """Both, in order."""
        spent_usd, notes = self.spent_usd + other.spent_usd, self.notes + other.notes
        return Ingested(self.results + other.results, self.waiting + other.waiting, spent_usd, notes)

    @property
    def summary(self) -> str:
        """One line of counts."""
        parts = [f"{self.count('landed')} landed ({self.rows:,} rows)", f"{self.count('repeat')} known already"]
        parts += [f"{self.rejects} lines rejected"] if self.rejects else []
        parts += [f"{refused} refused"] if (refused := self.count("refused")) else []
        parts += [f"{dead} given up as dead letters"] if (dead := self.count("dead")) else []
        parts += [f"{lost} source{'s' * (lost > 1)} unreachable"] if (lost := self.count("unreachable")) else []
        parts += [f"{len(self.waiting)} chunks wait for their Manifest"] if self.waiting else []
        parts += [f"AWS requests for {self.spent_usd:f} USD"] if self.spent_usd else []
        return ", ".join(parts)

    def __str__(self) -> str:
        """The counts, then each unreachable source and refused object with its reason and what to do."""
        named = [f"  {one.words}" for one in self.refused[:NAMED_REFUSALS]]
        more = len(self.refused) - len(named)
        noted = [f"  {note}" for note in self.notes]
        return "\n".join([self.summary, *named, *([f"  … and {more} more"] if more else []), *noted])


@dataclass(frozen=True)
class Built:
    """How many of the models a build had to touch."""

    rebuilt: int
    models: int

    def __str__(self) -> str:
        """One line for a terminal."""
        if not self.rebuilt:
            return f"nothing new: all {self.models} models stand"
        return f"{self.rebuilt} of {self.models} models rebuilt where something changed"


@contextmanager
def warehouse(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse of these settings with its raw and state tables in place; every other writer waits meanwhile."""
    place = settings.place.create()
    with open_warehouse(
        place.warehouse,
        memory_limit=settings.memory_limit,
        threads=settings.threads,
        wait_seconds=settings.lock_wait_seconds,
    ) as conn:
        bootstrap(conn)
        yield conn


def sweep_roots(settings: Settings) -> tuple[str, ...]:
    """What is swept: the configured inbox, and the home's landing folder where something lies in it."""
    own = (str(settings.place.landing),) if settings.place.has_arrivals else ()
    return (*settings.inbox, *own)


def require_sources(settings: Settings) -> None:
    """Raise UsageError naming the settings where nothing tells the pass what to read."""
    asked = (settings.regions, settings.inventory_regions, settings.prometheus, settings.cost_explorer)
    if not (sweep_roots(settings) or settings.queues or any(asked)):
        raise UsageError(
            "no source is configured: set CHIPLEDGER_INBOX (folders, s3:// prefixes), CHIPLEDGER_QUEUES (SQS), "
            "CHIPLEDGER_REGIONS (CloudWatch), CHIPLEDGER_INVENTORY_REGIONS (EC2), [[prometheus]] or "
            f"CHIPLEDGER_COST_EXPLORER=true, or put files into {settings.place.landing}; "
            "to look around first: chipledger run --sample"
        )


def ingest_metrics(settings: Settings, now: datetime, on_object: OnObject | None = None) -> Ingested:
    """Sweep telemetry and inventory, pull EC2, CloudWatch and Prometheus where set; a failing one stops no other."""
    from pipeline.pulls import pull_cloudwatch, pull_inventory
    from pipeline.pulls_prometheus import pull_prometheus

    roots, _ = split_by_kind(sweep_roots(settings))
    pulled = [f"CloudWatch of {region}" for region in settings.regions]
    pulled += [f"EC2 of {region}" for region in settings.inventory_regions]
    pulled += [f"Prometheus {endpoint.name}" for endpoint in settings.prometheus]
    refuse_strangers(settings.place, pulled)
    ingested = ingest(settings, roots, now, on_object=on_object)
    ingested += pull_inventory(settings, now) if settings.inventory_regions else Ingested()
    ingested += pull_cloudwatch(settings, now) if settings.regions else Ingested()
    return ingested + pull_prometheus(settings, now) if settings.prometheus else ingested


def ingest_costs(settings: Settings, now: datetime, on_object: OnObject | None = None) -> Ingested:
    """Sweep bills, pull spot prices and Cost Explorer where wanted; an unreachable one stops no other."""
    from pipeline.pulls import pull_cost_explorer, pull_spot_prices

    _, roots = split_by_kind(sweep_roots(settings))
    spot_regions = settings.inventory_regions if settings.spot_prices else ()
    pulled = [f"spot prices of {region}" for region in spot_regions]
    refuse_strangers(settings.place, [*pulled, *(["Cost Explorer"] if settings.cost_explorer else [])])
    ingested = ingest(settings, roots, now, on_object=on_object)
    ingested += pull_spot_prices(settings, now) if spot_regions else Ingested()
    return ingested + pull_cost_explorer(settings, now) if settings.cost_explorer else ingested


def ingest_events(settings: Settings, now: datetime) -> Ingested:
    """Land every object that the queues' messages announce."""
    from pipeline import events

    return events.ingest_events(settings, now)


def waiting_windows(settings: Settings) -> dict[str, list[str]]:
    """Raw table → start and end (ISO 8601) of what has landed and waits for the next build."""
    with warehouse(settings) as conn:
        rows = utc_rows(
            conn, "select table_name, min(start_at), max(end_at) from state_touched group by all order by all"
        )
    return {str(table): [start_at.isoformat(), end_at.isoformat()] for table, start_at, end_at in rows}


def ingest(
    settings: Settings,
    roots: Sequence[str],
    now: datetime,
    options: IngestOptions | None = None,
    on_object: OnObject | None = None,
) -> Ingested:
    """Land every object under the given paths or s3:// prefixes; `now` is when they arrived.

    Raises UsageError in the home of the sample fleet, for whatever is not part of it.
    """
    if not roots:
        return Ingested()
    refuse_strangers(settings.place, roots)
    from pipeline.sources.base import IngestOptions
    from pipeline.sources.lake_mapping import read_mapping
    from pipeline.sweep import sweep

    lake = read_mapping(settings.lake_mapping) if settings.lake_mapping else None
    with warehouse(settings) as conn:
        swept = sweep(conn, roots, options or IngestOptions(), arrived_at=now, on_progress=on_object, lake=lake)
    return Ingested(swept.results, swept.waiting)


def build(settings: Settings, now: datetime, on_model: OnModel | None = None) -> Built:
    """Apply the attribution rules and the allocation, and rebuild every touched window; `now` dates freshness."""
    from pipeline.sources.base import Seeds

    rules = attribution.read_rules(settings.workloads)
    types = Seeds(SQL_DIR / "seeds").rows("instance_types")
    allocation = settings.allocation.rows({row["instance_type"].partition(".")[0] for row in types})
    models = load_models(SQL_DIR)
    with warehouse(settings) as conn:
        if not settings.workloads.is_file():
            rule_tables.refuse_lost_rules(conn, settings.workloads)
        rule_tables.load_rules(conn, rules)
        rule_tables.load_allocation(conn, allocation)
        load_move_settings(conn, move_settings(settings))
        result = builder.build(conn, models, as_of=now, on_progress=on_model)
    return Built(len(result.rebuilt), len(models))


def check(settings: Settings, now: datetime) -> CheckReport:
    """Judge what the last build replaced; results stand in mart_data_quality."""
    with warehouse(settings) as conn:
        _require_built(conn)
        return checks.run(conn, load_models(SQL_DIR), now=now)


def failing_rows(settings: Settings, check_id: str) -> FailingRows:
    """The rows of the warehouse for which a check fails or warns now; UsageError names those that do."""
    from pipeline.check_results import failing_rows as look

    with warehouse(settings) as conn:
        return look(conn, check_id)


def publish(settings: Settings, now: datetime) -> Published:
    """Hand out a new snapshot; raises CheckFailed, leaving the last one, while a `fail` check stands.

    Then closes the billing periods that are due by the closing rule, where one is set.
    """
    models = load_models(SQL_DIR)
    with warehouse(settings) as conn:
        _require_built(conn)
        done = publisher.publish(
            conn, settings.place, models, published_at=now, as_of=now, code_version=version("chipledger")
        )
        if settings.close_after_days is not None:
            periods.close_by_rule(conn, settings.place, after_days=settings.close_after_days, now=now)
        return done


def _require_built(conn: duckdb.DuckDBPyConnection) -> None:
    """Raise NothingPublished in a home where no build ever ended: there is nothing to judge or to hand out."""
    if not scalar(conn, "select count(*) from state_models"):
        raise NothingPublished("nothing built yet: run chipledger build")


def close_period(settings: Settings, now: datetime, period: date, *, actor: str, reason: str) -> Closing:
    """Let a billing period keep its published figures; the next build marks what came later as pending."""
    with warehouse(settings) as conn:
        return periods.close(conn, settings.place, period, actor=actor, reason=reason, now=now)


def reopen_period(settings: Settings, now: datetime, period: date, *, actor: str, reason: str) -> Closing:
    """Let the next publication show all that is known of a closed period; gives the closing that ended."""
    with warehouse(settings) as conn:
        return periods.reopen(conn, period, actor=actor, reason=reason, now=now)


def verify(
    settings: Settings, now: datetime, periods: Sequence[date] = (), as_of: datetime | None = None
) -> list[Verdict]:
    """Make the figures of billing periods (none: the last two) again as they were known then, and compare.

    `as_of` takes the publication that was current then; `now` is not looked at. Writers wait while it builds.
    """
    from pipeline import reading
    from pipeline.verify import Machine
    from pipeline.verify import verify as ask

    publication = reading.snapshot_at(settings.place.root, as_of)
    machine = Machine(settings.memory_limit, settings.threads, settings.lock_wait_seconds)
    return ask(settings.place, publication, periods, machine)


def verify_figures(settings: Settings, now: datetime) -> str:
    """`verify` of the last two periods, as a task of its own; raises CheckFailed where a figure does not come out."""
    verdicts = verify(settings, now)
    told = "; ".join(f"{one.period:%Y-%m} {one.status}: {one.words}" for one in verdicts) or "no bill is published yet"
    if any(one.status == "different" for one in verdicts):
        raise CheckFailed(f"published figures do not come out again: {told}; see: chipledger verify")
    return told


def validate_batches(settings: Settings, now: datetime) -> CheckReport:
    """Let great_expectations document the newest batches; never stops publication."""
    models = load_models(SQL_DIR)
    docs = settings.place.root / "docs"
    return checks.validate_batches(lambda: warehouse(settings), models, now=now, docs_dir=docs)


def models_here() -> Models:
    """The models of this repository."""
    return load_models(SQL_DIR)
