"""Pulls of Cost Explorer's daily bill: one delivery per account, grouped by record type and usage type.

boto3 has no paginator for GetCostAndUsage and AWS charges 0.01 USD per page: the loop, its cap and its spend are here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from botocore.exceptions import ClientError

from pipeline.errors import SourceError
from pipeline.sources.aws_calls import ApiSpend, Sleep, Unanswered, call, retried, wait
from pipeline.sources.base import DeliveryInfo, ParsedDelivery
from pipeline.sources.cost_explorer_files import SOURCE, read_page

if TYPE_CHECKING:
    from mypy_boto3_ce import CostExplorerClient

PERMISSION, RESOURCE_PERMISSION = "ce:GetCostAndUsage", "ce:GetCostAndUsageWithResources"
USD_PER_REQUEST = Decimal("0.01")
MAX_PAGES = 2_000
PAGE_ATTEMPTS = 8  # one given up loses all pages before it, which are paid for
MAX_GROUP_KEYS = 2
NET = "NetAmortizedCost"
PULLED_METRICS = ("UnblendedCost", "BlendedCost", "AmortizedCost", NET, "UsageQuantity")
KNOWN_METRICS = frozenset({*PULLED_METRICS, "NetUnblendedCost", "NormalizedUsageAmount"})
# What GroupBy accepts as DIMENSION; other dimensions, REGION among them, only filter.
GROUP_KEYS = frozenset(
    {
        *("AZ", "INSTANCE_TYPE", "INVOICING_ENTITY", "LEGAL_ENTITY_NAME", "LINKED_ACCOUNT", "OPERATION", "PLATFORM"),
        *("PURCHASE_TYPE", "RECORD_TYPE", "SERVICE", "TENANCY", "USAGE_TYPE"),
    }
)


RESOURCE_KEY = "RESOURCE_ID"
# the one service whose resources the with-resources call tells at no more than the price of its data
EC2_SERVICE = "Amazon Elastic Compute Cloud - Compute"


@dataclass(frozen=True)
class Question:
    """One GetCostAndUsage request less its page token: `[start, end)` in UTC days, at most two group keys.

    Grouped by RESOURCE_ID it is a GetCostAndUsageWithResources request, of EC2 instances alone.
    """

    start: date
    end: date
    metrics: tuple[str, ...]
    group_by: tuple[str, ...]
    account_id: str = ""
    granularity: str = "DAILY"

    def __post_init__(self) -> None:
        """Refuse what AWS would refuse, or answer with nonsense, after charging for it."""
        if self.start >= self.end:
            raise ValueError(f"Cost Explorer period ends ({self.end}) before it starts ({self.start})")
        if not self.metrics or set(self.metrics) - KNOWN_METRICS:
            raise ValueError(f"Cost Explorer metrics are some of {sorted(KNOWN_METRICS)}, not {self.metrics}")
        if len(self.group_by) > MAX_GROUP_KEYS or (set(self.group_by) - GROUP_KEYS - {RESOURCE_KEY}):
            raise ValueError(f"Cost Explorer groups by at most two of {sorted(GROUP_KEYS)}, not by {self.group_by}")

    @property
    def body(self) -> dict[str, Any]:
        """The request as AWS takes it; every page of one answer sends the same."""
        body: dict[str, Any] = {
            "TimePeriod": {"Start": self.start.isoformat(), "End": self.end.isoformat()},
            "Granularity": self.granularity,
            "Metrics": list(self.metrics),
            "GroupBy": [{"Type": "DIMENSION", "Key": key} for key in self.group_by],
        }
        account = _dimension("LINKED_ACCOUNT", self.account_id)
        if self.with_resources:
            body["Filter"] = {"And": [account, _dimension("SERVICE", EC2_SERVICE)]}
        elif self.account_id:
            body["Filter"] = account
        return body

    @property
    def with_resources(self) -> bool:
        """Whether it asks for resources, a call and a data set of their own."""
        return RESOURCE_KEY in self.group_by

    @property
    def name(self) -> str:
        """Object name of the delivery."""
        name = bill_name(self.start, self.end, self.account_id)
        return name.replace("cost-explorer://", "cost-explorer-resources://") if self.with_resources else name


def _dimension(key: str, value: str) -> dict[str, Any]:
    return {"Dimensions": {"Key": key, "Values": [value]}}


def bill_name(start: date, end: date, account_id: str = "") -> str:
    """`cost-explorer://<account>/<start>/<end>`; without an account, the list of accounts."""
    return f"cost-explorer://{account_id or 'all'}/{start}/{end}"


def new_spend() -> ApiSpend:
    """A counter at Cost Explorer's list price: 0.01 USD per request, and every page is a request."""
    return ApiSpend(USD_PER_REQUEST)


