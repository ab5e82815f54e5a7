"""What Cost Explorer takes and refuses: periods, metrics, groups and filters, with AWS's own error codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pipeline.world.serve_bill import BilledHour
from pipeline.world.serve_errors import ServiceRefusal

GROUP_DIMENSIONS = {
    "LINKED_ACCOUNT": "account_id",
    "RECORD_TYPE": "record_type",
    "USAGE_TYPE": "usage_type",
    "SERVICE": "service",
    "INSTANCE_TYPE": "instance_type",
}
RESOURCE = {"RESOURCE_ID": "resource_id"}
FILTER_DIMENSIONS = {**GROUP_DIMENSIONS, **RESOURCE, "REGION": "region"}
FIELD_OF_METRIC = {
    "AmortizedCost": "amortized_cost",
    "BlendedCost": "unblended_cost",
    "NetAmortizedCost": "net_amortized_cost",
    "NetUnblendedCost": "net_unblended_cost",
    "NormalizedUsageAmount": "usage_quantity",
    "UnblendedCost": "unblended_cost",
    "UsageQuantity": "usage_quantity",
}
COMPUTE = "Amazon Elastic Compute Cloud - Compute"
MAX_GROUP_KEYS = 2
RESOURCE_DAYS = 14
HISTORY = timedelta(days=14 * 31)
HOUR_FORMAT = "%Y-%m-%dT%H:%M:%SZ"

Period = tuple[datetime, datetime]


@dataclass(frozen=True)
class CostQuestion:
    """A request that is in order: half-open periods, the fields to group by, and the filter expression."""

    periods: tuple[Period, ...]
    is_hourly: bool
    metrics: tuple[str, ...]
    keys: tuple[str, ...]
    expression: Mapping[str, Any] | None

    def edge(self, moment: datetime) -> str:
        """An edge of a period as the answer prints it."""
        return moment.strftime(HOUR_FORMAT) if self.is_hourly else moment.date().isoformat()


def read_question(body: Mapping[str, Any], now: int, *, has_net: bool) -> CostQuestion:
    """A GetCostAndUsage request; hourly granularity and resources are what the other operation is for."""
    granularity = str(body.get("Granularity"))
    if granularity not in ("DAILY", "MONTHLY"):
        raise _invalid(f"Granularity {granularity} is not enabled for this account")
    periods = _periods(body, granularity)
    if periods[0][0] < datetime.fromtimestamp(now, UTC) - HISTORY:
        raise _invalid("You haven't enabled historical data beyond 14 months")
    keys = _group_keys(body, GROUP_DIMENSIONS)
    return CostQuestion(periods, False, _metrics(body, has_net), keys, body.get("Filter"))


def read_resource_question(body: Mapping[str, Any], now: int, *, has_net: bool) -> CostQuestion:
    """A GetCostAndUsageWithResources request: the last 14 days, one service, by resource; by the hour for EC2 alone."""
    granularity, expression = str(body.get("Granularity")), body.get("Filter")
    if granularity not in ("DAILY", "MONTHLY", "HOURLY"):
        raise _invalid(f"Granularity {granularity} is unknown")
    periods = _periods(body, granularity)
    first = (datetime.fromtimestamp(now, UTC) - timedelta(days=RESOURCE_DAYS)).replace(hour=0, minute=0, second=0)
    if periods[0][0] < first:
        raise _invalid(f"Start date can't be more than {RESOURCE_DAYS} days in the past")
    keys = _group_keys(body, {**GROUP_DIMENSIONS, **RESOURCE})
    named = dict(_dimensions(expression or {}))
    if "RESOURCE_ID" not in keys and "RESOURCE_ID" not in named:
        raise _invalid("Either group by or filter by RESOURCE_ID")
    if "SERVICE" not in named:
        raise _invalid(f'Filter needs a SERVICE, as "{COMPUTE}"')
    if granularity == "HOURLY" and named["SERVICE"] != [COMPUTE]:
        raise _invalid("Hourly granularity with resources is for EC2 instances alone")
    metrics = _metrics({"Metrics": ["UnblendedCost"], **body}, has_net)
    return CostQuestion(periods, granularity == "HOURLY", metrics, keys, expression)


def matches(hour: BilledHour, expression: Mapping[str, Any] | None) -> bool:
    """Whether a bill row passes a Filter expression: And, Or, Not, Dimensions."""
    if not expression:
        return True
    if len(expression) != 1:
        raise _invalid("Filter must have exactly one of And, Or, Not, Dimensions")
    if "And" in expression:
        return all(matches(hour, part) for part in expression["And"])
    if "Or" in expression:
        return any(matches(hour, part) for part in expression["Or"])
    if "Not" in expression:
        return not matches(hour, expression["Not"])
    dimension = expression.get("Dimensions") or {}
    if (field := FILTER_DIMENSIONS.get(dimension.get("Key", ""))) is None:
        raise _invalid(f"Filter {expression} names no known dimension")
    return getattr(hour, field) in dimension.get("Values", [])


def key_text(hour: BilledHour, key: str) -> str:
    """What a group key says of a row; a row that lacks it has AWS's word for nothing."""
    return getattr(hour, FILTER_DIMENSIONS[key]) or f"No{key.title().replace('_', '')}"


