"""The compose file: what its schema says, and what no schema sees. It runs what `chipledger up` runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import services, supervisor
from pipeline.home import REPOSITORY
from pipeline.probe import PARTS
from pipeline.settings import COMPOSE_SECRETS, Settings

FILE = REPOSITORY / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
AIRFLOW = tuple(services.PROCESSES)
SECRET = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}")


def environment(name: str) -> dict[str, str]:
    return dict(COMPOSE["services"][name]["environment"])


def test_the_file_keeps_the_compose_specification() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_services_are_those_of_chipledger_up_and_the_demo_is_left_out_unless_asked_for() -> None:
    always = {name for name, service in COMPOSE["services"].items() if "profiles" not in service}
    assert always == {"postgres", "init", *AIRFLOW}
    assert {tuple(COMPOSE["services"][name]["profiles"]) for name in ("moto", "world")} == {("demo",)}


@pytest.mark.parametrize("name", AIRFLOW)
def test_each_process_runs_the_command_of_chipledger_up(name: str) -> None:
    assert COMPOSE["services"][name]["command"] == ["airflow", *services.PROCESSES[name]]


@pytest.mark.parametrize("name", AIRFLOW)
def test_each_process_is_given_the_time_to_stop_that_chipledger_up_gives(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["stop_grace_period"] == f"{supervisor.STOP_SECONDS:.0f}s"
    assert service["init"], "what a killed scheduler leaves behind dies with its container"


def test_init_prepares_what_chipledger_up_prepares() -> None:
    script = COMPOSE["services"]["init"]["command"][-1].replace('"', "")
    assert all(" ".join(words) in script for words in services.preparation())


@pytest.mark.parametrize("name", AIRFLOW)
def test_each_process_is_told_what_chipledger_up_tells(name: str) -> None:
    told = environment(name)
    secrets = services.Secrets("jwt", "fernet", "api", "database", "admin")
    ours = services.environment(services.Places(Path("x")), secrets, "url", services.API_PORT)
    assert {key: told.get(key) for key in services.COMMON} == services.COMMON
    assert ours.keys() <= told.keys()
    assert told == environment("api-server"), "all share one secret, one database, one execution API"
    assert told["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://api-server:8080/execution/"


def test_every_secret_must_be_given_and_none_stands_in_the_file() -> None:
    for name, service in COMPOSE["services"].items():
        for key, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD$|SECRET$|SECRET_KEY$|FERNET_KEY$|SQL_ALCHEMY_CONN$", key) and "AWS" not in key:
                assert SECRET.search(value), f"{name}: {key} has no ${{…:?}}"
        assert "PASSWORD}" not in str(service.get("command", "")), f"{name}: a secret as an argument"


def test_the_secrets_it_asks_for_are_known_names_so_that_a_shell_that_holds_them_runs_chipledger_too() -> None:
    asked = set(re.findall(r"\$\{(CHIPLEDGER_[A-Z_]+):\?", FILE.read_text("utf-8")))
    assert asked == COMPOSE_SECRETS


def test_ports_are_open_on_the_loopback_address_alone() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_each_lasting_service_has_a_health_check_and_starts_after_what_it_needs() -> None:
    for name, service in COMPOSE["services"].items():
        assert name == "init" or "test" in service["healthcheck"], name
    for name in AIRFLOW:
        test = COMPOSE["services"][name]["healthcheck"]["test"]
        assert test[1:4] == ["python", "-m", "pipeline.probe"]
        assert test[-1] in PARTS
        needs = COMPOSE["services"][name]["depends_on"]
        assert needs["init"]["condition"] == "service_completed_successfully"
        assert name == "api-server" or needs["api-server"]["condition"] == "service_healthy"
    assert COMPOSE["services"]["init"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_every_volume_and_setting_it_names_exists() -> None:
    for service in COMPOSE["services"].values():
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= COMPOSE["volumes"].keys()
    known = {f"CHIPLEDGER_{name.upper()}" for name in Settings.model_fields} - {"CHIPLEDGER_SLACK_TOKEN"}
    passed_on = {key for key in environment("scheduler") if key.startswith("CHIPLEDGER_")}
    assert passed_on == known - {"CHIPLEDGER_DATABASE_URL"}, "every setting reaches the tasks"


def test_the_image_runs_as_an_ordinary_user_from_hashed_packages() -> None:
    lines = (REPOSITORY / "Dockerfile").read_text("utf-8").splitlines()
    assert any(line.startswith("RUN pip install --require-hashes") for line in lines)
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] not in ("root", "0")
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert all((REPOSITORY / word).exists() for word in copied)
