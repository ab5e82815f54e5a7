"""CloudWatch's ListMetrics and GetMetricData over what Container Insights would have published of the world."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from pipeline.world.serve_errors import ServiceRefusal
from pipeline.world.serve_published import MINUTE, NAMESPACE, Caller, MetricKey, Published, Values
from pipeline.world.serve_queries import (
    HOUR,
    MAX_DATAPOINTS,
    PERCENTILE,
    STATISTICS,
    Query,
    finest_period,
    read_listing,
    read_queries,
    read_span,
)
from pipeline.world.serve_tokens import make_token, read_token

METRICS_PER_PAGE = 500
LISTED_FOR = 14 * 24 * HOUR
LISTED_AFTER = 15 * MINUTE
RECENTLY = 3 * HOUR
LATE_SECONDS = 2 * HOUR
LATE_SHARE = 5  # one minute in so many is late, where points are late at all
HASH_STEP, HASH_SHIFT = 2654435761, 13

Series = tuple[NDArray[np.int64], Values]
NOTHING: Series = (np.empty(0, np.int64), np.empty(0))
AGGREGATES: Mapping[str, Callable[..., Any]] = {
    "Average": np.nanmean,
    "Sum": np.nansum,
    "Minimum": np.nanmin,
    "Maximum": np.nanmax,
}


@dataclass
class CloudWatch:
    """The published metrics. `now` (epoch seconds) of every call is the clock that their age is counted from.

    Pages hold at most `metrics_per_page` metrics, `points_per_page` datapoints. With `is_late`, every fifth minute of a
    metric becomes visible only two hours after its time.
    """

    published: Sequence[Published]
    metrics_per_page: int = METRICS_PER_PAGE
    points_per_page: int = MAX_DATAPOINTS
    is_late: bool = False
    _seen_by: dict[Caller, dict[MetricKey, list[Published]]] = field(default_factory=dict, repr=False)

    def list_metrics(self, body: Mapping[str, Any], caller: Caller, now: int) -> dict[str, Any]:
        """One page of metrics; a dimension filter matches supersets, by name or by name and value."""
        read_listing(body)
        position = _position(body, "InvalidParameterValue")
        seen = (metric for same in self._seen(caller).values() for metric in same)
        listed = [metric for metric in seen if self._is_listed(metric, body, now)]
        page = listed[position : position + self.metrics_per_page]
        answer: dict[str, Any] = {"Metrics": [_metric(metric) for metric in page]}
        if body.get("IncludeLinkedAccounts"):
            answer["OwningAccounts"] = [metric.account_id for metric in page]
        if position + len(page) < len(listed):
            answer["NextToken"] = make_token(position + len(page), body, "NextToken")
        return answer

    def get_metric_data(self, body: Mapping[str, Any], caller: Caller, now: int) -> dict[str, Any]:
        """One page of at most MaxDatapoints points; the page edge may cut a query, which is then PartialData."""
        queries, (start, end) = read_queries(body), read_span(body, now)
        position = _position(body, "InvalidNextToken")
        room = min(int(body.get("MaxDatapoints") or MAX_DATAPOINTS), self.points_per_page)
        results: list[dict[str, Any]] = []
        passed = 0
        for query in queries:
            if caller.account_id and query.account_id not in ("", caller.account_id):
                results += [_result(query, *NOTHING, status="Forbidden")] if position == 0 else []
                continue
            stamps, values = self._series(query, caller, start, end, now)
            if body.get("ScanBy", "TimestampDescending") == "TimestampDescending":
                stamps, values = stamps[::-1], values[::-1]
            first = min(max(position - passed, 0), len(stamps))
            last = min(first + room, len(stamps))
            passed += len(stamps)
            if position == 0 or first < len(stamps):
                status = "Complete" if last == len(stamps) else "PartialData"
                results.append(_result(query, stamps[first:last], values[first:last], status=status))
            room -= last - first
            if last < len(stamps):
                token = make_token(passed - len(stamps) + last, body, "NextToken")
                return {"MetricDataResults": results, "Messages": [], "NextToken": token}
        return {"MetricDataResults": results, "Messages": []}

    def _seen(self, caller: Caller) -> dict[MetricKey, list[Published]]:
        """What the caller can see, by metric identity; accounts that share a name stand side by side."""
        if caller not in self._seen_by:
            index: dict[MetricKey, list[Published]] = {}
            for metric in self.published:
                if caller.sees(metric):
                    index.setdefault(metric.key, []).append(metric)
            self._seen_by[caller] = index
        return self._seen_by[caller]

    def _is_listed(self, metric: Published, body: Mapping[str, Any], now: int) -> bool:
        last_at = min(metric.last_at, now)
        if body.get("RecentlyActive") and last_at < now - RECENTLY:
            return False
        if not (metric.first_at <= now - LISTED_AFTER and last_at >= now - LISTED_FOR):
            return False
        if body.get("Namespace", NAMESPACE) != NAMESPACE or body.get("MetricName", metric.name) != metric.name:
            return False
        if body.get("OwningAccount", metric.account_id) != metric.account_id:
            return False
        have = dict(metric.dimensions)
        return all(
            have.get(wanted["Name"]) == wanted.get("Value", have.get(wanted["Name"], "")) and wanted["Name"] in have
            for wanted in body.get("Dimensions") or []
        )

    def _series(self, query: Query, caller: Caller, start: int, end: int, now: int) -> Series:
        """Points of the one metric with exactly these dimensions; empty for a wrong unit or a period not kept."""
        found = [
            metric
            for metric in self._seen(caller).get((query.metric_name, query.dimensions), [])
            if query.account_id in ("", metric.account_id) and query.unit in ("", metric.unit)
        ]
        finest = finest_period(start, now)
        if query.namespace != NAMESPACE or not found or not finest or query.period % finest:
            return NOTHING
        return self._bucketed(found[0], query, start, end, now)

    def _bucketed(self, metric: Published, query: Query, start: int, end: int, now: int) -> Series:
        """Stamps (epoch seconds, starts of whole periods in [start, end)) with data, and their statistic."""
        period = max(query.period, MINUTE)
        first = -(-start // period) * period
        count = max(0, -(-(min(end, now) - first) // period))
        minutes = metric.minutes(first, first + count * period)
        minutes[:, self._hidden(metric, first + MINUTE * np.arange(minutes.shape[1]), now)] = np.nan
        by_period = minutes.reshape(-1, count, period // MINUTE)
        points = by_period.transpose(1, 0, 2).reshape(count, -1)
        has_data = ~np.isnan(points).all(axis=1) if points.size else np.zeros(count, bool)
        stamps = first + period * np.flatnonzero(has_data)
        return stamps.astype(np.int64), _statistic(query.statistic, points[has_data])

    def _hidden(self, metric: Published, starts: NDArray[np.int64], now: int) -> NDArray[np.bool_]:
        """Minutes that nobody can see yet: unfinished ones, and late ones."""
        hidden = starts + MINUTE > now
        if self.is_late:
            salt = crc32(repr(metric.key).encode())
            late = ((starts // MINUTE * HASH_STEP + salt) >> HASH_SHIFT) % LATE_SHARE == 0
            hidden |= late & (starts + LATE_SECONDS > now)
        return np.asarray(hidden, np.bool_)


def _statistic(stat: str, points: Values) -> Values:
    if not len(points):
        return np.empty(0)
    if stat == "SampleCount":
        return np.asarray((~np.isnan(points)).sum(axis=1), np.float64)
    if stat in STATISTICS:
        return np.asarray(AGGREGATES[stat](points, axis=1), np.float64)
    percentile = PERCENTILE.fullmatch(stat)
    return np.asarray(np.nanpercentile(points, float(percentile[1] if percentile else 50), axis=1), np.float64)


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


def _result(query: Query, stamps: NDArray[np.int64], values: Values, *, status: str) -> dict[str, Any]:
    return {
        "Id": query.query_id,
        "Label": query.label,
        "Timestamps": stamps.tolist(),
        "Values": values.tolist(),
        "StatusCode": status,
    }
