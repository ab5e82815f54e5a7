"""What happens to a bill by option: when, how much, and what is true of it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.world import World, WorldOptions, simulate
from pipeline.world.bill_reserved import BOUGHT_PER_INSTANCE, HOURS_PAID
from pipeline.world.cur import deliveries
from pipeline.world.events import EVENTS, LARGE_CREDIT, LATE_PLAN, LATE_REFUND, PRICE_CUT
from pipeline.world.inventory import describe, inventory_files, reservation_files
from pipeline.world.lines import CREDIT, FEE, REFUND, RI_COVERED, RI_FEE, SP_COVERED, SP_RECURRING, SP_UPFRONT
from pipeline.world.options import day_of
from pipeline.world.truth import RESERVED, true_costs
from pipeline.world.truth_blocks import block_pieces
from pipeline.world.usage import Usage

OPTIONS = WorldOptions(11, days=20, telemetry_days=0, events=EVENTS)


@pytest.fixture(scope="module")
def eventful() -> World:
    return simulate(OPTIONS)


def test_the_pieces_of_a_block_sum_to_its_fee_and_lie_in_its_hours(eventful: World) -> None:
    [block] = eventful.fleet.blocks
    [fee] = [line for line in eventful.lines if line.is_block_fee]
    pieces = block_pieces(eventful.fleet, eventful.lines)
    assert sum(piece.effective for piece in pieces) == fee.unblended == block.fee
    assert {piece.hour for piece in pieces} == set(range(block.start - 1800, block.end, 3600))
    assert datetime.fromtimestamp(fee.start, UTC).month < datetime.fromtimestamp(block.start, UTC).month


def test_an_instance_that_ends_early_leaves_its_hours_to_nobody(eventful: World) -> None:
    [block] = eventful.fleet.blocks
    first, second = (node for node in eventful.fleet.nodes if node.reservation_id)
    assert second.runs_until() < first.runs_until() == block.end - 1800
    after = [p for p in block_pieces(eventful.fleet, eventful.lines) if second.runs_until() < p.hour < block.end - 3600]
    assert after
    for hour in {piece.hour for piece in after}:
        empty, used = sorted((p for p in after if p.hour == hour), key=lambda piece: piece.node is not None)
        assert (empty.node, used.node) == (None, first)
        assert abs(empty.effective - used.effective) <= 1


def test_the_fee_is_billed_where_it_was_charged_and_true_where_it_pays_for_something(eventful: World) -> None:
    truth = true_costs(eventful.fleet, eventful.lines, Usage())
    [fee] = [line for line in eventful.lines if line.is_block_fee]
    assert truth.bill[(day_of(fee.start), fee.account_id, "Fee")] == [0, fee.unblended]
    assert sum(money[0] for key, money in truth.bill.items() if key[1:] == (fee.account_id, "Fee")) == fee.unblended
    empty = [money for key, money in truth.classes.items() if key[1] == RESERVED and key[2] == "p5.48xlarge"]
    assert all(effective > 0 and billed == 0 for effective, billed in empty)


def test_a_plan_bought_late_covers_nothing_before_and_is_paid_half_in_advance(eventful: World) -> None:
    [upfront] = [line for line in eventful.lines if line.record_type == SP_UPFRONT]
    hours = [line for line in eventful.lines if line.record_type == SP_RECURRING]
    assert min(line.start for line in eventful.lines if line.record_type == SP_COVERED) == upfront.start
    assert hours[0].start == upfront.start > eventful.options.start
    assert {(line.commitment or 0) - line.unblended for line in hours} == {upfront.unblended // (365 * 24)}
    assert upfront.effective == 0


def test_the_price_of_an_hour_falls_in_the_middle_and_not_before(eventful: World) -> None:
    node = eventful.fleet.with_role("b200-train")[0]
    rates = [line.unblended for line in eventful.lines if line.resource_id == node.instance_id and line.is_box]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == 2


def test_a_credit_outweighs_its_day_and_a_refund_stands_in_a_later_bill(eventful: World) -> None:
    credit = min((line for line in eventful.lines if line.record_type == CREDIT), key=lambda line: line.unblended)
    place = (credit.account_id, credit.start)
    same_day = [line for line in eventful.lines if (line.account_id, day_of(line.start)) == place]
    assert sum(line.unblended for line in same_day) < 0
    [refund] = [line for line in eventful.lines if line.record_type == REFUND and line.billed_in]
    assert refund.resource_id.startswith("i-")
    months = {delivery.period: delivery for delivery in deliveries(OPTIONS, eventful.lines) if delivery.is_final}
    assert refund in months["2026-11"].lines
    assert refund not in months["2026-10"].lines


def test_a_credit_outweighs_the_month_of_its_account_and_its_tax(eventful: World) -> None:
    research = eventful.fleet.accounts["research"].account_id
    months = defaultdict(int)
    for line in eventful.lines:
        months[(line.account_id, datetime.fromtimestamp(line.start, UTC).month)] += line.unblended
    assert {key for key, usd in months.items() if usd < 0} == {(research, 11)}


def test_what_reserved_instances_cost_is_used_or_unused_and_paid_in_advance_or_each_month(eventful: World) -> None:
    covered = [line for line in eventful.lines if line.record_type == RI_COVERED]
    fees = [line for line in eventful.lines if line.record_type == RI_FEE]
    [upfront] = [line for line in eventful.lines if line.is_upfront and line.record_type == FEE]
    assert len(covered) == OPTIONS.days * 24
    assert len(fees) == 2
    assert {line.unblended for line in covered} == {0}
    committed, billed = sum(line.commitment or 0 for line in fees), sum(line.unblended for line in fees)
    assert sum(line.effective for line in (*covered, *fees)) == committed
    assert sum(line.effective for line in fees) * BOUGHT_PER_INSTANCE == committed
    assert (committed - billed) * HOURS_PAID == upfront.unblended * OPTIONS.days * 24
    assert upfront.effective == 0


def test_what_nobody_used_of_reserved_instances_is_idle_and_their_upfront_fee_an_adjustment(eventful: World) -> None:
    truth = true_costs(eventful.fleet, eventful.lines, Usage())
    of_type = {(key[1], key[0]): money for key, money in truth.classes.items() if key[2] == "inf2.48xlarge"}
    [fee, *_] = [line for line in eventful.lines if line.record_type == RI_FEE]
    assert of_type[(RESERVED, day_of(fee.start))] == [fee.effective, fee.unblended]
    assert of_type[("adjustment", day_of(OPTIONS.start))][0] == 0


def test_late_tags_stand_in_the_last_delivery_of_a_month_and_in_the_last_listing() -> None:
    world = simulate(replace(OPTIONS, days=20, managed=True))
    of_month = [one.lines for one in deliveries(world.options, world.lines) if one.period == "2026-10"]
    assert [any(line.tags for line in lines) for lines in of_month] == [False, False, True]
    listings = dict(inventory_files(world.options, world.fleet))
    [*earlier, last] = [
        {record["InstanceId"]: len(record["Tags"]) for record in records if record["State"]["Name"] == "running"}
        for records in listings.values()
    ]
    standing = [node for node in world.fleet.nodes if node.stopped_at is None]
    assert {count for listing in earlier for name, count in listing.items() if name in last} == {1}
    assert min(last[node.instance_id] for node in standing) > 1


def test_a_block_is_listed_before_it_begins_and_after_it_ended(eventful: World) -> None:
    [block] = eventful.fleet.blocks
    listed = dict(reservation_files(OPTIONS, eventful.fleet))
    assert [records[0]["State"] for records in listed.values()] == ["scheduled", "expired"]
    node = next(node for node in eventful.fleet.nodes if node.reservation_id)
    told = describe(node, block.start + 40_000)
    assert (told["InstanceLifecycle"], told["CapacityReservationId"]) == ("capacity-block", block.reservation_id)


@pytest.mark.parametrize("size", ["S", "M"])
def test_every_copy_of_the_fleet_has_a_block_of_its_own(size: str) -> None:
    fleet = simulate(WorldOptions(1, days=4, telemetry_days=0, size=size, events=("capacity_block",))).fleet
    assert len({block.reservation_id for block in fleet.blocks}) == {"S": 1, "M": 4}[size]
    lasting = [node for node in fleet.nodes if node.stopped_at is None or node.reservation_id]
    addresses = [(node.account.key, node.private_ip) for node in lasting]
    assert len(set(addresses)) == len(addresses)


def test_a_world_without_events_is_what_it_was() -> None:
    plain = simulate(WorldOptions(3, days=2, telemetry_days=0))
    assert not plain.fleet.blocks
    assert all(not line.reservation and line.billed_in is None for line in plain.lines)
    assert min(line.start for line in plain.lines if line.record_type == SP_RECURRING) == plain.options.start


@pytest.mark.parametrize(
    ("days", "events", "words"),
    [
        (20, ("earthquake",), "'earthquake' is no event; choose among capacity_block"),
        (3, ("capacity_block",), "needs at least 4 days, not days=3"),
        (15, (LATE_REFUND,), "needs at least 16 days"),
        (1, (LATE_PLAN,), "needs at least 2 days"),
        (1, (PRICE_CUT,), "needs at least 2 days"),
        (1, (LARGE_CREDIT,), "needs at least 2 days"),
    ],
)
def test_an_event_that_cannot_happen_is_refused(days: int, events: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        WorldOptions(1, days=days, events=events)


def test_events_survive_world_json_and_an_older_one_has_none() -> None:
    assert WorldOptions.from_json(OPTIONS.to_json()) == OPTIONS
    older = json.loads(WorldOptions(1).to_json())
    del older["events"]
    assert WorldOptions.from_json(json.dumps(older)) == WorldOptions(1)
