"""One simulated world: fleet, schedule, planted findings and bill, all in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.world.bill import write_bill
from pipeline.world.exact import divided
from pipeline.world.fleet import Fleet, Node, build_fleet
from pipeline.world.lines import Line
from pipeline.world.options import SECONDS_PER_DAY, WorldOptions
from pipeline.world.plan import SWEEP
from pipeline.world.plants import DAILY_COST_SPIKE, Plant, choose_spike_day, plant_stalls
from pipeline.world.schedule import build_schedule
from pipeline.world.telemetry import Telemetry, read_node
from pipeline.world.workloads import Holding


@dataclass(frozen=True)
class World:
    """A fleet over time. Telemetry is simulated per node on demand; the rest is held here.

    `plants` are the findings put in on purpose; `lines` is the final bill in the order of its export.
    """

    options: WorldOptions
    fleet: Fleet
    holdings: dict[str, tuple[Holding, ...]]
    plants: tuple[Plant, ...]
    lines: tuple[Line, ...]

    def telemetry(self, node: Node) -> Telemetry:
        """The counters of one node over the telemetry window (empty for a node nobody watches)."""
        return read_node(node, self.holdings.get(node.instance_id, ()), self.options)

    def exact_usage(self, telemetry: Telemetry) -> Telemetry:
        """What is true of the time that the samples stand for: the samples themselves where they miss nothing."""
        if not self.options.unaligned or not len(telemetry.at):
            return telemetry
        return divided(telemetry, self.holdings.get(telemetry.node.instance_id, ()))

    def watched(self) -> list[Node]:
        """The nodes that have telemetry at some time."""
        windows = self.options.windows
        return [
            node for node in self.fleet.nodes
            if node.plan.telemetry and any(first < last for first, last in (node.runs(*window) for window in windows))
        ]  # fmt: skip

    def telemetry_window(self, node: Node) -> range:
        """The seconds of a node that telemetry covers."""
        start, end = node.runs(self.options.telemetry_start, node.runs_until())
        return range(start, end) if node.plan.telemetry and start < end else range(0)


def simulate(options: WorldOptions) -> World:
    """Build the world of these options; the same options give the same world."""
    spike_day = choose_spike_day(options)
    fleet = build_fleet(options, spike_day)
    holdings, plants = plant_stalls(options, build_schedule(options, fleet))
    if spike_day is not None:
        subject = f"{fleet.accounts[SWEEP.account].account_id}/{SWEEP.instance_type}"
        plants = (*plants, Plant(DAILY_COST_SPIKE, subject, spike_day, spike_day + SECONDS_PER_DAY))
    return World(options, fleet, _by_node(holdings), plants, write_bill(options, fleet))


def _by_node(holdings: Sequence[Holding]) -> dict[str, tuple[Holding, ...]]:
    grouped: dict[str, list[Holding]] = defaultdict(list)
    for holding in holdings:
        grouped[holding.node.instance_id].append(holding)
    return {instance_id: tuple(group) for instance_id, group in grouped.items()}
