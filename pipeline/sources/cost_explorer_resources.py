"""Pulls of Cost Explorer's daily cost per EC2 instance, the last 14 days: a paid opt-in, a control beside the bill.

AWS keeps resource-level data for 14 days, for accounts that turned it on, at 0.00000033 USD per record and day.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.errors import RefusedDelivery
from pipeline.sources.aws_calls import ApiSpend, Sleep, wait
from pipeline.sources.base import ParsedDelivery
from pipeline.sources.cost_explorer import RESOURCE_KEY, Question, pulled_info, read_pages
from pipeline.sources.decimals import MONEY, exact_decimal

if TYPE_CHECKING:
    from mypy_boto3_ce import CostExplorerClient

TABLE = "raw_cost_explorer_resources"
KEPT_DAYS = 14
METRICS = {"UnblendedCost": "unblended_cost", "AmortizedCost": "amortized_cost", "UsageQuantity": "usage_quantity"}
NO_RESOURCE = "NoResourceId"
SCHEMA = pa.schema(
    [("group_number", pa.int64()), ("usage_date", pa.date32()), ("end_date", pa.date32())]
    + [(name, pa.string()) for name in ("account_id", "resource_id", "usage_type")]
    + [(name, MONEY) for name in METRICS.values()]
    + [("currency", pa.string()), ("estimated", pa.bool_())]
)


def resource_window(now: datetime) -> tuple[date, date]:
    """The UTC days `[start, end)` that AWS still knows by resource."""
    return now.date() - timedelta(days=KEPT_DAYS), now.date()


def pull_name(start: date, end: date, account_id: str) -> str:
    """Object name of the delivery of one account."""
    return Question(start, end, tuple(METRICS), (RESOURCE_KEY,), account_id).name


def fetch(
    client: CostExplorerClient, *, accounts: Sequence[str], now: datetime, spend: ApiSpend, sleep: Sleep = wait
) -> Iterator[ParsedDelivery]:
    """Cost of every EC2 instance per account, usage type and day: one delivery per account, whole or not at all.

    Raises SourceError, also where resource-level data was not turned on. `spend` counts requests.
    """
    start, end = resource_window(now)
    for account_id in sorted(set(accounts)):
        question = Question(start, end, tuple(METRICS), (RESOURCE_KEY, "USAGE_TYPE"), account_id)
        pages = read_pages(client, question, spend, sleep)
        yield ParsedDelivery(pulled_info(question, pages, now), _batches(question, pages))


def _batches(question: Question, pages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Rows of all pages as of one: a day may be cut between two pages, so group numbers run on."""
    found = [(result, group) for page in pages for result in page["ResultsByTime"] for group in result["Groups"]]
    rows = [_row(question, number, result, group) for number, (result, group) in enumerate(found, start=1)]
    if rows:
        yield TABLE, pa.RecordBatch.from_pylist(rows, SCHEMA)


def _row(question: Question, number: int, result: Mapping[str, Any], group: Mapping[str, Any]) -> dict[str, object]:
    resource_id, usage_type = group["Keys"]
    units = {group["Metrics"][metric]["Unit"] for metric in METRICS if metric != "UsageQuantity"}
    if units != {"USD"}:
        seen = ", ".join(sorted(units - {"USD"}))
        raise RefusedDelivery(
            question.name, f"amounts in currency {seen}, not USD", "set the account's currency to USD"
        )
    return {
        "group_number": number,
        "usage_date": date.fromisoformat(result["TimePeriod"]["Start"][:10]),
        "end_date": date.fromisoformat(result["TimePeriod"]["End"][:10]),
        "account_id": question.account_id,
        "resource_id": "" if resource_id == NO_RESOURCE else resource_id,
        "usage_type": usage_type,
        **{column: exact_decimal(str(group["Metrics"][metric]["Amount"])) for metric, column in METRICS.items()},
        "currency": "USD",
        "estimated": bool(result.get("Estimated", False)),
    }
