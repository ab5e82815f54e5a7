"""query_range of Prometheus, Amazon Managed Prometheus and CloudWatch, over what the exporters of the fleet printed.

Unsigned requests meet a plain Prometheus; under /workspaces/… the signature must be for `aps`, as in Amazon Managed
Prometheus; a signature for `monitoring` meets CloudWatch: other labels, NeuronCore ratios as percent, at most 500
series. GET /metrics/<instance id>?time=<epoch seconds> is neuron-monitor-prometheus' own page on that node.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import numpy as np

from pipeline.world.options import END
from pipeline.world.prometheus_series import Series
from pipeline.world.serve_prometheus_series import Store

PATH = re.compile(r"(/workspaces/[\w-]+)?/api/v1/query_range")
PAGE = re.compile(r"/metrics/(i-[0-9a-f]+)")
SERVICE = re.compile(r"/([a-z]+)/aws4_request")
SELECTOR = re.compile(
    r"(?:(?P<function>last_over_time|timestamp)\()?(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<matchers>.*?)\})?"
    r"(?:\[(?P<range>\d+)(?P<unit>ms|s|m|h)\])?\)?",
    re.DOTALL,
)
MATCHER = re.compile(
    r'\s*(?:"((?:[^"\\]|\\.)*)"|([a-zA-Z_]\w*))\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)', re.DOTALL
)
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
LOOK_BACK_SECONDS = 300.0
MAX_POINTS = 11_000
CLOUDWATCH_SERIES = 500


class _Refusal(Exception):
    """How the API says no: HTTP status, its error type, its words."""

    def __init__(self, status: int, kind: str, words: str) -> None:
        super().__init__(words)
        self.status, self.kind = status, kind


@dataclass(frozen=True)
class _Query:
    """A parsed question: which series, how far back a sample counts, and what of it is shown."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    reach_seconds: float
    shows_time: bool


class PrometheusApi:
    """Answers range queries."""

    def __init__(self, store: Store) -> None:
        """Nothing is simulated before somebody asks."""
        self._store = store

    def answer(self, path: str, form: str, authorization: str) -> tuple[int, str] | None:
        """(HTTP status, JSON text), or None where the path is none of these APIs'."""
        if (place := PATH.fullmatch(path)) is None:
            return None
        try:
            said = self._query_range(_caller(authorization, bool(place[1])), parse_qs(form))
        except _Refusal as refusal:
            said = {"status": "error", "errorType": refusal.kind, "error": str(refusal)}
            return refusal.status, json.dumps(said)
        return 200, json.dumps(said)

    def page(self, path: str, form: str) -> str | None:
        """The exporter's text on a Neuron node at a time (the world's end where none is given), or None."""
        place, time = PAGE.fullmatch(path), parse_qs(form).get("time", [str(END)])[0]
        return self._store.scrape(place[1], int(time)) if place and time.isdecimal() else None

    def _query_range(self, service: str, form: Mapping[str, list[str]]) -> dict[str, Any]:
        try:
            start, end, step = (float(form[name][0]) for name in ("start", "end", "step"))
            query = _parse(form["query"][0])
        except (KeyError, ValueError) as error:
            raise _Refusal(400, "bad_data", f"invalid parameter {error}") from error
        if step <= 0 or end < start:
            raise _Refusal(400, "bad_data", "end timestamp must not be before start time, and step must be positive")
        if (end - start) / step > MAX_POINTS:
            words = "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution"
            raise _Refusal(400, "bad_data", words)
        of_cloudwatch = service == "monitoring"
        instants = np.arange(start, end + step / 2, step)
        series = self._store.series(query.name, int(start - query.reach_seconds), int(end), of_cloudwatch=of_cloudwatch)
        result = list(_matrix(query, series, instants))
        return {
            "status": "success",
            "data": {"resultType": "matrix", "result": result[:CLOUDWATCH_SERIES] if of_cloudwatch else result},
        }


def _caller(authorization: str, is_workspace: bool) -> str:
    found = SERVICE.search(authorization)
    service = found[1] if found else ""
    if is_workspace and service != "aps":
        raise _Refusal(403, "forbidden", "Missing Authentication Token")
    return service


def _parse(text: str) -> _Query:
    """A selector, alone or in last_over_time(…[range]) or timestamp(…); ValueError for what this world cannot say."""
    found = SELECTOR.fullmatch(text.strip())
    if found is None or (found["function"] == "last_over_time") != bool(found["range"]):
        raise ValueError(f"query: parse error in {text!r}")
    matchers, position, inside = [], 0, found["matchers"] or ""
    while position < len(inside):
        if (one := MATCHER.match(inside, position)) is None:
            raise ValueError(f"query: parse error in {inside[position:]!r}")
        matchers.append((_unquoted(one[1]) if one[1] else one[2], one[3], _unquoted(one[4])))
        position = one.end()
    reach = float(found["range"]) * UNITS[found["unit"]] if found["range"] else LOOK_BACK_SECONDS
    return _Query(found["name"], tuple(matchers), reach, found["function"] == "timestamp")


def _unquoted(text: str) -> str:
    return str(json.loads(f'"{text}"'))


def _matrix(query: _Query, series: list[Series], instants: np.ndarray[Any, np.dtype[np.float64]]) -> Iterator[Any]:
    for one in series:
        labels = dict(one.labels)
        if not all(_matches(labels.get(name, ""), how, value) for name, how, value in query.matchers):
            continue
        newest = np.searchsorted(one.at, instants, side="right") - 1
        shown = (newest >= 0) & (one.at[newest] > instants - query.reach_seconds)
        if shown.any():
            values = one.at.astype(np.float64) if query.shows_time else one.values
            points = zip(instants[shown].tolist(), values[newest[shown]].tolist(), strict=True)
            name = {} if query.shows_time else {"__name__": one.name}
            metric = name | {label: value for label, value in labels.items() if value}
            yield {"metric": metric, "values": [[at, repr(value)] for at, value in points]}


def _matches(value: str, how: str, wanted: str) -> bool:
    if how in ("=", "!="):
        return (value == wanted) == (how == "=")
    return (re.fullmatch(wanted, value, re.DOTALL) is not None) == (how == "=~")
