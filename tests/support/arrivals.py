"""A world's objects in the order in which they reach a ledger, and the times at which it publishes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.world.cur import deliveries
from pipeline.world.world import World
from tests.support.worlds import WorldFiles, units

LATE_BY = timedelta(days=20)
PUBLISHED_AFTER = timedelta(hours=6)
STAMP = re.compile(r"\d{8}T\d{6}Z")
# How long after the time in its name an object is whole: an hour of scrapes, a day of reports.
WHOLE_AFTER = {"dcgm": timedelta(hours=1), "neuron_monitor": timedelta(days=1)}


@dataclass(frozen=True)
class Step:
    """What has come by the time of a publication since the one before."""

    published_at: datetime
    paths: tuple[Path, ...]


def steps_of(world: WorldFiles, simulated: World, period: str = "") -> Iterator[Step]:
    """A publication after each delivery of the bill, and a last one when everything is there.

    With a `period` the first are those after the early and the restated bill of that month alone. What the fault `late`
    held back comes `LATE_BY` after its time.
    """
    came = sorted((*_arrivals(world.landing), *_arrivals(world.folder / "late", LATE_BY)), key=lambda one: one[0])
    bills = deliveries(simulated.options, simulated.lines)
    chosen = [one for one in bills if not period or (one.period == period and not one.is_final)]
    delivered = [datetime.fromtimestamp(one.delivered_at, UTC) for one in chosen]
    before = datetime.min.replace(tzinfo=UTC)
    for at in (*(moment + PUBLISHED_AFTER for moment in delivered), came[-1][0] + PUBLISHED_AFTER):
        yield Step(at, tuple(path for moment, paths in came if before < moment <= at for path in paths))
        before = at


def _arrivals(folder: Path, late_by: timedelta = timedelta(0)) -> Iterator[tuple[datetime, list[Path]]]:
    for unit in units(folder):
        kind = unit[0].relative_to(folder).parts[0]
        stamps = STAMP.findall(str(unit[0].relative_to(folder)))
        told_at = datetime.strptime(stamps[-1], "%Y%m%dT%H%M%S%z")
        yield told_at + WHOLE_AFTER.get(kind, timedelta(0)) + late_by, unit
