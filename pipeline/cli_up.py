"""`chipledger up`: PostgreSQL and Airflow's four processes on this machine, without docker, until it is interrupted."""

from __future__ import annotations

import fcntl
import json
import os
import secrets as randomness
import signal
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli_output import say
from pipeline.errors import ChipledgerError, UsageError
from pipeline.services import API_PORT

if TYPE_CHECKING:
    from pipeline.services import Places, Secrets
    from pipeline.settings import Settings
    from pipeline.supervisor import Supervisor

HEALTHY_SECONDS = 300.0
OWNER_ONLY = 0o600
PASSED_ON = ("PATH", "LANG", "TZ")  # to PostgreSQL; the rest of the environment is none of its business


class _Interrupted(Exception):
    """SIGINT or SIGTERM came."""


def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Loopback port of the web interface.")] = API_PORT,
    home: Annotated[Path | None, typer.Option(help="Folder of the ledger; default: CHIPLEDGER_HOME.")] = None,
    new_password: Annotated[bool, typer.Option("--new-password", help="Give admin a new generated password.")] = False,
) -> None:
    """Run the always-on services here, as docker-compose.yml does: ingest, build, publish, tell."""
    from pipeline import settings
    from pipeline.services import Places

    values = settings.load(**({"home": home} if home else {}))
    places = Places(values.place.create().services)
    places.airflow_home.mkdir(parents=True, exist_ok=True)
    with _alone(places):
        _require_free(port)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        try:
            _run(values, places, port, new_password=new_password)
        except _Interrupted:
            say("stopped")


def _run(values: Settings, places: Places, port: int, *, new_password: bool) -> None:
    from pipeline import services
    from pipeline.supervisor import Supervisor

    secrets = _secrets(places, new_password=new_password)
    supervisor = Supervisor(places.logs, say)
    try:
        environment = _start_database(values, places, secrets, supervisor, port)
        _prepare(environment | {services.ADMIN_PASSWORD: secrets.admin_password}, places, new_password=new_password)
        _start_airflow(supervisor, environment)
        _wait_until_healthy(supervisor, port)
        say(f"healthy: http://127.0.0.1:{port}  user admin, first password: admin_password in {places.secrets}")
        say(f"logs in {places.logs}; Ctrl-C stops everything")
        while True:
            supervisor.watch()
            time.sleep(0.5)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # stopping is under way
        say("stopping")
        supervisor.stop()


def _start_database(
    values: Settings, places: Places, secrets: Secrets, supervisor: Supervisor, port: int
) -> dict[str, str]:
    """The environment of Airflow's processes, once its database answers."""
    from pipeline import services
    from pipeline.cluster import Cluster, free_port
    from pipeline.home import REPOSITORY

    inherited = {name: value for name, value in os.environ.items() if name != "CHIPLEDGER_DATABASE_URL"}
    url = values.database_url.get_secret_value()
    if url:
        url = _for_sqlalchemy(url)
    else:
        plain: dict[str, str] = {name: inherited[name] for name in PASSED_ON if name in inherited}
        cluster = Cluster(places.database, free_port(), secrets.database_password, plain)
        cluster.create()
        supervisor.start(cluster.service())
        cluster.wait_until_ready()
        url = cluster.url
    path = os.pathsep.join(filter(None, (str(REPOSITORY), inherited.get("PYTHONPATH"))))
    ours = services.environment(places, secrets, url, port)
    return {**inherited, **values.as_environment(), **ours, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _for_sqlalchemy(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    if not mark or scheme.partition("+")[0] not in ("postgres", "postgresql"):
        raise UsageError("CHIPLEDGER_DATABASE_URL: write postgresql://user:password@host/database")
    return f"postgresql+psycopg2://{rest}"


def _prepare(environment: Mapping[str, str], places: Places, *, new_password: bool) -> None:
    """Tables, pool and first user, in Airflow's database."""
    from pipeline import services

    for words in services.preparation(new_password=new_password):
        name = " ".join(words[:3])
        say(name)
        with (places.logs / "preparation.log").open("ab") as log:
            command = [sys.executable, "-m", *words]
            done = subprocess.run(command, env=dict(environment), stdout=log, stderr=log, check=False)
        if done.returncode != 0:
            raise ChipledgerError(f"{name} failed; see {places.logs / 'preparation.log'}")


def _start_airflow(supervisor: Supervisor, environment: Mapping[str, str]) -> None:
    from pipeline import services
    from pipeline.supervisor import Service

    airflow = (sys.executable, "-m", "airflow")
    for name, words in services.PROCESSES.items():
        say(f"starting {name}")
        supervisor.start(Service(name, [*airflow, *words], environment))


def _wait_until_healthy(supervisor: Supervisor, port: int) -> None:
    from pipeline.probe import unhealthy

    give_up_at = time.monotonic() + HEALTHY_SECONDS
    while missing := unhealthy(f"http://127.0.0.1:{port}"):
        if time.monotonic() >= give_up_at:
            raise ChipledgerError(
                f"not healthy after {HEALTHY_SECONDS:.0f} s: {', '.join(missing)}; see the logs in {supervisor.logs}"
            )
        supervisor.watch()
        time.sleep(0.5)


def _secrets(places: Places, *, new_password: bool = False) -> Secrets:
    """The secrets of this home, made at the first start, with another admin password where one is asked for."""
    from pipeline.services import Secrets

    if places.secrets.is_file():
        known = Secrets(**json.loads(places.secrets.read_text("utf-8")))
        if new_password:
            known = replace(known, admin_password=randomness.token_urlsafe(24))
            _write_private(places.secrets, json.dumps(asdict(known)))
    else:
        key = urlsafe_b64encode(randomness.token_bytes(32)).decode()
        known = Secrets(randomness.token_urlsafe(48), key, *(randomness.token_urlsafe(24) for _ in range(3)))
        _write_private(places.secrets, json.dumps(asdict(known)))
    return known


def _write_private(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.tmp")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w", encoding="utf-8") as file:
        file.write(text)
    unfinished.rename(path)


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    """Hold this home's lock; a second `chipledger up` over it is refused."""
    with places.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"chipledger up runs already over {places.folder.parent}: stop that one first") from error
        yield


def _require_free(port: int) -> None:
    """Name the port that somebody else has, before Airflow fails over it again and again."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"port {port} on 127.0.0.1 cannot be used: {error.strerror}; choose another --port"
            ) from error


def _interrupt(*_: object) -> None:
    raise _Interrupted
