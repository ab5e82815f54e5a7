"""What AWS refuses for good ends in one sentence with the next step, exit code 1, nothing half-written, no secret."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pipeline import cli, settings, steps
from pipeline.settings import Settings
from pipeline.world import END_AT, World, WorldOptions, simulate
from tests.support.doubles import SECRET, TOKEN, ask_here, do_not_wait, serving

REGION = "us-west-2"
FAULTS = {
    "forbidden:cloudwatch:ListMetrics": ("allow cloudwatch:ListMetrics to this identity",),
    "forbidden:cloudwatch:GetMetricData": ("allow cloudwatch:GetMetricData to this identity",),
    "forbidden:ce:GetCostAndUsage": ("allow ce:GetCostAndUsage to this identity",),
    "forbidden": ("allow cloudwatch:ListMetrics to this identity", "allow ce:GetCostAndUsage to this identity"),
    "wrong_credentials": ("wrong credentials, or a region",),
    "expired_token": ("the credentials are wrong or have expired",),
    "skewed_signature": ("the clock of this machine is wrong: set it",),
}


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldOptions(seed=7, days=1))


@pytest.fixture
def home(tmp_path: Path, no_settings: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    do_not_wait(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHIPLEDGER_HOME", str(tmp_path / "ledger"))
    monkeypatch.setenv("CHIPLEDGER_NOW", END_AT.isoformat())
    return tmp_path / "ledger"


def pulled(**more: object) -> str:
    """What both pulls say, as a pass prints it."""
    values = settings.load(**more)
    return f"{steps.ingest_metrics(values, END_AT)}\n{steps.ingest_costs(values, END_AT)}"


def written(home: Path) -> dict[str, int]:
    """Rows in the raw tables that pulls write, by table."""
    tables = ("raw_deliveries", "raw_cloudwatch_samples", "raw_cost_explorer_groups", "raw_rejects", "state_asked")
    with steps.warehouse(Settings(home=home, inbox=())) as conn:
        return {table: len(conn.execute(f"from {table}").fetchall()) for table in tables}


def assert_no_secret(told: str, home: Path) -> None:
    files = [path for path in home.rglob("*") if path.is_file()]
    for secret in (SECRET, TOKEN):
        assert secret not in told
        assert not [path for path in files if secret.encode() in path.read_bytes()]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_denied_pull_is_one_sentence_per_source_with_its_next_step(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    sources: dict[str, object] = {} if ":ce:" in fault else {"regions": (REGION,)}
    if ":cloudwatch:" not in fault:
        sources |= {"cost_explorer": True, "cost_explorer_accounts": (world.fleet.accounts["serving"].account_id,)}
    with serving(world, faults=[fault]) as server:
        ask_here(monkeypatch, server)
        told = pulled(**sources)

    lines = [line for line in told.splitlines() if line.startswith("  ")]
    assert len(lines) == ("regions" in sources) + ("cost_explorer" in sources), told
    assert all(any(words in line for line in lines) for words in FAULTS[fault]), told
    assert set(written(home).values()) == {0}
    assert_no_secret(told, home)


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("us-esat-1", "; (check|the endpoint is not) .*region.*, then run again"),
        ("no such", "; check AWS_PROFILE, the region"),
    ],
)
def test_a_region_that_is_none_is_named(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch, region: str, words: str
) -> None:
    with serving(world) as server:
        ask_here(monkeypatch, server)
        told = pulled(regions=(region,))

    assert f"({region})" in told
    assert re.search(words, told)
    assert set(written(home).values()) == {0}


def test_a_missing_endpoint_or_key_is_one_sentence(world: World, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(world) as server:
        ask_here(monkeypatch, server)
    assert pulled(regions=(REGION,)).count("Could not connect to the endpoint") == 1
    for name in [name for name in os.environ if name.endswith(("KEY_ID", "ACCESS_KEY", "SESSION_TOKEN"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    told = pulled(regions=(REGION,))
    assert "Unable to locate credentials; set AWS_PROFILE or AWS_ACCESS_KEY_ID and its secret" in told


@pytest.mark.slow
def test_a_denied_pass_ends_with_one_still_publishes_and_shows_no_secret(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHIPLEDGER_REGIONS", REGION)
    monkeypatch.setenv("CHIPLEDGER_COST_EXPLORER", "true")
    monkeypatch.setattr("sys.argv", ["chipledger", "run"])
    with serving(world, faults=["forbidden"]) as server:
        ask_here(monkeypatch, server)
        with pytest.raises(SystemExit) as end:
            cli.main()

    told = "".join(capsys.readouterr())
    assert end.value.code == 1
    assert "Traceback" not in told
    assert (home / "published" / "marts.duckdb").is_file()
    assert set(written(home).values()) == {0}
    assert_no_secret(told, home)
