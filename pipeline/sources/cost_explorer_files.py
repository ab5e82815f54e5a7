"""Cost Explorer pages: GetCostAndUsage responses as AWS sends them, with or without their request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pyarrow as pa

from pipeline.errors import RefusedDelivery
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject, describe, observation_time
from pipeline.sources.damage import read_document
from pipeline.sources.decimals import MONEY, exact_decimal

SOURCE = "cost_explorer"
TABLE = "raw_cost_explorer_groups"
GROUPED_BY = {
    "LINKED_ACCOUNT": "account_id",
    "RECORD_TYPE": "record_type",
    "USAGE_TYPE": "usage_type",
    "INSTANCE_TYPE": "instance_type",
    "SERVICE": "service",
}
FILTERED_BY = {"LINKED_ACCOUNT": "account_id", "RECORD_TYPE": "record_type"}
COSTS = {
    "UnblendedCost": "unblended_cost",
    "BlendedCost": "blended_cost",
    "AmortizedCost": "amortized_cost",
    "NetAmortizedCost": "net_amortized_cost",
}
QUANTITY = "UsageQuantity"
PULL_LIKE_THIS = "pull DAILY pages grouped by RECORD_TYPE and USAGE_TYPE with a LINKED_ACCOUNT filter"

_ACCOUNT_IN_NAME = re.compile(r"(?<!\d)(\d{12})(?!\d)")
SCHEMA = pa.schema(
    [("group_number", pa.int64()), ("usage_date", pa.date32()), ("end_date", pa.date32())]
    + [(name, pa.string()) for name in GROUPED_BY.values()]
    + [(name, MONEY) for name in (*COSTS.values(), "usage_quantity")]
    + [("currency", pa.string()), ("estimated", pa.bool_())]
)


@dataclass(frozen=True)
class _Page:
    name: str
    results: Sequence[Mapping[str, Any]]
    columns: tuple[str, ...]
    defaults: Mapping[str, str]


def read(obj: SourceObject, options: IngestOptions, seeds: Seeds) -> ParsedDelivery:
    """Groups of one response page as raw_cost_explorer_groups rows; amounts stay exact decimals.

    Pages grouped or filtered so that they are no plain bill of one account are refused with the next step.
    """
    pulled_at = _pulled_at(_document(obj))
    observed = (pulled_at, False) if pulled_at and options.observed_at is None else observation_time(obj, options)
    info = describe(obj, SOURCE, observed, delivered_at=observed[0])
    return ParsedDelivery(info, _batches(obj))


def _document(obj: SourceObject) -> dict[str, Any]:
    document = read_document(obj.path, obj.name)
    if not isinstance(document, dict) or not isinstance(document.get("ResultsByTime"), list):
        raise RefusedDelivery(obj.name, "a Cost Explorer page without ResultsByTime", PULL_LIKE_THIS)
    return document


def read_page(name: str, document: Mapping[str, Any]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Rows of a page that is already in memory, with its "Request"; `name` stands in the reasons of a refusal."""
    rows = list(_rows(_page(name, document)))
    if rows:
        yield TABLE, pa.RecordBatch.from_pylist(rows, SCHEMA)


def _pulled_at(document: Mapping[str, Any]) -> datetime | None:
    """The time in the response's own HTTP headers, where whoever saved the page kept them."""
    stamp = ((document.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}).get("date")
    return parsedate_to_datetime(str(stamp)).astimezone(UTC) if stamp else None


def _batches(obj: SourceObject) -> Iterator[tuple[str, pa.RecordBatch]]:
    yield from read_page(obj.name, _document(obj))


def _page(name: str, document: Mapping[str, Any]) -> _Page:
    request = document.get("Request") or {}
    definitions = document.get("GroupDefinitions") or request.get("GroupBy") or []
    columns = tuple(_group_column(name, definition) for definition in definitions)
    if not columns and document["ResultsByTime"]:
        raise RefusedDelivery(name, "the page is not grouped: it holds totals only", PULL_LIKE_THIS)
    defaults = _filter_values(name, request.get("Filter") or {})
    if "account_id" not in columns and "account_id" not in defaults:
        defaults["account_id"] = _account_in_name(name)
    return _Page(name, document["ResultsByTime"], columns, defaults)


