"""The planner: what is asked, what it costs, and what a budget leaves out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.base import Seeds
from pipeline.sources.cloudwatch_plan import pace, plan, within
from pipeline.sources.cloudwatch_rows import SERIES_PER_PART, parts
from pipeline.sources.cloudwatch_series import RULES, Series
from pipeline.windows import DAY, HOUR, Window
from tests.fakes.cloudwatch import core, named

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
PLACE = {"account_id": "111122223333", "region": "us-east-1"}
UTILIZATION = "node_neuroncore_utilization"
UNITS = st.dictionaries(st.sampled_from(sorted(RULES)), st.integers(0, 100_000))


def test_a_thousand_trn2_nodes_take_64_000_metrics_an_hour_whatever_the_window() -> None:
    seen = [(one, NOW) for one in named(range(64_000))]

    hourly = plan({UTILIZATION: Window(NOW - 4 * HOUR, NOW)}, seen, now=NOW, **PLACE)
    daily = plan({UTILIZATION: Window(NOW - 84 * HOUR, NOW)}, seen, now=NOW, **PLACE)

    assert (hourly.units.total(), hourly.usd) == (64_000, Decimal("0.64"))
    assert daily.usd == hourly.usd
    assert -(-64_000 // 420) <= hourly.requests <= 64_000 / 420 + len(list(parts(hourly.questions[0].series)))


def test_a_series_that_was_silent_before_the_window_is_not_paid_for() -> None:
    silent, heard = named(range(2))
    seen = [(silent, NOW - 9 * HOUR), (heard, NOW - 7 * HOUR)]

    made = plan({UTILIZATION: Window(NOW - 4 * HOUR, NOW)}, seen, now=NOW, **PLACE)

    assert [question.series for question in made.questions] == [(heard,)]


def test_a_window_older_than_fifteen_days_is_asked_in_parts_by_what_is_still_kept() -> None:
    made = plan({UTILIZATION: Window(NOW - 20 * DAY, NOW)}, [(*named([0]), NOW)], now=NOW, **PLACE)

    pulls = [question.pull for question in made.questions]
    assert {pull.period_seconds for pull in pulls} == {300, 60}
    assert all(pull.window.end_at - pull.window.start_at <= 4 * DAY for pull in pulls)
    assert [one.window.end_at for one in pulls[:-1]] == [one.window.start_at for one in pulls[1:]]
    assert (pulls[0].window.start_at, pulls[-1].window.end_at) == (NOW - 20 * DAY, NOW)


@given(UNITS, st.decimals(0, 5, places=4))
def test_what_is_chosen_never_costs_more_than_is_left(units: dict[str, int], left: Decimal) -> None:
    chosen = within(units, left)
    assert sum(units.get(name, 0) for name in chosen) * Decimal("0.00001") <= left
    assert within(units, None) == set(RULES)


@given(st.decimals("0.0001", 100, places=4), st.decimals("0.01", 100, places=2))
def test_rounds_at_their_pace_stay_within_the_budget(round_usd: Decimal, budget: Decimal) -> None:
    apart = pace(round_usd, budget)
    assert apart <= DAY
    assert apart == DAY or float(round_usd) * (DAY / apart) <= float(budget) * 1.001
    assert pace(round_usd, None) == timedelta(0)


@given(st.sets(st.integers(0, 20_000), min_size=1, max_size=50))
def test_every_series_is_in_one_part_and_stays_there_beside_others(numbers: set[int]) -> None:
    found = [one for part in parts(named(numbers)) for one in part.series]
    assert sorted(found) == sorted(map(core, numbers))


def test_a_part_keeps_its_series_while_the_fleet_keeps_its_size() -> None:
    fleet = named(range(2 * SERIES_PER_PART))
    before = {one: part.name for part in parts(fleet) for one in part.series}
    after = {one: part.name for part in parts(fleet[:4:-1]) for one in part.series}
    assert all(before[one] == name for one, name in after.items())
    assert len(set(after.values())) == 2


def test_every_metric_that_is_read_has_its_scale_in_the_seed(repo_root: object) -> None:
    rows = Seeds(repo_root / "sql" / "seeds").rows("cloudwatch_metrics")  # type: ignore[operator]
    assert {row["metric_name"] for row in rows} == set(RULES)


@pytest.mark.parametrize(
    ("name", "dimensions"),
    [
        ("node_gpu_utilization", "ClusterName InstanceId InstanceType NodeName GpuDevice"),
        ("container_gpu_utilization", "ClusterName Namespace PodName FullPodName ContainerName GpuDevice"),
        ("node_efa_rx_bytes", "ClusterName InstanceId InstanceType NodeName NetworkInterfaceId"),
        ("node_neurondevice_runtime_memory_used_bytes", "ClusterName InstanceId NodeName"),
    ],
)
def test_one_dimension_set_per_metric_is_read(name: str, dimensions: str) -> None:
    finest = tuple(sorted((part, "x") for part in dimensions.split()))
    assert Series(name, finest).is_read
    assert not Series(name, finest[:-1]).is_read
    assert not Series(name, (*finest, ("Service", "x"))).is_read
