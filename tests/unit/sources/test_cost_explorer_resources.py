"""Cost per instance from Cost Explorer: the last 14 days, every page, exact amounts, a counted price."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from pipeline.errors import RefusedDelivery, SourceError
from pipeline.sources.cost_explorer import new_spend
from pipeline.sources.cost_explorer_resources import fetch, pull_name

NOW = datetime(2026, 11, 15, 6, tzinfo=UTC)
ACCOUNT = "111122223333"
ASKED = {
    "TimePeriod": {"Start": "2026-11-01", "End": "2026-11-15"},
    "Granularity": "DAILY",
    "Metrics": ["UnblendedCost", "AmortizedCost", "UsageQuantity"],
    "GroupBy": [{"Type": "DIMENSION", "Key": "RESOURCE_ID"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
    "Filter": {
        "And": [
            {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [ACCOUNT]}},
            {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon Elastic Compute Cloud - Compute"]}},
        ]
    },
}


def page(resource: str, amount: str, *, token: str = "", unit: str = "USD") -> dict[str, Any]:
    metrics = {name: {"Amount": amount, "Unit": unit} for name in ("UnblendedCost", "AmortizedCost")}
    metrics["UsageQuantity"] = {"Amount": "24", "Unit": "Hrs"}
    result = {
        "TimePeriod": {"Start": "2026-11-01", "End": "2026-11-02"},
        "Total": {},
        "Groups": [{"Keys": [resource, "BoxUsage:p5.48xlarge"], "Metrics": metrics}],
        "Estimated": True,
    }
    return {"ResultsByTime": [result]} | ({"NextPageToken": token} if token else {})


@pytest.fixture
def stubbed() -> Any:
    client = boto3.client("ce", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()


def pulled(client: Any) -> tuple[list[dict[str, Any]], Decimal, str]:
    spend = new_spend()
    (delivery,) = fetch(client, accounts=[ACCOUNT], now=NOW, spend=spend)
    rows = [row for _, batch in delivery.batches for row in batch.to_pylist()]
    return rows, spend.usd, delivery.info.object


def test_every_page_of_the_last_fourteen_days_is_read_and_paid(stubbed: Any) -> None:
    client, stub = stubbed
    operation = "get_cost_and_usage_with_resources"
    stub.add_response(operation, page("i-0aa1", "1320.9600000001", token="t"), ASKED)
    stub.add_response(operation, page("NoResourceId", "0.5"), ASKED | {"NextPageToken": "t"})
    rows, usd, name = pulled(client)
    assert [(row["group_number"], row["resource_id"], row["unblended_cost"]) for row in rows] == [
        (1, "i-0aa1", Decimal("1320.9600000001")),
        (2, "", Decimal("0.5")),
    ]
    assert (rows[0]["usage_date"], rows[0]["account_id"], rows[0]["estimated"]) == (date(2026, 11, 1), ACCOUNT, True)
    assert usd == Decimal("0.02")
    assert name == pull_name(date(2026, 11, 1), date(2026, 11, 15), ACCOUNT)
    assert name.startswith("cost-explorer-resources://")


def test_data_that_was_not_turned_on_is_told_with_the_permission(stubbed: Any) -> None:
    client, stub = stubbed
    stub.add_client_error("get_cost_and_usage_with_resources", "AccessDeniedException", "not enabled")
    with pytest.raises(SourceError, match="ce:GetCostAndUsageWithResources"):
        pulled(client)


def test_another_currency_is_refused(stubbed: Any) -> None:
    client, stub = stubbed
    stub.add_response("get_cost_and_usage_with_resources", page("i-0aa1", "1", unit="EUR"), ASKED)
    with pytest.raises(RefusedDelivery, match="currency EUR"):
        pulled(client)
