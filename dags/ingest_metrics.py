"""### Ingest telemetry and inventory

Sweeps the inbox (folders, S3 prefixes) for neuron-monitor, DCGM and inventory objects and pulls CloudWatch where
regions are set. **What is new is decided by the deliveries ledger, not by this schedule**: again changes nothing.

*When it fails*: a folder, bucket or AWS region could not be reached; the log names it with the next step. The others
have landed, and the marts were told. Refused objects do not fail it; the log names them with their reason.
Then: `chipledger doctor`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import dag, task

from dags.wiring import METRICS, TASK_DEFAULTS, TOLD_ONCE, fail_for, ingest_step


@dag(
    schedule="*/10 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=TASK_DEFAULTS,
    doc_md=__doc__,
    tags=["chipledger", "ingest"],
)
def ingest_metrics() -> None:
    @task(outlets=[METRICS])
    def sweep_metrics() -> list[str]:
        from pipeline import steps

        return ingest_step(steps.ingest_metrics, METRICS)

    @task(**TOLD_ONCE)
    def unreachable(source: str) -> None:
        fail_for(source)

    unreachable.expand(source=sweep_metrics())


ingest_metrics()
