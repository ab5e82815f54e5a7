"""The same hour of one world by each route of Container Insights: metric stream in both formats, and log events.

neuron-monitor's route is held against the same truth in test_world_truth. These routes see EKS nodes alone, and every
minute of them; what they cannot tell stands in docs/sources.md.
"""

from __future__ import annotations

import pytest

from pipeline.world import END_AT, Node, World, WorldOptions, simulate
from pipeline.world.inventory import inventory_files
from pipeline.world.plan import EKS
from pipeline.world.routes import ROUTES
from pipeline.world.usage import DENOMINATOR, Usage, add_usage
from pipeline.world.writer import write_json_lines
from tests.support.ledgers import Ledger
from tests.support.truth import rows

pytestmark = pytest.mark.slow

END = int(END_AT.timestamp())
HOUR = END - 3 * 3600


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldOptions(seed=7, days=2, telemetry_days=1))


@pytest.fixture(scope="module", params=ROUTES)
def ledger(request: pytest.FixtureRequest, world: World, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """A ledger that knows the inventory and what one route delivered."""
    folder = tmp_path_factory.mktemp(request.param)
    for name, records in inventory_files(world.options, world.fleet):
        write_json_lines(folder / "landing" / "inventory" / name, records)
    for name, content in ROUTES[request.param](world, HOUR, HOUR + 3600):
        path = folder / "landing" / request.param / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    ledger = Ledger(folder / "ledger")
    ingested = ledger.ingest(folder / "landing")
    assert not ingested.refused
    assert {result.rejects for result in ingested.results} == {0}
    ledger.publish()
    return ledger


def without_kind(workload_id: str) -> str:
    """Log events name what owns a pod, so that its workload gets a kind; the other routes know none."""
    cluster, namespace, _, name = workload_id.split("/")
    return f"{cluster}/{namespace}/-/{name}"


def watched_nodes(world: World) -> list[Node]:
    nodes = [node for node in world.watched() if node.spec.vendor == "neuron" and node.cluster is not None]
    return [node for node in nodes if node.cluster is not None and node.cluster.kind == EKS]


def usage_of(world: World) -> Usage:
    usage = Usage()
    for node in watched_nodes(world):
        add_usage(usage, world.telemetry(node))
    return usage


def true_usage(world: World) -> dict[tuple[int, str], tuple[float, ...]]:
    """Observed, allocated and busy seconds by hour and accelerator of the EKS nodes with Neuron."""
    return {
        (hour, accelerator_id): tuple(map(float, seconds))
        for (hour, accelerator_id, _), seconds in usage_of(world).accelerators.items()
        if hour == HOUR
    }


def test_the_hour_is_the_one_that_neuron_monitor_tells(ledger: Ledger, world: World) -> None:
    found = {
        (int(hour.timestamp()), accelerator_id): (float(observed), float(allocated), float(busy))
        for hour, accelerator_id, observed, allocated, busy in rows(
            ledger,
            "select usage_hour_at, accelerator_id, observed_seconds, allocated_seconds, busy_seconds "
            "from fct_accelerator_usage_hourly",
        )
    }
    expected = true_usage(world)
    assert found.keys() == expected.keys()
    assert len(found) > 50
    for key, seconds in expected.items():
        assert found[key] == pytest.approx(seconds, abs=1), key


def test_owners_are_those_that_neuron_monitor_names_where_the_route_can_tell(ledger: Ledger, world: World) -> None:
    """A pod's metric carries no instance, so that of several nodes in one cluster nobody knows which one it is."""
    found = {
        without_kind(workload_id): float(seconds)
        for workload_id, seconds in rows(
            ledger,
            "select workload_id, sum(held_seconds) from fct_workload_usage_hourly group by workload_id",
        )
    }
    clusters = [node.cluster_name for node in watched_nodes(world) if HOUR in world.telemetry_window(node)]
    expected: dict[str, float] = {}
    for (hour, _), of_workload in usage_of(world).held.items():
        for workload_id, seconds in of_workload.items():
            can_tell = ledger.home.parent.name.startswith("emf") or clusters.count(workload_id.split("/")[0]) == 1
            if hour == HOUR and can_tell:
                expected[workload_id] = expected.get(workload_id, 0) + seconds / DENOMINATOR
    assert len(expected) >= 3
    assert found == pytest.approx(expected, abs=1)
