"""What a pull of CloudWatch would ask, what that costs, and what a budget leaves out; nothing is asked to find out.

GetMetricData charges for each metric asked for, however long the window: fewer, longer windows cost less for the same
points. A budget therefore first makes pulls rarer (`pace`), and only then leaves whole metrics out (`within`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from pipeline.sources.cloudwatch import USD_PER_METRIC_ASKED, questions
from pipeline.sources.cloudwatch_answers import Pull
from pipeline.sources.cloudwatch_rows import parts
from pipeline.sources.cloudwatch_series import RULES, Named
from pipeline.windows import DAY, Window

# A listing names what was active in the three hours before it, some 50 minutes less or more.
LISTED_AFTER_END = timedelta(hours=4)


@dataclass(frozen=True)
class Question:
    """One window of some series."""

    pull: Pull
    series: tuple[Named, ...]

    @property
    def requests(self) -> int:
        """How many calls it takes."""
        size = self.pull.queries_per_call
        return sum(-(-len(part.series) // size) for part in parts(self.series))


@dataclass(frozen=True)
class Plan:
    """Questions in the order in which they are asked; metrics that a budget left out, with the units they need."""

    questions: tuple[Question, ...]
    left_out: Mapping[str, int]

    @cached_property
    def units(self) -> Counter[str]:
        """Metrics asked for, by metric name: what GetMetricData charges for."""
        return Counter(named.series.metric_name for question in self.questions for named in question.series)

    @property
    def requests(self) -> int:
        """GetMetricData calls, less the pages and repetitions that nobody can foresee."""
        return sum(question.requests for question in self.questions)

    @property
    def usd(self) -> Decimal:
        """List price."""
        return self.units.total() * USD_PER_METRIC_ASKED


def plan(
    windows: Mapping[str, Window],
    seen: Sequence[tuple[Named, datetime]],
    *,
    account_id: str,
    region: str,
    now: datetime,
    left_usd: Decimal | None = None,
) -> Plan:
    """The questions that bring each metric's window, of all series that were still seen when the window began.

    `windows` by metric name, `seen` series with their newest listing. Beyond `left_usd` (None: no limit) the
    last metrics of RULES are left out, each as a whole: half a fleet would look like an idle one.
    """
    found = _questions(windows, seen, account_id, region, now)
    units = Plan(tuple(found), {}).units
    chosen = within(units, left_usd)
    kept = tuple(
        Question(question.pull, series)
        for question in found
        if (series := tuple(one for one in question.series if one.series.metric_name in chosen))
    )
    return Plan(kept, {name: count for name, count in units.items() if name not in chosen})


def within(units: Mapping[str, int], left_usd: Decimal | None) -> set[str]:
    """The metrics that can be paid for, in the order of RULES; a cheaper one may stand in for one that is too dear."""
    chosen: set[str] = set()
    paid = Decimal(0)
    for name in RULES:
        cost = units.get(name, 0) * USD_PER_METRIC_ASKED
        if left_usd is None or paid + cost <= left_usd:
            chosen.add(name)
            paid += cost
    return chosen


def pace(round_usd: Decimal, budget_usd_per_day: Decimal | None) -> timedelta:
    """How far apart pulls must be so that a day of rounds at `round_usd` stays within the budget; a day at most."""
    if not budget_usd_per_day:
        return timedelta(0)
    return min(DAY, DAY * float(round_usd / budget_usd_per_day))


def _questions(
    windows: Mapping[str, Window], seen: Sequence[tuple[Named, datetime]], account_id: str, region: str, now: datetime
) -> list[Question]:
    by_window: dict[Window, set[str]] = {}
    for name, window in windows.items():
        by_window.setdefault(window, set()).add(name)
    found = []
    for window, names in sorted(by_window.items()):
        for pull in questions(window, account_id, region, now):
            since = pull.window.start_at - LISTED_AFTER_END
            series = tuple(one for one, seen_at in seen if one.series.metric_name in names and seen_at >= since)
            if series:
                found.append(Question(pull, series))
    return found
