"""Runs the DAGs one after the other in this process: `chipledger run --airflow`, for a first look and for tests.

No scheduler, no server: an own AIRFLOW_HOME with SQLite, `dag.test()` for each DAG. Airflow's words go to a log file.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any

ORDER = ("ingest_events", "ingest_metrics", "ingest_costs", "build_marts", "send_alerts", "validate_batches")
DAGS_FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class DagOutcome:
    """How one DAG ended: its state, seconds, what its tasks returned, and the first task's error where one failed."""

    dag_id: str
    state: str
    seconds: float
    said: dict[str, str]
    failed_task: str = ""
    error: BaseException | None = None


def prepare(airflow_home: Path, environment: Mapping[str, str]) -> None:
    """Set what Airflow reads at import: own home, SQLite, no examples. Must run before the first airflow import."""
    airflow_home.mkdir(parents=True, exist_ok=True)
    os.environ.update(environment)
    os.environ.update(
        {
            "AIRFLOW_HOME": str(airflow_home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS_FOLDER),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{airflow_home / 'airflow.db'}",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(airflow_home / "logs"),
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        }
    )


def migrate() -> None:
    """Create or upgrade Airflow's database where it is not at this version, and the one-slot pool."""
    from airflow.models.pool import Pool
    from airflow.utils import db

    from dags.wiring import WAREHOUSE_POOL

    if not _is_current(Path(os.environ["AIRFLOW_HOME"]) / "migrated"):
        db.initdb()
        Pool.create_or_update_pool(WAREHOUSE_POOL, 1, "one writer of warehouse.duckdb", include_deferred=False)
        (Path(os.environ["AIRFLOW_HOME"]) / "migrated").write_text(_airflow_version(), "utf-8")


def runs(dag_ids: tuple[str, ...] = ORDER) -> Iterator[tuple[str, Callable[[], DagOutcome]]]:
    """The DAGs in order, each with the call that runs it to its end; raises ImportError where a file does not load."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(DAGS_FOLDER))
    if bag.import_errors:
        raise ImportError("\n".join(f"{path}: {error}" for path, error in sorted(bag.import_errors.items())))
    for dag_id in dag_ids:
        yield dag_id, partial(_run_one, bag.dags[dag_id])


def _run_one(dag: Any) -> DagOutcome:
    started = time.perf_counter()
    said: dict[str, str] = {}
    errors: dict[str, BaseException] = {}
    for task in dag.tasks:
        if task.is_mapped:  # fails by the name of a source that did not answer: its words have been said
            continue
        task.retries = 0  # dag.test() would sit out the delay; a person at the terminal repeats the command
        task.python_callable = _recorded(task.task_id, task.python_callable, said, errors)
    result = dag.test()
    failed = next(iter(errors), "")
    return DagOutcome(dag.dag_id, str(result.state), time.perf_counter() - started, said, failed, errors.get(failed))


def _recorded(
    task_id: str, function: Callable[..., Any], said: dict[str, str], errors: dict[str, BaseException]
) -> Callable[..., Any]:
    from dags import wiring

    def listen(words: str) -> None:
        said[task_id] = f"{said[task_id]}\n{words}" if task_id in said else words

    @wraps(function)  # Airflow reads the signature to decide what to pass
    def call(*args: Any, **kwargs: Any) -> Any:
        wiring.say = listen
        try:
            return function(*args, **kwargs)
        except Exception as error:
            if type(error).__name__ != "AirflowSkipException":
                errors[task_id] = error
            if str(error) not in said.get(task_id, ""):
                listen(str(error))
            raise

    return call


def _is_current(marker: Path) -> bool:
    return marker.is_file() and marker.read_text("utf-8") == _airflow_version()


def _airflow_version() -> str:
    from airflow import __version__

    return str(__version__)


@contextmanager
def quiet(log_file: Path) -> Iterator[int]:
    """Send this process's output to `log_file` meanwhile; yields a file descriptor that still reaches the terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    terminal, errors = os.dup(1), os.dup(2)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield terminal
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(terminal, 1)
            os.dup2(errors, 2)
            os.close(terminal)
            os.close(errors)
