"""What an exporter's samples are on the wire: named series, and the text of the scrapes that show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from pipeline.world.curves import Array, Floats


@dataclass(frozen=True)
class Series:
    """One series: labels in the order of the exporter, sample instants (epoch seconds) and values as printed."""

    name: str
    kind: str
    labels: tuple[tuple[str, str], ...]
    at: Array
    values: Floats

    @property
    def text(self) -> str:
        """Name and labels as the exporter prints them."""
        quoted = ((key, value.replace("\\", r"\\").replace('"', r"\"")) for key, value in self.labels)
        return f"{self.name}{{{','.join(f'{key}={chr(34)}{value}{chr(34)}' for key, value in quoted)}}}"


def scrapes(series: Sequence[Series], *, dated: bool = True) -> Iterator[tuple[int, str]]:
    """(instant, text) of every scrape of one exporter: HELP and TYPE, then the series that were there, by metric.

    Dated lines carry their instant in milliseconds, as a dump does; an exporter's own answer has none.
    """
    shown = [(one, one.text, dict(zip(one.at.tolist(), one.values.tolist(), strict=True))) for one in series]
    for at in np.unique(np.concatenate([one.at for one in series])).tolist():
        present = ((one.name, one.kind, text, values[at]) for one, text, values in shown if at in values)
        yield at, "".join(_metrics(present, f" {at * 1000}" if dated else ""))


def _metrics(present: Iterable[tuple[str, str, str, float]], stamp: str) -> Iterator[str]:
    for (name, kind), lines in groupby(sorted(present, key=lambda one: one[0]), key=lambda one: one[:2]):
        yield f"# HELP {name} Neuron metric\n# TYPE {name} {kind}\n"
        yield from (f"{text} {value!r}{stamp}\n" for _, _, text, value in lines)
