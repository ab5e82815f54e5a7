"""How documents of a metric stream in format json look, and what the texts of their dimensions say."""

from __future__ import annotations

from typing import Final

import msgspec

from pipeline.sources.cloudwatch_series import DIMENSION_VALUES
from pipeline.sources.metric_stream_points import UNREAD

MAX_KEPT: Final = 100_000  # texts of dimensions kept at once for each metric, of some 400 bytes


class Named(msgspec.Struct, gc=False):
    """What tells whether a datapoint is read. To decode it is to see that the whole document is JSON."""

    metric_name: str
    dimensions: msgspec.Raw


class Value(msgspec.Struct, gc=False):
    """The samples of one series and minute; its fields are VALUE_FIELDS."""

    max: float
    min: float
    sum: float
    count: float


class Told(msgspec.Struct, gc=False):
    """What else a datapoint says that is read."""

    account_id: str
    region: str
    namespace: str
    timestamp: int
    value: Value


class Datapoint(Told, gc=False):
    """A whole datapoint."""

    metric_name: str
    dimensions: msgspec.Raw


NAMED: Final = msgspec.json.Decoder(Named)
TOLD: Final = msgspec.json.Decoder(Told)
DATAPOINT: Final = msgspec.json.Decoder(Datapoint)
_DIMENSIONS: Final = msgspec.json.Decoder(dict[str, str])

text_of: Final = msgspec.json.Encoder().encode  # of a Raw; bytes() takes more than twice as long


class Fact(msgspec.Struct, gc=False, eq=False):
    """A metric under dimensions that are read, the place that last told it, and the number of that series."""

    metric_name: str
    values: tuple[str, ...]
    account_id: str = ""
    region: str = ""
    namespace: str = ""
    series: int = UNREAD


class Facts(dict[bytes, "Fact | None"]):
    """What the JSON texts of dimensions say of one metric; None for those under which RULES does not read it.

    Raises ValidationError for other JSON than an object of texts.
    """

    def __init__(self, metric_name: str) -> None:
        """Begin with no text known."""
        super().__init__()
        self._metric_name = metric_name
        self._values_of = DIMENSION_VALUES[metric_name]

    def __missing__(self, text: bytes) -> Fact | None:
        if len(self) >= MAX_KEPT:
            self.clear()
        values = self._values_of(_DIMENSIONS.decode(text))
        fact = self[text] = None if values is None else Fact(self._metric_name, values)
        return fact
