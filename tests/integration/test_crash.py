"""Killed anywhere, run twice at once, read meanwhile: after one more run nothing shows that anything happened."""

from __future__ import annotations

import random
import re
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline import failpoints, steps
from pipeline.reading import query
from pipeline.snapshots import published_at_of
from tests.integration.conftest import WriteWorld
from tests.support import ledgers
from tests.support.ledgers import CLOCK, Ledger
from tests.support.processes import KILLED, CommandLine, kill_group, state_of
from tests.support.worlds import trimmed

ROOT = Path(__file__).resolve().parents[2]
RANDOM_KILLS, AIRFLOW_KILLS = 50, 5

# Passed once per batch, object or file: more than their first passing is worth a death.
REPEATED = {
    "landing.before_commit@2",
    "landing.after_commit@2",
    "sweep.before_commit@2",
    "publish.before_parquet_rename@5",
    "publish.after_parquet_rename@5",
}
# Not on the way of a `run` without Slack: tests/integration/slack/test_deaths.py passes the first three, the next
# two belong to a step that no command takes, tests/integration/test_time_travel.py passes the last.
ELSEWHERE = {
    "alerts.before_lookup",
    "alerts.before_edit",
    "alerts.after_edit",
    "validate.before_commit",
    "validate.after_commit",
    *(f"periods.{when}_{act}_commit" for when in ("before", "after") for act in ("close", "reopen")),
}


def every_failpoint() -> set[str]:
    """The names of all failpoints, as the code has them."""
    texts = [path.read_text("utf-8") for folder in ("pipeline", "alerts") for path in (ROOT / folder).rglob("*.py")]
    return {name for text in texts for name in re.findall(r'failpoint\("([a-z_.]+)"\)', text)}


@dataclass(frozen=True)
class Undisturbed:
    """An inbox, what a ledger shows that read it in peace, and how long that took."""

    inbox: Path
    state: dict[str, bytes]
    seconds: float


def in_peace(inbox: Path, folder: Path, *words: str) -> Undisturbed:
    started = time.monotonic()
    CommandLine(folder / "ledger", inbox).must("run", *words)
    seconds = time.monotonic() - started
    state = state_of(folder / "ledger", folder / "state")
    assert any(name.startswith("outbox/") for name in state), "the inbox must hold something to tell"
    return Undisturbed(inbox, state, seconds)


