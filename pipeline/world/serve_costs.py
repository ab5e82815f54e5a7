"""Cost Explorer's GetCostAndUsage over the world's bill: grouping, filters, pages and refusals as AWS has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from pipeline.world.serve_errors import ServiceRefusal
from pipeline.world.serve_tokens import make_token, read_token

GROUP_DIMENSIONS = {
    "LINKED_ACCOUNT": "account_id",
    "RECORD_TYPE": "record_type",
    "USAGE_TYPE": "usage_type",
    "SERVICE": "service",
    "INSTANCE_TYPE": "instance_type",
}
FILTER_DIMENSIONS = {**GROUP_DIMENSIONS, "REGION": "region"}
METRICS = (
    "AmortizedCost",
    "BlendedCost",
    "NetAmortizedCost",
    "NetUnblendedCost",
    "NormalizedUsageAmount",
    "UnblendedCost",
    "UsageQuantity",
)
FIELD_OF_METRIC = {
    "AmortizedCost": "amortized_cost",
    "BlendedCost": "unblended_cost",
    "NetAmortizedCost": "net_amortized_cost",
    "NetUnblendedCost": "net_unblended_cost",
    "NormalizedUsageAmount": "usage_quantity",
    "UnblendedCost": "unblended_cost",
    "UsageQuantity": "usage_quantity",
}
MAX_GROUP_KEYS = 2


@dataclass(frozen=True)
class BilledDay:
    """One account's bill of a UTC day for one record type, usage type and service; costs in USD."""

    usage_date: date
    account_id: str
    record_type: str
    usage_type: str
    service: str
    instance_type: str
    region: str
    unblended_cost: Decimal
    amortized_cost: Decimal
    usage_quantity: Decimal
    net_unblended_cost: Decimal | None = None
    net_amortized_cost: Decimal | None = None


