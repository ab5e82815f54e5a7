"""### Build, check, detect, publish

Rebuilds the windows that new deliveries touched, judges them, writes findings and publishes a snapshot. Woken by new
raw data, and every half hour by the clock, since an asset event is only a wake-up: a pass without news does nothing.

*When `publish` fails*: a `fail` check stands and the last good publication stays. The log gives the check, five keys
and the SQL that shows the rows.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from dags.wiring import COSTS, MARTS_FIRST, METRICS, PUBLISHED, run_step


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("*/30 * * * *", timezone="UTC"), assets=METRICS | COSTS
    ),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=MARTS_FIRST,
    doc_md=__doc__,
    tags=["chipledger", "marts"],
)
def build_marts() -> None:
    @task
    def build() -> str:
        from pipeline import steps

        return run_step(steps.build)

    @task
    def check() -> str:
        from pipeline import steps

        return run_step(steps.check)

    @task
    def detect() -> str:
        from alerts import steps

        return run_step(steps.detect)

    @task(outlets=[PUBLISHED])
    def publish() -> str:
        from pipeline import steps

        return run_step(steps.publish)

    build() >> check() >> detect() >> publish()


build_marts()
