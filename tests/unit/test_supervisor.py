"""What `chipledger up` keeps alive: started again when it dies, stopped whole, secrets for its owner alone."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import cli_up, supervisor
from pipeline.errors import UsageError
from pipeline.services import Places, Secrets, environment
from pipeline.supervisor import Service, Supervisor

WAITS = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PARENT = f"import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {WAITS!r}]); "
PARENT += "print('up', flush=True); child.wait()"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def watched(tmp_path: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.5)
    running = Supervisor(tmp_path / "logs", told.append)
    yield running
    running.stop()


def service(name: str, code: str) -> Service:
    return Service(name, [sys.executable, "-c", code], dict(os.environ))


def lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def until(true: Callable[[], bool], watched: Supervisor) -> None:
    give_up_at = time.monotonic() + 20
    while not true():
        assert time.monotonic() < give_up_at
        watched.watch()
        time.sleep(0.02)


def test_a_killed_process_is_started_again_and_told(watched: Supervisor, told: list[str]) -> None:
    watched.start(service("worker", WAITS))
    first = watched.children["worker"].process
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: watched.children["worker"].process.pid != first.pid, watched)
    assert told == [f"worker: died (signal 9); see {watched.logs / 'worker.log'}", "worker: started again"]
    assert watched.children["worker"].process.poll() is None


def test_one_that_keeps_dying_is_started_ever_less_often(watched: Supervisor, told: list[str]) -> None:
    watched.start(service("broken", "raise SystemExit(3)"))
    until(lambda: len(told) >= 5, watched)
    assert told[0].startswith("broken: died (exit code 3)")
    assert watched.children["broken"].pause_seconds > 0.1


def test_what_a_dead_process_leaves_behind_dies_with_it(watched: Supervisor) -> None:
    watched.start(service("parent", PARENT))
    until(lambda: "up" in watched.log_of("parent").read_text(), watched)
    group = watched.children["parent"].process.pid
    os.kill(group, signal.SIGKILL)
    until(lambda: watched.children["parent"].process.pid != group, watched)
    until(lambda: not lives(group), watched)  # who was killed is a member until somebody has collected it


def test_stop_ends_all_and_kills_what_refuses(watched: Supervisor, told: list[str]) -> None:
    watched.start(service("good", WAITS))
    watched.start(service("stubborn", STUBBORN))
    until(lambda: "up" in watched.log_of("stubborn").read_text(), watched)
    watched.stop()
    assert {child.process.poll() for child in watched.children.values()} == {-signal.SIGTERM, -signal.SIGKILL}
    assert told == ["stubborn: did not stop within 0 s, killed"]


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    places = Places(tmp_path)
    secrets = cli_up._secrets(places)
    assert cli_up._secrets(places) == secrets
    assert len(set(vars(secrets).values())) == 5
    assert places.secrets.stat().st_mode & 0o777 == 0o600


def test_a_new_password_changes_no_other_secret(tmp_path: Path) -> None:
    before = cli_up._secrets(Places(tmp_path))
    after = cli_up._secrets(Places(tmp_path), new_password=True)
    assert after.admin_password != before.admin_password
    assert replace(after, admin_password=before.admin_password) == before
    assert cli_up._secrets(Places(tmp_path)) == after


def test_the_web_interface_is_local_and_asks_for_a_password(tmp_path: Path) -> None:
    told = environment(Places(tmp_path), Secrets("jwt", "fernet", "api", "db", "admin"), "url", 8080)
    assert told["AIRFLOW__CORE__AUTH_MANAGER"].endswith("FabAuthManager")
    assert "admin" not in told.values(), "the first password is told to the preparation alone"
    assert told["AIRFLOW__API__HOST"] == "127.0.0.1"


def test_a_second_up_over_the_same_home_is_refused(tmp_path: Path) -> None:
    with (
        cli_up._alone(Places(tmp_path)),
        pytest.raises(UsageError, match="runs already"),
        cli_up._alone(Places(tmp_path)),
    ):
        pass


def test_a_port_that_somebody_else_has_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} .* choose another --port"):
            cli_up._require_free(port)
    cli_up._require_free(port)


@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ("postgres://u:p@h/d", "postgresql+psycopg2://u:p@h/d"),
        ("postgresql+psycopg://h/d", "postgresql+psycopg2://h/d"),
    ],
)
def test_a_server_s_url_is_taken_in_every_spelling(given: str, ours: str) -> None:
    assert cli_up._for_sqlalchemy(given) == ours


@pytest.mark.parametrize("given", ["mysql://h/d", "h/d", "sqlite:///x"])
def test_another_database_is_refused_without_repeating_its_password(given: str) -> None:
    with pytest.raises(UsageError, match="postgresql://user:password@host/database"):
        cli_up._for_sqlalchemy(given)