@dataclass(frozen=True)
class CostExplorer:
    """The bill that answers. `closed_before` is the first day still estimated; pages hold `groups_per_page` groups."""

    bill: Sequence[BilledDay]
    closed_before: date
    groups_per_page: int = 40

    def get_cost_and_usage(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """One response page for a request body."""
        periods = _periods(body)
        keys = _group_keys(body)
        metrics = self._metrics(body)
        position, is_same_body = _position(body)
        if not is_same_body:
            raise ServiceRefusal("RequestChangedException", "Your request parameters changed between pages.")
        wanted = [day for day in self.bill if _matches(day, body.get("Filter"))]
        entries = [(period, group) for period in periods for group in _groups(wanted, period, keys, metrics) or [None]]
        page = entries[position : position + self.groups_per_page]
        answer: dict[str, Any] = {
            "ResultsByTime": [
                self._result(p, [g for q, g in page if q == p and g], keys) for p in dict.fromkeys(p for p, _ in page)
            ],
            "DimensionValueAttributes": [],
        }
        if keys:
            answer["GroupDefinitions"] = [{"Type": "DIMENSION", "Key": key} for key in keys]
        if position + len(page) < len(entries):
            answer["NextPageToken"] = make_token(position + len(page), body, "NextPageToken")
        return answer

    def _metrics(self, body: Mapping[str, Any]) -> list[str]:
        metrics = list(body.get("Metrics") or [])
        if not metrics or any(metric not in METRICS for metric in metrics):
            raise ServiceRefusal("ValidationException", f"Metrics {metrics} must be among {', '.join(METRICS)}")
        has_net = any(day.net_amortized_cost is not None for day in self.bill)
        if not has_net and any(metric.startswith("Net") for metric in metrics):
            raise ServiceRefusal("ValidationException", "Net cost metrics are not available for this payer account")
        return metrics

    def _result(
        self, period: tuple[date, date], groups: Sequence[dict[str, Any]], keys: Sequence[str]
    ) -> dict[str, Any]:
        return {
            "TimePeriod": {"Start": period[0].isoformat(), "End": period[1].isoformat()},
            "Total": {} if keys else (groups[0]["Metrics"] if groups else {}),
            "Groups": list(groups) if keys else [],
            "Estimated": period[1] > self.closed_before,
        }


def amount(value: Decimal) -> str:
    """A decimal string as AWS writes it: no exponent, no trailing zeros."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def _periods(body: Mapping[str, Any]) -> list[tuple[date, date]]:
    """The days (or months, cut at both ends) of the request; End is exclusive."""
    span, granularity = body.get("TimePeriod") or {}, body.get("Granularity")
    try:
        start, end = date.fromisoformat(span["Start"]), date.fromisoformat(span["End"])
    except (KeyError, TypeError, ValueError) as error:
        raise ServiceRefusal("ValidationException", f"TimePeriod {span} needs Start and End as yyyy-MM-dd") from error
    if start >= end:
        raise ServiceRefusal("ValidationException", "Start time must be before end time")
    if granularity not in ("DAILY", "MONTHLY"):
        raise ServiceRefusal("ValidationException", f"Granularity {granularity} is not enabled for this account")
    periods = []
    while start < end:
        step = start + timedelta(days=1) if granularity == "DAILY" else _next_month(start)
        periods.append((start, min(step, end)))
        start = step
    return periods


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _group_keys(body: Mapping[str, Any]) -> list[str]:
    group_by = body.get("GroupBy") or []
    if len(group_by) > MAX_GROUP_KEYS:
        raise ServiceRefusal("ValidationException", "Group by must not have more than 2 keys")
    for group in group_by:
        if group.get("Type") != "DIMENSION" or group.get("Key") not in GROUP_DIMENSIONS:
            raise ServiceRefusal("ValidationException", f"Group Definition {group} is invalid")
    return [group["Key"] for group in group_by]


def _position(body: Mapping[str, Any]) -> tuple[int, bool]:
    try:
        return read_token(body, "NextPageToken")
    except ValueError as error:
        raise ServiceRefusal("InvalidNextTokenException", str(error)) from error


def _matches(day: BilledDay, expression: Mapping[str, Any] | None) -> bool:
    """Whether a bill row passes a Filter expression: And, Or, Not, Dimensions."""
    if not expression:
        return True
    if len(expression) != 1:
        raise ServiceRefusal("ValidationException", "Filter must have exactly one of And, Or, Not, Dimensions")
    if "And" in expression:
        return all(_matches(day, part) for part in expression["And"])
    if "Or" in expression:
        return any(_matches(day, part) for part in expression["Or"])
    if "Not" in expression:
        return not _matches(day, expression["Not"])
    dimension = expression.get("Dimensions") or {}
    if (field := FILTER_DIMENSIONS.get(dimension.get("Key", ""))) is None:
        raise ServiceRefusal("ValidationException", f"Filter {expression} names no known dimension")
    return getattr(day, field) in dimension.get("Values", [])


def _groups(
    bill: Iterable[BilledDay], period: tuple[date, date], keys: Sequence[str], metrics: Sequence[str]
) -> list[dict[str, Any] | None]:
    """The groups of one period, sorted by key; without keys one nameless group, the total."""
    sums: dict[tuple[str, ...], dict[str, Decimal]] = {} if keys else {(): dict.fromkeys(metrics, Decimal(0))}
    for day in bill:
        if period[0] <= day.usage_date < period[1]:
            of_group = sums.setdefault(tuple(_key_text(day, key) for key in keys), dict.fromkeys(metrics, Decimal(0)))
            for metric in metrics:
                of_group[metric] += getattr(day, FIELD_OF_METRIC[metric]) or Decimal(0)
    return [
        {
            "Keys": list(names),
            "Metrics": {metric: {"Amount": amount(value), "Unit": _unit(metric)} for metric, value in of_group.items()},
        }
        for names, of_group in sorted(sums.items())
    ]


def _key_text(day: BilledDay, key: str) -> str:
    return getattr(day, GROUP_DIMENSIONS[key]) or f"No{key.title().replace('_', '')}"


def _unit(metric: str) -> str:
    return "N/A" if metric in ("UsageQuantity", "NormalizedUsageAmount") else "USD"
