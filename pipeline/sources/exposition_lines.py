"""What one line of exposition text says: strict Prometheus 0.0.4 and OpenMetrics 1.0 grammar, one line at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

Labels: TypeAlias = tuple[tuple[str, str], ...]

METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
QUOTED = r'"((?:[^"\\]|\\.)*+)"'
QUOTED_STRING = re.compile(QUOTED, re.DOTALL)
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
LABEL_BLOCK = re.compile(r'\{((?:[^"{}]++|"(?:[^"\\]|\\.)*+")*+)\}', re.DOTALL)
NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)
MILLISECONDS = re.compile(r"-?[0-9]+")
SECONDS = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
ESCAPED = {"\\": "\\", '"': '"', "n": "\n"}
PROMETHEUS_TYPES = frozenset({"counter", "gauge", "histogram", "summary", "untyped"})
OPENMETRICS_TYPES = frozenset(
    {"counter", "gauge", "histogram", "gaugehistogram", "summary", "stateset", "info", "unknown"}
)
MAX_EXEMPLAR_CHARACTERS = 128


class LineError(ValueError):
    """A line that the grammar does not allow; the message is the reason shown in raw_rejects."""


@dataclass(frozen=True)
class Sample:
    """One sample line. `timestamp` is in the document's unit (ms in Prometheus text, seconds in OpenMetrics).

    The last three are the texts themselves: name with labels, inside of the braces, value and timestamp.
    """

    name: str
    labels: Labels
    value: float
    timestamp: float | None
    series: str
    label_text: str
    tokens: tuple[str, str]


def parse_line(line: bytes, *, openmetrics: bool) -> Sample | None:
    """The sample on a line, or None for a comment or a blank line; raises LineError where neither is there."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LineError(f"not UTF-8 at byte {error.start}") from None
    if "\r" in text and text.endswith("\r"):
        raise LineError("carriage return at the end of the line")
    text = text if openmetrics else text.strip(" \t")
    if text.startswith("#"):
        _check_comment(text, openmetrics=openmetrics)
        return None
    if not text and not openmetrics:
        return None
    return _parse_sample(text, openmetrics=openmetrics)


def _parse_sample(text: str, *, openmetrics: bool) -> Sample:
    if not text:
        raise LineError("empty line in OpenMetrics text")
    found = METRIC_NAME.match(text)
    name, position = (found.group(), found.end()) if found else ("", 0)
    block = LABEL_BLOCK.match(text, position if openmetrics else _after_blanks(text, position))
    label_text = block.group(1) if block else ""
    quoted_name, labels = parse_labels(label_text, openmetrics=openmetrics)
    if bool(name) == bool(quoted_name):
        raise LineError("two metric names" if name else "no metric name at the start of the line")
    end = block.end() if block else position
    series, rest = text[:end], text[end:]
    if not block and "{" in rest.split("#")[0]:
        raise LineError("label braces are not closed")
    value, stamp = _split_rest(rest, after_braces=block is not None, openmetrics=openmetrics)
    timestamp = _parse_timestamp(stamp, openmetrics=openmetrics) if stamp else None
    return Sample(name or quoted_name, labels, parse_value(value), timestamp, series, label_text, (value, stamp))


def _after_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t":
        position += 1
    return position


def _split_rest(rest: str, *, after_braces: bool, openmetrics: bool) -> tuple[str, str]:
    """Value and timestamp tokens of what follows the series; an exemplar is checked and dropped."""
    if openmetrics:
        if not rest.startswith(" "):
            raise LineError("no single space between the series and its value")
        body, mark, exemplar = rest[1:].partition(" # ")
        parts = body.split(" ")
    else:
        if rest and not after_braces and rest[0] not in " \t":
            raise LineError(f"character {rest[0]!r} is not allowed in a metric name")
        body, mark, exemplar = rest.partition("#")
        parts = re.split(r"[ \t]+", body.strip(" \t"))
    if mark:
        _check_exemplar(exemplar.strip(" \t") if not openmetrics else exemplar)
    if len(parts) > 2 or not all(parts):
        raise LineError("more than a value and a timestamp" if len(parts) > 2 else "no value, or a stray blank")
    return parts[0], parts[1] if len(parts) == 2 else ""


