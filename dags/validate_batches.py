"""### Document the newest batches

great_expectations judges the batches that the last passes changed and writes Data Docs to the home's `docs/`. Off the
critical path: it never stops a publication, it may mark data as untrusted in `mart_data_quality`, which it publishes.

*When it fails*: publication and alerts go on; look at the log, then run it again.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import dag, task

from dags.wiring import PUBLISHED, TASK_DEFAULTS, run_step


@dag(
    schedule=PUBLISHED,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=TASK_DEFAULTS,
    doc_md=__doc__,
    tags=["chipledger", "quality"],
)
def validate_batches() -> None:
    @task(pool="default_pool")  # holds the warehouse for moments only: judging takes long and writes nothing
    def validate() -> str:
        from pipeline import steps

        return run_step(steps.validate_batches)

    @task
    def publish() -> str:
        from pipeline import steps

        return run_step(steps.publish)

    validate() >> publish()  # no outlet: this publication only adds the verdict, and must not wake this DAG again


validate_batches()