@pytest.fixture(scope="module")
def undisturbed(world_of: WriteWorld, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("crash")
    return in_peace(trimmed(world_of(seed=3, days=1), folder / "world").landing, folder)


@pytest.fixture(scope="module")
def through_airflow(undisturbed: Undisturbed, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The same through the DAGs, which also let great_expectations judge the batches."""
    return in_peace(undisturbed.inbox, tmp_path_factory.mktemp("airflow"), "--airflow")


@pytest.fixture
def chipledger(undisturbed: Undisturbed, tmp_path: Path) -> Iterator[CommandLine]:
    """The command over an empty home, emptied again at once: fifty of them would fill a disk."""
    yield CommandLine(tmp_path / "ledger", undisturbed.inbox)
    shutil.rmtree(tmp_path / "ledger", ignore_errors=True)


def assert_undisturbed(chipledger: CommandLine, undisturbed: Undisturbed) -> None:
    ours = state_of(chipledger.home, chipledger.home.with_name("state"))
    assert ledgers.differing(ours, undisturbed.state) == []


def snapshot_is_whole(home: Path) -> bool:
    """Nothing is published, or what is published can be read and balances."""
    if not Ledger(home).snapshot.exists():
        return False
    assert query(home, "select count(*) from mart_reconciliation_daily where difference_usd <> 0").rows == [(0,)]
    return True


class TestFailpoints:
    @pytest.mark.slow
    @pytest.mark.parametrize("name", sorted((every_failpoint() - ELSEWHERE) | REPEATED))
    def test_a_death_there_leaves_no_trace_after_one_more_run(
        self, name: str, chipledger: CommandLine, undisturbed: Undisturbed
    ) -> None:
        died = chipledger.call("run", FAILPOINT=name)
        assert died.returncode == KILLED, f"{name} was not passed:\n{died.stdout}"
        snapshot_is_whole(chipledger.home)
        chipledger.must("run")
        assert_undisturbed(chipledger, undisturbed)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", sorted(name for name in every_failpoint() if name.startswith("validate.")))
    def test_a_death_while_batches_are_validated_leaves_them_to_the_next_time(
        self, name: str, chipledger: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Died(BaseException):
            """kill -9, seen from inside: nobody catches it."""

        def die(*_: object) -> None:
            raise Died

        chipledger.must("run")
        settings = Ledger(chipledger.home).settings
        failpoints.arm(name)
        monkeypatch.setattr("os.kill", die)
        with pytest.raises(Died):
            steps.validate_batches(settings, CLOCK)
        failpoints.arm("")
        again = steps.validate_batches(settings, CLOCK)
        assert again == steps.validate_batches(settings, CLOCK)
        assert not again.failed


@pytest.mark.slow
class TestRandomKills:
    @pytest.mark.parametrize("seed", range(RANDOM_KILLS))
    def test_ingest_and_build_survive_kill_9_at_any_moment(
        self, seed: int, chipledger: CommandLine, undisturbed: Undisturbed
    ) -> None:
        self.kill_after(random.Random(seed).uniform(0.3, 1.2 * undisturbed.seconds), chipledger, undisturbed)
        chipledger.must("ingest", str(undisturbed.inbox))
        chipledger.must("build")
        chipledger.must("notify")
        assert_undisturbed(chipledger, undisturbed)

    def kill_after(self, seconds: float, chipledger: CommandLine, undisturbed: Undisturbed) -> None:
        """`ingest`, `build`, `notify` one after the other, until the time is up."""
        until = time.monotonic() + seconds
        for words in (("ingest", str(undisturbed.inbox)), ("build",), ("notify",)):
            process = chipledger.start(*words)
            while process.poll() is None and time.monotonic() < until:
                time.sleep(0.01)
            is_over = process.poll() is not None
            kill_group(process)
            if not is_over:
                break
        snapshot_is_whole(chipledger.home)

    @pytest.mark.parametrize("seed", range(AIRFLOW_KILLS))
    def test_a_run_through_airflow_survives_kill_9_at_any_moment(
        self, seed: int, chipledger: CommandLine, through_airflow: Undisturbed
    ) -> None:
        process = chipledger.start("run", "--airflow")
        time.sleep(random.Random(seed).uniform(0.2, 0.95) * through_airflow.seconds)
        kill_group(process)
        snapshot_is_whole(chipledger.home)
        chipledger.must("run", "--airflow")
        assert_undisturbed(chipledger, through_airflow)


class TestAtTheSameTime:
    @pytest.mark.slow
    def test_two_runs_on_one_home_end_well_and_as_one(self, chipledger: CommandLine, undisturbed: Undisturbed) -> None:
        both = [chipledger.start("run") for _ in range(2)]
        told = [process.communicate(timeout=300)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0], "\n".join(told)
        assert_undisturbed(chipledger, undisturbed)

    @pytest.mark.slow
    def test_readers_see_whole_publications_while_others_are_made(
        self, chipledger: CommandLine, undisturbed: Undisturbed, no_settings: None
    ) -> None:
        chipledger.must("run")
        readers = [Reader(chipledger.home) for _ in range(2)]
        for reader in readers:
            reader.start()
        clocks = [CLOCK + timedelta(minutes=number) for number in range(1, 16)]
        for clock in clocks:
            steps.publish(Ledger(chipledger.home, clock).settings, clock)
        for reader in readers:
            reader.finish()
        assert not [error for reader in readers for error in reader.errors]
        assert all(reader.seen == sorted(reader.seen) for reader in readers), "an older publication came back"
        assert min(len(set(reader.seen)) for reader in readers) > 3
        assert published_at_of(Ledger(chipledger.home).snapshot) == clocks[-1]


class Reader(threading.Thread):
    """Asks the publication again and again: when it was made, and whether its parts agree."""

    def __init__(self, home: Path) -> None:
        super().__init__(daemon=True)
        self.home = home
        self.seen: list[object] = []
        self.errors: list[BaseException | str] = []
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            try:
                self.ask()
            except Exception as error:  # every error of a reader is what this test is after
                self.errors.append(error)
                return

    def ask(self) -> None:
        sql = (
            "select (select published_at from publication) as published_at, "
            "(select sum(allocated_usd) from mart_reconciliation_daily where basis = 'effective') "
            "= (select sum(effective_cost_usd) from fct_cost_allocated_hourly) as agrees"
        )
        ((published_at, agrees),) = query(self.home, sql).rows
        self.seen.append(published_at)
        if not agrees:
            self.errors.append(f"the publication of {published_at} does not balance")

    def finish(self) -> None:
        self._stop_asked.set()
        self.join(timeout=60)