def _check_exemplar(text: str) -> None:
    block = LABEL_BLOCK.match(text)
    if not block:
        raise LineError("exemplar without labels in braces")
    quoted_name, labels = parse_labels(block.group(1), openmetrics=True)
    parts = text[block.end() :].split(" ")
    if quoted_name or parts[0] or len(parts) not in (2, 3):
        raise LineError("exemplar is not: {labels} value [timestamp]")
    parse_value(parts[1])
    if len(parts) == 3:
        _parse_timestamp(parts[2], openmetrics=True)
    if sum(len(name) + len(value) for name, value in labels) > MAX_EXEMPLAR_CHARACTERS:
        raise LineError(f"exemplar labels longer than {MAX_EXEMPLAR_CHARACTERS} characters")


def parse_labels(text: str, *, openmetrics: bool) -> tuple[str, Labels]:
    """(quoted metric name or '', label pairs in order) of the text between the braces; LineError when malformed."""
    blank = "" if openmetrics else " \t"
    position, metric, pairs = _skip(text, 0, blank), "", []
    while position < len(text):
        name, position, was_quoted = _label_name(text, position)
        position = _skip(text, position, blank)
        if text[position : position + 1] == "=":
            value = QUOTED_STRING.match(text, _skip(text, position + 1, blank))
            if not value:
                raise LineError(f"value of label {name} is not quoted")
            pairs.append((name, unescape(value.group(1))))
            position = _skip(text, value.end(), blank)
        elif was_quoted and not pairs and not metric and name:
            metric = name
        else:
            raise LineError(f"label {name} has no value")
        position = _after_comma(text, position, blank, openmetrics=openmetrics)
    names = {name for name, _ in pairs}
    if len(names) != len(pairs):
        raise LineError("a label name stands twice")
    if "__name__" in names:
        raise LineError("the metric name stands twice, once as label __name__")
    return metric, tuple(pairs)


def _skip(text: str, position: int, blanks: str) -> int:
    while position < len(text) and text[position] in blanks:
        position += 1
    return position


def _label_name(text: str, position: int) -> tuple[str, int, bool]:
    if quoted := QUOTED_STRING.match(text, position):
        return unescape(quoted.group(1)), quoted.end(), True
    if plain := LABEL_NAME.match(text, position):
        return plain.group(), plain.end(), False
    raise LineError(f"no label name at character {position + 1} of the labels")


def _after_comma(text: str, position: int, blank: str, *, openmetrics: bool) -> int:
    if position == len(text):
        return position
    if text[position] != ",":
        raise LineError("no comma between labels")
    position = _skip(text, position + 1, blank)
    if openmetrics and position == len(text):
        raise LineError("comma after the last label")
    return position


def unescape(text: str) -> str:
    r"""Undo `\\`, `\"` and `\n`; a backslash before anything else stays as it is."""
    if "\\" not in text:
        return text
    return ESCAPE.sub(lambda pair: ESCAPED.get(pair.group(1), pair.group()), text)


def parse_value(token: str) -> float:
    """A decimal float, NaN or infinity; hexadecimal and `_` are not allowed."""
    if not NUMBER.fullmatch(token):
        raise LineError(f"value {token[:40]!r} is not a number")
    return float(token)


def _parse_timestamp(token: str, *, openmetrics: bool) -> float:
    if not (SECONDS if openmetrics else MILLISECONDS).fullmatch(token):
        raise LineError(f"timestamp {token[:40]!r} is not {'in seconds' if openmetrics else 'a whole number of ms'}")
    return float(token)


def _check_comment(text: str, *, openmetrics: bool) -> None:
    words = text.split(" ", 3) if openmetrics else re.split(r"[ \t]+", text, maxsplit=3)
    keyword = words[1] if words[0] == "#" and len(words) > 1 else ""
    if text == "# EOF" or (not openmetrics and (keyword not in ("HELP", "TYPE") or len(words) < 3)):
        return
    if keyword not in ("HELP", "TYPE", "UNIT") or (openmetrics and len(words) < 4):
        raise LineError(f"comment {text[:20]!r} is no complete HELP, TYPE or UNIT")
    if words[2].startswith('"'):
        return
    name, said = words[2], words[3] if len(words) == 4 else None
    if not METRIC_NAME.fullmatch(name):
        raise LineError(f"{keyword} of something that is no metric name")
    if keyword == "TYPE" and said and said not in (OPENMETRICS_TYPES if openmetrics else PROMETHEUS_TYPES):
        raise LineError(f"unknown metric type {said[:40]!r}")
    if keyword == "UNIT" and said and not name.endswith(f"_{said}"):
        raise LineError("the unit is not the end of the metric's name")
