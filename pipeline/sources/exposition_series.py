"""Which series a text has shown: each is parsed strictly once, and known by its text from then on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pipeline.sources.exposition_lines import Labels, Sample, parse_line

NAME_BITS: Final = 16
MAX_NAMES: Final = 1 << NAME_BITS
MAX_LABEL_SETS: Final = 200_000
MAX_KEPT_SERIES: Final = 1 << 16
MAX_KEPT_COMMENTS: Final = 1 << 12


class TooManySeries(ValueError):
    """The text holds more distinct names, label sets or series than memory is given for."""


class SeriesTable:
    """Codes of series (label set number << 16 | name number), by the text before a line's value.

    `on_labels` receives the pairs of each distinct label string, once, in the order of label set numbers.
    """

    def __init__(self, on_labels: Callable[[Labels], None], *, openmetrics: bool) -> None:
        """`openmetrics` chooses the grammar."""
        self.names: list[str] = []
        self._on_labels, self._openmetrics = on_labels, openmetrics
        self._name_ids: dict[str, int] = {}
        self._label_ids: dict[str, int] = {}
        self._series: dict[bytes, int] = {}
        self._plain_names: dict[bytes, int] = {}
        self._plain_labels: dict[bytes, int] = {}
        self._comments: set[bytes] = set()
        self.known = self._series.get

    def combine(self, series: bytes) -> int | None:
        """Code of a series never met as a whole, whose name and label text were both accepted before."""
        name, brace, labels = series.partition(b"{")
        name_id, label_id = self._plain_names.get(name), self._plain_labels.get(labels[:-1])
        if name_id is None or label_id is None or not brace or not labels.endswith(b"}"):
            return None
        code = label_id << NAME_BITS | name_id
        self._keep(series, code)
        return code

    def read_line(self, line: bytes) -> tuple[int, bytes, bytes] | None:
        """(series code, value token, timestamp token) by the strict grammar, None for a comment or a blank line.

        Raises LineError for any other line, TooManySeries past the limits.
        """
        if line in self._comments:
            return None
        if (sample := parse_line(line, openmetrics=self._openmetrics)) is None:
            if len(self._comments) < MAX_KEPT_COMMENTS:
                self._comments.add(line)
            return None
        code = self._code(sample)
        series, value, stamp = (text.encode() for text in (sample.series, *sample.tokens))
        if line == b" ".join((series, value, stamp) if stamp else (series, value)):
            self._keep(series, code)
            if series == f"{sample.name}{{{sample.label_text}}}".encode():
                self._plain_names[sample.name.encode()] = code & (MAX_NAMES - 1)
                self._plain_labels[sample.label_text.encode()] = code >> NAME_BITS
        return code, value, stamp

    def _keep(self, series: bytes, code: int) -> None:
        if len(self._series) >= MAX_KEPT_SERIES:
            self._series.clear()
        self._series[series] = code

    def _code(self, sample: Sample) -> int:
        name_id = self._name_ids.setdefault(sample.name, len(self.names))
        if name_id == len(self.names):
            self.names.append(sample.name)
        if (label_id := self._label_ids.get(sample.label_text)) is None:
            label_id = self._label_ids[sample.label_text] = len(self._label_ids)
            self._on_labels(sample.labels)
        if len(self.names) > MAX_NAMES or len(self._label_ids) > MAX_LABEL_SETS:
            raise TooManySeries(f"more than {MAX_NAMES:,} metric names or {MAX_LABEL_SETS:,} distinct label sets")
        return label_id << NAME_BITS | name_id
