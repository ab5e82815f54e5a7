"""What a world is made from: its options, and the clock every file of it hangs on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from pipeline.world.events import event_moments, refuse_early
from pipeline.world.file_faults import FILE_FAULTS

SECONDS_PER_MINUTE = 60
SECONDS_PER_HOUR = 3600
SECONDS_PER_DAY = 86400

END_AT = datetime(2026, 11, 15, tzinfo=UTC)
END = int(END_AT.timestamp())

# How many copies of the plan's nodes a size holds.
SIZES = {"S": 1, "M": 4, "L": 20}
SMALLEST_INTERVAL_SECONDS = 30
FOCUS_VERSIONS = ("1.0", "1.2")


@dataclass(frozen=True)
class WorldOptions:
    """Everything that decides a world's bytes: the same options give the same files.

    `days` of bill end at `END_AT`; telemetry covers the last `telemetry_days` of them (None: all). `interval_seconds`
    is the spacing of samples and must divide an hour, so that no sample straddles one; beyond 60 s GPUs are observed
    with gaps, for a scrape covers no more. `faults` are classes of file_faults: they spoil deliveries, never the truth.
    `focus` adds exports of that FOCUS version, `events` what happens to the bill besides (of events.EVENTS), `managed`
    lines of SageMaker, HyperPod, Batch and Bedrock, `work` what endpoints and runs did, and how their jobs ended.
    With `around_events` telemetry covers `telemetry_days` whole days around each event instead of the last ones; with
    `unaligned` instances and holders come and go at any second, between samples, which stay where they are.
    """

    seed: int
    days: int = 35
    telemetry_days: int | None = None
    size: str = "S"
    interval_seconds: int = 60
    faults: tuple[str, ...] = ()
    focus: str = ""
    events: tuple[str, ...] = ()
    managed: bool = False
    work: bool = False
    around_events: bool = False
    unaligned: bool = False

    def __post_init__(self) -> None:
        """Refuse what could not be simulated truly."""
        if self.days < 1:
            raise ValueError(f"a world needs at least one day, not days={self.days}")
        if self.telemetry_days is not None and not 0 <= self.telemetry_days <= self.days:
            raise ValueError(f"telemetry_days={self.telemetry_days} must lie between 0 and days={self.days}")
        if self.size not in SIZES:
            raise ValueError(f"size={self.size!r} is unknown; choose one of {', '.join(SIZES)}")
        if self.interval_seconds < SMALLEST_INTERVAL_SECONDS or SECONDS_PER_HOUR % self.interval_seconds:
            raise ValueError(
                f"interval_seconds={self.interval_seconds} must divide 3600 and be at least {SMALLEST_INTERVAL_SECONDS}"
            )
        if unknown := sorted(set(self.faults) - set(FILE_FAULTS)):
            raise ValueError(f"{unknown[0]!r} is no fault class of files; choose among {', '.join(FILE_FAULTS)}")
        if self.focus not in ("", *FOCUS_VERSIONS):
            raise ValueError(f"focus={self.focus!r} is unknown; choose one of {', '.join(FOCUS_VERSIONS)}")
        refuse_early(self.events, self.days)
        if self.around_events and not (self.telemetry_days and self.events):
            raise ValueError("telemetry around events needs events, and telemetry_days: how many days around each")

    @property
    def start(self) -> int:
        """First second of the bill, epoch seconds, a UTC midnight."""
        return END - self.days * SECONDS_PER_DAY

    @property
    def windows(self) -> tuple[tuple[int, int], ...]:
        """The stretches [start, end) of whole days that telemetry covers, epoch seconds, apart and in order."""
        length = self.days if self.telemetry_days is None else self.telemetry_days
        if not self.around_events:
            return ((END - length * SECONDS_PER_DAY, END),)
        before = (length - 1) // 2 * SECONDS_PER_DAY
        first_days = {day_of(moment) - before for moment in event_moments(self, END)}
        days = {first + SECONDS_PER_DAY * number for first in first_days for number in range(length)}
        return _stretches(sorted(day for day in days if self.start <= day < END))

    @property
    def telemetry_start(self) -> int:
        """First second that telemetry covers, epoch seconds, a UTC midnight."""
        return self.windows[0][0]

    def watched_at(self, share: float) -> int:
        """The instant at a share (0 to 1) of all the time that telemetry covers."""
        left = int(sum(end - start for start, end in self.windows) * share)
        for start, end in self.windows:
            if left < end - start:
                return start + left
            left -= end - start
        return END

    @property
    def scale(self) -> int:
        """Copies of the node plan."""
        return SIZES[self.size]

    def align(self, at: int) -> int:
        """The sample boundary at or before an instant; in an unaligned world the instant itself."""
        return at if self.unaligned else at - at % self.interval_seconds

    def to_json(self) -> str:
        """The text of world.json."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @staticmethod
    def from_json(text: str) -> WorldOptions:
        """Read world.json back, so that the same world can be simulated again."""
        fields = json.loads(text)
        return WorldOptions(**{**fields, **{name: tuple(fields.get(name, ())) for name in ("faults", "events")}})


def _stretches(days: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Days in order as the stretches that they make up."""
    starts = [day for day in days if day - SECONDS_PER_DAY not in days]
    ends = [day + SECONDS_PER_DAY for day in days if day + SECONDS_PER_DAY not in days]
    return tuple(zip(starts, ends, strict=True))


def instant(at: int) -> datetime:
    """Epoch seconds as an aware UTC datetime."""
    return datetime.fromtimestamp(at, UTC)


def stamp(at: int) -> str:
    """`YYYYMMDDTHHMMSSZ`, the stamp that names carry."""
    return instant(at).strftime("%Y%m%dT%H%M%SZ")


def iso(at: int) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`, as AWS prints instants."""
    return instant(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def hour_of(at: int) -> int:
    """The start of the UTC hour that holds an instant."""
    return at - at % SECONDS_PER_HOUR


def day_of(at: int) -> int:
    """The start of the UTC day that holds an instant."""
    return at - at % SECONDS_PER_DAY


def month_start(at: int) -> int:
    """The first second of the UTC month that holds an instant."""
    moment = instant(at)
    return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp())


def month_end(at: int) -> int:
    """The first second of the next UTC month."""
    return month_start(month_start(at) + 32 * SECONDS_PER_DAY)
