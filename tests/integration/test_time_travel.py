"""A month is closed, bills and telemetry come late, it is reopened: the product, step by step, on a simulated fleet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipeline import steps
from pipeline.allocation import Allocation, Distribute
from pipeline.reading import query
from pipeline.warehouse import open_warehouse
from pipeline.world import END_AT, WorldOptions, simulate
from pipeline.world.routes import ROUTES
from tests.integration.conftest import WriteWorld
from tests.support import ledgers
from tests.support.ledgers import CLOCK, Ledger
from tests.support.processes import KILLED, CommandLine
from tests.support.worlds import trimmed, units

NOVEMBER = date(2026, 11, 1)
SPLIT_AT, CLOSED_AT = CLOCK - timedelta(days=2), CLOCK - timedelta(days=1)
DATED = ("fct_cost_allocated_hourly", "fct_accelerator_usage_hourly", "fct_workload_usage_hourly")
DATED += ("mart_workload_cost_daily", "mart_idle_cost_daily", "mart_accelerator_utilization_daily")
DATED += ("mart_reconciliation_daily", "mart_chargeback_daily", "mart_chargeback_monthly")
BILL = "select sum(bill_usd) from mart_reconciliation_daily where basis = 'billed'"
PENDING = "select coalesce(sum(change_usd), 0) from mart_restatements where status = 'pending'"
STAMP = re.compile(r"2026111\dT\d{6}Z")


def in_two(landing: Path) -> tuple[list[Path], list[Path]]:
    """What is known at first (every second telemetry object, the early bill), and what comes late."""
    known: list[Path] = []
    late: list[Path] = []
    for number, unit in enumerate(units(landing)):
        kind = unit[0].relative_to(landing).parts[0]
        is_late = number % 2 if kind in ("neuron_monitor", "dcgm") else "20261117T" in str(unit[0])
        (late if is_late else known).extend(path for path in unit if kind != "cost_explorer")
    return known, late


@pytest.fixture(scope="module")
def parts(
    world_of: WriteWorld, no_settings: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Path], list[Path]]:
    known, late = in_two(trimmed(world_of(seed=3, days=1), tmp_path_factory.mktemp("travel") / "world").landing)
    assert any(path.name.endswith("Manifest.json") for path in late)
    assert any("neuron_monitor" in str(path) for path in late)
    return known, late


def pass_at(ledger: Ledger, at: object, *paths: Path) -> None:
    """One pass at a time: ingest, build, check, detect, publish."""
    then = Ledger(ledger.home, at)  # type: ignore[arg-type]
    assert not then.ingest(*paths).refused if paths else True
    then.publish()


def figures(home: Path, into: Path, names: Sequence[str] = DATED) -> dict[str, bytes]:
    found = ledgers.exports(home, into)
    return {f"{name}.csv": found[f"{name}.csv"] for name in names}


@pytest.mark.slow
def test_a_closed_month_stands_until_it_is_reopened_and_then_shows_all(
    parts: tuple[list[Path], list[Path]], tmp_path: Path
) -> None:
    known, late = parts
    ledger = Ledger(tmp_path / "ledger", CLOCK)
    settings = ledger.settings
    pass_at(ledger, SPLIT_AT, *known)
    before = figures(ledger.home, tmp_path / "before")
    billed = query(ledger.home, BILL).rows[0][0]

    steps.close_period(settings, CLOSED_AT, NOVEMBER, actor="ann", reason="")
    (settings.workloads).write_text('[[rule]]\npod = "."\nworkload = "everything"\n', "utf-8")
    pass_at(ledger, CLOCK, *late)
    assert figures(ledger.home, tmp_path / "closed") == before
    pending = query(ledger.home, PENDING).rows[0][0]
    assert pending
    warned = "select severity, status from mart_data_quality where check_id like 'mart_restatements:status%'"
    assert query(ledger.home, warned).rows == [("warning", "warned")]
    assert [(one.period, one.status) for one in steps.verify(settings, CLOCK)] == [(NOVEMBER, "identical")]

    settings.workloads.write_text("", "utf-8")
    steps.reopen_period(settings, CLOCK, NOVEMBER, actor="bob", reason="")
    pass_at(ledger, CLOCK + timedelta(hours=1))
    assert query(ledger.home, BILL).rows[0][0] == billed + pending
    assert query(ledger.home, PENDING).rows == [(0,)]
    whole = Ledger(tmp_path / "whole", CLOCK)
    pass_at(whole, CLOCK, *known, *late)
    assert figures(ledger.home, tmp_path / "reopened") == figures(whole.home, tmp_path / "whole figures")
    assert query(ledger.home, BILL, as_of=CLOSED_AT).rows[0][0] == billed
    assert [one.status for one in steps.verify(settings, CLOCK)] == ["identical"]
    assert [one.status for one in steps.verify(settings, CLOCK, as_of=CLOSED_AT)] == ["identical"]


@pytest.mark.slow
def test_figures_from_cloudwatch_under_an_allocation_of_then_come_out_again(
    parts: tuple[list[Path], list[Path]], tmp_path: Path
) -> None:
    """The series' catalogue is of no delivery, and the allocation of no file that verify reads."""
    ledger = Ledger(tmp_path / "ledger", CLOCK)
    then = ledger.settings.model_copy(update={"allocation": Allocation(distribute=Distribute(shared="weighted"))})
    world = simulate(WorldOptions(seed=3, days=1, telemetry_days=1))
    hour = int(END_AT.timestamp()) - 3600
    for name, content in ROUTES["metric_stream"](world, hour, hour + 3600):
        (tmp_path / "stream" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "stream" / name).write_bytes(content)
    bills = [path for path in parts[0] if "neuron_monitor" not in path.parts]
    assert not ledger.ingest(*bills, tmp_path / "stream").refused
    steps.build(then, CLOCK)
    steps.check(then, CLOCK)
    steps.publish(then, CLOCK)
    seen = "select count(*) > 0 from fct_accelerator_usage_hourly where accelerator_id like '%/neuron%'"
    assert query(ledger.home, seen).rows == [(True,)]
    (verdict,) = steps.verify(ledger.settings, CLOCK)
    assert verdict.status == "identical", verdict.words


