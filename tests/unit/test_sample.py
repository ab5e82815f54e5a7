"""The sample fleet and real data never share a home, whichever came first."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline import cli, sample, settings, steps
from pipeline.errors import UsageError
from pipeline.sample import Sample

NOW = datetime(2026, 11, 18, tzinfo=UTC)
SCRAPE = 'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",modelName="NVIDIA L4",Hostname="h"} 7\n'


def drop(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(SCRAPE.replace("GPU-1", name), "utf-8")
    return folder


@pytest.fixture
def fleet(home: Path) -> Sample:
    """A home with a tiny fleet, swept once."""
    fleet = Sample(settings.load().place.sample)
    drop(fleet.landing / "dcgm", "a-20261101T000000Z.prom")
    assert steps.ingest_metrics(fleet.settings(settings.load()), NOW).count("landed") == 1
    return fleet


def test_the_fleet_can_be_looked_at_again_also_where_its_home_was_moved(fleet: Sample, home: Path) -> None:
    sample.refuse_beside_real_data(settings.load(), fleet)
    moved = home.rename(home.with_name("moved"))
    values = settings.load(home=moved)
    sample.refuse_beside_real_data(values, Sample(values.place.sample))
    again = steps.ingest_metrics(Sample(values.place.sample).settings(values), NOW)
    assert (again.count("landed"), again.count("repeat")) == (0, 1)


def test_the_fleet_never_joins_real_deliveries(home: Path) -> None:
    values = settings.load(inbox=(str(drop(home.parent / "inbox", "b-20261101T000000Z.prom")),))
    steps.ingest_metrics(values, NOW)
    with pytest.raises(UsageError, match=r"\(b-20261101T000000Z\.prom\).*CHIPLEDGER_HOME=./sample-ledger"):
        sample.refuse_beside_real_data(values, Sample(values.place.sample))


def test_files_in_the_home_s_landing_folder_keep_the_fleet_out(fleet: Sample) -> None:
    values = settings.load()
    drop(values.place.landing, ".hidden")
    sample.refuse_beside_real_data(values, fleet)
    drop(values.place.landing, "b-20261101T000000Z.prom")
    with pytest.raises(UsageError, match=r"files in .*/landing"):
        sample.refuse_beside_real_data(values, fleet)
    with pytest.raises(UsageError, match="not part of it"):
        steps.ingest_metrics(fleet.settings(values), NOW)


def test_deliveries_of_a_lost_inbox_are_still_told_from_the_fleet(fleet: Sample, home: Path) -> None:
    values = settings.load()
    shutil.move(fleet.folder, home.parent / "aside")
    steps.ingest(values, [str(drop(home.parent / "inbox", "b-20261101T000000Z.prom"))], NOW)
    shutil.move(home.parent / "aside", fleet.folder)
    with pytest.raises(UsageError, match=r"b-20261101T000000Z\.prom"):
        sample.refuse_beside_real_data(values, fleet)


@pytest.mark.parametrize(
    ("step", "source"),
    [
        (steps.ingest_metrics, {"regions": ("us-east-1",)}),
        (steps.ingest_metrics, {"inbox": ("s3://exports/dcgm",)}),
        (steps.ingest_costs, {"inbox": ("s3://exports/cur",)}),
        (steps.ingest_costs, {"cost_explorer": True}),
    ],
)
def test_no_step_brings_a_real_source_into_the_fleet_s_home(
    fleet: Sample, step: Callable[..., object], source: dict[str, object]
) -> None:
    with pytest.raises(UsageError, match=r"holds the sample fleet.*CHIPLEDGER_HOME"):
        step(settings.load(**source), NOW)


@pytest.mark.parametrize("words", [("run",), ("run", "--airflow"), ("ingest", "inbox")])
def test_a_plain_run_in_the_fleet_s_home_says_so_and_refuses(
    fleet: Sample, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CHIPLEDGER_INBOX", str(drop(Path("inbox"), "b-20261101T000000Z.prom")))
    monkeypatch.setattr("sys.argv", ["chipledger", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    told = capsys.readouterr().err
    assert end.value.code == 2
    assert "holds the sample fleet" in told
    assert "set CHIPLEDGER_HOME to another folder" in told
    assert words[0] != "run" or "chipledger run --sample" in told


def test_the_sample_brings_its_own_clock_and_sources_alone(home: Path) -> None:
    values = settings.load(inbox=("elsewhere",), cost_explorer=True)
    turned = sample.Sample(values.place.sample).settings(values)
    assert turned.clock() == sample.CLOCK
    assert turned.inbox == (str(values.place.sample / "landing"),)
    assert not turned.cost_explorer


def test_every_command_in_the_home_of_the_fleet_builds_by_its_rules_unless_others_are_set(
    fleet: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.load().workloads == Path("workloads.toml")
    rules = fleet.folder / "workloads.toml"
    rules.write_text("", "utf-8")
    assert settings.load().workloads == rules
    monkeypatch.setenv("CHIPLEDGER_WORKLOADS", "mine.toml")
    assert settings.load().workloads == Path("mine.toml")
