from __future__ import annotations

import re
from fractions import Fraction

import pytest

from pipeline.world import World, WorldOptions, simulate
from pipeline.world.fleet import build_fleet
from pipeline.world.plan import PRIVATE, SPOT
from pipeline.world.plants import choose_spike_day
from pipeline.world.workloads import Holding

_SUFFIXES = (
    r"-[a-z0-9]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$",
    r"-\d+-[bcdfghjklmnpqrstvwxz2456789]{5}$",
    r"-[bcdfghjklmnpqrstvwxz2456789]{5}$",
    r"-\d+$",
)


def _without_suffix(pod: str) -> str:
    for suffix in _SUFFIXES:
        if (shorter := re.sub(suffix, "", pod)) != pod:
            return shorter
    return pod


def test_the_fleet_has_every_chip_purchase_and_kind_of_place(world: World) -> None:
    nodes = world.fleet.nodes
    assert {node.spec.chip for node in nodes} == {"Trainium1", "Trainium2", "Inferentia2", "H100", "B200", "L4"}
    assert {node.plan.lnc for node in nodes if node.spec.chip == "Trainium2"} == {1, 2}
    assert {node.plan.purchase for node in nodes} >= {PRIVATE, SPOT, "savings_plan", "partial_savings_plan"}
    assert {node.cluster.kind if node.cluster else "" for node in nodes} == {"eks", "slurm", ""}
    assert len({node.account.account_id for node in nodes}) == 3
    assert [node.role for node in nodes if not node.plan.telemetry] == ["g6-dark"]


def test_a_mig_gpu_has_one_unit_per_instance_and_slices_to_spare(world: World) -> None:
    node = world.fleet.with_role("p5-mixed")[0]
    cut = [unit for unit in node.units if unit.device == 6]
    assert [unit.accelerator_id.rpartition("/")[2] for unit in cut] == ["GI1", "GI3"]
    assert sum(unit.weight for unit in cut) == Fraction(5, 7)
    assert len({unit.uuid for unit in cut}) == 1


@pytest.mark.parametrize("size", ["S", "M", "L"])
def test_no_two_nodes_share_an_instance_id_or_a_private_address(size: str) -> None:
    options = WorldOptions(seed=5, days=35, telemetry_days=1, size=size)
    nodes = build_fleet(options, choose_spike_day(options)).nodes
    assert len({node.instance_id for node in nodes}) == len(nodes)
    running = [(node.private_dns_name, node.launch_at) for node in nodes]
    assert len(set(running)) == len(nodes)
    assert all(0 <= int(part) <= 255 for node in nodes for part in node.private_ip.split("."))


def _holdings(seed: int) -> list[Holding]:
    world = simulate(WorldOptions(seed, days=7))
    return [holding for group in world.holdings.values() for holding in group]


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_pod_names_lead_back_to_their_workload(seed: int) -> None:
    pods = [holding.owner for holding in _holdings(seed) if holding.owner.pod]
    assert pods
    for owner in pods:
        assert owner.workload_id.rpartition("/")[2] == _without_suffix(owner.pod)


def test_holdings_begin_and_end_on_sample_boundaries_while_their_node_runs(world: World) -> None:
    step = world.options.interval_seconds
    for group in world.holdings.values():
        for holding in group:
            start, end = holding.node.runs(world.options.telemetry_start, holding.node.runs_until())
            assert start <= holding.start < holding.end <= end
            assert holding.start % step == 0
            assert holding.end % step == 0


def test_a_gang_is_one_workload_on_two_nodes_and_a_tag_like_its_pid_is_nobodys(world: World) -> None:
    owners = {
        role: {holding.owner for node in world.fleet.with_role(role) for holding in world.holdings[node.instance_id]}
        for role in ("trn1-gang-a", "trn1-gang-b", "inf2-bare")
    }
    first, second = ({owner.workload_id for owner in owners[role]} for role in ("trn1-gang-a", "trn1-gang-b"))
    assert first == second
    assert {owner.runtime_tag == str(owner.pid): owner.workload_id for owner in owners["inf2-bare"]}[True] == ""
