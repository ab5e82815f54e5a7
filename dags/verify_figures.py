"""### Verify published figures

Makes the last two billing periods again from the deliveries, workload rules and SQL that the publication was made of,
in a scratch warehouse, and compares every mart row by row. Daily, at night: it costs a full build (and one more for a
closed period), and other writers wait meanwhile.

*When it fails* with `do not come out again`: somebody changed the warehouse or a publication by hand, or an incremental
build went wrong. The publication stands. `chipledger verify` names tables and keys; `chipledger verify --as-of TIME`
tells since when.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import dag, task

from dags.wiring import TASK_DEFAULTS, run_step


@dag(
    schedule="23 3 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=TASK_DEFAULTS | {"retries": 1},
    doc_md=__doc__,
    tags=["chipledger", "quality"],
)
def verify_figures() -> None:
    @task
    def verify() -> str:
        from pipeline import steps

        return run_step(steps.verify_figures)

    verify()


verify_figures()
