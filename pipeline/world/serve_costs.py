"""Cost Explorer over the world's bill: GetCostAndUsage, and by resource for 14 days, in pages as AWS cuts them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pipeline.world.serve_bill import BilledHour, as_known
from pipeline.world.serve_cost_questions import (
    FIELD_OF_METRIC,
    CostQuestion,
    Period,
    key_text,
    matches,
    read_question,
    read_resource_question,
)
from pipeline.world.serve_errors import ServiceRefusal
from pipeline.world.serve_tokens import make_token, read_token

GROUPS_PER_PAGE = 40
Group = dict[str, Any]
Sums = dict[tuple[str, ...], dict[str, Decimal]]


@dataclass(frozen=True)
class CostExplorer:
    """The bill that answers, in pages of `groups_per_page` groups. `now` of every call is epoch seconds.

    Months that have not ended are estimated. With `is_restated` young days are incomplete and late charges are missing.
    """

    bill: Sequence[BilledHour]
    groups_per_page: int = GROUPS_PER_PAGE
    is_restated: bool = False

    def get_cost_and_usage(self, body: Mapping[str, Any], now: int) -> dict[str, Any]:
        """One response page for a request body."""
        return self._page(body, now, read_question)

    def get_cost_and_usage_with_resources(self, body: Mapping[str, Any], now: int) -> dict[str, Any]:
        """One response page by resource."""
        return self._page(body, now, read_resource_question)

    def _page(self, body: Mapping[str, Any], now: int, read: Callable[..., CostQuestion]) -> dict[str, Any]:
        has_net = any(hour.net_amortized_cost is not None for hour in self.bill)
        question = read(body, now, has_net=has_net)
        position, is_same_body = _position(body)
        if not is_same_body:
            raise ServiceRefusal("RequestChangedException", "Your request parameters changed between pages.")
        known = as_known(self.bill, now, is_restated=self.is_restated)
        grouped = _grouped(question, [hour for hour in known if matches(hour, question.expression)])
        entries = [(period, group) for period, groups in grouped for group in groups or [{}]]
        page = entries[position : position + self.groups_per_page]
        answer: dict[str, Any] = {
            "ResultsByTime": [
                _result(question, period, [group for at, group in page if at == period and group], now)
                for period in dict.fromkeys(at for at, _ in page)
            ],
            "DimensionValueAttributes": [],
        }
        if question.keys:
            answer["GroupDefinitions"] = [{"Type": "DIMENSION", "Key": key} for key in question.keys]
        if position + len(page) < len(entries):
            answer["NextPageToken"] = make_token(position + len(page), body, "NextPageToken")
        return answer


def amount(value: Decimal) -> str:
    """A decimal string as AWS writes it: no exponent, no trailing zeros."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def _result(question: CostQuestion, period: Period, groups: Sequence[Group], now: int) -> dict[str, Any]:
    month = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0)
    return {
        "TimePeriod": {"Start": question.edge(period[0]), "End": question.edge(period[1])},
        "Total": {} if question.keys else (groups[0]["Metrics"] if groups else {}),
        "Groups": list(groups) if question.keys else [],
        "Estimated": period[1] > month,
    }


def _position(body: Mapping[str, Any]) -> tuple[int, bool]:
    try:
        return read_token(body, "NextPageToken")
    except ValueError as error:
        raise ServiceRefusal("InvalidNextTokenException", str(error)) from error


def _grouped(question: CostQuestion, bill: Sequence[BilledHour]) -> list[tuple[Period, list[Group]]]:
    """The groups of each period, sorted by key; without keys one nameless group, the total."""
    starts = [start for start, _ in question.periods]
    nothing = dict.fromkeys(question.metrics, Decimal(0))
    sums: list[Sums] = [{} if question.keys else {(): dict(nothing)} for _ in starts]
    for hour in bill:
        place = bisect_right(starts, hour.start_at) - 1
        if place >= 0 and hour.start_at < question.periods[place][1]:
            names = tuple(key_text(hour, key) for key in question.keys)
            of_group = sums[place].setdefault(names, dict(nothing))
            for metric in question.metrics:
                of_group[metric] += getattr(hour, FIELD_OF_METRIC[metric]) or Decimal(0)
    return [
        (period, [_group(names, found[names]) for names in sorted(found)])
        for period, found in zip(question.periods, sums, strict=True)
    ]


def _group(names: tuple[str, ...], sums: Mapping[str, Decimal]) -> Group:
    metrics = {metric: {"Amount": amount(value), "Unit": _unit(metric)} for metric, value in sums.items()}
    return {"Keys": list(names), "Metrics": metrics}


def _unit(metric: str) -> str:
    return "N/A" if metric in ("UsageQuantity", "NormalizedUsageAmount") else "USD"
