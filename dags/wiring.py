"""The assets that link the DAGs, the pool that keeps the warehouse to one writer, and what all tasks share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetWatcher

from dags.sqs_events import ObjectArrivals

if TYPE_CHECKING:
    from pipeline.settings import Settings

ARRIVALS = Asset(
    name="arrivals",
    uri="chipledger://arrivals",
    watchers=[AssetWatcher(name="queues", trigger=ObjectArrivals())],
)
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
    "weight_rule": "absolute",
}
# who gets the pool's slot first: what has landed is built and published before more is taken
MARTS_FIRST = TASK_DEFAULTS | {"priority_weight": 30}
EVENTS_NEXT = TASK_DEFAULTS | {"priority_weight": 20}
# Runs wait for the one slot of the pool, so several may queue. With one at most, Airflow 3.3.2 can leave a DAG marked
# as full until its file is parsed again (half a minute): the parser overwrites what the scheduler noted meanwhile.
QUEUED_RUNS = 4
# for the task that only says, after the others have landed, which source did not answer
TOLD_ONCE: dict[str, Any] = {"retries": 0}


def say(words: str) -> None:
    """What a step came to, for the task's log; the runner of `chipledger run --airflow` listens here."""
    print(words)


def run_step(step: Callable[[Settings, datetime], object]) -> str:
    """Run a step of the pass with the settings and the clock of this moment; its result in words."""
    from pipeline import settings

    values = settings.load()
    words = str(step(values, values.clock()))
    say(words)
    return words


def run_in_one_go(*steps: Callable[[Settings, datetime], object]) -> None:
    """Run steps one after the other in one task, so that no other writer comes between them."""
    from pipeline import settings

    values = settings.load()
    for step in steps:
        say(f"{step.__name__}: {step(values, values.clock())}")


def ingest_step(step: Callable[[Settings, datetime], Any], asset: Asset) -> list[str]:
    """Run an ingest step; returns a sentence per source that did not answer, for tasks that fail by its name.

    The marts are told while any window waits for a build, whoever landed it: a run whose scheduler was killed lands to
    its end, but nobody is left to hear of it. Without news the task is skipped, so that no asset event wakes them;
    where there is none for want of an answer it fails, and is tried again.
    """
    from airflow.sdk import get_current_context
    from airflow.sdk.exceptions import AirflowSkipException

    from pipeline import settings, steps
    from pipeline.errors import SourceError

    values = settings.load()
    ingested = step(values, values.clock())
    say(str(ingested))
    windows = steps.waiting_windows(values)
    if not (windows or ingested.count("landed")):
        if ingested.unreachable:
            raise SourceError(str(ingested))
        raise AirflowSkipException(f"nothing new: {ingested}")
    get_current_context()["outlet_events"][asset].extra = {"windows": windows}
    return [one.words for one in ingested.unreachable]


def fail_for(source: str) -> None:
    """Fail the task for one source that did not answer; `source` is the sentence with the next step."""
    from pipeline.errors import SourceError

    raise SourceError(source)
