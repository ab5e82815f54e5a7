"""One truth by every Prometheus route: text of both exporters, range queries of three kinds, and a dump of a lake."""

from __future__ import annotations

import csv
import gzip
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline import steps
from pipeline.pulls_prometheus import pull_prometheus
from pipeline.settings import Settings
from pipeline.warehouse import utc_rows
from pipeline.world import END_AT, Node, World, WorldOptions, simulate
from pipeline.world.dcgm import dcgm_files
from pipeline.world.neuron_monitor import neuron_files
from pipeline.world.neuron_prometheus import neuron_exporter_files
from pipeline.world.serve import make_server
from pipeline.world.serve_http import DoublesServer
from tests.integration.conftest import WriteWorld
from tests.support.worlds import WorldFiles

pytestmark = pytest.mark.slow

HOUR = END_AT - timedelta(hours=2)  # a whole hour with samples before and after it
SMALL = ("trn2-lab", "inf2-bare", "trn1-idle", "p5-mixed", "g6-slurm", "g6-serve")
Hours = dict[str, tuple[Decimal, Decimal]]
BUSY = """
    select accelerator_id, observed_seconds, busy_seconds from fct_accelerator_usage_hourly
    where usage_hour_at = ? and observed_seconds > 0
"""
MAPPING = """
time = { column = "when", format = "s" }
[labels]
gpu_uuid = "serial"
gpu_instance_id = "slice"
gpu_instance_profile = "profile"
hostname = "box"
[measures]
gr_engine_active = { column = "load", unit = "percent" }
"""


@pytest.fixture(scope="module")
def files(world_of: WriteWorld) -> WorldFiles:
    return world_of(seed=7, days=1)


@pytest.fixture(scope="module")
def world() -> World:
    return simulate(WorldOptions(seed=7, days=1))


