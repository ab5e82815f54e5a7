"""The assets that link the DAGs, the pool that keeps the warehouse to one writer, and what all tasks share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

if TYPE_CHECKING:
    from pipeline.settings import Settings

METRICS = Asset(name="raw_metrics", uri="chipledger://raw/metrics")
COSTS = Asset(name="raw_costs", uri="chipledger://raw/costs")
PUBLISHED = Asset(name="published_marts", uri="chipledger://published/marts")

WAREHOUSE_POOL = "warehouse"
TASK_DEFAULTS: dict[str, Any] = {
    "owner": "chipledger",
    "pool": WAREHOUSE_POOL,
    "retries": 3,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=10),
    "execution_timeout": timedelta(hours=2),
}


def run_step(step: Callable[[Settings, datetime], object]) -> str:
    """Run a step of the pass with the settings and the clock of this moment; its result in words."""
    from pipeline import settings

    values = settings.load()
    return str(step(values, values.clock()))


def ingest_step(step: Callable[[Settings, datetime], Any]) -> str:
    """Run an ingest step; without news it is skipped, so that no asset event wakes the marts.

    A source that could not be reached fails the task once the others have landed: their news waits for the timed build.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    from pipeline import settings
    from pipeline.errors import SourceError

    values = settings.load()
    ingested = step(values, values.clock())
    if ingested.unreachable:
        raise SourceError(str(ingested))
    if not ingested.count("landed"):
        raise AirflowSkipException(f"nothing new: {ingested}")
    return str(ingested)
