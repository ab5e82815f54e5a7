"""One pull of CloudWatch: due windows, the catalogue, known hours, the budget, and what a failure leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline import pulls, settings, steps
from pipeline.errors import SourceError
from pipeline.own_spend import Asked
from pipeline.pull_metrics import metrics_window
from pipeline.steps import Ingested
from tests.fakes.cloudwatch import FakeCloudWatch

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2026, 11, 18, tzinfo=UTC)
CORE_METRICS = 2 * 2  # two cores, utilization and memory
PRICE = Decimal("0.00001")


class Account:
    """CloudWatch of one account, by region; a region in `down` does not know its account."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *regions: str) -> None:
        self.clients = {region: FakeCloudWatch() for region in regions}
        self.down = set[str]()
        monkeypatch.setattr(pulls.clients, "account_id", self.account_id)
        monkeypatch.setattr(pulls.clients, "cloudwatch", self.clients.get)
        monkeypatch.setattr("pipeline.sources.aws_calls.time.sleep", lambda _: None)

    def account_id(self, region: str) -> str:
        if region in self.down:
            raise SourceError(f"CloudWatch {region}: no route; check network")
        return "111122223333"

    def pull(self, now: datetime, **changes: Any) -> Ingested:
        return pulls.pull_cloudwatch(settings.load(regions=tuple(self.clients), **changes), now)

    def windows(self, region: str = "us-east-1") -> list[tuple[datetime, datetime]]:
        """Windows of GetMetricData asked since the last look."""
        client = self.clients[region]
        asked = [body for body in client.asked if "StartTime" in body]
        client.asked.clear()
        return [(moment(body["StartTime"]), moment(body["EndTime"])) for body in asked]


def moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


