from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from pipeline.world import World
from pipeline.world.dcgm_fields import FIELDS

Samples = dict[str, list[tuple[dict[str, str], float]]]


def _files(written: Path, world: World, role: str) -> list[Path]:
    instance_id = world.fleet.with_role(role)[0].instance_id
    return sorted((written / "landing" / "dcgm").glob(f"{instance_id}-*.prom.gz"))


def _first_scrape(path: Path) -> str:
    text = gzip.decompress(path.read_bytes()).decode()
    head = text.split("\n", 1)[0] + "\n"
    return head + text[len(head) :].split(head)[0]


def _samples(text: str) -> Samples:
    """By name as the exporter prints it (prometheus_client appends _total to a declared counter)."""
    found: Samples = defaultdict(list)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name.removesuffix("_total")].append((sample.labels, sample.value))
    return found


def test_a_scrape_is_valid_and_holds_every_field_once_per_gpu(written: Path, world: World) -> None:
    samples = _samples(_first_scrape(_files(written, world, "b200-train")[0]))
    assert set(samples) == {field.new_name for field in FIELDS}
    assert {len(rows) for rows in samples.values()} == {8}


def test_both_generations_of_names_are_those_of_the_catalogue(shared_data: Path) -> None:
    with (shared_data / "dcgm" / "dcgm_field_aliases.csv").open() as file:
        renamed = {row["old_name"]: row["name_dcgm46"] for row in csv.DictReader(file)}
    for field in FIELDS:
        assert renamed.get(field.old_name, field.old_name) == field.new_name


def test_generations_differ_in_names_and_host_label(written: Path, world: World) -> None:
    old = _first_scrape(_files(written, world, "p5-mixed")[0])
    new = _first_scrape(_files(written, world, "b200-train")[0])
    assert "DCGM_FI_PROF_GR_ENGINE_ACTIVE{" in old
    assert f'Hostname="{world.fleet.with_role("p5-mixed")[0].instance_id}"' in old
    assert "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO{" in new
    assert f'hostname="{world.fleet.with_role("b200-train")[0].instance_id}"' in new
    dns = world.fleet.with_role("g6-serve")[0].private_dns_name
    assert f'hostname="{dns}"' in _first_scrape(_files(written, world, "g6-serve")[0])


def test_mig_instances_repeat_the_gpus_power_and_have_no_gpu_util(written: Path, world: World) -> None:
    samples = _samples(_first_scrape(_files(written, world, "p5-mixed")[0]))
    power = {(labels["gpu"], labels.get("GPU_I_ID", "")): value for labels, value in samples["DCGM_FI_DEV_POWER_USAGE"]}
    assert power[("6", "1")] == power[("6", "3")] > 0
    assert {labels["gpu"] for labels, _ in samples["DCGM_FI_DEV_GPU_UTIL"]} == set("012345")


def test_a_shared_gpu_has_one_equal_row_per_pod_and_an_unowned_one_works_without_a_name(
    written: Path, world: World
) -> None:
    samples = _samples(_first_scrape(_files(written, world, "g6-serve")[0]))
    rows = samples["DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO"]
    shared = [(labels["pod"], value) for labels, value in rows if labels["gpu"] == "0"]
    assert len({pod for pod, _ in shared}) == 2
    assert len({value for _, value in shared}) == 1
    ((labels, value),) = [row for row in rows if row[0]["gpu"] == "3"]
    assert "pod" not in labels
    assert value > 0


def test_an_hour_file_holds_the_hour_after_its_stamp_in_milliseconds(written: Path, world: World) -> None:
    first = _files(written, world, "g6-lab")[0]
    text = gzip.decompress(first.read_bytes()).decode()
    instants = sorted({int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("DCGM_FI_DEV_GPU")})
    start = world.options.telemetry_start * 1000
    assert instants[0] == start + 30_000
    assert instants[-1] == start + 3_600_000
    assert len(instants) == 61


def test_single_scrapes_carry_no_timestamp_and_are_named_by_their_stamp(written: Path, world: World) -> None:
    files = _files(written, world, "g6-scraped")
    assert 170 < len(files) < 260
    text = gzip.decompress(files[0].read_bytes()).decode()
    assert all(len(line.rsplit("} ", 1)[1].split()) == 1 for line in text.splitlines() if not line.startswith("#"))


def test_slurm_jobs_label_their_rows_and_that_node_exports_no_profiling_fields(written: Path, world: World) -> None:
    text = "".join(gzip.decompress(path.read_bytes()).decode() for path in _files(written, world, "g6-slurm"))
    assert 'hpc_job="' in text
    assert "DCGM_FI_PROF" not in text
    assert "pod=" not in text


def test_an_l4_reads_memory_temperature_zero_because_it_has_no_sensor(written: Path, world: World) -> None:
    samples = _samples(_first_scrape(_files(written, world, "g6-lab")[0]))
    assert [value for _, value in samples["DCGM_FI_DEV_MEMORY_TEMP"]] == [0.0]
