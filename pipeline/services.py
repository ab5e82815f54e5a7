"""The always-on services as data: which processes, with which settings; the same for `chipledger up` and compose.

Pure: no process is started here, and nothing is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.home import REPOSITORY

API_PORT = 8080
POOL = ("warehouse", "1", "one writer of warehouse.duckdb")

# in the order of their start: what they do is asked of the api-server
PROCESSES: Mapping[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),  # the api-server reads the same folder
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer",),
}
ADMIN_PASSWORD = "CHIPLEDGER_ADMIN_PASSWORD"  # told to the preparation alone

# what every service is told alike, wherever it runs
COMMON = {
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__CORE__EXECUTOR": "dags.executor.WarmExecutor",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__PARALLELISM": "4",
    "AIRFLOW__SCHEDULER__MP_START_METHOD": "fork",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.25",
    # What a killed scheduler had begun is begun again once its last heartbeat is older than the threshold, looked for
    # every five seconds. The threshold is Airflow's own: a scheduler whose loop stands still for longer takes its own
    # tasks for orphans, and a tighter one would do that on a loaded machine.
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
    # a worker that was killed alone: its task heartbeats every five seconds
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
}


@dataclass(frozen=True)
class Secrets:
    """What only these processes know; made once per home, handed on by environment, never by argument.

    `admin_password` is the first password of the web interface's first user: the database keeps a hash of it, and
    whoever changes it there is not overruled.
    """

    jwt_secret: str
    fernet_key: str
    api_secret_key: str
    database_password: str
    admin_password: str


@dataclass(frozen=True)
class Places:
    """Files of the services, all under one folder of the home."""

    folder: Path

    @property
    def airflow_home(self) -> Path:
        """AIRFLOW_HOME."""
        return self.folder / "airflow"

    @property
    def database(self) -> Path:
        """The own PostgreSQL cluster."""
        return self.folder / "postgres"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.folder / "logs"

    @property
    def secrets(self) -> Path:
        """The generated secrets, readable by the owner alone."""
        return self.folder / "secrets.json"

    @property
    def lock(self) -> Path:
        """Held while `chipledger up` runs here."""
        return self.folder / "up.lock"


def preparation(*, new_password: bool = False) -> tuple[tuple[str, ...], ...]:
    """Python modules with their arguments, to run one after the other before the first process starts."""
    administrator = ("dags.administrator", "--reset") if new_password else ("dags.administrator",)
    return (("airflow", "db", "migrate"), ("airflow", "pools", "set", *POOL), administrator)


def environment(places: Places, secrets: Secrets, database_url: str, port: int) -> dict[str, str]:
    """What Airflow's processes are told on one machine, beside COMMON."""
    return COMMON | {
        "AIRFLOW_HOME": str(places.airflow_home),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__SECRET_KEY": secrets.api_secret_key,
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.jwt_secret,
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": secrets.fernet_key,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(places.logs / "tasks"),
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
    }
