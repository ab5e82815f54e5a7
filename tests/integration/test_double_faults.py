"""What goes wrong at AWS leaves no trace in what was pulled: raw rows equal those of a pull without faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import pulls, steps
from pipeline.settings import Settings
from pipeline.world import END_AT, World, WorldOptions, simulate
from pipeline.world.serve_faults import CLASSES
from pipeline.world.serve_http import DoublesServer
from tests.support.doubles import ask_here, at, do_not_wait, serving

REGION = "us-east-1"
START = END_AT - timedelta(days=1)  # of telemetry
FIRST, LAST = START + timedelta(minutes=20), START + timedelta(minutes=170)
WHOLE_UNTIL = LAST - timedelta(hours=2)  # nothing is later than that
MOST_PASSES = 20
SETTLED = END_AT + timedelta(days=5)
SAMPLES = ["throttle", "http_429", "http_5xx", "truncated_body", "partial", "internal_error", "split_tokens"]
SAMPLES += ["repeated_token", "late", "clock_skew"]
BILLS = ["throttle", "http_429", "http_5xx", "truncated_body", "split_tokens", "repeated_token", "data_unavailable"]
FAST_BILLS = {"restated", "truncated_body"}
BILLS += ["bill_expired", "restated", "clock_skew"]
ABSENT = {"data_unavailable", "bill_expired"}  # each alone: with the others three requests for a page in four fail
DENIED = ["forbidden", "wrong_credentials", "expired_token", "skewed_signature"]
BENT = ["first_runtime_memory", "synthetic_zeros"]
Rows = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldOptions(seed=7, days=3, telemetry_days=1))


@pytest.fixture(autouse=True)
def _at_once(no_settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    do_not_wait(monkeypatch)


def settings_of(home: Path) -> Settings:
    return Settings(home=home, regions=(REGION,), cost_explorer=True, inbox=(), threads=2)


def rows(home: Path, sql: str, *values: object) -> Rows:
    with steps.warehouse(settings_of(home)) as conn:
        return conn.execute(sql, values).fetchall()


def samples(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch, *faults: str, moments: Sequence[datetime] = (FIRST, LAST)
) -> Rows:
    """Passes early and two hours later: the samples old enough to be whole, without what tells when they came."""
    with serving(world, faults=faults) as server:
        ask_here(monkeypatch, server, world.fleet.accounts["research"].account_id)  # ten cores
        for moment in moments:
            pass_until_whole(server, lambda now: pulls.pull_cloudwatch(settings_of(home), now), moment)
    known = "select distinct series_key, sample_at, value from raw_cloudwatch_samples where sample_at < ? order by all"
    return rows(home, known, WHOLE_UNTIL)


def bills(world: World, home: Path, monkeypatch: pytest.MonkeyPatch, *faults: str) -> Rows:
    """Passes as the last day ends and when all is settled: the groups of the newest delivery of each account."""
    with serving(world, faults=faults) as server:
        ask_here(monkeypatch, server)
        for moment in (END_AT, SETTLED):
            pass_until_whole(server, lambda now: pulls.pull_cost_explorer(settings_of(home), now), moment)
    newest = """
        select delivery_id from raw_deliveries where source = 'cost_explorer' and row_count > 0
        qualify row_number() over (partition by split_part(object, '/', 3) order by delivered_at desc) = 1
    """
    known = "select * exclude (delivery_id) from raw_cost_explorer_groups where delivery_id in ({}) order by all"
    return rows(home, known.format(newest))


def pass_until_whole(server: DoublesServer, pull: Callable[[datetime], steps.Ingested], moment: datetime) -> None:
    """A pass every ten minutes until AWS has answered everything."""
    for number in range(MOST_PASSES):
        if not pull(at(server, moment + timedelta(minutes=10 * number))).unreachable:
            return
    pytest.fail(f"AWS has not answered everything after {MOST_PASSES} passes")


@pytest.fixture(scope="module")
def clean_samples(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rows]:
    with pytest.MonkeyPatch.context() as patch:
        do_not_wait(patch)
        yield samples(world, tmp_path_factory.mktemp("clean"), patch)


@pytest.mark.parametrize("fault", SAMPLES)
def test_a_fault_of_cloudwatch_leaves_no_trace_in_the_samples(
    world: World, tmp_path: Path, clean_samples: Rows, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    assert len(clean_samples) > 500
    assert samples(world, tmp_path, monkeypatch, fault) == clean_samples


@pytest.mark.slow
def test_all_faults_of_cloudwatch_at_once_leave_no_trace_after_the_next_timed_pull(
    world: World, tmp_path: Path, clean_samples: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = (FIRST, LAST, LAST + timedelta(hours=2))  # to a clock that is behind, late points are later still
    assert samples(world, tmp_path, monkeypatch, *SAMPLES, moments=moments) == clean_samples


@pytest.fixture(scope="module")
def clean_bills(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rows]:
    with pytest.MonkeyPatch.context() as patch:
        do_not_wait(patch)
        yield bills(world, tmp_path_factory.mktemp("clean"), patch)


@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=[] if name in FAST_BILLS else pytest.mark.slow) for name in BILLS]
)
def test_a_fault_of_cost_explorer_leaves_no_trace_in_the_bill(
    world: World, tmp_path: Path, clean_bills: Rows, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    assert len(clean_bills) > 50
    assert bills(world, tmp_path, monkeypatch, fault) == clean_bills


@pytest.mark.slow
def test_faults_of_cost_explorer_at_once_leave_no_trace(
    world: World, tmp_path: Path, clean_bills: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bills(world, tmp_path, monkeypatch, *(fault for fault in BILLS if fault not in ABSENT)) == clean_bills


def test_every_class_of_fault_is_tried_somewhere() -> None:
    assert {*SAMPLES, *BILLS, *DENIED, *BENT} == set(CLASSES)