def _group_column(name: str, definition: Mapping[str, str]) -> str:
    key = definition.get("Key", "")
    if definition.get("Type", "DIMENSION") != "DIMENSION" or key not in GROUPED_BY:
        seen = f"{definition.get('Type', '')} {key}".strip()
        reason = f"grouped by {seen}; chipledger reads groups by {', '.join(GROUPED_BY)}"
        raise RefusedDelivery(name, reason, PULL_LIKE_THIS)
    return GROUPED_BY[key]


def _filter_values(name: str, condition: Mapping[str, Any]) -> dict[str, str]:
    """What the request's filter says of every group; a filter that leaves out a part of the bill is refused."""
    values: dict[str, str] = {}
    for part in condition.get("And") or ([condition] if condition else []):
        dimension = part.get("Dimensions") or {}
        key, chosen = dimension.get("Key", ""), dimension.get("Values") or []
        if key not in FILTERED_BY:
            seen = key or ", ".join(part) or "nothing"
            raise RefusedDelivery(name, f"filtered by {seen}: the page holds only a part of the bill", PULL_LIKE_THIS)
        if len(chosen) == 1:
            values[FILTERED_BY[key]] = str(chosen[0])
    return values


def _account_in_name(name: str) -> str:
    found = _ACCOUNT_IN_NAME.findall(name)
    if not found:
        next_step = "group by LINKED_ACCOUNT, keep the Request with its filter, or put the 12-digit account in the path"
        raise RefusedDelivery(name, "nothing names the account of the page", next_step)
    return str(found[-1])


def _rows(page: _Page) -> Iterator[dict[str, object]]:
    number = 0
    for result in page.results:
        start, end = _day(page.name, result.get("TimePeriod") or {})
        for group in result.get("Groups") or []:
            number += 1
            yield {
                "group_number": number,
                "usage_date": start,
                "end_date": end,
                "estimated": bool(result.get("Estimated", False)),
                **_dimensions(page, group.get("Keys") or []),
                **_amounts(page.name, group.get("Metrics") or {}),
            }


def _dimensions(page: _Page, keys: Sequence[str]) -> dict[str, str]:
    if len(keys) != len(page.columns):
        reason = f"a group has {len(keys)} keys where the page is grouped by {len(page.columns)}"
        raise RefusedDelivery(page.name, reason, PULL_LIKE_THIS)
    known = {**page.defaults, **dict(zip(page.columns, keys, strict=True))}
    return {column: known.get(column, "") for column in GROUPED_BY.values()}


def _amounts(name: str, metrics: Mapping[str, Mapping[str, str]]) -> dict[str, object]:
    missing = [metric for metric in ("UnblendedCost", "AmortizedCost") if metric not in metrics]
    if missing:
        raise RefusedDelivery(name, f"the page lacks the metric {' and '.join(missing)}", PULL_LIKE_THIS)
    currencies = {str(metrics[metric].get("Unit", "")) for metric in COSTS if metric in metrics}
    if currencies != {"USD"}:
        seen = ", ".join(sorted(currencies - {"USD"})) or "none"
        raise RefusedDelivery(name, f"amounts in currency {seen}, not USD", "set the account's currency to USD")
    amounts: dict[str, object] = {
        column: exact_decimal(str(metrics[metric]["Amount"])) if metric in metrics else None
        for metric, column in COSTS.items()
    }
    quantity = metrics.get(QUANTITY)
    amounts["usage_quantity"] = exact_decimal(str(quantity["Amount"])) if quantity else None
    return {**amounts, "currency": "USD"}


def _day(name: str, period: Mapping[str, str]) -> tuple[date, date]:
    start, end = date.fromisoformat(period["Start"][:10]), date.fromisoformat(period["End"][:10])
    if len(period["Start"]) > 10 or end - start != timedelta(days=1):
        reason = f"a period from {period['Start']} to {period['End']} is not one UTC day"
        raise RefusedDelivery(name, reason, PULL_LIKE_THIS)
    return start, end
