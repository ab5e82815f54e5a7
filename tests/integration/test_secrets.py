"""No secret of the environment reaches a file of the home, the terminal, a log at its most talkative or a traceback."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from pydantic import SecretStr

from alerts.steps import slack_settings
from pipeline import cli, settings
from pipeline.errors import SourceError
from pipeline.prometheus_endpoints import PrometheusEndpoint
from pipeline.pulls_prometheus import pull_prometheus
from pipeline.sources import clients, cost_explorer, probes
from tests.support.aws_wall import Refusal, Stranger, Wall, wall
from tests.support.ledgers import CLOCK
from tests.support.processes import ROOT

MARK = "MARKEDSECRET"
# AWS repeats the signed request, session token included, where a signature does not match
ECHO = (
    "The request signature we calculated does not match.\n\nThe Canonical String should have been\n'POST\n/\n{request}'"
)
SERVICES = ("s3", "sts", "cloudwatch", "ce", "prometheus")
ENDPOINTS = {
    "the truth": {},
    "signatures refused": {service: Refusal("SignatureDoesNotMatch", ECHO) for service in SERVICES},
    "denied": {service: Refusal("AccessDenied", "no") for service in SERVICES},
    "strangers": {service: Stranger(b"<html>sign in</html>") for service in ("s3", "sts", "ce", "slack", "prometheus")},
}
ASKING = [(words, endpoint) for words in (("ingest", "s3://inbox/"), ("doctor", "--json")) for endpoint in ENDPOINTS]
COMMANDS = [*ASKING, (("notify",), "the truth"), (("notify",), "strangers")]


@pytest.fixture
def talkative(home: Path) -> Iterator[Path]:
    """Every library logs all it can, to the terminal and into the home."""
    home.mkdir()
    root, before = logging.getLogger(), logging.getLogger().level
    handlers = [logging.StreamHandler(sys.stderr), logging.FileHandler(home / "debug.log")]
    root.setLevel(logging.DEBUG)
    for handler in handlers:
        root.addHandler(handler)
    yield home
    root.setLevel(before)
    for handler in handlers:
        root.removeHandler(handler)
        handler.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Wall]:
    with wall() as running:
        yield running


@pytest.fixture
def aws(running: Wall, talkative: Path, monkeypatch: pytest.MonkeyPatch) -> Wall:
    """Services at one endpoint, and an environment in which every secret is marked."""
    running.instead, running.objects = {}, {"bad.json": b"{"}
    secret = {"ACCESS_KEY_ID": f"AKIA{MARK}", "SECRET_ACCESS_KEY": f"sk-{MARK}", "SESSION_TOKEN": f"st-{MARK}"}
    for name, value in (secret | {"ENDPOINT_URL": running.url, "DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(f"AWS_{name}", value)
    for name in secret_settings():
        monkeypatch.setenv(name, f"postgresql://chipledger:{MARK}@127.0.0.1:1/x" if "URL" in name else f"xoxb-{MARK}")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"postgresql://airflow:{MARK}@127.0.0.1:1/airflow")
    more = {"REGIONS": "us-east-1", "COST_EXPLORER": "true", "INBOX": "s3://inbox/", "NOW": CLOCK.isoformat()}
    for name, value in (more | {"SLACK_CHANNEL": "C1", "SLACK_BASE_URL": f"{running.url}/slack/"}).items():
        monkeypatch.setenv(f"CHIPLEDGER_{name}", value)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    return running


def secret_settings() -> list[str]:
    """The environment's name of every setting that is a secret."""
    fields = {name: field for name, field in settings.Settings.model_fields.items() if field.annotation is SecretStr}
    names = {name: getattr(field.validation_alias, "choices", [None])[0] for name, field in fields.items()}
    return [str(alias or f"CHIPLEDGER_{name.upper()}") for name, alias in names.items()]


