"""Cost Explorer pulls: every page of every account, exact amounts, and a counted price."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from botocore.exceptions import ClientError

from pipeline.errors import RefusedDelivery, SourceError
from pipeline.sources import cost_explorer
from pipeline.sources.base import ParsedDelivery
from pipeline.sources.cost_explorer import PAGE_ATTEMPTS, Question, fetch, list_accounts

NOW = datetime(2026, 11, 15, 6, tzinfo=UTC)
START, END = date(2026, 11, 1), date(2026, 11, 2)
ACCOUNTS = ("111122223333", "444455556666")


def group(keys: tuple[str, ...], amount: str, unit: str, metrics: list[str]) -> dict[str, Any]:
    units = {metric: "N/A" if metric == "UsageQuantity" else unit for metric in metrics}
    return {"Keys": list(keys), "Metrics": {m: {"Amount": amount, "Unit": u} for m, u in units.items()}}


class FakeCostExplorer:
    """One day of three groups per account, two groups a page; the second page cuts the day."""

    def __init__(self, *, has_net: bool = True, unit: str = "USD", token: str = "") -> None:
        self.asked: list[dict[str, Any]] = []
        self.has_net, self.unit, self.token = has_net, unit, token

    def get_cost_and_usage(self, **body: Any) -> dict[str, Any]:
        self.asked.append(body)
        if not self.has_net and "NetAmortizedCost" in body["Metrics"]:
            raise refusal("ValidationException")
        if body["GroupBy"][0]["Key"] == "LINKED_ACCOUNT":
            return self.page(body, [(account,) for account in reversed(ACCOUNTS)], "")
        keys = [("Usage", "BoxUsage:p5.48xlarge"), ("Usage", "EBS:VolumeUsage.gp3"), ("Tax", "NoUsageType")]
        first = 2 if body.get("NextPageToken") else 0
        return self.page(body, keys[first : first + 2], self.token or ("next" if first == 0 else ""))

    def page(self, body: Mapping[str, Any], keys: list[tuple[str, ...]], token: str) -> dict[str, Any]:
        groups = [group(names, "1234567.0123456789", self.unit, body["Metrics"]) for names in keys]
        page: dict[str, Any] = {
            "GroupDefinitions": body["GroupBy"],
            "ResultsByTime": [
                {
                    "TimePeriod": {"Start": "2026-11-01", "End": "2026-11-02"},
                    "Total": {},
                    "Groups": groups,
                    "Estimated": True,
                }
            ],
            "ResponseMetadata": {"RequestId": "differs in every call"},
        }
        return page | ({"NextPageToken": token} if token else {})


class RaisingCostExplorer:
    def __init__(self, code: str) -> None:
        self.code = code

    def get_cost_and_usage(self, **body: Any) -> dict[str, Any]:
        raise refusal(self.code)


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetCostAndUsage")


def pull(client: Any, **arguments: Any) -> list[ParsedDelivery]:
    arguments = {"start": START, "end": END, "accounts": ACCOUNTS[:1], "now": NOW, "sleep": lambda _: None} | arguments
    return list(fetch(client, **arguments))


def rows(delivery: ParsedDelivery) -> list[dict[str, Any]]:
    return pa.Table.from_batches([batch for _, batch in delivery.batches]).to_pylist()


def test_a_day_cut_between_pages_comes_back_whole_and_exact() -> None:
    (delivery,) = pull(FakeCostExplorer())

    found = rows(delivery)
    assert [(row["group_number"], row["record_type"], row["usage_type"]) for row in found] == [
        (1, "Usage", "BoxUsage:p5.48xlarge"),
        (2, "Usage", "EBS:VolumeUsage.gp3"),
        (3, "Tax", "NoUsageType"),
    ]
    assert {row["net_amortized_cost"] for row in found} == {Decimal("1234567.0123456789")}
    assert {(row["account_id"], row["usage_date"], row["currency"], row["estimated"]) for row in found} == {
        (ACCOUNTS[0], START, "USD", True)
    }
    assert delivery.info.object == "cost-explorer://111122223333/2026-11-01/2026-11-02"
    assert delivery.info.delivered_at == NOW


def test_every_page_is_asked_with_the_same_body_and_the_token() -> None:
    client = FakeCostExplorer()

    pull(client)

    first, second = client.asked
    assert second == first | {"NextPageToken": "next"}
    assert first["Filter"] == {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [ACCOUNTS[0]]}}
    assert [group["Key"] for group in first["GroupBy"]] == ["RECORD_TYPE", "USAGE_TYPE"]


def test_without_accounts_every_linked_account_is_pulled() -> None:
    deliveries = pull(FakeCostExplorer(), accounts=None)

    assert [delivery.info.object.split("/")[2] for delivery in deliveries] == list(ACCOUNTS)


def test_linked_accounts_come_sorted() -> None:
    assert list_accounts(FakeCostExplorer(), start=START, end=END) == list(ACCOUNTS)  # type: ignore[arg-type]


def test_a_payer_without_net_costs_is_asked_for_them_once() -> None:
    client = FakeCostExplorer(has_net=False)

    deliveries = pull(client, accounts=ACCOUNTS)

    assert ["NetAmortizedCost" in body["Metrics"] for body in client.asked] == [True, False, False, False, False]
    assert all(row["net_amortized_cost"] is None for delivery in deliveries for row in rows(delivery))


def test_every_page_counts_as_a_cent() -> None:
    spend = cost_explorer.new_spend()

    pull(FakeCostExplorer(), accounts=None, spend=spend)

    assert (spend.requests, str(spend.usd)) == (5, "0.05")


def test_the_same_answer_at_the_same_time_is_the_same_delivery() -> None:
    first, again = pull(FakeCostExplorer())[0].info, pull(FakeCostExplorer())[0].info
    later = pull(FakeCostExplorer(), now=NOW.replace(hour=7))[0].info

    assert first == again
    assert later.delivery_id != first.delivery_id


def test_a_repeated_token_is_asked_about_again_and_then_stops_the_loop() -> None:
    client = FakeCostExplorer(token="again")
    with pytest.raises(SourceError, match="same page token twice"):
        pull(client)
    assert [body.get("NextPageToken") for body in client.asked] == [None] + ["again"] * PAGE_ATTEMPTS


@pytest.mark.parametrize("code", ["DataUnavailableException", "BillExpirationException", "LimitExceededException"])
def test_a_page_that_fails_for_a_while_is_asked_again_and_those_before_it_are_not(code: str) -> None:
    client, waits, spend = FakeCostExplorer(), list[float](), cost_explorer.new_spend()
    honest, fails = client.get_cost_and_usage, [False, True, True, True]

    def get_cost_and_usage(**body: Any) -> dict[str, Any]:
        if fails and fails.pop(0):
            raise refusal(code)
        return honest(**body)

    client.get_cost_and_usage = get_cost_and_usage  # type: ignore[method-assign]
    (delivery,) = pull(client, sleep=waits.append, spend=spend)
    assert (len(rows(delivery)), len(client.asked), waits, spend.requests) == (3, 2, [1, 2, 4], 5)


def test_another_currency_refuses_its_own_delivery_alone() -> None:
    (delivery,) = pull(FakeCostExplorer(unit="CNY"))

    with pytest.raises(RefusedDelivery, match="CNY"):
        list(delivery.batches)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AccessDeniedException", "allow ce:GetCostAndUsage"),
        ("UnrecognizedClientException", "renew them"),
        ("LimitExceededException", "AWS throttles ce:GetCostAndUsage"),
        ("DataUnavailableException", "run again later"),
        ("ValidationException", "report it"),
    ],
)
def test_a_refusal_says_what_to_do(code: str, advice: str) -> None:
    with pytest.raises(SourceError, match=advice):
        pull(RaisingCostExplorer(code))


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": END, "end": START},
        {"start": START, "end": START},
        {"metrics": ("Cost",)},
        {"metrics": ()},
        {"group_by": ("RECORD_TYPE", "USAGE_TYPE", "SERVICE")},
        {"group_by": ("REGION",)},
    ],
)
def test_a_question_that_aws_would_refuse_is_never_sent(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"start": START, "end": END, "metrics": ("UnblendedCost",), "group_by": ("RECORD_TYPE",)}

    with pytest.raises(ValueError, match="Cost Explorer"):
        Question(**right | wrong)