def fetch(
    client: CostExplorerClient,
    *,
    start: date,
    end: date,
    accounts: Sequence[str] | None,
    now: datetime,
    spend: ApiSpend | None = None,
    sleep: Sleep = wait,
) -> Iterator[ParsedDelivery]:
    """The bill of the UTC days `[start, end)`: one delivery per account, delivered at `now`, whole or not at all.

    Without `accounts` a first request asks which linked accounts have any cost. Net amortized cost is asked for until
    the payer is found to have none. Amounts stay decimal strings up to the DECIMAL column. `spend` counts requests.
    Raises ValueError for an empty period, SourceError for credentials, permission, throttling and broken paging.
    """
    spend = new_spend() if spend is None else spend
    if accounts is None:
        accounts = list_accounts(client, start=start, end=end, spend=spend, sleep=sleep)
    metrics: tuple[str, ...] = PULLED_METRICS
    for account_id in sorted(set(accounts)):
        question = Question(start, end, metrics, ("RECORD_TYPE", "USAGE_TYPE"), account_id)
        asked, pages = pages_with_net_where_known(client, question, spend, sleep)
        metrics = asked.metrics
        yield ParsedDelivery(pulled_info(asked, pages, now), _batches(asked, pages))


def list_accounts(
    client: CostExplorerClient, *, start: date, end: date, spend: ApiSpend | None = None, sleep: Sleep = wait
) -> list[str]:
    """Linked accounts with any cost or credit in `[start, end)`, sorted."""
    question = Question(start, end, ("UnblendedCost",), ("LINKED_ACCOUNT",), granularity="MONTHLY")
    pages = read_pages(client, question, new_spend() if spend is None else spend, sleep)
    return sorted(
        {group["Keys"][0] for page in pages for result in page["ResultsByTime"] for group in result["Groups"]}
    )


def pages_with_net_where_known(
    client: CostExplorerClient, question: Question, spend: ApiSpend, sleep: Sleep
) -> tuple[Question, list[dict[str, Any]]]:
    """Pages of the question, asked again without NetAmortizedCost where the payer has no such metric."""
    if NET not in question.metrics:
        return question, read_pages(client, question, spend, sleep)
    try:
        return question, read_pages(client, question, spend, sleep, frozenset({"ValidationException"}))
    except ClientError:
        # Only payers with private discounts have net metrics; AWS words the refusal as a plain validation error.
        without = replace(question, metrics=tuple(metric for metric in question.metrics if metric != NET))
        return without, read_pages(client, without, spend, sleep)


def read_pages(
    client: CostExplorerClient,
    question: Question,
    spend: ApiSpend,
    sleep: Sleep,
    passing: frozenset[str] = frozenset(),
) -> list[dict[str, Any]]:
    """All response pages as AWS sent them, each with the "Request" that it answers.

    A page that is throttled, cut off, not there now or names a page token that came before is asked again, some times:
    the pages before it are paid for.
    """
    pages: list[dict[str, Any]] = []
    seen: set[str] = set()
    body = question.body
    while len(pages) < MAX_PAGES:
        answer = retried(partial(_new_page, client, question, body, spend, passing, seen), sleep, PAGE_ATTEMPTS)
        pages.append({"Request": body, **{key: answer[key] for key in answer if key != "ResponseMetadata"}})
        if not (token := answer.get("NextPageToken", "")):
            return pages
        seen.add(token)
        body = {**question.body, "NextPageToken": token}
    raise SourceError(f"{question.name}: more than {MAX_PAGES:,} pages; ask for a shorter period")


def _new_page(
    client: CostExplorerClient,
    question: Question,
    body: Mapping[str, Any],
    spend: ApiSpend,
    passing: frozenset[str],
    seen: Set[str],
) -> Mapping[str, Any]:
    """One page; raises Unanswered where it leads back to a page that was asked for."""
    spend.requests += 1
    spend.billed_units += 1
    asks = client.get_cost_and_usage_with_resources if question.with_resources else client.get_cost_and_usage
    permission = RESOURCE_PERMISSION if question.with_resources else PERMISSION
    answer: Mapping[str, Any] = call(
        partial(asks, **body), permission=permission, place=question.name, passing=passing, holding="ResultsByTime"
    )
    if answer.get("NextPageToken") in seen:
        raise Unanswered(f"{question.name}: Cost Explorer sent the same page token twice; run again later")
    return answer


def pulled_info(question: Question, pages: Sequence[Mapping[str, Any]], now: datetime) -> DeliveryInfo:
    """Identity card of the answer to a question: its pages, observed and delivered at `now`."""
    content = b"".join(json.dumps(page, sort_keys=True).encode() + b"\n" for page in pages)
    return DeliveryInfo(
        source=SOURCE,
        object=question.name,
        content_sha256=hashlib.sha256(content).hexdigest(),
        observed_at=now.astimezone(UTC),
        time_guessed=False,
        delivered_at=now.astimezone(UTC),
        byte_count=len(content),
    )


def _batches(question: Question, pages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Rows of all pages as of one: a day may be cut between two pages, so group numbers run on."""
    results = [result for page in pages for result in page["ResultsByTime"]]
    yield from read_page(question.name, {"Request": question.body, "ResultsByTime": results})
