"""How a question that is too large for a Prometheus HTTP API is asked in parts: less time, then fewer series."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.sources.prometheus_api_call import Asker, Found, TooLarge

MAX_POINTS: Final = 11_000
MAX_SERIES: Final = {"cloudwatch": 500}
MAX_REQUESTS: Final = 4_000
EVEN_ENOUGH: Final = 0.1
PLAIN_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
IN_CLASS: Final = re.compile(r"[\\\]\[^&~-]")


def read_metric(asker: Asker, metric: str, after: int, until: int) -> list[Found]:
    """Every series of a metric with its samples in (after, until], epoch seconds, multiples of the step.

    Each value is the newest sample of the step that ends at its instant: `last_over_time` over one step (a millisecond
    less: some servers count both ends) never looks further back, so what has stopped is gone with its last step.
    """
    step = asker.endpoint.step_seconds
    found: list[Found] = []
    started_with = asker.requests
    parts = [(after + step, until, "")] if after + step <= until else []
    while parts:
        first, last, matchers = parts.pop()
        if asker.requests - started_with > MAX_REQUESTS:
            raise asker.error(
                f"{metric}: more than {MAX_REQUESTS:,} requests for one window; set a longer step_seconds"
            )
        if (last - first) // step + 1 > MAX_POINTS:
            parts += _in_time(first, last, matchers, step)
            continue
        try:
            answer = asker.ask(f"last_over_time({metric}{{{matchers}}}[{step * 1000 - 1}ms])", first, last)
        except TooLarge as error:
            if first == last:
                raise asker.error(f"{metric}: too large even for one instant: {error}") from error
            parts += _in_time(first, last, matchers, step)
            continue
        if answer.is_cut or len(answer.series) >= MAX_SERIES.get(asker.endpoint.kind, len(answer.series) + 1):
            parts += [
                (first, last, f"{matchers},{half}" if matchers else half) for half in _halves(asker, answer.series)
            ]
        else:
            found += answer.series
    return found


def _in_time(first: int, last: int, matchers: str, step: int) -> list[tuple[int, int, str]]:
    """Two windows of about half the steps each; the earlier is asked first."""
    middle = first + (last - first) // step // 2 * step
    return [(middle + step, last, matchers), (first, middle, matchers)]


def _halves(asker: Asker, series: Sequence[Found]) -> tuple[str, str]:
    """A matcher that about half of these series pass, and its opposite: what was cut off passes one of the two."""
    best, distance = None, float("inf")
    for matcher, share in _splits([dict(one.labels) for one in series]):
        if abs(share - 0.5) < distance:
            best, distance = matcher, abs(share - 0.5)
        if distance <= EVEN_ENOUGH:
            break
    if best is None:
        raise asker.error("cuts off answers whose series cannot be told apart by any label")
    name, pattern = best
    return f'{name}=~"{pattern}"', f'{name}!~"{pattern}"'


def _splits(labels: Sequence[dict[str, str]]) -> Iterator[tuple[tuple[str, str], float]]:
    """((label, pattern over one of its characters, counted from the end), share of the series that match).

    Labels with the most values come first. Characters instead of values keep the question short.
    """
    values = {name: [one.get(name, "") for one in labels] for name in sorted({name for one in labels for name in one})}
    for name in sorted(values, key=lambda name: -len(set(values[name]))):
        for back in range(max(map(len, values[name]))):
            counts = Counter(value[-1 - back] for value in values[name] if len(value) > back)
            chosen, matched = "", 0
            for character, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
                if matched + count <= max(len(labels) // 2, min(counts.values())):
                    chosen, matched = chosen + character, matched + count
            if 0 < matched < len(labels):
                yield (_quoted_name(name), _pattern(chosen, back)), matched / len(labels)


def _quoted_name(name: str) -> str:
    return name if PLAIN_NAME.fullmatch(name) else f'"{_escaped(name)}"'


def _pattern(characters: str, back: int) -> str:
    escaped = "".join(IN_CLASS.sub(r"\\\g<0>", one) for one in characters)
    return _escaped(f".*[{escaped}]" + (f".{{{back}}}" if back else ""))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