@pytest.fixture(scope="module")
def server(world: World) -> Iterator[DoublesServer]:
    with make_server(world, faults=("throttle",)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def nodes(world: World) -> list[Node]:
    return [node for node in world.watched() if node.role in SMALL]


def ledger(home: Path, files: WorldFiles, **more: object) -> Settings:
    values = Settings(home=home, now=END_AT, threads=2, workloads=home / "none.toml", **more)  # type: ignore[arg-type]
    steps.ingest(values, [str(files.landing / "inventory")], END_AT)
    return values


def hours(values: Settings) -> Hours:
    """Accelerator → (observed, busy) seconds of HOUR."""
    steps.build(values, END_AT)
    with steps.warehouse(values) as conn:
        return {name: (observed, busy) for name, observed, busy in utc_rows(conn, BUSY.replace("?", f"'{HOUR}'"))}


def last_hours(folder: Path, named: Iterator[tuple[str, str]]) -> None:
    """Write the files of the last three hours."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in named:
        if "T" not in name or any(f"T{hour}" in name for hour in ("21", "22", "23")) or "ndjson" in name:
            (folder / name).write_bytes(gzip.compress(text.encode(), 1))


@pytest.fixture(scope="module")
def told(world: World, files: WorldFiles, tmp_path_factory: pytest.TempPathFactory) -> Hours:
    """What neuron-monitor and dcgm-exporter text tell."""
    folder = tmp_path_factory.mktemp("text")
    for node in nodes(world):
        telemetry = world.telemetry(node)
        of_node = neuron_files(telemetry, 60) if node.spec.vendor == "neuron" else dcgm_files(telemetry, 7)
        last_hours(folder / "files", of_node)
    values = ledger(folder / "ledger", files)
    steps.ingest(values, [str(folder / "files")], END_AT)
    found = hours(values)
    assert {name.rpartition("/")[2][:6] for name in found} >= {"neuron"}
    assert len(found) > 15
    return found


def test_neuron_prometheus_text_gives_the_hour_of_neuron_monitor(
    world: World, files: WorldFiles, told: Hours, tmp_path: Path
) -> None:
    for node in nodes(world):
        if node.spec.vendor == "neuron":
            last_hours(tmp_path / "files", neuron_exporter_files(world.telemetry(node)))
    values = ledger(tmp_path / "ledger", files)

    ingested = steps.ingest(values, [str(tmp_path / "files")], END_AT)

    assert (ingested.rejects, ingested.refused) == (0, [])
    assert hours(values) == {name: figures for name, figures in told.items() if "/neuron" in name}


@pytest.mark.parametrize(("kind", "path"), [("prometheus", ""), ("amp", "/workspaces/ws-1"), ("cloudwatch", "")])
def test_range_queries_give_the_hour_of_the_exporters_text_throttled_or_not(
    world: World,
    files: WorldFiles,
    told: Hours,
    server: DoublesServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    path: str,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWORLD")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    asked = {"name": kind, "url": server.url + path, "kind": kind, "history_hours": 3, "lag_seconds": 0}
    asked |= {} if kind == "prometheus" else {"region": "us-east-1"}
    values = ledger(tmp_path / "ledger", files, prometheus=(asked,))
    slept: list[float] = []

    pulled = pull_prometheus(values, END_AT, slept.append)
    again = pull_prometheus(values, END_AT, slept.append)

    assert (pulled.refused, pulled.count("landed"), again.results) == ([], 3, ())
    assert slept
    # CloudWatch sees what an EKS agent sees
    seen = {
        node.instance_id
        for node in nodes(world)
        if kind != "cloudwatch" or (node.cluster and node.cluster.kind == "eks")
    }
    expected = {name: figures for name, figures in told.items() if instance_of(world, name) in seen}
    found = hours(values)
    assert {name: found.get(name) for name in expected} == expected


def instance_of(world: World, accelerator_id: str) -> str:
    return next(
        node.instance_id for node in world.fleet.nodes for unit in node.units if unit.accelerator_id == accelerator_id
    )


def test_a_dump_of_a_lake_gives_the_hour_of_the_exporters_text(
    world: World, files: WorldFiles, told: Hours, tmp_path: Path
) -> None:
    (node,) = world.fleet.with_role("p5-mixed")
    telemetry = world.telemetry(node)
    (tmp_path / "lake.toml").write_text(MAPPING)
    with (tmp_path / "dump.csv").open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("when", "serial", "slice", "profile", "box", "load"))
        for at, busy in zip(telemetry.at.tolist(), telemetry.busy.tolist(), strict=True):
            for unit in node.units:
                load = repr(busy[unit.index] / 10_000)
                writer.writerow((at, unit.uuid, unit.gi_id, unit.gi_profile, node.instance_id, load))
    values = ledger(tmp_path / "ledger", files, lake_mapping=tmp_path / "lake.toml")

    ingested = steps.ingest(values, [str(tmp_path / "dump.csv")], END_AT)

    assert (ingested.rejects, ingested.refused) == (0, [])
    expected = {name: figures for name, figures in told.items() if instance_of(world, name) == node.instance_id}
    assert len(expected) > 8
    assert hours(values) == expected


def test_a_pull_that_breaks_off_keeps_what_landed_and_gets_the_rest_later(
    world: World, files: WorldFiles, server: DoublesServer, tmp_path: Path
) -> None:
    asked = {"name": "fleet", "url": server.url, "ask": "dcgm", "history_hours": 3, "lag_seconds": 0}
    whole, broken = (ledger(tmp_path / name, files, prometheus=(asked,)) for name in ("whole", "broken"))
    pull_prometheus(whole, END_AT, lambda _: None)
    waits = iter([0.0] * 12)

    def tire(_: float) -> None:
        if next(waits, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull_prometheus(broken, END_AT, tire)
    first = pull_prometheus(broken, END_AT, lambda _: None)

    assert 0 < first.count("landed") < 3
    assert hours(broken) == hours(whole)


def test_an_endpoint_that_is_down_is_named_and_stops_no_other(
    files: WorldFiles, server: DoublesServer, tmp_path: Path
) -> None:
    up = {"name": "up", "url": server.url, "ask": "dcgm", "history_hours": 1, "lag_seconds": 0}
    down = {"name": "down", "url": "http://127.0.0.1:9", "history_hours": 1}
    values = ledger(tmp_path / "ledger", files, prometheus=(down, up))

    pulled = pull_prometheus(values, END_AT, lambda _: None)

    assert [(one.object, one.status) for one in pulled.refused] == [("Prometheus down", "unreachable")]
    assert pulled.count("landed") == 1
