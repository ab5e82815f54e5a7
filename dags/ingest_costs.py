"""### Ingest bills

Sweeps CUR 2.0 exports (through their Manifest) and Cost Explorer pages, and pulls Cost Explorer where it is wanted.
AWS charges 0.01 USD per request: what it has answered is not asked again for six hours (a setting). Every delivery is
kept; the newest one of an export and month speaks.

*When it fails*: an export's folder or Cost Explorer could not be reached; the log names it or the permission
(`ce:GetCostAndUsage`), and the others have landed and the marts were told. Then: `chipledger doctor`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import dag, task

from dags.wiring import COSTS, TASK_DEFAULTS, TOLD_ONCE, fail_for, ingest_step


@dag(
    schedule="7 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=TASK_DEFAULTS,
    doc_md=__doc__,
    tags=["chipledger", "ingest"],
)
def ingest_costs() -> None:
    @task(outlets=[COSTS])
    def sweep_costs() -> list[str]:
        from pipeline import steps

        return ingest_step(steps.ingest_costs, COSTS)

    @task(**TOLD_ONCE)
    def unreachable(source: str) -> None:
        fail_for(source)

    unreachable.expand(source=sweep_costs())


ingest_costs()