def chipledger(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["chipledger", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def places_with_a_secret(home: Path, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Where a marked secret stands: streams, files, and tables (whose text a file may hold compressed)."""
    out, err = capfd.readouterr()
    texts: dict[str, bytes] = {"stdout": out.encode(), "stderr": err.encode()}
    texts |= {path.name: path.read_bytes() for path in home.parent.rglob("*") if path.is_file()}
    for database in home.rglob("*.duckdb"):
        with duckdb.connect(database, read_only=True) as conn:
            for (name,) in conn.execute("select table_name from duckdb_tables()").fetchall():
                texts[f"{database.name}: {name}"] = repr(conn.execute(f"from {name}").fetchall()).encode()
    return [
        f"{name}: …{text[max(0, text.find(MARK.encode()) - 100) :][:130]!r}"
        for name, text in texts.items()
        if MARK.encode() in text
    ]


@pytest.mark.parametrize(("words", "endpoint"), COMMANDS, ids=str)
def test_no_command_writes_a_secret(
    endpoint: str, words: tuple[str, ...], aws: Wall, talkative: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    aws.instead = dict(ENDPOINTS[endpoint])
    chipledger(monkeypatch, *words)
    assert (talkative / "debug.log").stat().st_size > 0 or words == ("notify",)
    assert places_with_a_secret(talkative, capfd) == []


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_whole_pass_writes_no_secret(
    endpoint: str, aws: Wall, talkative: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    aws.instead = dict(ENDPOINTS[endpoint])
    assert chipledger(monkeypatch, "run") == 1  # bad.json is refused at least
    assert places_with_a_secret(talkative, capfd) == []


@pytest.mark.slow
def test_a_pass_through_airflow_at_its_most_talkative_writes_no_secret(
    aws: Wall, talkative: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    aws.instead = dict(ENDPOINTS["signatures refused"])
    monkeypatch.setenv("AIRFLOW__LOGGING__LOGGING_LEVEL", "DEBUG")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")  # a pass in process has a database of its own
    command = [sys.executable, "-m", "pipeline.cli", "run", "--airflow"]
    done = subprocess.run(command, cwd=talkative.parent, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    assert done.returncode == 1
    assert "signature we calculated" in done.stdout
    assert b"[debug" in (talkative / "airflow" / "run.log").read_bytes()
    assert places_with_a_secret(talkative, capfd) == []


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("kind", ["amp", "prometheus"])
def test_a_prometheus_pull_writes_no_secret(
    endpoint: str, kind: str, aws: Wall, talkative: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Signed or with a bearer token; alone, so that no other client has silenced anything before."""
    logging.getLogger("botocore").setLevel(logging.NOTSET)
    aws.instead = dict(ENDPOINTS[endpoint])
    more = {"region": "us-east-1"} if kind == "amp" else {"bearer": True}
    asked = PrometheusEndpoint(name="one", url=f"{aws.url}/prom", kind=kind, history_hours=1, ask="neuron", **more)
    pulled = pull_prometheus(settings.load(prometheus=(asked,)), CLOCK, sleep=lambda _: None)
    print(pulled)
    assert bool(pulled.unreachable) == (endpoint != "the truth")
    assert aws.asked
    assert places_with_a_secret(talkative, capfd) == []


def test_an_endpoint_that_nobody_listens_at_and_a_proxy_with_a_password_leak_nothing(
    aws: Wall, talkative: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv("HTTP_PROXY", f"http://me:{MARK}@127.0.0.1:{port}")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3.invalid:9")
        assert chipledger(monkeypatch, "ingest", "s3://inbox/") == 1
    assert places_with_a_secret(talkative, capfd) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHIPLEDGER_SLACK_TOKEN", MARK),
        ("CHIPLEDGER_MEMORY_LIMIT", "much"),
        ("CHIPLEDGER_THREADS", "many"),
        ("CHIPLEDGER_PROMETHEUS", f'[{{"name": "one", "url": "https://me:{MARK}@host/?x=1"}}]'),
        ("CHIPLEDGER_PROMETHEUS", f'[{{"name": "one", "url": "https://host/?token={MARK}"}}]'),
        ("CHIPLEDGER_PROMETHEUS", f'{{"name": "{MARK}"'),
    ],
)
def test_wrong_settings_are_named_without_the_secrets_beside_them(
    name: str, value: str, aws: Wall, talkative: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv(name, value)
    assert chipledger(monkeypatch, "doctor") == 2
    assert places_with_a_secret(talkative, capfd) == []


def test_a_secret_in_the_settings_file_is_named_and_not_shown(
    aws: Wall, talkative: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = talkative.parent / "chipledger.toml"
    file.write_text(f'slack_token = "{MARK}"\n')
    assert chipledger(monkeypatch, "doctor") == 2
    file.unlink()
    assert places_with_a_secret(talkative, capfd) == []


def test_no_traceback_shows_a_secret(aws: Wall) -> None:
    aws.instead = dict(ENDPOINTS["signatures refused"])
    asked: list[Callable[[], object]] = [
        lambda: clients.account_id("us-east-1"),
        lambda: probes.list_metrics("us-east-1"),
        lambda: cost_explorer.list_accounts(
            clients.cost_explorer(), start=CLOCK.date().replace(day=1), end=CLOCK.date()
        ),
    ]
    for ask in asked:
        with pytest.raises(SourceError) as refused:
            ask()
        assert "signature we calculated" in str(refused.value)
        assert MARK not in "".join(traceback.format_exception(refused.value))


def test_what_holds_a_secret_does_not_show_it(aws: Wall) -> None:
    values = settings.load()
    assert MARK not in repr(values) + str(values) + repr(values.model_dump()) + values.model_dump_json()
    assert MARK not in repr(values.as_environment())
    assert MARK not in repr(slack_settings(values))
