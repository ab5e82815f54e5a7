"""Cost Explorer's double: by resource for 14 days, before and after a restatement, in pages that cut groups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pipeline.world import END_AT, World, WorldOptions, simulate
from pipeline.world.options import END
from pipeline.world.serve_costs import CostExplorer
from pipeline.world.serve_errors import ServiceRefusal
from pipeline.world.serve_truth import EC2, billed_hours

DAY = 86_400
SETTLED = END + 10 * DAY
FIRST = (END_AT - timedelta(days=3)).date().isoformat()
LAST = END_AT.date().isoformat()
ONLY_EC2 = {"Dimensions": {"Key": "SERVICE", "Values": [EC2]}}


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldOptions(seed=7, days=3, telemetry_days=1))


@pytest.fixture(scope="module")
def costs(world: World) -> CostExplorer:
    return CostExplorer(billed_hours(world))


def by(*keys: str, **change: Any) -> dict[str, Any]:
    return {
        "TimePeriod": {"Start": FIRST, "End": LAST},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": [{"Type": "DIMENSION", "Key": key} for key in keys],
    } | change


def by_resource(*keys: str, **change: Any) -> dict[str, Any]:
    return by("RESOURCE_ID", *keys, Filter=ONLY_EC2, **change)


def cost(answer: dict[str, Any]) -> dict[tuple[str, ...], Decimal]:
    return {
        (result["TimePeriod"]["Start"], *group["Keys"]): Decimal(group["Metrics"]["UnblendedCost"]["Amount"])
        for result in answer["ResultsByTime"]
        for group in result["Groups"]
    }


def whole(costs: CostExplorer, body: dict[str, Any], now: int = SETTLED, *, of: str = "") -> dict[Any, Decimal]:
    ask = costs.get_cost_and_usage_with_resources if of else costs.get_cost_and_usage
    found: dict[Any, Decimal] = {}
    page = ask(body, now)
    found |= cost(page)
    while "NextPageToken" in page:
        page = ask(body | {"NextPageToken": page["NextPageToken"]}, now)
        assert not found.keys() & cost(page).keys()
        found |= cost(page)
    return found


def test_resources_add_up_to_their_service_by_the_day_and_by_the_hour(costs: CostExplorer) -> None:
    hours = {"Granularity": "HOURLY", "TimePeriod": {"Start": f"{FIRST}T00:00:00Z", "End": f"{LAST}T00:00:00Z"}}
    total = sum(whole(costs, by("SERVICE", Filter=ONLY_EC2)).values())

    daily = whole(costs, by_resource(), of="resources")
    hourly = whole(costs, by_resource(**hours), of="resources")

    assert sum(daily.values()) == sum(hourly.values()) == total > 0
    assert len(hourly) > 10 * len(daily)
    assert {resource[:2] for _, resource in daily} >= {"i-"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (by_resource(TimePeriod={"Start": "2026-10-31", "End": "2026-11-02"}), "14 days"),
        (by("SERVICE", Filter=ONLY_EC2), "RESOURCE_ID"),
        (by("RESOURCE_ID"), "SERVICE"),
        (
            by(
                "RESOURCE_ID",
                Filter={"Dimensions": {"Key": "SERVICE", "Values": ["AmazonS3"]}},
                Granularity="HOURLY",
                TimePeriod={"Start": f"{FIRST}T00:00:00Z", "End": f"{LAST}T00:00:00Z"},
            ),
            "EC2",
        ),
    ],
)
def test_what_the_resource_call_refuses(costs: CostExplorer, body: dict[str, Any], words: str) -> None:
    with pytest.raises(ServiceRefusal, match=words) as refused:
        costs.get_cost_and_usage_with_resources(body, END)
    assert refused.value.code == "ValidationException"


def test_hours_are_not_in_the_plain_call_and_old_months_are_gone(costs: CostExplorer) -> None:
    with pytest.raises(ServiceRefusal, match="not enabled"):
        costs.get_cost_and_usage(by(Granularity="HOURLY"), END)
    with pytest.raises(ServiceRefusal, match="14 months"):
        costs.get_cost_and_usage(by(TimePeriod={"Start": "2025-01-01", "End": LAST}), END)


def test_a_bill_knows_nothing_of_the_future(costs: CostExplorer) -> None:
    noon = END - 36 * 3600
    found = whole(costs, by("RECORD_TYPE"), noon)
    assert max(day for day, _ in found) == (END_AT - timedelta(days=2)).date().isoformat()


def test_a_restated_bill_starts_short_and_settles_on_the_truth(world: World, costs: CostExplorer) -> None:
    restated = CostExplorer(costs.bill, is_restated=True)
    truth = whole(costs, by("RECORD_TYPE"))

    early = whole(restated, by("RECORD_TYPE"), END)

    assert early != truth
    assert not {"Credit", "Refund", "Tax"} & {record_type for _, record_type in early}
    assert (
        0
        < sum(v for (_, t), v in early.items() if t == "Usage")
        < sum(v for (_, t), v in truth.items() if t == "Usage")
    )
    assert whole(restated, by("RECORD_TYPE")) == truth


def test_groups_over_small_pages_are_those_of_one_page(costs: CostExplorer) -> None:
    body = by("RECORD_TYPE", "USAGE_TYPE")
    assert whole(CostExplorer(costs.bill, groups_per_page=3), body) == whole(costs, body)


def test_a_month_is_estimated_until_it_has_ended(costs: CostExplorer) -> None:
    december = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())
    estimated = [costs.get_cost_and_usage(by(), now)["ResultsByTime"][0]["Estimated"] for now in (END, december)]
    assert estimated == [True, False]
