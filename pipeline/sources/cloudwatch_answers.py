"""Asking CloudWatch GetMetricData for many series over one window, until every answer is complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pipeline.errors import SourceError
from pipeline.sources.aws_calls import ATTEMPTS, FIRST_WAIT_SECONDS, ApiSpend, Unanswered
from pipeline.sources.cloudwatch_page import TIMES, VALUES
from pipeline.sources.cloudwatch_series import NAMESPACE, RULES, Series
from pipeline.sources.cloudwatch_wire import PERMISSION, READ, Wire
from pipeline.windows import Window

MOST_ATTEMPTS = 16
MAX_QUERIES = 500
MAX_DATAPOINTS = 100_800
COMPLETE, PARTIAL, FORBIDDEN = "Complete", "PartialData", "Forbidden"
UNHEARD = "no result for it"

Piece: TypeAlias = tuple[bytes, bytes]  # times and values as CloudWatch wrote them, with commas between


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


def read_points(wire: Wire, asked: Sequence[Series], pull: Pull, spend: ApiSpend) -> list[list[Piece]]:
    """Per series what CloudWatch answered, piece by piece; of a period that is named twice the last value counts.

    Raises SourceError when an answer stays incomplete after some attempts.
    """
    pieces: list[list[Piece]] = [[] for _ in asked]
    for first in range(0, len(asked), pull.queries_per_call):
        last = first + pull.queries_per_call
        _Call(wire, asked[first:last], pull, spend).fill(pieces[first:last])
    return pieces


class _Call:
    """The queries of one call, what they have answered so far, and why some have not."""

    def __init__(self, wire: Wire, asked: Sequence[Series], pull: Pull, spend: ApiSpend) -> None:
        self._wire, self._pull, self._spend = wire, pull, spend
        self._asked = asked
        self._pending = {f"m{number}": number for number in range(len(asked))}

    def fill(self, pieces: Sequence[list[Piece]]) -> None:
        """Add every answer to those of its series; what stays partial is asked again, after a while, alone.

        Four times in vain are enough; an answer that completes some of them begins anew, up to 16 times, for to ask for
        the rest alone is cheaper than a whole pull.
        """
        in_vain = 0
        for attempt in range(1, MOST_ATTEMPTS + 1):
            reasons = self._ask(pieces)
            in_vain = 1 if len(reasons) < len(self._pending) else in_vain + 1
            self._pending = {query_id: self._pending[query_id] for query_id in reasons}
            if not reasons:
                return
            if in_vain == ATTEMPTS or attempt == MOST_ATTEMPTS:
                break
            self._wire.wait(FIRST_WAIT_SECONDS * 2 ** (in_vain - 1))
        query_id, reason = next(iter(reasons.items()))
        series = self._asked[self._pending[query_id]]
        raise SourceError(
            f"{self._pull.name}: {len(reasons)} of {len(self._asked)} series stay incomplete after {attempt} "
            f"attempts, first {series.metric_name} {dict(series.dimensions)}: {reason}; run again later"
        )

    def _ask(self, pieces: Sequence[list[Piece]]) -> dict[str, str]:
        """Ask for all that is pending; why a query has no whole answer yet, by its Id.

        What was whole before a page that failed, or before a message about the call, stays so.
        """
        reasons = dict.fromkeys(self._pending, UNHEARD)
        body, is_counted = self._body(), False
        try:
            for page in self._wire.pages(READ, body, self._pull.name):
                self._spend.requests += 1
                is_counted = is_counted or self._count()
                before = _open(reasons)
                for result in page["MetricDataResults"]:
                    self._take(result, pieces, reasons)
                if messages := page.get("Messages"):
                    return dict.fromkeys(before, f"CloudWatch says {_words(messages)}")
        except Unanswered as error:
            if not is_counted:  # the wire has tried often enough
                raise
            return dict.fromkeys(_open(reasons), str(error))
        return _open(reasons)

    def _count(self) -> bool:
        self._spend.billed_units += len(self._pending)
        self._spend.subjects.update(self._asked[number].metric_name for number in self._pending.values())
        return True

    def _take(self, result: Mapping[str, Any], pieces: Sequence[list[Piece]], reasons: dict[str, str]) -> None:
        """One page's answer to one query; an Id may come on several pages, each but the last of them PartialData.

        A message, or a failure, on one of them says that points are missing, whatever the later ones say.
        """
        query_id, status = result["Id"], result.get("StatusCode", COMPLETE)
        if status == FORBIDDEN:
            raise SourceError(
                f"{self._pull.name}: Forbidden; allow {PERMISSION[READ]} to this identity, then run again"
            )
        if query_id not in self._pending:
            raise SourceError(f"{self._pull.name}: an answer to {query_id!r}, which was not asked; report it")
        if result[TIMES] or result[VALUES]:
            pieces[self._pending[query_id]].append((result[TIMES], result[VALUES]))
        messages = result.get("Messages")
        if reasons[query_id] in ("", UNHEARD, PARTIAL):
            reasons[query_id] = (_words(messages) if messages else "") or ("" if status == COMPLETE else status)

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


def _open(reasons: Mapping[str, str]) -> dict[str, str]:
    """The queries that have no whole answer, each with the reason."""
    return {query_id: reason for query_id, reason in reasons.items() if reason}


def _words(messages: Sequence[Mapping[str, str]]) -> str:
    return "; ".join(f"{message.get('Code', '')}: {message.get('Value', '')}" for message in messages)
