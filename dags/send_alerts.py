"""### Tell people

Brings people to what the findings say now: by Slack where SLACK_BOT_TOKEN and a channel are set, else by files in the
home's `outbox/`. Level-triggered: a missed or doubled run neither loses nor doubles a message. Runs after each
publication, and every ten minutes, so that a blocked publication is told as well.

*When it fails*: the log says why people could not be told (token, channel, network); nothing is lost, messages wait in
the ledger. `chipledger notify --dry-run` shows what would be sent, `chipledger doctor` what to mend.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from dags.wiring import PUBLISHED, TASK_DEFAULTS, run_step


@dag(
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("*/10 * * * *", timezone="UTC"), assets=PUBLISHED),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=TASK_DEFAULTS,
    doc_md=__doc__,
    tags=["chipledger", "alerts"],
)
def send_alerts() -> None:
    @task
    def notify() -> str:
        from alerts import steps

        return run_step(steps.notify_or_fail)

    notify()


send_alerts()
