"""Real boto3 clients against the world's Cost Explorer: what is pulled equals the simulated bill."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from pipeline.errors import SourceError
from pipeline.sources import cost_explorer
from pipeline.world import END_AT, World, usd
from pipeline.world.serve_http import DoublesServer
from tests.support.world_clients import (
    END_DATE,
    FIRST_DATE,
    TRAINING,
    Connect,
    rows,
)


def bill(world: World) -> dict[tuple[date, str, str], tuple[Decimal, Decimal]]:
    sums: dict[tuple[date, str, str], tuple[int, int]] = {}
    for line in world.lines:
        key = (datetime.fromtimestamp(line.start, UTC).date(), line.account_id, line.record_type)
        billed, effective = sums.get(key, (0, 0))
        sums[key] = (billed + line.unblended, effective + line.effective)
    return {key: (usd(billed), usd(effective)) for key, (billed, effective) in sums.items()}


def test_cost_explorer_sums_to_the_bill_per_day_account_and_record_type(world: World, connect: Connect) -> None:
    spend = cost_explorer.new_spend()
    found: dict[tuple[date, str, str], tuple[Decimal, Decimal]] = {}
    deliveries = cost_explorer.fetch(
        connect("ce"), start=FIRST_DATE, end=END_DATE, accounts=None, now=END_AT, spend=spend
    )

    for row in rows(deliveries):
        key = (row["usage_date"], row["account_id"], row["record_type"])
        billed, effective = found.get(key, (Decimal(0), Decimal(0)))
        found[key] = (billed + row["unblended_cost"], effective + row["amortized_cost"])

    assert found == bill(world)
    assert spend.requests > 2 * len(world.fleet.accounts)  # five groups a page: every account takes several


def test_the_end_of_a_cost_period_is_exclusive(world: World, connect: Connect) -> None:
    account_id = world.fleet.accounts["training"].account_id
    next_day = FIRST_DATE + timedelta(days=1)

    found = rows(cost_explorer.fetch(connect("ce"), start=FIRST_DATE, end=next_day, accounts=[account_id], now=END_AT))

    assert {(row["usage_date"], row["end_date"]) for row in found} == {(FIRST_DATE, next_day)}


def ask(client: Any, **change: Any) -> Any:
    request = {
        "TimePeriod": {"Start": FIRST_DATE.isoformat(), "End": END_DATE.isoformat()},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
    }
    return client.get_cost_and_usage(**request | change)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"GroupBy": [{"Type": "DIMENSION", "Key": key} for key in ("SERVICE", "USAGE_TYPE", "RECORD_TYPE")]}, "Valid"),
        ({"GroupBy": [{"Type": "DIMENSION", "Key": "REGION"}]}, "Valid"),
        ({"Metrics": ["Cost"]}, "Valid"),
        ({"Metrics": ["NetAmortizedCost"]}, "Valid"),
        ({"TimePeriod": {"Start": "2026-11-02", "End": "2026-11-02"}}, "Valid"),
        ({"NextPageToken": "never given"}, "InvalidNextToken"),
    ],
)
def test_the_double_refuses_what_cost_explorer_refuses(connect: Connect, change: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as refused:
        ask(connect("ce"), **change)

    assert refused.value.response["Error"]["Code"].startswith(code)


def test_a_page_token_belongs_to_its_request(connect: Connect) -> None:
    client = connect("ce")
    token = ask(client)["NextPageToken"]

    with pytest.raises(ClientError, match="RequestChangedException"):
        ask(client, Metrics=["AmortizedCost"], NextPageToken=token)


def test_totals_are_there_only_without_groups(world: World, connect: Connect) -> None:
    account_id = world.fleet.accounts["serving"].account_id
    only = {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [account_id]}}
    usage = {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Usage"]}}

    grouped = ask(connect("ce"), Filter={"And": [only, usage]})["ResultsByTime"][0]
    total = ask(connect("ce"), Filter={"And": [only, usage]}, GroupBy=[])["ResultsByTime"][0]

    assert (grouped["Total"], total["Groups"]) == ({}, [])
    billed = Decimal(total["Total"]["UnblendedCost"]["Amount"])
    assert billed == bill(world)[(FIRST_DATE, account_id, "Usage")][0]


def test_unsigned_calls_are_refused_with_advice(server: DoublesServer) -> None:
    from botocore import UNSIGNED

    client = boto3.client(
        "ce", region_name=TRAINING, endpoint_url=server.url, config=Config(signature_version=UNSIGNED)
    )

    with pytest.raises(SourceError, match="credentials are wrong"):
        list(cost_explorer.fetch(client, start=FIRST_DATE, end=END_DATE, accounts=None, now=END_AT))
