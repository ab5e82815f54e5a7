"""CloudWatch calls whose bodies orjson writes and reads; credentials, signing, retries and endpoint stay boto3's.

boto3 takes about 17 µs for each datapoint that it parses and 80 µs for each query that it writes: a fleet of 64,000
series would keep a core busy for a minute an hour. Refusals (HTTP 300 and above) are still read by boto3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from pipeline.errors import SourceError
from pipeline.sources.aws_calls import ATTEMPTS, Sleep, Unanswered, call, retried
from pipeline.sources.cloudwatch_page import read_page

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

LIST, READ = "ListMetrics", "GetMetricData"
HOLDING = {LIST: "Metrics", READ: "MetricDataResults"}
PERMISSION = {LIST: "cloudwatch:ListMetrics", READ: "cloudwatch:GetMetricData"}
DECODE: Mapping[str, Callable[[bytes], Any]] = {LIST: orjson.loads, READ: read_page}
PATIENCE = {LIST: 2 * ATTEMPTS, READ: ATTEMPTS}  # a listing that is given up loses the pull; data is asked for again
PAGE = "Page"
PROTOCOL = "json"
HTTP_ERROR = 300
MAX_PAGES = 10_000


class Wire:
    """One CloudWatch client; outside its own calls the client behaves as ever."""

    def __init__(self, client: CloudWatchClient, sleep: Sleep) -> None:
        """Raises SourceError for a boto3 that does not speak JSON to CloudWatch. `sleep` waits between attempts."""
        self._client = client
        self._sleep = sleep
        spoken = client.meta.service_model.resolved_protocol
        if spoken != PROTOCOL:
            raise SourceError(f"CloudWatch: this boto3 speaks {spoken}, not {PROTOCOL}; install requirements.lock")

    def pages(self, operation: str, body: Mapping[str, Any], place: str) -> Iterator[dict[str, Any]]:
        """The pages of one answer, decoded, points as text. `place` names the question in errors.

        A page that is throttled, cut off, unreadable or names a page token that came before is asked again, some times;
        then Unanswered. Refusals that asking again cannot mend raise SourceError at once.
        """
        token, seen = "", set[str]()
        for _ in range(MAX_PAGES):
            ask = partial(self._new_page, operation, {**body, **_next(token)}, place, seen)
            page = retried(ask, self._sleep, PATIENCE[operation])
            yield page
            token = page.get("NextToken") or ""
            if not token:
                return
            seen.add(token)
        raise SourceError(f"{place}: more than {MAX_PAGES:,} pages in one answer; ask for a shorter window")

    def wait(self, seconds: float) -> None:
        """Sleep."""
        self._sleep(seconds)

    def _new_page(self, operation: str, body: Mapping[str, Any], place: str, seen: Set[str]) -> dict[str, Any]:
        page = self._page(operation, body, place)
        if page.get("NextToken") in seen:
            raise Unanswered(f"{place}: CloudWatch sent the same page token twice; run again later")
        return page

    def _page(self, operation: str, body: Mapping[str, Any], place: str) -> dict[str, Any]:
        with self._hooked(operation, orjson.dumps(body)):
            answer = call(self._operation(operation), permission=PERMISSION[operation], place=place)
        if PAGE not in answer:
            raise Unanswered(f"{place}: the answer is cut off, or no JSON; check network and AWS_ENDPOINT_URL")
        page = answer[PAGE]
        if not isinstance(page, dict) or not isinstance(page.get(HOLDING[operation]), list):
            raise SourceError(f"{place}: the answer holds no {HOLDING[operation]}; check AWS_ENDPOINT_URL")
        return page

    def _operation(self, operation: str) -> Callable[[], Any]:
        """The boto3 call, with as little as boto3 demands: the body is replaced before it is signed."""
        if operation == LIST:
            return self._client.list_metrics
        return partial(self._client.get_metric_data, MetricDataQueries=[], StartTime="0", EndTime="0")

    @contextmanager
    def _hooked(self, operation: str, content: bytes) -> Iterator[None]:
        hooks: list[tuple[str, Callable[..., None]]] = [
            (f"before-call.cloudwatch.{operation}", partial(_write_body, content)),
            (f"before-parse.cloudwatch.{operation}", partial(_read_body, DECODE[operation])),
        ]
        events = self._client.meta.events
        for name, hook in hooks:
            events.register(name, hook)
        try:
            yield
        finally:
            for name, hook in hooks:
                events.unregister(name, hook)


def _next(token: str) -> dict[str, str]:
    return {"NextToken": token} if token else {}


def _write_body(content: bytes, params: dict[str, Any], **_: Any) -> None:
    params["body"] = content


def _read_body(
    decode: Callable[[bytes], Any], response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Decode a good answer and leave boto3 an empty one; boto3 passes over what is no JSON, so that no page is left."""
    if response_dict["status_code"] >= HTTP_ERROR:
        return
    try:
        customized_response_dict[PAGE] = decode(response_dict["body"])
    except orjson.JSONDecodeError:
        return
    response_dict["body"] = b"{}"