@pytest.fixture
def account(begun_home: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(monkeypatch, "us-east-1")


def rows(sql: str) -> Sequence[tuple[Any, ...]]:
    with steps.warehouse(settings.load()) as conn:
        return conn.execute(sql).fetchall()


def test_the_first_pull_asks_for_a_day_and_later_ones_for_three_hours_again(account: Account) -> None:
    account.pull(NOW)
    assert account.windows() == [(NOW - timedelta(hours=24), NOW)]
    account.pull(NOW + 5 * HOUR)
    assert account.windows() == [(NOW - 3 * HOUR, NOW + 5 * HOUR)]


def test_three_days_are_asked_again_once_a_day_as_far_as_they_were_ever_asked_for() -> None:
    first = MIDNIGHT - timedelta(days=9)
    yesterday = Asked(NOW - HOUR, first_at=first, until_at=NOW - HOUR)
    today = Asked(NOW - HOUR, first_at=first, until_at=NOW - HOUR, deepest_at=MIDNIGHT - timedelta(days=3))
    young = Asked(NOW - HOUR, first_at=NOW - 30 * HOUR, until_at=NOW - HOUR)
    assert metrics_window(yesterday, NOW).start_at == MIDNIGHT - timedelta(days=3)
    assert metrics_window(today, NOW).start_at == NOW - 4 * HOUR
    assert metrics_window(young, NOW).start_at == NOW - 30 * HOUR


def test_what_was_answered_within_the_hour_is_not_paid_for_again(account: Account) -> None:
    assert account.pull(NOW).spent_usd > 0
    assert account.pull(NOW + timedelta(minutes=59)) == Ingested()
    assert account.pull(NOW + HOUR).spent_usd > 0


def test_points_that_are_known_are_not_landed_again_and_late_ones_are(account: Account) -> None:
    account.pull(NOW)
    again = account.pull(NOW + HOUR)
    assert (again.count("landed"), again.count("repeat")) == (1, 3)

    client = account.clients["us-east-1"]
    honest = client.result
    client.result = lambda query, body: late(honest(query, body))  # type: ignore[method-assign]
    corrected = account.pull(NOW + 2 * HOUR)
    assert corrected.count("landed") == 4
    newest = "select value from raw_cloudwatch_samples join raw_deliveries using (delivery_id) "
    newest += "join raw_cloudwatch_series using (series_key) where sample_at = "
    newest += "'2026-11-18 11:30:00+00' and metric_name like '%utilization' order by observed_at desc, neuron_core"
    assert rows(newest)[0] != rows(newest)[-1]


def test_hours_that_are_known_are_so_at_any_minute_of_the_pull(account: Account) -> None:
    odd = NOW + timedelta(minutes=7)
    account.pull(odd)
    account.windows()
    again = account.pull(odd + HOUR)
    assert account.windows() == [(NOW - 3 * HOUR, odd + HOUR)]
    assert (again.count("repeat"), again.count("landed")) == (3, 2)  # the hour that was begun, and the next one's begin


def late(result: dict[str, Any]) -> dict[str, Any]:
    return result | {"Values": [value + 1 for value in result["Values"]]}


def test_a_series_is_kept_after_cloudwatch_has_forgotten_it(account: Account) -> None:
    account.pull(NOW)
    client = account.clients["us-east-1"]
    client.listed = lambda body: {"Metrics": []}  # type: ignore[method-assign]
    account.pull(NOW + HOUR)

    assert sum("StartTime" in body for body in client.asked) == 2
    assert rows("select count(*), min(first_seen_at) = max(last_seen_at) from raw_cloudwatch_series") == [(4, True)]
    account.windows()
    account.pull(NOW + 30 * HOUR)
    assert len(account.windows()) == 1  # the last three days are asked again, and it was seen within them


def test_an_hourly_pull_lists_what_was_active_lately_and_a_late_one_everything(account: Account) -> None:
    client = account.clients["us-east-1"]
    recent = []
    for now in (NOW, NOW + HOUR, NOW + 5 * HOUR):
        client.asked.clear()
        account.pull(now)
        recent.append({"RecentlyActive" in body for body in client.asked if "StartTime" not in body})
    assert recent == [{False}, {True}, {False}]


def test_the_spend_is_noted_per_metric_and_within_two_percent_of_the_plan(account: Account) -> None:
    pulled = account.pull(NOW)

    noted = rows(
        "select subject, planned_units, counted_units, outcome from raw_api_requests "
        "where counted_units > 0 and operation = 'GetMetricData' order by subject"
    )
    assert noted == [
        ("node_neuroncore_memory_usage_total", 2, 2, "whole"),
        ("node_neuroncore_utilization", 2, 2, "whole"),
    ]
    assert rows("select sum(cost_usd) from raw_api_requests") == [(pulled.spent_usd,)]


def test_what_a_budget_does_not_reach_for_is_not_asked_and_said(account: Account) -> None:
    listing = PRICE * 16
    pulled = account.pull(NOW, cloudwatch_budget_usd_per_day=listing + 2 * PRICE)

    asked = account.clients["us-east-1"].asked[-1]["MetricDataQueries"]
    assert {query["MetricStat"]["Metric"]["MetricName"] for query in asked} == {"node_neuroncore_utilization"}
    (said,) = pulled.refused
    assert "not asked, to stay within 0.00018 USD a day: node_neuroncore_memory_usage_total" in said.words
    assert "CHIPLEDGER_CLOUDWATCH_BUDGET_USD_PER_DAY" in said.words
    assert pulled.spent_usd <= listing + 2 * PRICE


def test_a_metric_left_out_is_asked_for_its_whole_window_when_there_is_money_again(account: Account) -> None:
    account.pull(NOW)
    account.windows()
    account.pull(NOW + HOUR, cloudwatch_budget_usd_per_day=Decimal(0))
    assert account.windows() == []
    account.pull(NOW + 2 * HOUR)
    assert account.windows() == [(NOW - 3 * HOUR, NOW + 2 * HOUR)]


def test_a_budget_makes_pulls_rarer_before_it_leaves_anything_out(account: Account) -> None:
    account.pull(NOW)
    account.windows()
    budget = CORE_METRICS * PRICE * 6  # six rounds a day: one every four hours
    waiting = account.pull(NOW + 2 * HOUR, cloudwatch_budget_usd_per_day=budget)
    assert account.windows() == []
    assert str(waiting).endswith(
        f"CloudWatch us-east-1: asked again after 2026-11-18 16:00 UTC, to stay within {budget} USD a day"
    )
    assert waiting.refused == []


def test_a_failure_leaves_whole_hours_alone_and_the_next_pass_asks_the_same_again(account: Account) -> None:
    client = account.clients["us-east-1"]
    client.statuses = {"m1": ["PartialData"] * 4}
    failed = account.pull(NOW)
    assert "1 of 4 series stay incomplete" in failed.unreachable[0].words
    assert rows("select outcome, sum(counted_units) from raw_api_requests where subject <> '' group by all") == [
        ("failed", 4 + 3)
    ]
    account.windows()
    account.pull(NOW + timedelta(minutes=10))
    assert account.windows()[0][0] == NOW + timedelta(minutes=10) - timedelta(hours=24)


def test_a_region_that_is_down_silences_no_other_and_gets_its_hours_later(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(monkeypatch, "us-east-1", "us-west-2")
    account.pull(NOW)
    account.down.add("us-east-1")
    pulled = account.pull(NOW + 4 * HOUR)
    assert pulled.count("landed") > 0
    assert [one.words for one in pulled.refused] == ["CloudWatch us-east-1: no route; check network"]

    account.down.clear()
    for region in account.clients:
        account.windows(region)
    account.pull(NOW + 8 * HOUR)
    assert account.windows("us-east-1")[0][0] == NOW - 3 * HOUR
    assert account.windows("us-west-2")[0][0] == NOW + HOUR


def test_a_clock_that_is_turned_back_asks_again_and_keeps_the_catalogue(account: Account) -> None:
    account.pull(NOW)
    account.windows()
    account.pull(NOW - 5 * HOUR)
    assert account.windows() == [(NOW - timedelta(hours=29), NOW - 5 * HOUR)]
    assert rows("select distinct first_seen_at < last_seen_at from raw_cloudwatch_series") == [(True,)]
