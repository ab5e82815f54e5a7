"""What can go wrong between AWS and its clients, as named classes that strike by seed and request count alone.

Of the calls that a class concerns it strikes one in `every`: each `every`-th where it is periodic, else as the seed and
the number of the call draw it. Some refuse a call, some alter the answer, some damage it on its way; the rest change
what the services hold (LASTING) and need no count.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pipeline.world.seeds import stream
from pipeline.world.serve_errors import ServiceRefusal
from pipeline.world.serve_wire import Call, Reply

Answer: TypeAlias = dict[str, Any]
HTML = b"<html><head><title>%d</title></head><body><center><h1>%d</h1></center><hr><center>proxy</center></body></html>"
SERVER_ERRORS = (500, 502, 503, 504)


@dataclass(frozen=True)
class Fault:
    """One class. Hooks get the number of the call among those concerned; one that is None leaves things as they are."""

    says: str
    every: int
    concerns: Callable[[Call], bool]
    refuse: Callable[[Call, int], ServiceRefusal] | None = None
    replace: Callable[[int], Reply] | None = None
    alter: Callable[[Call, Answer, int], Answer] | None = None
    damage: Callable[[Reply, int], Reply] | None = None
    is_periodic: bool = False


def _any(call: Call) -> bool:
    return True


def _data(call: Call) -> bool:
    return call.service != "sts"


def _metric_data(call: Call) -> bool:
    return call.action == "cloudwatch:GetMetricData"


def _later_page(call: Call) -> bool:
    return call.is_later_page


def _throttled(call: Call, _: int) -> ServiceRefusal:
    return ServiceRefusal("LimitExceededException" if call.service == "ce" else "Throttling", "Rate exceeded")


def _forbidden(call: Call, _: int) -> ServiceRefusal:
    who = f"arn:aws:iam::{call.caller.account_id or '000000000000'}:user/world"
    words = f"User: {who} is not authorized to perform: {call.action} because no identity-based policy allows it"
    return ServiceRefusal("AccessDeniedException" if call.service == "ce" else "AccessDenied", words, 403)


def _wrong_credentials(call: Call, _: int) -> ServiceRefusal:
    code = "InvalidClientTokenId" if call.service == "sts" else "UnrecognizedClientException"
    return ServiceRefusal(code, "The security token included in the request is invalid.", 403)


def _expired_token(call: Call, _: int) -> ServiceRefusal:
    code = "ExpiredToken" if call.service == "sts" else "ExpiredTokenException"
    return ServiceRefusal(code, "The security token included in the request is expired", 403)


def _skewed_signature(call: Call, _: int) -> ServiceRefusal:
    words = "Signature expired: 20261115T000000Z is now earlier than 20261115T001000Z (20261115T001500Z - 5 min.)"
    return ServiceRefusal("SignatureDoesNotMatch" if call.service == "sts" else "InvalidSignatureException", words, 403)


def _data_unavailable(call: Call, _: int) -> ServiceRefusal:
    return ServiceRefusal("DataUnavailableException", "Data is not available. Please try to adjust the time period.")


def _bill_expired(call: Call, _: int) -> ServiceRefusal:
    words = "The requested report expired. Update the date interval and try again."
    return ServiceRefusal("BillExpirationException", words)


def _partial(call: Call, answer: Answer, number: int) -> Answer:
    """Every second result loses its older half and says so; now and then the whole answer carries a message, too."""
    cut = [_halved(result) if place % 2 == number % 2 else result for place, result in _placed(answer)]
    said = [{"Code": "InternalError", "Value": "Some results are incomplete; try again."}] if number % 3 == 2 else []
    return {**answer, "MetricDataResults": cut, "Messages": said}


def _halved(result: Answer) -> Answer:
    kept = len(result["Timestamps"]) // 2
    told = [{"Code": "PartialData", "Value": "The service could not read all of this metric in time."}]
    cut = {"Timestamps": result["Timestamps"][:kept], "Values": result["Values"][:kept]}
    return {**result, **cut, "StatusCode": "PartialData", "Messages": told}


def _internal_error(call: Call, answer: Answer, number: int) -> Answer:
    """Every third result is empty with StatusCode InternalError."""
    failed = {"Timestamps": [], "Values": [], "StatusCode": "InternalError"}
    results = [{**r, **failed} if place % 3 == number % 3 else r for place, r in _placed(answer)]
    return {**answer, "MetricDataResults": results}


def _placed(answer: Answer) -> Sequence[tuple[int, Answer]]:
    return list(enumerate(answer.get("MetricDataResults", [])))


def _same_token(call: Call, answer: Answer, _: int) -> Answer:
    """The page hands out the very token that asked for it."""
    given = {name: call.body[name] for name in ("NextToken", "NextPageToken") if call.body.get(name)}
    return {**answer, **given}


def _too_many(_: int) -> Reply:
    return Reply(429, "text/html", HTML % (429, 429), {"Retry-After": "1"})


def _server_error(number: int) -> Reply:
    status = SERVER_ERRORS[number % len(SERVER_ERRORS)]
    return Reply(status, "text/html", HTML % (status, status))


def _truncated(reply: Reply, number: int) -> Reply:
    """Half the body: in turns the connection dies within it, or a proxy passes the stump on as if it were whole."""
    stump = reply.content[: len(reply.content) // 2]
    return replace(reply, content=stump, declared_bytes=len(stump if number % 2 else reply.content))


FAULTS: Mapping[str, Fault] = {
    "throttle": Fault("each 5th call is throttled", 5, _any, refuse=_throttled, is_periodic=True),
    "http_429": Fault("one call in 5 meets a proxy's bare 429", 5, _any, replace=_too_many),
    "http_5xx": Fault("one call in 4 ends with 500, 502, 503 or 504", 4, _any, replace=_server_error),
    "truncated_body": Fault("one answer in 4 ends in the middle", 4, _any, damage=_truncated),
    "partial": Fault("one GetMetricData answer in 2 is PartialData with messages", 2, _metric_data, alter=_partial),
    "internal_error": Fault("one GetMetricData answer in 2 has InternalError", 2, _metric_data, alter=_internal_error),
    "repeated_token": Fault("one later page in 3 repeats its own token", 3, _later_page, alter=_same_token),
    "data_unavailable": Fault("one bill in 4 is not available", 4, lambda c: c.service == "ce", _data_unavailable),
    "bill_expired": Fault("one later page of a bill in 3 has expired", 3,
                          lambda c: c.service == "ce" and c.is_later_page, _bill_expired),
    "forbidden": Fault("every call for data is denied; forbidden:ACTION denies one", 1, _data, refuse=_forbidden),
    "wrong_credentials": Fault("every call: unknown access key", 1, _any, refuse=_wrong_credentials),
    "expired_token": Fault("every call: the session token has expired", 1, _any, refuse=_expired_token),
    "skewed_signature": Fault("every call: the caller's clock is wrong", 1, _any, refuse=_skewed_signature),
}  # fmt: skip
LASTING: Mapping[str, str] = {
    "split_tokens": "pages are small and end within one Id, one day, one group list",
    "late": "some points become visible two hours after their time",
    "clock_skew": "every second call meets a server whose clock is four minutes behind",
    "restated": "bills change for days: young days are incomplete, credits and fees come later",
    "first_runtime_memory": "node memory is that of the first runtime only, as the classic agent reports it",
    "synthetic_zeros": "zeros that nobody measured, as the classic agent fabricates them",
}
CLASSES: Mapping[str, str] = {**{name: fault.says for name, fault in FAULTS.items()}, **LASTING}


class Faults:
    """The chosen classes of one server, and how many calls each has seen."""

    def __init__(self, names: Sequence[str] = (), seed: int = 0) -> None:
        """Raises ValueError for a name that is no class."""
        self.names = frozenset(names)
        self._classes = {name: _class_of(name) for name in names if name not in LASTING}
        self._seed = seed
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def striking(self, call: Call) -> list[tuple[Fault, int]]:
        """The classes that strike this call, each with the number of the call among those that it concerns."""
        found = []
        with self._lock:
            for name, fault in self._classes.items():
                if fault.concerns(call):
                    self._seen[name] += 1
                    if self._strikes(name, fault, self._seen[name]):
                        found.append((fault, self._seen[name]))
        return found

    def _strikes(self, name: str, fault: Fault, number: int) -> bool:
        if fault.is_periodic:
            return number % fault.every == 0
        return stream(self._seed, "fault", name, number).randrange(fault.every) == 0

    def odd(self, name: str) -> bool:
        """Whether a lasting class that works on every second call works on this one."""
        if name not in self.names:
            return False
        with self._lock:
            self._seen[name] += 1
            return self._seen[name] % 2 == 1


def _class_of(name: str) -> Fault:
    kind, _, action = name.partition(":")
    if kind == "forbidden" and action:
        return replace(FAULTS[kind], concerns=lambda call: call.action == action)
    if name not in FAULTS:
        raise ValueError(f"{name!r} is no fault class; choose among {', '.join(sorted(CLASSES))}")
    return FAULTS[name]
