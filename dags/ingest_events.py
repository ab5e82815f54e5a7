"""### Ingest what was announced

Lands the S3 objects that SQS messages (CHIPLEDGER_QUEUES) announce, seconds after they were written. Woken by the
trigger that stores the messages, and every five minutes by the clock: each run takes **everything** that waits in
queue, spool and inbox, not only what woke it. The same object announced twice changes nothing.

*When it fails*: a queue or bucket did not answer; the log names it with the next step, and it is asked again.
Objects that cannot be taken (damaged, deleted) are tried five times within a quarter of an hour, then stand in
`raw_dead_letters` with the reason; they never fail this DAG. Then: `chipledger doctor`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from dags.wiring import ARRIVALS, EVENTS_NEXT, METRICS, QUEUED_RUNS, TOLD_ONCE, fail_for, ingest_step


@dag(
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("*/5 * * * *", timezone="UTC"), assets=ARRIVALS),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=QUEUED_RUNS,
    default_args=EVENTS_NEXT,
    doc_md=__doc__,
    tags=["chipledger", "ingest"],
)
def ingest_events() -> None:
    @task(outlets=[METRICS])
    def take_announced() -> list[str]:
        from pipeline import steps

        return ingest_step(steps.ingest_events, METRICS)

    @task(**TOLD_ONCE)
    def unreachable(source: str) -> None:
        fail_for(source)

    unreachable.expand(source=take_announced())


ingest_events()
