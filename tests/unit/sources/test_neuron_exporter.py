"""neuron-monitor-prometheus text becomes rows of nodes, cores and ECC events, in the exporter's own scale."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources import reader_of
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.detect import detect
from pipeline.sources.neuron_exporter import read
from pipeline.sources.neuron_exporter_identity import CoreIdentity, exporter_identity
from pipeline.sources.neuron_exporter_rows import MEMORY, UTILIZATION

AT = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
NODE = 'instance_name="n1",instance_id="i-0aaaaaaaaaaaaaaaa",instance_type="trn1.2xlarge",region="us-east-1"'
SIZES = 'neuron_device_count="1",neuroncore_per_device_count="2",neuron_device_memory_size="34359738368"'
HARDWARE = f"neuron_hardware_info{{{NODE},{SIZES}}} 1.0\n"
Rows = dict[str, list[dict[str, Any]]]


def core(number: object, value: object, tag: str = "job", name: str = UTILIZATION, more: str = "") -> str:
    return f'{name}{{{NODE},runtime_tag="{tag}",neuroncore="{number}"{more}}} {value}\n'


def parse(tmp_path: Path, text: str | bytes, **options: Any) -> tuple[Rows, ParsedDelivery]:
    path = tmp_path / "scrape.prom"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    delivery = read(SourceObject("scrape.prom", path), IngestOptions(observed_at=AT, **options), Seeds(tmp_path))
    rows: Rows = {f"raw_neuron_exporter_{part}": [] for part in ("nodes", "cores", "events")}
    for table, batch in delivery.batches:
        rows[table] += batch.to_pylist()
    return rows, delivery


def test_utilization_is_kept_as_a_ratio_and_the_kinds_of_memory_are_added(tmp_path: Path) -> None:
    memory = "".join(core(0, 10, name=name, more=',memory_location="None"') for name in MEMORY)

    rows, _ = parse(tmp_path, HARDWARE + core(0, 0.4217) + memory + core(1, "NaN"))

    cores = rows["raw_neuron_exporter_cores"]
    assert [(row["core_index"], row["utilization_ratio"], row["memory_used_bytes"]) for row in cores] == [
        (0, 0.4217, 50.0),
        (1, None, None),
    ]
    (node,) = rows["raw_neuron_exporter_nodes"]
    assert (node["host"], node["device_count"], node["cores_per_device"]) == ("i-0aaaaaaaaaaaaaaaa", 1, 2)


def test_an_idle_node_shows_its_driver_and_no_core(tmp_path: Path) -> None:
    rows, _ = parse(tmp_path, HARDWARE)

    assert len(rows["raw_neuron_exporter_nodes"]) == 1
    assert rows["raw_neuron_exporter_cores"] == []


def test_the_driver_is_seen_under_the_name_that_prometheus_receivers_give_it(tmp_path: Path) -> None:
    rows, _ = parse(tmp_path, HARDWARE.replace("neuron_hardware_info", "neuron_hardware"))

    assert len(rows["raw_neuron_exporter_nodes"]) == 1


def test_undated_scrapes_follow_each_other_by_the_interval(tmp_path: Path) -> None:
    rows, _ = parse(tmp_path, (HARDWARE + core(0, 0.5)) * 3, interval_ms=15_000)

    times = [row["sample_at"] for row in rows["raw_neuron_exporter_cores"]]
    assert times == [AT + timedelta(seconds=15 * number) for number in range(3)]


def test_ecc_counters_are_kept_by_kind_and_created_gauges_are_dropped(tmp_path: Path) -> None:
    where = f'{{{NODE},event_type="mem_ecc_corrected",neuron_device_index="3"}}'

    rows, delivery = parse(
        tmp_path, f"hardware_ecc_events_total{where} 7.0\nhardware_ecc_events_created{where} 1.79e9\nother{where} 1\n"
    )

    (event,) = rows["raw_neuron_exporter_events"]
    assert (event["device_index"], event["event_type"], event["event_count"]) == (3, "mem_ecc_corrected", 7.0)
    assert dict(delivery.unmapped) == {"other": 1}


def test_a_runtime_without_cores_is_a_row_of_its_own(tmp_path: Path) -> None:
    text = f'neuron_runtime_memory_used_bytes{{{NODE},runtime_tag="job",memory_location="neuron_device"}} 9e9\n'

    (row,) = parse(tmp_path, text)[0]["raw_neuron_exporter_cores"]

    assert (row["runtime_tag"], row["core_index"], row["utilization_ratio"]) == ("job", -1, None)


def test_the_owner_is_the_exporters_pod_name_and_never_the_pod_that_prometheus_scraped() -> None:
    scraped = (("instance_id", "i-1"), ("neuroncore", "0"), ("namespace", "neuron-system"), ("pod", "neuron-monitor-x"))
    told = (*scraped, ("pod_name", "train-0"), ("exported_namespace", "ml"), ("container_name", "main"))

    unowned, owned = exporter_identity(scraped), exporter_identity(told)

    assert isinstance(unowned, CoreIdentity)
    assert isinstance(owned, CoreIdentity)
    assert unowned[-3:] == ("", "", "")
    assert owned[-3:] == ("train-0", "ml", "main")


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "", "99999999", "٣"])
def test_a_core_that_is_no_number_is_not_stored(tmp_path: Path, number: str) -> None:
    rows, delivery = parse(tmp_path, core(number, 0.5))

    assert rows["raw_neuron_exporter_cores"] == []
    assert delivery.unmapped[UTILIZATION] == 1


def test_a_cut_line_is_rejected_and_the_scrape_kept(tmp_path: Path) -> None:
    rows, delivery = parse(tmp_path, HARDWARE + core(0, 0.5) + core(1, 0.5)[:-9])

    assert len(rows["raw_neuron_exporter_cores"]) == 1
    assert [reject.line_number for reject in delivery.rejects] == [3]


@pytest.mark.parametrize("text", [HARDWARE, core(0, 0.5), "# HELP neuroncore_utilization_ratio x\n" + core(0, 1)])
def test_the_text_is_told_by_its_content(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.txt"
    path.write_text(text)

    assert detect(SourceObject("metrics.txt", path)) == "neuron_prometheus"
    assert reader_of("neuron_prometheus") is read


@given(st.dictionaries(st.sampled_from(["instance_id", "neuroncore", "neuron_device_index", "runtime_tag"]), st.text()))
def test_any_labels_are_read_without_an_error(labels: dict[str, str]) -> None:
    identity = exporter_identity(tuple(labels.items()))

    assert identity is None or identity[0] == labels["instance_id"]
