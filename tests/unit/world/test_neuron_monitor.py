from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pipeline.world import World


@cache
def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]


def _reports(written: Path, world: World, role: str) -> tuple[str, list[dict[str, Any]]]:
    instance_id = world.fleet.with_role(role)[0].instance_id
    (path,) = sorted((written / "landing" / "neuron_monitor").glob(f"{instance_id}-*.ndjson.gz"))
    return path.name, _read(path)


def _shape(value: object, path: str = "") -> set[str]:
    """Key paths of a document; counted keys (cores, CPUs) and lists stand for one."""
    if isinstance(value, list):
        return set().union(*(_shape(item, path) for item in value)) if value else {path}
    if not isinstance(value, dict):
        return {path}
    return set().union(*(_shape(item, f"{path}/{'#' if key.isdigit() else key}") for key, item in value.items()))


def test_reports_have_the_keys_of_aws_own_capture(written: Path, world: World, shared_data: Path) -> None:
    capture = json.loads((shared_data / "neuron" / "neuron_monitor_trn1n_2runtimes.ndjson").read_text().split("\n")[0])
    _, reports = _reports(written, world, "trn1-gang-a")
    real, ours = _shape(capture), _shape(reports[0])
    optional = {"/instance_info/ultraserver_id"}
    latency = {path for path in real if path.endswith(("total_latency", "device_latency"))}
    assert real - ours - optional - latency == set()


def test_a_file_holds_one_day_and_is_named_by_its_first_report(written: Path, world: World) -> None:
    name, reports = _reports(written, world, "inf2-serve")
    first = datetime.fromtimestamp(world.options.telemetry_start + 60, UTC)
    assert f"-{first:%Y%m%dT%H%M%SZ}." in name
    assert len(reports) == 1440
    assert {report["system_data"]["memory_info"]["period"] for report in reports} == {60}


def test_the_largest_runtime_of_a_core_folded_into_devices_gives_the_true_busy_time(
    written: Path, world: World
) -> None:
    node = world.fleet.with_role("inf2-serve")[0]
    telemetry = world.telemetry(node)
    _, reports = _reports(written, world, "inf2-serve")
    percents = 0.0
    for report in reports:
        cores: dict[str, float] = {}
        for runtime in report["neuron_runtime_data"]:
            for core, counters in runtime["report"]["neuroncore_counters"]["neuroncores_in_use"].items():
                cores[core] = max(cores.get(core, 0.0), counters["neuroncore_utilization"])
        assert len(cores) == 24
        percents += sum(cores.values())
    assert percents * 10_000 == pytest.approx(int(telemetry.busy.sum()), rel=1e-9)


def test_memory_of_the_cores_sums_to_the_runtimes_device_memory(written: Path, world: World) -> None:
    _, reports = _reports(written, world, "trn2-jobs")
    for runtime in reports[0]["neuron_runtime_data"]:
        used = runtime["report"]["memory_used"]["neuron_runtime_used_bytes"]
        cores = used["usage_breakdown"]["neuroncore_memory_usage"].values()
        assert used["neuron_device"] == sum(sum(core.values()) for core in cores)


def test_a_logical_core_is_the_mean_of_its_physical_halves(written: Path, world: World) -> None:
    _, reports = _reports(written, world, "trn2-jobs")
    cores = reports[0]["neuron_runtime_data"][0]["report"]["neuroncore_counters"]["neuroncores_in_use"]
    for core in cores.values():
        halves = [half["neuroncore_utilization"] for half in core["v3d"].values()]
        assert sum(halves) / 2 == pytest.approx(core["neuroncore_utilization"], abs=0.006)


def test_an_idle_node_reports_no_runtime_and_a_bare_host_no_pods(written: Path, world: World) -> None:
    _, idle = _reports(written, world, "trn1-idle")
    assert all(report["neuron_runtime_data"] == [] for report in idle)
    assert idle[0]["neuron_k8s_info"]["neuroncores_k8s_info"] == {}
    _, bare = _reports(written, world, "inf2-bare")
    assert "neuron_k8s_info" not in bare[0]
    tags = [(runtime["neuron_runtime_tag"], str(runtime["pid"])) for runtime in bare[0]["neuron_runtime_data"]]
    assert [tag == pid for tag, pid in tags] == [False, True]


def test_logical_cores_follow_the_lnc_setting(written: Path, world: World) -> None:
    for role, cores, lnc in (("trn2-jobs", 4, 2), ("trn2-lab", 8, 1)):
        _, reports = _reports(written, world, role)
        hardware = reports[0]["neuron_hardware_info"]
        assert (hardware["neuroncore_per_device_count"], hardware["logical_neuroncore_config"]) == (cores, lnc)
