"""The findings a world is planted with: stalls of held devices, and one day that costs too much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.world.options import END, SECONDS_PER_DAY, SECONDS_PER_HOUR, WorldOptions
from pipeline.world.seeds import stream
from pipeline.world.workloads import Holding

IDLE_WHILE_PAID = "idle_while_paid"
DAILY_COST_SPIKE = "daily_cost_spike"

# A spike needs this many complete days before it.
HISTORY_DAYS = 5

# Roles whose workloads may stall: each alone on its units.
_CANDIDATES = ("trn1-gang-a", "trn2-jobs", "inf2-serve", "p5-mixed", "b200-train")


@dataclass(frozen=True)
class Plant:
    """One planted finding: what it is about and when (epoch seconds, half-open)."""

    rule: str
    subject: str
    start: int
    end: int


def choose_spike_day(options: WorldOptions) -> int | None:
    """The midnight of the day with extra capacity, or None in a world too short to have a history."""
    if options.days <= HISTORY_DAYS:
        return None
    first = max(options.start + HISTORY_DAYS * SECONDS_PER_DAY, min(options.telemetry_start, END - SECONDS_PER_DAY))
    days = range(first, END, SECONDS_PER_DAY)
    return stream(options.seed, "spike").choice(days)


def plant_stalls(options: WorldOptions, holdings: Sequence[Holding]) -> tuple[tuple[Holding, ...], tuple[Plant, ...]]:
    """Make one to three workloads stall for hours while they hold their devices, each once.

    The first stall always ends within the window; a second may last to the end of the world (still open). Where GPU
    scrapes leave gaps, a stall of GPUs is planted all the same and true of no finding.
    """
    draw = stream(options.seed, "stalls")
    stalled = list(holdings)
    plants: list[Plant] = []
    for role in draw.sample(_CANDIDATES, draw.choice((1, 2, 2, 3))):
        is_open = len(plants) == 1 and draw.random() < 0.5
        window = _stall_window(options, stalled, role, draw.random(), is_open)
        if window is None:
            continue
        subject, start, end = window
        for number, holding in enumerate(stalled):
            if holding.owner.workload_id == subject and holding.start < end and start < holding.end:
                stalled[number] = holding.stalled(start, end)
        plants.append(Plant(IDLE_WHILE_PAID, subject, start, end))
    return tuple(stalled), tuple(plants)


def _stall_window(
    options: WorldOptions, holdings: Sequence[Holding], role: str, share: float, is_open: bool
) -> tuple[str, int, int] | None:
    """A workload of a role and hours in which it may stall; None if none of its holdings is long enough."""
    hour = SECONDS_PER_HOUR
    margin = 2 * hour
    for holding, first, last in sorted(_seen(options, holdings), key=lambda seen: seen[1] - seen[2]):
        if holding.node.role != role or holding.stalls or not holding.owner.workload_id:
            continue
        if is_open and last == END and last - first > 8 * hour:
            start = options.align(END - hour - int(share * 3 * hour))
            return holding.owner.workload_id, start, END
        length = options.align(2 * hour + int(share * 4 * hour))
        room = last - first - length - 2 * margin
        if room > 0:
            start = options.align(first + margin + int(share * room))
            return holding.owner.workload_id, start, start + length
    return None


def _seen(options: WorldOptions, holdings: Sequence[Holding]) -> Iterator[tuple[Holding, int, int]]:
    """The stretches [first, last) of each holding that telemetry covers."""
    for holding in holdings:
        for start, end in options.windows:
            first, last = max(holding.start, start), min(holding.end, end)
            if first < last:
                yield holding, first, last