@pytest.mark.slow
def test_a_figure_that_was_changed_by_hand_does_not_come_out_again(
    parts: tuple[list[Path], list[Path]], tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger", CLOCK)
    pass_at(ledger, CLOCK, *parts[0])
    with open_warehouse(ledger.settings.place.warehouse) as conn:
        conn.execute("update mart_workload_cost_daily set device_hours = device_hours + 1")
    steps.publish(ledger.settings, CLOCK)
    (verdict,) = steps.verify(ledger.settings, CLOCK)
    assert verdict.status == "different"
    assert re.match(r"mart_workload_cost_daily: \d+ rows only published \(2026-11-14 · ", verdict.words)
    (ledger.settings.place.published_sql).rename(tmp_path / "elsewhere")
    (verdict,) = steps.verify(ledger.settings, CLOCK)
    assert (verdict.status, "is gone from" in verdict.words) == ("not comparable", True)


@pytest.mark.slow
@pytest.mark.parametrize("act", ["close", "reopen"])
@pytest.mark.parametrize("name", ["periods.before_{}_commit", "periods.after_{}_commit", "publish.before_rename"])
def test_killed_while_closing_or_reopening_the_same_command_again_comes_to_the_same(
    act: str, name: str, parts: tuple[list[Path], list[Path]], tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    chipledger = CommandLine(tmp_path / "ledger", inbox)
    pass_at(Ledger(chipledger.home), SPLIT_AT, *parts[0])
    if act == "reopen":
        chipledger.must("close", "2026-11", "--who", "ann")
        pass_at(Ledger(chipledger.home), CLOCK, *parts[1])
    died = chipledger.call(act, "2026-11", "--who", "bob", FAILPOINT=name.format(act))
    assert died.returncode == KILLED, died.stdout
    again = chipledger.call(act, "2026-11", "--who", "bob")
    is_told = again.returncode == 0 or "is not closed" in again.stdout
    assert is_told, again.stdout
    chipledger.must("build")
    actions = query(chipledger.home, "select action, actor from mart_period_actions order by action_number").rows
    assert actions == ([("close", "bob")] if act == "close" else [("close", "ann"), ("reopen", "bob")])
    assert query(chipledger.home, PENDING).rows == [(0,)]
