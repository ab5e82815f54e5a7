"""One range query: what an answer means, how often it is asked again, and when it must be asked in smaller parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

from pipeline.errors import SourceError
from pipeline.prometheus_endpoints import PrometheusEndpoint
from pipeline.sources.exposition_lines import Labels
from pipeline.sources.prometheus_api_http import Reply, Send, Unreached

ATTEMPTS: Final = 5
FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 60.0
SAID_CHARACTERS: Final = 300
# how Prometheus, Cortex (Amazon Managed Prometheus) and Thanos word a question that is too large
TOO_LARGE: Final = (
    "exceeded maximum resolution",
    "too many samples",
    "too many chunks",
    "limit",
    "exceeds",
    "too long",
)
HARMLESS: Final = ("PromQL info:", "PromQL warning:")  # about the query, not about the completeness of its answer
CUT_OFF: Final = ("results truncated", "truncated due to limit")
PERMISSIONS: Final = {"amp": "aps:QueryMetrics", "cloudwatch": "cloudwatch:GetMetricData and cloudwatch:ListMetrics"}


@dataclass(frozen=True)
class Found:
    """One series of an answer: labels without the metric's name, instants in ms, values (NaN and infinities kept)."""

    labels: Labels
    milliseconds: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Answer:
    """The series of one question; `is_cut` where the server says that there are more."""

    series: list[Found]
    is_cut: bool


class TooLarge(Exception):
    """The server cannot answer this in one piece: ask for less time."""


@dataclass(frozen=True)
class _Again:
    """Ask again: why, after how long (0: as patience says); `timed_out` where the question may be too large."""

    reason: str
    wait_seconds: float = 0.0
    timed_out: bool = False


Judged: TypeAlias = "Answer | _Again"


@dataclass
class Asker:
    """Asks one endpoint, each question `attempts` times at most; `requests` counts what was sent."""

    endpoint: PrometheusEndpoint
    send: Send
    sleep: Callable[[float], None]
    attempts: int = ATTEMPTS
    requests: int = field(default=0)

    def ask(self, query: str, start_seconds: int, end_seconds: int) -> Answer:
        """The answer for evaluations from start to end, both included.

        What may pass is asked again, with growing waits or as long as the server says. Raises
        TooLarge where less time must be asked, SourceError for all else.
        """
        form = {"query": query, "start": str(start_seconds), "end": str(end_seconds)}
        form["step"] = str(self.endpoint.step_seconds)
        patience = FIRST_WAIT_SECONDS
        for _ in range(self.attempts - 1):
            judged = self._judged(form)
            if isinstance(judged, Answer):
                return judged
            self.sleep(min(judged.wait_seconds or patience, LONGEST_WAIT_SECONDS))
            patience *= 2
        last = self._judged(form)
        if isinstance(last, Answer):
            return last
        if last.timed_out:
            raise TooLarge(last.reason)
        times = f", {self.attempts} times" if self.attempts > 1 else ""
        raise self.error(f"{last.reason}{times}; run again later")

    def error(self, words: str) -> SourceError:
        """A SourceError that names the endpoint."""
        return SourceError(f"Prometheus {self.endpoint.name} ({self.endpoint.url}): {words}")

    def _judged(self, form: Mapping[str, str]) -> Judged:
        self.requests += 1
        try:
            reply = self.send(form)
        except Unreached as error:
            return _Again(str(error), timed_out=error.timed_out)
        said = _document(reply.body)
        if reply.status == 200:
            return self._read(said)
        return self._refused(reply, _words(said, reply))

    def _read(self, said: Mapping[str, Any] | None) -> Judged:
        """The series of a success, unless the answer is damaged or the server calls it incomplete."""
        if said is None:
            return _Again("the answer breaks off or is no JSON")
        if said.get("status") != "success":
            return _Again(f"answered 200 with status {said.get('status')!r}: {said.get('error', '')}")
        data = said.get("data")
        if not isinstance(data, dict) or data.get("resultType") != "matrix":
            raise self.error("its answer to a range query is no matrix; check the url and what stands before it")
        warnings = [str(one) for one in said.get("warnings") or () if not str(one).startswith(HARMLESS)]
        is_cut = any(mark in one for one in warnings for mark in CUT_OFF)
        if warnings and not is_cut:
            return _Again(f"calls its answer incomplete: {'; '.join(warnings)[:SAID_CHARACTERS]}")
        try:
            return Answer([_found(one) for one in data["result"]], is_cut)
        except (KeyError, TypeError, ValueError) as error:
            raise self.error(f"a series of its answer has an unexpected shape ({error!r})") from error

    def _refused(self, reply: Reply, words: str) -> _Again:
        status = reply.status
        if status in (401, 403):
            raise self.error(f"refused ({status}): {words}; {self._permission()}")
        if status == 404:
            raise self.error("there is no query_range (404); the url must end before /api/v1")
        if status == 429 or "hrottl" in words:
            return _Again(f"is throttling: {words}", _wait(reply.retry_after))
        if status >= 500:
            return _Again(f"fails ({status}): {words}", _wait(reply.retry_after), timed_out=_is_timeout(status, words))
        if status == 413 or any(mark in words for mark in TOO_LARGE):
            raise TooLarge(words)
        raise self.error(f"refuses the query ({status}): {words}; report it with this line")

    def _permission(self) -> str:
        if self.endpoint.kind in PERMISSIONS:
            return f"check the credentials and allow {PERMISSIONS[self.endpoint.kind]} to this identity, then run again"
        return "it wants a login: set bearer = true for it and CHIPLEDGER_PROMETHEUS_TOKEN"


def _document(body: bytes) -> Mapping[str, Any] | None:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) else None


def _words(said: Mapping[str, Any] | None, reply: Reply) -> str:
    """What the server says, in its own words or AWS's; their first line, as AWS repeats signed requests below it."""
    told = [
        str(said[name]) for name in ("__type", "errorType", "error", "message", "Message") if said and said.get(name)
    ]
    words = (": ".join(told) or reply.body[:SAID_CHARACTERS].decode("utf-8", "replace")).strip()
    return words.partition("\n")[0][:SAID_CHARACTERS]


def _is_timeout(status: int, words: str) -> bool:
    return status == 504 or "timed out" in words or "timeout" in words or "deadline" in words


def _wait(retry_after: str) -> float:
    """Seconds of a Retry-After header, 0 where it is absent or a date."""
    return float(retry_after) if retry_after.isdecimal() and len(retry_after) < 6 else 0.0


def _found(series: Mapping[str, Any]) -> Found:
    pairs = tuple(sorted((str(name), str(value)) for name, value in series["metric"].items() if name != "__name__"))
    points = series.get("values") or []
    seconds, values = (
        (np.fromiter(map(float, column), np.float64) for column in zip(*points, strict=True)) if points else _NONE
    )
    return Found(pairs, np.rint(seconds * 1000).astype(np.int64), values)


_NONE: Final = (np.zeros(0), np.zeros(0))