def _periods(body: Mapping[str, Any], granularity: str) -> tuple[Period, ...]:
    """The hours, days or months of the request, the last ones cut at both ends; End is exclusive."""
    span = body.get("TimePeriod") or {}
    try:
        start, end = (_edge(str(span[name]), granularity) for name in ("Start", "End"))
    except (KeyError, ValueError) as error:
        form = "yyyy-MM-ddThh:mm:ssZ" if granularity == "HOURLY" else "yyyy-MM-dd"
        raise _invalid(f"TimePeriod {span} needs Start and End as {form}") from error
    if start >= end:
        raise _invalid("Start time must be before end time")
    periods = []
    while start < end:
        step = _next(start, granularity)
        periods.append((start, min(step, end)))
        start = step
    return tuple(periods)


def _edge(text: str, granularity: str) -> datetime:
    if granularity == "HOURLY":
        return datetime.strptime(text, HOUR_FORMAT).replace(tzinfo=UTC)
    day = date.fromisoformat(text)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _next(start: datetime, granularity: str) -> datetime:
    if granularity == "MONTHLY":
        return (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    return start + (timedelta(hours=1) if granularity == "HOURLY" else timedelta(days=1))


def _group_keys(body: Mapping[str, Any], known: Mapping[str, str]) -> tuple[str, ...]:
    group_by = body.get("GroupBy") or []
    if len(group_by) > MAX_GROUP_KEYS:
        raise _invalid("Group by must not have more than 2 keys")
    for group in group_by:
        if group.get("Type") != "DIMENSION" or group.get("Key") not in known:
            raise _invalid(f"Group Definition {group} is invalid")
    return tuple(group["Key"] for group in group_by)


def _metrics(body: Mapping[str, Any], has_net: bool) -> tuple[str, ...]:
    metrics = tuple(body.get("Metrics") or ())
    if not metrics or any(metric not in FIELD_OF_METRIC for metric in metrics):
        raise _invalid(f"Metrics {list(metrics)} must be among {', '.join(FIELD_OF_METRIC)}")
    if not has_net and any(metric.startswith("Net") for metric in metrics):
        raise _invalid("Net cost metrics are not available for this payer account")
    return metrics


def _dimensions(expression: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Every dimension that an expression filters on, with its values."""
    parts = [*expression.get("And", []), *expression.get("Or", [])]
    found = [pair for part in parts for pair in _dimensions(part)]
    if dimension := expression.get("Dimensions"):
        found.append((dimension.get("Key", ""), list(dimension.get("Values", []))))
    return found


def _invalid(words: str) -> ServiceRefusal:
    return ServiceRefusal("ValidationException", words)
