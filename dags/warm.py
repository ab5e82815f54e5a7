"""What a task would load first, loaded once: the scheduler's workers are forked from a process that imports this.

Five tasks stand between an object in S3 and its published cost; each would spend two seconds on imports and on parsing
every model. Importing has no other effect, and nothing else imports this file (`[core] mp_forkserver_preload`).
"""

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
