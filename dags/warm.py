"""What a task would load first; importing it has no other effect. The scheduler does, for its workers (executor.py)."""

import airflow.dag_processing.dagbag
import airflow.executors.local_executor
import airflow.sdk.execution_time.task_runner
import pandas

import alerts.dispatch
import alerts.steps
import dags.wiring
import pipeline.build
import pipeline.checks
import pipeline.events
import pipeline.publish
import pipeline.pulls
from pipeline import steps

__all__ = ["airflow", "alerts", "dags", "pandas", "pipeline"]

steps.models_here()
