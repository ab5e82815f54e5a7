"""The edge cases that the cost reference lists: what makes a drawn bill show each, or which tests hold it.

A case that is drawn has a `shape`, which turns any bill into one that shows it, and `is_shown`, which finds it in a
bill. Half of each batch is drawn through the shapes, so that no seed can leave a case out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from tests.properties.bills import Bill, Charge, Node
from tests.properties.lines import BOOKED_BEFORE, hours_of, lines_of
from tests.properties.telemetry import slots, state_of

PLAIN = Node(
    instance_type="g5.xlarge", purchase="on_demand", start_minute=0, minutes=150, billed_minutes=150, rates=(10**10,),
    states=("a",), is_listed=True, changes_type=False, changes_account=False, skew_seconds=0,
)  # fmt: skip
CENT, BILLION = 10**8, 10**19


@dataclass(frozen=True)
class Edge:
    """A case in the words of the reference, and where it is drawn or which tests hold it."""

    name: str
    shape: Callable[[Bill], Bill] | None = None
    is_shown: Callable[[Bill], bool] | None = None
    tests: tuple[str, ...] = ()


def seen(node: Node, bill: Bill) -> list[str]:
    """Who holds the first device, slot by slot, as telemetry tells."""
    return [state_of(node, 0, slot) for slot, _ in slots(node, bill)]


def _node(name: str, is_shown: Callable[[Node, Bill], bool], **fields: Any) -> Edge:
    """A case of one instance: the first of the bill gets the fields."""

    def shape(bill: Bill) -> Bill:
        first, others = (bill.nodes[0], bill.nodes[1:]) if bill.nodes else (PLAIN, ())
        calm: dict[str, Any] = {"changes_type": False, "changes_account": False}
        if "states" in fields and "instance_type" not in fields:
            calm["instance_type"] = PLAIN.instance_type
        return replace(bill, nodes=(replace(first, **{**calm, **fields}), *others))

    return Edge(name, shape, lambda bill: any(is_shown(node, bill) for node in bill.nodes))


def _charge(name: str, *kinds: str) -> Edge:
    """A case of lines that are no instance-hour: one of each kind."""

    def shape(bill: Bill) -> Bill:
        added = tuple(Charge(kind, 0, 10**10 + 1) for kind in kinds)
        return replace(bill, charges=(*bill.charges[: 6 - len(added)], *added))

    return Edge(name, shape, lambda bill: {charge.kind for charge in bill.charges} >= set(kinds))


def _bill(name: str, is_shown: Callable[[Bill], bool], shape: Callable[[Bill], Bill]) -> Edge:
    return Edge(name, shape, is_shown)


def _held(name: str, *tests: str) -> Edge:
    """A case that lies where no bill is drawn: the golden cases or tests that hold it."""
    return Edge(name, tests=tests)


def _tagged(name: str, *tags: str) -> Edge:
    """A training job whose lines bear these tags, hour by hour."""

    def shape(bill: Bill) -> Bill:
        jobs = tuple(Charge("training_job", hour, 10**10, tag) for hour, tag in enumerate(tags))
        return replace(bill, charges=(*(other for other in bill.charges[:3] if other.kind != "training_job"), *jobs))

    def is_shown(bill: Bill) -> bool:
        jobs = sorted((job.hour, job.tag) for job in bill.charges if job.kind == "training_job")
        return any(list(tags) == [tag for _, tag in jobs[at : at + len(tags)]] for at in range(len(jobs)))

    return Edge(name, shape, is_shown)


def _ends(node: Node) -> int:
    """Minutes after the bill begins at which the billed time of a node ends."""
    return node.start_minute + max(node.billed_minutes, 0)


def _is_booked_a_month_before(node: Node, bill: Bill) -> bool:
    booked_at, used_at = bill.first_at - BOOKED_BEFORE, bill.first_at + timedelta(minutes=_ends(node))
    return node.purchase == "block" and booked_at.month != used_at.month and 0 < _ends(node) < 120


def _is_reused_job(states: list[str]) -> bool:
    jobs = [number for number, state in enumerate(states) if state == "job"]
    return bool(jobs) and jobs[-1] - jobs[0] >= len(jobs)


def _is_failed_gang(bill: Bill) -> bool:
    ends = [node.start_minute + node.minutes for node in bill.nodes if seen(node, bill).count("job") > 1]
    return len(ends) > 1 and min(ends) < max(ends)


def _gang(bill: Bill) -> Bill:
    worker = replace(PLAIN, instance_type="p5.48xlarge", states=("job",))
    return replace(bill, nodes=(worker, replace(worker, minutes=70, billed_minutes=70)))


def _is_cent_in_three(node: Node, bill: Bill) -> bool:
    is_whole_hour = node.billed_minutes >= 60 and node.start_minute == 0 and node.device_count == 1
    return is_whole_hour and node.rates[0] == CENT and len(set(node.states)) == len(node.states) == 3


def _has_amounts_far_apart(bill: Bill) -> bool:
    hours: dict[tuple[object, str], set[int]] = {}
    for line in lines_of(bill, 0):
        hours.setdefault((line.start_at, line.resource_id), set()).add(abs(line.billed))
    return any({1, BILLION} <= amounts for amounts in hours.values())


def _far_apart(bill: Bill) -> Bill:
    amounts = tuple(Charge("discounted_hour", 0, amount) for amount in (1, BILLION))
    return replace(bill, nodes=bill.nodes or (PLAIN,), charges=amounts)


def _is_of_month(days: int) -> Callable[[Bill], bool]:
    def is_shown(bill: Bill) -> bool:
        return bill.month[2] == days and len({line.start_at.month for line in lines_of(bill, 0)}) > 1

    return is_shown


def _month_of(month: tuple[int, int, int]) -> Callable[[Bill], Bill]:
    return lambda bill: replace(bill, month=month, edge="month_end", nodes=(PLAIN, *bill.nodes[1:]))


def _record_types(bill: Bill) -> set[str]:
    return {line.record_type for line in lines_of(bill, 0)}


def _payers(bill: Bill) -> set[bool]:
    return {line.start_at > bill.first_at for line in lines_of(bill, 0)} if bill.changes_payer else set()


def _is_price_cut(node: Node, bill: Bill) -> bool:
    hours = [seconds for _, _, seconds in hours_of(node, bill)]
    return node.purchase == "on_demand" and len(hours) > 1 and len(node.rates) > 1 and node.rates[0] > node.rates[1] > 0


DRAWN = (
    _node("instance started/stopped within one hour", lambda n, _: 0 < n.billed_minutes < 60 - n.start_minute,
          start_minute=10, minutes=20, billed_minutes=20),
    _node("spot reclaimed mid-hour", lambda n, _: n.purchase == "spot" and n.billed_minutes > 0 and _ends(n) % 60 > 0,
          purchase="spot", start_minute=0, minutes=90, billed_minutes=90),
    _node("same instance id with two purchase options in an hour (partial SP coverage)",
          lambda n, _: n.purchase == "partly_covered" and n.billed_minutes > 0,
          purchase="partly_covered", minutes=90, billed_minutes=90),
    _node("SP bought mid-month", lambda n, _: n.purchase == "plan_bought" and _ends(n) > 60,
          purchase="plan_bought", minutes=150, billed_minutes=150),
    _charge("RI unused", "reservation_unused"),
    _bill("Capacity Block booked in month A, used in B, ended early",
          lambda bill: any(_is_booked_a_month_before(node, bill) for node in bill.nodes),
          lambda bill: replace(bill, edge="day_middle", nodes=(
              replace(PLAIN, purchase="block", minutes=90, billed_minutes=90), *bill.nodes[1:]))),
    _charge("UnusedBox rows", "unused_box"),
    _node("instance type change (stop/start) with same id",
          lambda n, _: n.changes_type and n.is_listed and _ends(n) > 60,
          purchase="on_demand", changes_type=True, is_listed=True, minutes=150, billed_minutes=150),
    _node("node with no telemetry", lambda n, _: set(n.states) == {"gap"} and n.billed_minutes > 0,
          states=("gap",), billed_minutes=60),
    _node("telemetry with no bill (other account)",
          lambda n, bill: n.billed_minutes < 0 and not n.is_listed and set(seen(n, bill)) > {"a"},
          states=("a", "free"), minutes=150, billed_minutes=-1, is_listed=False),
    _node("two pods sharing one GPU (time slicing, MPS)",
          lambda n, bill: n.telemetry == "gpu" and "ab" in seen(n, bill),
          states=("ab",), minutes=150),
    _node("MIG 3g+4g on a 7-slice GPU", lambda n, bill: n.telemetry == "mig" and "ab" in seen(n, bill),
          instance_type="p4d.24xlarge", states=("ab", "a"), minutes=150),
    _node("MIG reconfigured mid-hour", lambda n, bill: {"whole", "ab"} <= {*seen(n, bill)},
          instance_type="p4d.24xlarge", states=(*["whole"] * 8, *["ab"] * 8), start_minute=0, minutes=150),
    _node("NeuronCores split 3/13 across jobs", lambda n, bill: "split" in seen(n, bill),
          instance_type="inf1.6xlarge", states=("split", "free"), minutes=150, billed_minutes=150),
    _node("LNC change", lambda n, bill: {"lnc1", "lnc2"} <= set(seen(n, bill)),
          instance_type="trn2.3xlarge", states=("lnc1", "lnc1", "lnc2"), minutes=150, billed_minutes=150),
    _node("over-committed node",
          lambda n, bill: n.device_count == 1 and n.minutes - 60 > n.billed_minutes >= 0 and {*seen(n, bill)} == {"a"},
          instance_type="p5.4xlarge", states=("a",), minutes=150, billed_minutes=75),
    _node("pod name reuse with new UID", lambda n, bill: {"a", "renewed"} <= set(seen(n, bill)),
          states=("a", "renewed"), minutes=150),
    _node("job id reuse in Slurm", lambda n, bill: _is_reused_job(seen(n, bill)),
          states=("job", "free"), minutes=150),
    _bill("multi-node gang job where one node failed", _is_failed_gang, _gang),
    _node("clock skew", lambda n, bill: n.skew_seconds != 0 and set(seen(n, bill)) > {"gap"},
          states=("a", "gap", "free"), minutes=150, skew_seconds=-90),
    # `again` delivers all samples twice, the second time backwards and each of them twice in one object
    _node("duplicate and out-of-order samples", lambda n, bill: len(set(seen(n, bill))) > 1,
          states=("a", "free"), minutes=150),
    _node("gap in metrics (last value vs idle policy)",
          lambda n, bill: {"gap", "a"} <= set(seen(n, bill)) and n.billed_minutes > 60,
          states=("a", "gap", "gap", "gap"), minutes=150, billed_minutes=150),
    _tagged("untagged", ""),
    _tagged("tag renamed mid-month", "team=alpha", "team=beta"),
    _tagged("tag case differences", "team=alpha", "Team=Alpha"),
    _tagged("tag activated late", "", "team=beta"),
    _bill("credit larger than month's usage (negative total)",
          lambda bill: "Credit" in _record_types(bill) and sum(line.billed for line in lines_of(bill, 0)) < 0,
          lambda bill: replace(bill, nodes=(PLAIN,), charges=(Charge("credit", 0, BILLION),))),
    _charge("refund of a previous month (ChargeClass Correction)", "refund"),
    _bill("tax-only row", lambda bill: _record_types(bill) == {"Tax"},
          lambda bill: replace(bill, nodes=(), charges=(Charge("tax", 0, bill.tokens),))),
    _charge("support as % of spend", "support"),
    _charge("EDP discount rows", "edp"),
    _charge("marketplace charge", "marketplace"),
    _charge("rounding line item", "rounding"),
    _charge("zero-cost row (free tier, `Reservation` usage type)", "free_tier", "empty_reservation"),
    _bill("1e-10 amounts and 1e9 amounts in one group", _has_amounts_far_apart, _far_apart),
    _node("three-way equal split of 1 cent", _is_cent_in_three, purchase="on_demand", start_minute=0, minutes=60,
          billed_minutes=60, rates=(CENT,), states=("a", "b", "free")),
    _bill("month of 28", _is_of_month(28), _month_of((2026, 2, 28))),
    _bill("29", _is_of_month(29), _month_of((2028, 2, 29))),
    _bill("30", _is_of_month(30), _month_of((2026, 4, 30))),
    _bill("31 days", _is_of_month(31), _month_of((2026, 1, 31))),
    _bill("leap second ignored", lambda bill: bill.month[0] == 2016 and _is_of_month(31)(bill),
          _month_of((2016, 12, 31))),
    # `base` has two executions of every period's export
    _bill("billing period spanning execution ids", lambda bill: bill.restated != 0 and len(lines_of(bill, 0)) > 0,
          lambda bill: replace(bill, restated=10**10, nodes=(PLAIN,))),
    # `explorer` is pulled while AWS calls its days estimated, and again when they are final
    _bill("CE Estimated true->false with changed amount",
          lambda bill: any(line.billed for line in lines_of(bill, 0)), lambda bill: replace(bill, nodes=(PLAIN,))),
    _bill("linked account moved between organisations", lambda bill: len(_payers(bill)) == 2,
          lambda bill: replace(bill, changes_payer=True, nodes=(PLAIN, *bill.nodes[1:]))),
    _node("price cut mid-month (p5 June 2025)", _is_price_cut, instance_type="p5.48xlarge", purchase="on_demand",
          states=("a",), minutes=150, billed_minutes=150, rates=(983200000000, 550400000000)),
    _node("catalogue price missing (trn2 on-demand)",
          lambda n, _: n.instance_type == "trn2.3xlarge" and n.billed_minutes < 0 and n.is_listed,
          instance_type="trn2.3xlarge", states=("lnc2",), purchase="on_demand", billed_minutes=-1, is_listed=True),
)  # fmt: skip

INVARIANTS, SEEDS = "tests/properties/test_invariants.py::", "tests/unit/test_seeds.py::"
READING, SWEEP = "tests/unit/test_reading.py::", "tests/unit/test_sweep.py::"
EXPORTS, EXPLORER = "tests/unit/sources/test_exports.py::", "tests/unit/sources/test_cost_explorer.py::"
EC2, LAKE = "tests/unit/sources/test_ec2.py::", "tests/unit/sources/test_lake.py::"
HELD = (
    _held(
        "counter resets",
        "int_accelerator_usage/energy_comes_from_its_counter_or_else_from_power",
        "int_accelerator_usage/an_error_counts_once_when_it_appears",
    ),
    _held(
        "DST irrelevant in UTC but day reports in local zone",
        READING + "test_times_are_utc_whatever_zone_the_query_writes",
        LAKE + "test_a_wide_csv_is_read_in_the_units_and_the_zone_of_its_mapping",
    ),
    _held(
        "half delivery",
        SWEEP + "test_a_manifest_without_all_its_chunks_lands_nothing_and_names_the_missing_one",
        EXPORTS + "test_in_any_order_of_arrival_only_whole_deliveries_are_seen_and_the_later_execution_stays",
    ),
    _held(
        "schema drift (new column, map key)",
        INVARIANTS + "test_a_new_column_and_a_new_map_key_change_no_amount",
    ),
    _held(
        "CE page boundary inside one day",
        EXPLORER + "test_a_day_cut_between_pages_comes_back_whole_and_exact",
    ),
    _held("currency not USD", INVARIANTS + "test_i12_currency_is_never_converted_unasked"),
    _held(
        "placeholder price 700.0 (SkyPilot TPU)",
        SEEDS + "test_a_placeholder_price_fails_the_check_of_the_price_history",
    ),
    _held(
        "EC2 API wrong memory (Trainium2 reported 512 GiB per chip)",
        "int_instance_types/our_topology_beats_the_api",
        EC2 + "test_the_types_of_the_fleet_are_asked_and_a_wrong_memory_is_kept_as_the_api_says_it",
    ),
)

EDGES = (*DRAWN, *HELD)


def shown_in(bills: Sequence[Bill]) -> Iterator[tuple[str, int]]:
    """(case, number of the bills that show it) of every case that is drawn."""
    for edge in DRAWN:
        assert edge.is_shown
        yield edge.name, sum(edge.is_shown(bill) for bill in bills)
