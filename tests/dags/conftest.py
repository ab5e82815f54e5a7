"""One Airflow per test process: its own home and database, set before the first airflow import."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dags import run_in_process as runner


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """AIRFLOW_HOME with a migrated database."""
    assert not any(name == "airflow" or name.startswith("airflow.") for name in sys.modules), "airflow came too early"
    before = dict(os.environ)
    home = tmp_path_factory.mktemp("airflow")
    runner.prepare(home, {})
    runner.migrate()
    yield home
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def dag_bag(airflow: Path) -> Any:
    """All DAGs of the repository, loaded as Airflow loads them."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(runner.DAGS_FOLDER))
