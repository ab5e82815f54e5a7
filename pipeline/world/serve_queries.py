"""What CloudWatch takes and refuses: the parameters of ListMetrics and GetMetricData, with AWS's own error codes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.world.serve_errors import ServiceRefusal
from pipeline.world.serve_published import MINUTE, Dimensions

MAX_QUERIES = 500
MAX_DATAPOINTS = 100_800
MAX_FILTERS = 10
MAX_DIMENSIONS = 30
HOUR = 3600
DAY = 86_400
# Age of StartTime in seconds, and what Period must be a multiple of to be answered at all.
RETENTION = ((3 * HOUR, 1), (15 * DAY, 60), (63 * DAY, 300), (455 * DAY, 3600))
SHORT_PERIODS = (1, 5, 10, 20, 30)
QUERY_ID = re.compile(r"[a-z][A-Za-z0-9_]*")
STATISTICS = ("Average", "Sum", "Minimum", "Maximum", "SampleCount")
PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")


@dataclass(frozen=True)
class Query:
    """One MetricStat query; `unit` and `account_id` are '' where it names none."""

    query_id: str
    label: str
    namespace: str
    metric_name: str
    dimensions: Dimensions
    period: int
    statistic: str
    unit: str
    account_id: str


def finest_period(start: int, now: int) -> int:
    """Seconds that Period must be a multiple of for data this old; 0 when it is gone."""
    return next((period for limit, period in RETENTION if now - start <= limit), 0)


def read_listing(body: Mapping[str, Any]) -> None:
    """Refuse what ListMetrics refuses."""
    if len(body.get("Dimensions") or []) > MAX_FILTERS:
        raise ServiceRefusal(
            "InvalidParameterValue", f"The parameter Dimensions must hold at most {MAX_FILTERS} items."
        )
    if body.get("RecentlyActive", "PT3H") != "PT3H":
        raise ServiceRefusal("InvalidParameterValue", "The parameter RecentlyActive must be PT3H.")


def read_span(body: Mapping[str, Any], now: int) -> tuple[int, int]:
    """Start rounded down to minute, five minutes or hour by its age, and End; epoch seconds."""
    try:
        start, end = int(body["StartTime"]), int(body["EndTime"])
    except (KeyError, TypeError, ValueError) as error:
        raise _invalid("StartTime and EndTime are required timestamps") from error
    if start >= end:
        raise _invalid("The parameter StartTime must be less than the parameter EndTime.")
    unit = max(finest_period(start, now) or HOUR, MINUTE)
    return start // unit * unit, end


def read_queries(body: Mapping[str, Any]) -> list[Query]:
    """The queries whose data is returned; the whole call is refused for one that is wrong."""
    asked: Sequence[Mapping[str, Any]] = body.get("MetricDataQueries") or []
    if not 0 < len(asked) <= MAX_QUERIES:
        raise _invalid(f"The collection MetricDataQueries must hold 1 to {MAX_QUERIES} queries.")
    if not 0 < int(body.get("MaxDatapoints") or MAX_DATAPOINTS) <= MAX_DATAPOINTS:
        raise _invalid(f"The parameter MaxDatapoints must lie between 1 and {MAX_DATAPOINTS}.")
    if body.get("ScanBy", "TimestampAscending") not in ("TimestampAscending", "TimestampDescending"):
        raise _invalid(f"The value {body['ScanBy']} for parameter ScanBy is not supported.")
    queries = [_query(number, query) for number, query in enumerate(asked, start=1)]
    if len({query.query_id for query in queries}) < len(queries):
        raise _invalid("The values for parameter id in MetricDataQueries are not unique.")
    return [query for query, body in zip(queries, asked, strict=True) if body.get("ReturnData", True)]


def _query(number: int, query: Mapping[str, Any]) -> Query:
    place = f"MetricDataQueries.member.{number}"
    query_id = str(query.get("Id", ""))
    if not QUERY_ID.fullmatch(query_id):
        raise _invalid(
            f"The value {query_id} for parameter {place}.Id is not matching the expected pattern {QUERY_ID.pattern}."
        )
    if "MetricStat" not in query:
        raise _invalid(f"The parameter {place}.MetricStat is required: the world answers no expressions.")
    stat = query["MetricStat"]
    metric = stat.get("Metric") or {}
    for name, value in (("Namespace", metric.get("Namespace")), ("MetricName", metric.get("MetricName"))):
        if not value:
            raise _invalid(f"The parameter {place}.MetricStat.Metric.{name} is required.")
    dimensions = tuple(sorted((d["Name"], d["Value"]) for d in metric.get("Dimensions") or []))
    if len(dimensions) > MAX_DIMENSIONS:
        raise _invalid(f"The collection {place}.MetricStat.Metric.Dimensions holds more than {MAX_DIMENSIONS} items.")
    period = int(stat.get("Period") or 0)
    if period not in SHORT_PERIODS and (period < MINUTE or period % MINUTE):
        raise _invalid(f"The parameter {place}.MetricStat.Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
    statistic = str(stat.get("Stat", ""))
    if statistic not in STATISTICS and not PERCENTILE.fullmatch(statistic):
        raise _invalid(f"The value {statistic} for parameter {place}.MetricStat.Stat is not supported.")
    label = str(query.get("Label") or metric["MetricName"])
    return Query(
        query_id, label, metric["Namespace"], metric["MetricName"], dimensions, period, statistic,
        str(stat.get("Unit") or ""), str(query.get("AccountId") or ""),
    )  # fmt: skip


def _invalid(words: str) -> ServiceRefusal:
    return ServiceRefusal("ValidationError", words)
