"""Airflow's LocalExecutor with workers that have loaded a task's imports before the first task comes.

Five tasks stand between an object in S3 and its published cost; each would spend seconds on imports and on parsing
every model. The workers are forked from the scheduler, so it loads them, once, before its loop begins: a loop that
stood still for them would look dead to itself, and start its own tasks a second time.
"""

from __future__ import annotations

from airflow.executors.local_executor import LocalExecutor


class WarmExecutor(LocalExecutor):  # type: ignore[misc]
    """Needs `[scheduler] mp_start_method = fork`: other ways start workers that have loaded nothing."""

    def start(self) -> None:
        """Load, then fork the workers."""
        import dags.warm  # noqa: F401  not above: every process of Airflow imports this file

        super().start()
