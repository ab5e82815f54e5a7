"""Asking CloudWatch GetMetricData for many series over one window, until every answer is complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SourceError
from pipeline.sources.aws_calls import ATTEMPTS, FIRST_WAIT_SECONDS, ApiSpend, Unanswered
from pipeline.sources.cloudwatch_series import NAMESPACE, RULES, Series
from pipeline.sources.cloudwatch_wire import PERMISSION, READ, Wire
from pipeline.windows import Window

MAX_QUERIES = 500
MAX_DATAPOINTS = 100_800
COMPLETE, FORBIDDEN = "Complete", "Forbidden"


@dataclass(frozen=True)
class Pull:
    """Where and when a pull looks: one window of whole periods."""

    window: Window
    period_seconds: int
    account_id: str
    region: str

    @property
    def name(self) -> str:
        """What was asked, for errors: `cloudwatch://<account>/<region>/<start>/<end>`."""
        start, end = (f"{moment:%Y%m%dT%H%M}" for moment in (self.window.start_at, self.window.end_at))
        return f"cloudwatch://{self.account_id}/{self.region}/{start}/{end}"

    @property
    def points_per_series(self) -> int:
        """How many datapoints a series can have."""
        return self._seconds // self.period_seconds

    @property
    def queries_per_call(self) -> int:
        """How many series one call may ask for, so that its answer fits in one page."""
        return max(1, min(MAX_QUERIES, MAX_DATAPOINTS // self.points_per_series))

    @property
    def start(self) -> int:
        """First period, epoch seconds."""
        return int(self.window.start_at.timestamp())

    @property
    def _seconds(self) -> int:
        return int((self.window.end_at - self.window.start_at).total_seconds())


def read_values(wire: Wire, asked: Sequence[Series], pull: Pull, spend: ApiSpend) -> NDArray[np.float64]:
    """A row per series and a column per period of the window, NaN where CloudWatch holds no point.

    Raises SourceError when an answer stays incomplete after four attempts.
    """
    values = np.full((len(asked), pull.points_per_series), np.nan)
    for first in range(0, len(asked), pull.queries_per_call):
        batch = asked[first : first + pull.queries_per_call]
        _Call(wire, batch, pull, spend).fill(values[first : first + len(batch)])
    return values


class _Call:
    """The queries of one call, what they have answered so far, and why some have not."""

    def __init__(self, wire: Wire, asked: Sequence[Series], pull: Pull, spend: ApiSpend) -> None:
        self._wire, self._pull, self._spend = wire, pull, spend
        self._asked = asked
        self._pending = {f"m{number}": number for number in range(len(asked))}
        self._places = _Places(pull)

    def fill(self, values: NDArray[np.float64]) -> None:
        """Write every answer into its row; what stays partial is asked again, after a while."""
        for attempt in range(ATTEMPTS):
            reasons = self._ask(values)
            self._pending = {query_id: self._pending[query_id] for query_id in reasons}
            if not reasons:
                return
            if attempt < ATTEMPTS - 1:
                self._wire.wait(FIRST_WAIT_SECONDS * 2**attempt)
        query_id, reason = next(iter(reasons.items()))
        series = self._asked[self._pending[query_id]]
        raise SourceError(
            f"{self._pull.name}: {len(reasons)} of {len(self._asked)} series stay incomplete after {ATTEMPTS} "
            f"attempts, first {series.metric_name} {dict(series.dimensions)}: {reason}; run again later"
        )

    def _ask(self, values: NDArray[np.float64]) -> dict[str, str]:
        """Ask for all that is pending; why a query has no whole answer yet, by its Id."""
        reasons = dict.fromkeys(self._pending, "no result for it")
        body, is_counted = self._body(), False
        try:
            for page in self._wire.pages(READ, body, self._pull.name):
                self._spend.requests += 1
                is_counted = is_counted or self._count()
                for result in page["MetricDataResults"]:
                    self._take(result, values, reasons)
                if messages := page.get("Messages"):
                    return dict.fromkeys(self._pending, f"CloudWatch says {_words(messages)}")
        except Unanswered as error:
            if not is_counted:  # the wire has tried often enough
                raise
            return dict.fromkeys(self._pending, str(error))
        return {query_id: reason for query_id, reason in reasons.items() if reason}

    def _count(self) -> bool:
        self._spend.billed_units += len(self._pending)
        self._spend.subjects.update(self._asked[number].metric_name for number in self._pending.values())
        return True

    def _take(self, result: Mapping[str, Any], values: NDArray[np.float64], reasons: dict[str, str]) -> None:
        """One page's answer to one query; an Id may come on several pages, its last status decides."""
        query_id, status = result["Id"], result.get("StatusCode", COMPLETE)
        if status == FORBIDDEN:
            raise SourceError(
                f"{self._pull.name}: Forbidden; allow {PERMISSION[READ]} to this identity, then run again"
            )
        if query_id not in self._pending:
            raise SourceError(f"{self._pull.name}: an answer to {query_id!r}, which was not asked; report it")
        if stamps := result.get("Timestamps"):
            try:
                values[self._pending[query_id], self._places.of(stamps)] = result["Values"]
            except (KeyError, TypeError, ValueError) as error:
                raise SourceError(f"{self._pull.name}: unreadable points: {error}; check AWS_ENDPOINT_URL") from error
        reasons[query_id] = _words(result.get("Messages") or []) or ("" if status == COMPLETE else status)

    def _body(self) -> dict[str, Any]:
        window = self._pull.window
        return {
            "MetricDataQueries": [self._query(query_id, number) for query_id, number in self._pending.items()],
            "StartTime": int(window.start_at.timestamp()),
            "EndTime": int(window.end_at.timestamp()),
            "ScanBy": "TimestampAscending",
            "MaxDatapoints": MAX_DATAPOINTS,
        }

    def _query(self, query_id: str, number: int) -> dict[str, Any]:
        series = self._asked[number]
        metric = {
            "Namespace": NAMESPACE,
            "MetricName": series.metric_name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in series.dimensions],
        }
        statistic = RULES[series.metric_name].statistic
        return {
            "Id": query_id,
            "MetricStat": {"Metric": metric, "Period": self._pull.period_seconds, "Stat": statistic},
        }


class _Places:
    """Columns of timestamps; most series of a page share theirs, so the last ones are kept."""

    def __init__(self, pull: Pull) -> None:
        self._pull = pull
        self._stamps: list[float] = []
        self._columns: slice | NDArray[np.int64] = slice(0, 0)

    def of(self, stamps: list[float]) -> slice | NDArray[np.int64]:
        """Raises SourceError for a stamp that is no period of the window."""
        if stamps != self._stamps:
            self._columns = self._columns_of(stamps)
            self._stamps = stamps
        return self._columns

    def _columns_of(self, stamps: list[float]) -> slice | NDArray[np.int64]:
        places = (np.array(stamps, np.float64) - self._pull.start) / self._pull.period_seconds
        columns = places.astype(np.int64)
        if (columns != places).any() or places.min() < 0 or places.max() >= self._pull.points_per_series:
            raise SourceError(
                f"{self._pull.name}: a datapoint at {stamps[int(np.argmax(columns != places))]}, which is no period of "
                "the window; check AWS_ENDPOINT_URL, then run again"
            )
        if all(second - first == 1 for first, second in pairwise(columns.tolist())):
            return slice(int(columns[0]), int(columns[-1]) + 1)
        return columns


def _words(messages: Sequence[Mapping[str, str]]) -> str:
    return "; ".join(f"{message.get('Code', '')}: {message.get('Value', '')}" for message in messages)
