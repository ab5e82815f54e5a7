"""CloudWatch's ListMetrics and GetMetricData over what Container Insights would have published of the world."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.world.serve_errors import ServiceRefusal
from pipeline.world.serve_published import NAMESPACE, Caller, MetricKey, Published
from pipeline.world.serve_tokens import make_token, read_token

METRICS_PER_PAGE = 500
MAX_QUERIES = 500
MAX_DATAPOINTS = 100_800
MINUTE = 60
HOUR = 3600
DAY = 86_400
# Age of StartTime in seconds, and what Period must be a multiple of to be answered at all.
RETENTION = ((15 * DAY, 60), (63 * DAY, 300), (455 * DAY, 3600))
LISTED_FOR = 14 * DAY
LISTED_AFTER = 15 * MINUTE
QUERY_ID = re.compile(r"[a-z][A-Za-z0-9_]*")
STATISTICS: Mapping[str, Callable[..., Any]] = {
    "Average": np.nanmean,
    "Sum": np.nansum,
    "Minimum": np.nanmin,
    "Maximum": np.nanmax,
}
PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")


@dataclass(frozen=True)
class CloudWatch:
    """The published metrics and the clock (epoch seconds) that their age is counted from."""

    published: Sequence[Published]
    now: int

    def list_metrics(self, body: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """One page of at most 500 metrics; a dimension filter matches supersets, by name or by name and value."""
        position = _position(body, "InvalidParameterValue")
        listed = [metric for metric in self.published if caller.sees(metric) and self._is_listed(metric, body)]
        page = listed[position : position + METRICS_PER_PAGE]
        answer: dict[str, Any] = {"Metrics": [_metric(metric) for metric in page]}
        if body.get("IncludeLinkedAccounts"):
            answer["OwningAccounts"] = [metric.account_id for metric in page]
        if position + len(page) < len(listed):
            answer["NextToken"] = make_token(position + len(page), body, "NextToken")
        return answer

    def get_metric_data(self, body: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        """One page of at most MaxDatapoints points; the page edge may cut a query, which is then PartialData."""
        queries = _queries(body)
        start, end = self._span(body)
        position = _position(body, "InvalidNextToken")
        room = min(int(body.get("MaxDatapoints") or MAX_DATAPOINTS), MAX_DATAPOINTS)
        by_key = {metric.key: metric for metric in self.published if caller.sees(metric)}
        results: list[dict[str, Any]] = []
        passed = 0
        for query in queries:
            stamps, values = self._series(query, by_key, start, end)
            if body.get("ScanBy", "TimestampDescending") == "TimestampDescending":
                stamps, values = stamps[::-1], values[::-1]
            first = min(max(position - passed, 0), len(stamps))
            last = min(first + room, len(stamps))
            passed += len(stamps)
            if position == 0 or first < len(stamps):
                results.append(_result(query, stamps[first:last], values[first:last], whole=last == len(stamps)))
            room -= last - first
            if last < len(stamps):
                token = make_token(passed - len(stamps) + last, body, "NextToken")
                return {"MetricDataResults": results, "Messages": [], "NextToken": token}
        return {"MetricDataResults": results, "Messages": []}

    def _is_listed(self, metric: Published, body: Mapping[str, Any]) -> bool:
        if body.get("RecentlyActive") and metric.last_at < self.now - 3 * HOUR:
            return False
        if not (metric.first_at <= self.now - LISTED_AFTER and metric.last_at >= self.now - LISTED_FOR):
            return False
        if body.get("Namespace", NAMESPACE) != NAMESPACE or body.get("MetricName", metric.name) != metric.name:
            return False
        have = dict(metric.dimensions)
        return all(
            have.get(wanted["Name"]) == wanted.get("Value", have.get(wanted["Name"], "")) and wanted["Name"] in have
            for wanted in body.get("Dimensions") or []
        )

    def _span(self, body: Mapping[str, Any]) -> tuple[int, int]:
        """Start rounded down to minute, five minutes or hour by its age, and End; epoch seconds."""
        try:
            start, end = int(body["StartTime"]), int(body["EndTime"])
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceRefusal("ValidationError", "StartTime and EndTime are required timestamps") from error
        if start >= end:
            raise ServiceRefusal("ValidationError", "The parameter StartTime must be less than the parameter EndTime.")
        unit = self._finest_period(start) or HOUR
        return start // unit * unit, end

    def _finest_period(self, start: int) -> int:
        """Seconds that Period must be a multiple of for data this old; 0 when it is gone."""
        return next((period for limit, period in RETENTION if self.now - start <= limit), 0)

    def _series(
        self, query: Mapping[str, Any], by_key: Mapping[MetricKey, Published], start: int, end: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        stat = query["MetricStat"]
        period, metric = int(stat["Period"]), stat["Metric"]
        dimensions = tuple(sorted((d["Name"], d["Value"]) for d in metric.get("Dimensions") or []))
        found = by_key.get((metric["MetricName"], dimensions)) if metric.get("Namespace") == NAMESPACE else None
        finest = self._finest_period(start)
        is_empty = not finest or period % finest or stat.get("Unit", found and found.unit) != (found and found.unit)
        if found is None or is_empty:
            return np.empty(0, np.int64), np.empty(0)
        return _bucketed(found, stat["Stat"], period, start, min(end, self.now))


def _bucketed(
    metric: Published, stat: str, period: int, start: int, end: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Stamps (epoch seconds, starts of whole periods in [start, end)) with data, and their statistic."""
    first = -(-start // period) * period
    count = max(0, -(-(end - first) // period))
    minutes = metric.minutes(first, first + count * period).reshape(-1, count, period // MINUTE)
    points = minutes.transpose(1, 0, 2).reshape(count, -1)
    has_data = ~np.isnan(points).all(axis=1) if points.size else np.zeros(count, bool)
    stamps = first + period * np.flatnonzero(has_data)
    return stamps.astype(np.int64), _statistic(stat, points[has_data])


def _statistic(stat: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(points):
        return np.empty(0)
    if stat == "SampleCount":
        return np.asarray((~np.isnan(points)).sum(axis=1), np.float64)
    if stat in STATISTICS:
        return np.asarray(STATISTICS[stat](points, axis=1), np.float64)
    if (percentile := PERCENTILE.fullmatch(stat)) is None:
        raise ServiceRefusal("ValidationError", f"The value {stat} for parameter Stat is not supported.")
    return np.asarray(np.nanpercentile(points, float(percentile[1]), axis=1), np.float64)


def _queries(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    queries: Sequence[Mapping[str, Any]] = body.get("MetricDataQueries") or []
    if not 0 < len(queries) <= MAX_QUERIES:
        raise ServiceRefusal(
            "ValidationError", f"The collection MetricDataQueries must hold 1 to {MAX_QUERIES} queries."
        )
    ids = [str(query.get("Id", "")) for query in queries]
    if len(set(ids)) < len(ids) or not all(map(QUERY_ID.fullmatch, ids)):
        raise ServiceRefusal("ValidationError", "Query ids must be unique and match ^[a-z][a-zA-Z0-9_]*$.")
    for query in queries:
        period = (query.get("MetricStat") or {}).get("Period", 0)
        if period < MINUTE or period % MINUTE:
            raise ServiceRefusal(
                "ValidationError", f"Query {query['Id']} needs a MetricStat with a Period of whole minutes."
            )
    return [query for query in queries if query.get("ReturnData", True)]


def _position(body: Mapping[str, Any], code: str) -> int:
    try:
        position, is_same_body = read_token(body, "NextToken")
    except ValueError as error:
        raise ServiceRefusal(code, str(error)) from error
    if not is_same_body:
        raise ServiceRefusal(code, "The token was issued for another request.")
    return position


def _metric(metric: Published) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
    return {"Namespace": NAMESPACE, "MetricName": metric.name, "Dimensions": dimensions}


def _result(
    query: Mapping[str, Any], stamps: NDArray[np.int64], values: NDArray[np.float64], *, whole: bool
) -> dict[str, Any]:
    return {
        "Id": query["Id"],
        "Label": query.get("Label") or query["MetricStat"]["Metric"]["MetricName"],
        "Timestamps": stamps.tolist(),
        "Values": values.tolist(),
        "StatusCode": "Complete" if whole else "PartialData",
    }
