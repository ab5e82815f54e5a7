"""Bills as Hypothesis draws them: accelerated instances and their telemetry, and every other kind of charge.

A bill is small (hours, not months) and lies around an edge of the calendar. Money is in units of 1e-10 USD.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

HOUR = timedelta(hours=1)
HOURS = 3
# months of 31, 28, 30 and 29 days, and one that ended with a leap second; the hour at which a bill begins: amid a day,
# at its end, at the end of its month
MONTHS = ((2026, 1, 31), (2026, 2, 28), (2026, 4, 30), (2028, 2, 29), (2016, 12, 31))
EDGES = ("day_middle", "day_end", "month_end")

# instance type → (devices, how its telemetry looks)
TYPES = {
    "g5.xlarge": (1, "gpu"),
    "g5.12xlarge": (4, "gpu"),
    "p5.4xlarge": (1, "gpu"),
    "p5.48xlarge": (8, "gpu"),
    "p4d.24xlarge": (8, "mig"),
    "inf1.6xlarge": (4, "cores"),
    "trn2.3xlarge": (1, "lnc"),
}
# who holds a device in a slot: pod a, pod b, both, a Slurm job, nobody, somebody unnamed, a under a new UID; no sample
STATES = {
    "gpu": ("a", "b", "ab", "job", "free", "busy", "renewed", "gap"),
    "mig": ("ab", "a", "free", "whole", "gap"),
    "cores": ("split", "a", "free", "busy", "gap"),
    "lnc": ("lnc1", "lnc2", "free", "busy", "gap"),
}
# a tag as AWS may hand it out: none yet, renamed, another spelling of key and value
TAGS = ("", "", "team=alpha", "Team=Alpha", "team=beta")
PURCHASES = ("on_demand", "spot", "savings_plan", "partly_covered", "plan_bought", "reserved", "block")
CHARGES = (
    "storage", "transfer", "control_plane", "support", "tax", "credit", "refund", "edp", "private_rate", "bundled",
    "rounding", "plan_upfront", "plan_unused", "reservation_unused", "reservation_upfront", "unused_box",
    "empty_reservation", "marketplace", "training_job", "free_tier", "discounted_hour",
)  # fmt: skip


@dataclass(frozen=True)
class Node:
    """One instance: when it ran (minutes after the bill begins), what was billed of it, and who held its devices."""

    instance_type: str
    purchase: str
    start_minute: int
    minutes: int
    billed_minutes: int
    rates: tuple[int, ...]
    states: tuple[str, ...]
    is_listed: bool
    changes_type: bool
    changes_account: bool
    # how far its clock is ahead
    skew_seconds: int

    @property
    def device_count(self) -> int:
        """Accelerators of the type it starts as."""
        return TYPES[self.instance_type][0]

    @property
    def telemetry(self) -> str:
        """Kind of its telemetry; none where no slot has a sample."""
        return TYPES[self.instance_type][1]


@dataclass(frozen=True)
class Charge:
    """A line that is no instance-hour: its kind, the hour of the bill in which it starts, its amount, and its tag."""

    kind: str
    hour: int
    amount: int
    tag: str = ""


@dataclass(frozen=True)
class Bill:
    """Nodes and charges of one account; `factor`, `restated` and `explorer_off` say how its twins differ from it."""

    month: tuple[int, int, int]
    edge: str
    nodes: tuple[Node, ...]
    charges: tuple[Charge, ...]
    has_net: bool
    factor: int
    restated: int
    explorer_off: int
    tokens: int
    # its account leaves one payer for another after the first hour
    changes_payer: bool

    @property
    def first_at(self) -> datetime:
        """The hour in which the bill begins."""
        year, month, days = self.month
        day, hour = {"day_middle": (12, 5), "day_end": (12, 23), "month_end": (days, 23)}[self.edge]
        return datetime(year, month, day, hour, tzinfo=UTC)


# three equal parts of a cent, the smallest unit, nothing, a billion dollars, and what lies between
amounts = st.one_of(
    st.sampled_from([0, 1, 2, 10**8, 3 * 10**8, 10**19]),
    st.integers(1, 10**12),
    st.integers(1, 10**15),
)

rates = st.integers(10**9, 10**12)


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    """Any instance, billed for as long as it ran, or shorter, or not at all (nobody has the bill of its account)."""
    instance_type = draw(st.sampled_from(sorted(TYPES)))
    purchase = draw(st.sampled_from(PURCHASES))
    minutes = draw(st.sampled_from([1, 7, 20, 60, 90, 120, 150, 150, 150]))
    states = st.tuples(st.sampled_from(STATES[TYPES[instance_type][1]]), st.sampled_from([1, 1, 2, 3]))
    return Node(
        instance_type=instance_type,
        purchase=purchase,
        start_minute=draw(st.sampled_from([0, 0, 10, 23, 40, 59])),
        minutes=minutes,
        billed_minutes=draw(st.sampled_from([*[minutes] * 6, minutes // 2, 0, -1])),
        rates=tuple(draw(st.lists(st.one_of(rates, rates, amounts), min_size=1, max_size=2))),
        states=tuple(state for state, times in draw(st.lists(states, min_size=1, max_size=4)) for _ in range(times)),
        is_listed=draw(st.booleans()),
        # a Capacity Block holds instances of one type
        changes_type=draw(st.sampled_from([False, False, False, purchase != "block"])),
        changes_account=draw(st.sampled_from([False, False, False, True])),
        skew_seconds=draw(st.sampled_from([0, 0, 0, 1, 45, -90])),
    )


charges = st.builds(
    Charge,
    # a negative hour divides as the hour does: the most telling kind
    kind=st.sampled_from([*CHARGES, *["discounted_hour"] * 4]),
    hour=st.integers(0, HOURS - 1),
    amount=st.one_of(rates, amounts),
    tag=st.sampled_from(TAGS),
)
bills = st.builds(
    Bill,
    month=st.sampled_from(MONTHS),
    edge=st.sampled_from(EDGES),
    nodes=st.one_of(st.just(()), st.lists(nodes(), min_size=1, max_size=3).map(tuple)),
    charges=st.lists(charges, max_size=6).map(tuple),
    has_net=st.sampled_from([False, False, True]),
    factor=st.sampled_from([2, 3, 7, 1000]),
    restated=st.sampled_from([0, 1, -1, 10**10, 10**13]),
    explorer_off=st.sampled_from([0, 0, 1, 10**8, 5 * 10**12]),
    tokens=st.sampled_from([0, 1, 7, 10**6, 10**15]),
    changes_payer=st.sampled_from([False, False, False, True]),
)
