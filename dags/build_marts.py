"""### Build, check, detect, publish

Rebuilds the windows that new deliveries touched, judges them, writes findings and publishes a snapshot. Woken by new
raw data, and every five minutes by the clock, since an asset event is only a wake-up that a killed scheduler can lose:
a pass without news does nothing.

One task: a publication shows what was judged, nothing that landed in between. *When it fails* with `publish`: a `fail`
check stands and the last good publication stays. The log gives the check, five keys and the SQL that shows the rows.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from dags.wiring import COSTS, MARTS_FIRST, METRICS, PUBLISHED, QUEUED_RUNS, run_in_one_go


@dag(
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("*/5 * * * *", timezone="UTC"), assets=METRICS | COSTS),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=QUEUED_RUNS,
    default_args=MARTS_FIRST,
    doc_md=__doc__,
    tags=["chipledger", "marts"],
)
def build_marts() -> None:
    @task(outlets=[PUBLISHED])
    def build_and_publish() -> None:
        from alerts import steps as telling
        from pipeline import steps

        run_in_one_go(steps.build, steps.check, telling.detect, steps.publish)

    build_and_publish()


build_marts()
