"""dcgm-exporter text becomes one wide row per instant, GPU and owner, whatever generation of names it speaks."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import RefusedDelivery
from pipeline.sources import wide_rows
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.dcgm import CADENCE_MS, read
from pipeline.sources.dcgm_rows import MEASURES, SAMPLE_SCHEMA

AT = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)
GPU = 'gpu="0",UUID="GPU-a",device="nvidia0",modelName="NVIDIA H100 80GB HBM3",Hostname="node-1"'
Row = dict[str, Any]


@pytest.fixture
def seeds(repo_root: Path) -> Seeds:
    return Seeds(repo_root / "sql" / "seeds")


def parse(
    tmp_path: Path, seeds: Seeds, content: str | bytes, **options: Any
) -> tuple[list[Row], list[Row], ParsedDelivery]:
    """(sample rows, device rows, delivery) of a file observed at 12:00 UTC on 1 November 2026."""
    path = tmp_path / "scrape.prom"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    delivery = read(SourceObject("scrape.prom", path), IngestOptions(observed_at=AT, **options), seeds)
    rows: dict[str, list[Row]] = {"raw_dcgm_samples": [], "raw_dcgm_devices": []}
    for table, batch in delivery.batches:
        rows[table] += batch.to_pylist()
    return rows["raw_dcgm_samples"], rows["raw_dcgm_devices"], delivery


def line(name: str, value: object, labels: str = GPU, stamp: object = "") -> str:
    return f"{name}{{{labels}}} {value}{f' {stamp}' if stamp else ''}\n"


def measured(row: Row) -> Row:
    return {name: row[name] for name in MEASURES if row[name] is not None}


@pytest.mark.parametrize(
    ("name", "gpus", "host"),
    [
        ("ericsson_T4.prom", 1, "cp-bm14r7"),
        ("kops_L4_aws.prom", 1, "i-030791dc5a37cd257"),
        ("rafay_T4_aws.prom", 1, "ip-10-200-3-41"),
        ("viettel_2xL40S.prom", 2, "ubuntu-sv16"),
    ],
)
def test_real_scrapes_hold_their_gpus_and_no_sentinel(
    shared_data: Path, tmp_path: Path, seeds: Seeds, name: str, gpus: int, host: str
) -> None:
    text = (shared_data / "dcgm" / "real" / "dcgm_exporter_scrapes" / name).read_bytes()
    samples, devices, delivery = parse(tmp_path, seeds, text)
    assert [(len({row["gpu_uuid"] for row in devices})), delivery.rejects] == [gpus, []]
    assert {row["hostname"] for row in devices} == {host}
    assert all(value < 1e14 for row in samples for value in measured(row).values())
    assert len(samples) == gpus  # one of the files holds clocks alone: seen, nothing known


def test_columns_are_those_of_the_raw_table(repo_root: Path) -> None:
    ddl = (repo_root / "sql" / "raw" / "raw_dcgm_samples.sql").read_text().split("(\n", 1)[1]
    columns = [entry.split()[0] for entry in ddl.split(");")[0].strip().split("\n")]
    assert ["delivery_id", *SAMPLE_SCHEMA.names] == columns


def test_both_generations_of_names_and_labels_meet_in_one_row_shape(tmp_path: Path, seeds: Seeds) -> None:
    new = GPU.replace("Hostname", "hostname")
    old = GPU.replace("UUID=", "uuid=")
    text = (
        line("DCGM_FI_DEV_GPU_UTIL_RATIO", 97, new, AT_MS)
        + line("DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO", 0.5, new, AT_MS)
        + line("DCGM_FI_DEV_BOARD_POWER_WATTS", 300.5, GPU, AT_MS)
        + line("dcgm_fb_used", 1024, old, AT_MS)
    )
    samples, devices, delivery = parse(tmp_path, seeds, text)
    expected = {"gpu_util": 97.0, "gr_engine_active": 0.5, "power_usage": 300.5, "fb_used": 1024.0}
    assert [measured(row) for row in samples] == [expected]
    assert (len(devices), delivery.unmapped) == (1, Counter())


@pytest.mark.parametrize(
    "blank",
    ["9223372036854775794", "9.223372036854775807e18", "140737488355328.000000", "2147483632", "NaN", "+Inf"],
)
def test_sentinels_are_missing_not_numbers(tmp_path: Path, seeds: Seeds, blank: str) -> None:
    text = line("DCGM_FI_DEV_MEMORY_TEMP", blank) + line("DCGM_FI_DEV_GPU_TEMP", 31)
    samples, _, delivery = parse(tmp_path, seeds, text)
    assert [measured(row) for row in samples] == [{"gpu_temp": 31.0}]
    assert delivery.rejects == []  # the exporter says that it does not know: nothing is wrong with the line


def test_an_energy_counter_may_pass_through_the_int32_blanks(tmp_path: Path, seeds: Seeds) -> None:
    samples, _, _ = parse(tmp_path, seeds, line("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 2147483633))
    assert samples[0]["total_energy_consumption"] == 2147483633.0


def test_memory_temperature_zero_stays_for_staging_to_judge(tmp_path: Path, seeds: Seeds) -> None:
    assert parse(tmp_path, seeds, line("DCGM_FI_DEV_MEMORY_TEMP", 0))[0][0]["memory_temp"] == 0.0


def test_changing_labels_do_not_split_a_row(tmp_path: Path, seeds: Seeds) -> None:
    text = (
        line("DCGM_FI_DEV_GPU_UTIL", 1, GPU + ',DCGM_FI_DRIVER_VERSION="580"')
        + line("DCGM_FI_DEV_FB_USED", 2, GPU + ',DCGM_FI_DRIVER_VERSION="590"')
        + line("DCGM_FI_DEV_XID_ERRORS", 79, GPU + ',err_code="79",err_msg="GPU has fallen off the bus"')
    )
    samples, devices, _ = parse(tmp_path, seeds, text)
    assert ([measured(row) for row in samples], len(devices)) == (
        [{"gpu_util": 1.0, "fb_used": 2.0, "xid_errors": 79.0}],
        1,
    )


def test_xid_counts_of_several_codes_are_summed(tmp_path: Path, seeds: Seeds) -> None:
    one, other = (f'{GPU},window_size_in_ms="300000",xid="{xid}"' for xid in (13, 31))
    text = line("DCGM_EXP_XID_ERRORS_COUNT", 2, one) + line("DCGM_EXP_XID_ERRORS_COUNT", 5, other)
    assert [row["xid_errors_count"] for row in parse(tmp_path, seeds, text)[0]] == [7.0]


@pytest.mark.parametrize(
    ("labels", "owner"),
    [
        ('pod="train-0",namespace="ml",container="c"', ("train-0", "ml", "c", "")),
        ('pod="",namespace="",container=""', ("", "", "", "")),
        ('pod="dcgm-exporter-x7k2p",namespace="gpu",container="exporter"', ("", "", "", "")),
        (
            'pod="dcgm-exporter-x7k2p",namespace="gpu",exported_pod="train-0",exported_namespace="ml"',
            ("train-0", "ml", "", ""),
        ),
        ('pod_name="train-0",pod_namespace="ml",container_name="c"', ("train-0", "ml", "c", "")),
        ('hpc_job="4711"', ("", "", "", "4711")),
    ],
)
def test_owner_comes_from_exported_labels_and_never_from_the_exporters_own_pod(
    tmp_path: Path, seeds: Seeds, labels: str, owner: tuple[str, ...]
) -> None:
    row = parse(tmp_path, seeds, line("DCGM_FI_DEV_GPU_UTIL", 5, f"{GPU},{labels}"))[0][0]
    assert (row["pod"], row["namespace"], row["container"], row["hpc_job"]) == owner


def test_copies_of_a_shared_gpu_stay_rows_of_their_own(tmp_path: Path, seeds: Seeds) -> None:
    text = "".join(line("DCGM_FI_DEV_GPU_UTIL", 50, f'{GPU},pod="pod-{copy}"') for copy in range(3))
    samples, devices, _ = parse(tmp_path, seeds, text)
    assert [row["pod"] for row in samples] == ["pod-0", "pod-1", "pod-2"]
    assert len(devices) == 1


def test_mig_instances_keep_parent_and_profile(tmp_path: Path, seeds: Seeds) -> None:
    labels = f'{GPU},GPU_I_PROFILE="3g.40gb",GPU_I_ID="2"'
    row = parse(tmp_path, seeds, line("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.5, labels))[0][0]
    assert (row["gpu_uuid"], row["gpu_instance_id"], row["gpu_instance_profile"]) == ("GPU-a", "2", "3g.40gb")


def test_rows_of_links_and_cpus_are_counted_not_stored(tmp_path: Path, seeds: Seeds) -> None:
    text = (
        line("DCGM_FI_DEV_GPU_UTIL", 5, 'nvlink="1",gpu="0",gpu_uuid="GPU-a",model_name="H100"')
        + line("DCGM_FI_DEV_GPU_TEMP", 5, 'cpu="0",Hostname="node-1"')
        + line("DCGM_FI_DEV_SM_CLOCK", 210)
        + "go_goroutines 9\n"
    )
    samples, devices, delivery = parse(tmp_path, seeds, text)
    assert ([measured(row) for row in samples], [row["gpu_uuid"] for row in devices]) == ([{}], ["GPU-a"])
    assert delivery.unmapped == {
        "DCGM_FI_DEV_GPU_UTIL": 1,
        "DCGM_FI_DEV_GPU_TEMP": 1,
        "DCGM_FI_DEV_SM_CLOCK": 1,
        "go_goroutines": 1,
    }


def test_a_repeated_series_starts_the_next_undated_scrape(tmp_path: Path, seeds: Seeds) -> None:
    text = "".join(line("DCGM_FI_DEV_GPU_UTIL", number) + line("DCGM_FI_DEV_FB_USED", 1) for number in range(3))
    samples, devices, delivery = parse(tmp_path, seeds, text)
    assert [row["sample_at"] for row in samples] == [AT + timedelta(seconds=30 * step) for step in range(3)]
    assert (devices[0]["first_at"], devices[0]["last_at"]) == (AT, AT + timedelta(seconds=60))
    assert {row["cadence_ms"] for row in samples} == {CADENCE_MS}
    assert not delivery.info.time_guessed


def test_an_interval_that_is_given_replaces_thirty_seconds(tmp_path: Path, seeds: Seeds) -> None:
    samples, _, _ = parse(tmp_path, seeds, line("DCGM_FI_DEV_GPU_UTIL", 1) * 2, interval_ms=60_000)
    assert [row["sample_at"] for row in samples] == [AT, AT + timedelta(seconds=60)]
    assert {row["cadence_ms"] for row in samples} == {60_000}


def test_a_timestamp_in_the_record_beats_every_other_time(tmp_path: Path, seeds: Seeds) -> None:
    samples, _, delivery = parse(tmp_path, seeds, line("DCGM_FI_DEV_GPU_UTIL", 1, stamp=AT_MS + 5_000))
    assert samples[0]["sample_at"] == delivery.info.observed_at == AT + timedelta(seconds=5)


def test_openmetrics_timestamps_are_seconds(tmp_path: Path, seeds: Seeds) -> None:
    text = line("DCGM_FI_DEV_GPU_UTIL", 1, stamp=f"{AT_MS / 1000 + 0.25}") + "# EOF\n"
    for content in (text.encode(), gzip.compress(text.encode())):
        samples, _, delivery = parse(tmp_path, seeds, content)
        assert ([row["sample_at"] for row in samples], delivery.rejects) == ([AT + timedelta(milliseconds=250)], [])


def test_a_metric_by_metric_dump_still_gives_one_row_an_instant(tmp_path: Path, seeds: Seeds) -> None:
    names = ("DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_FB_USED")
    text = "".join(line(name, step, stamp=AT_MS + step * 1000) for name in names for step in range(100))
    samples, _, _ = parse(tmp_path, seeds, text)
    assert [(row["gpu_util"], row["fb_used"]) for row in samples] == [(float(step), float(step)) for step in range(100)]


def test_an_impossible_time_is_rejected_alone(tmp_path: Path, seeds: Seeds) -> None:
    seconds = AT_MS // 1000
    text = line("DCGM_FI_DEV_GPU_UTIL", 1, stamp=AT_MS) + line("DCGM_FI_DEV_FB_USED", 1, stamp=seconds)
    samples, _, delivery = parse(tmp_path, seeds, text)
    assert (len(samples), [reject.line_number for reject in delivery.rejects]) == (1, [2])


def test_memory_stays_bounded_by_closing_rows_of_the_past(
    tmp_path: Path, seeds: Seeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wide_rows.WideRows.__init__, "__defaults__", (50,))
    monkeypatch.setattr("pipeline.sources.content.CHUNK_BYTES", 2_000)
    names = ("DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_FB_USED")
    ordered = "".join(line(name, step, stamp=AT_MS + step * 1000) for step in range(500) for name in names)
    samples, _, _ = parse(tmp_path, seeds, ordered)
    assert [(row["gpu_util"], row["fb_used"]) for row in samples] == [(float(step), float(step)) for step in range(500)]
    by_metric = "".join(line(name, step, stamp=AT_MS + step * 1000) for name in names for step in range(500))
    with pytest.raises(RefusedDelivery, match="split the object"):
        parse(tmp_path, seeds, by_metric)


def test_gzip_of_several_members_is_read_and_a_cut_one_refused(tmp_path: Path, seeds: Seeds) -> None:
    members = b"".join(gzip.compress(line("DCGM_FI_DEV_GPU_UTIL", step).encode()) for step in range(3))
    assert len(parse(tmp_path, seeds, members)[0]) == 3
    with pytest.raises(RefusedDelivery, match="damaged gzip"):
        parse(tmp_path, seeds, members[:-9])


def test_an_empty_object_is_refused(tmp_path: Path, seeds: Seeds) -> None:
    with pytest.raises(RefusedDelivery, match="empty"):
        parse(tmp_path, seeds, b"")


def test_the_same_bytes_are_one_delivery_wherever_they_lie_and_another_at_another_time(
    tmp_path: Path, seeds: Seeds
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(line("DCGM_FI_DEV_GPU_UTIL", 1))
    guesses = [
        read(SourceObject(name, tmp_path / name, AT + timedelta(hours=hour)), IngestOptions(), seeds).info
        for hour, name in enumerate("ab")
    ]
    assert guesses[0].delivery_id == guesses[1].delivery_id
    assert all(info.time_guessed for info in guesses)
    stamped = read(SourceObject("x-20261101T120000Z.prom", tmp_path / "a"), IngestOptions(), seeds).info
    assert (stamped.observed_at, stamped.time_guessed) == (AT, False)
    assert stamped.delivery_id != guesses[0].delivery_id


def test_every_alias_leads_to_a_field_of_the_catalogue(seeds: Seeds) -> None:
    fields = {row["name"]: row for row in seeds.rows("dcgm_fields")}
    assert {row["name"] for row in seeds.rows("dcgm_aliases")} <= fields.keys()
    assert all(fields[row["name"]]["field_id"] == row["field_id"] for row in seeds.rows("dcgm_aliases"))
    assert sorted(row["column_name"] for row in fields.values() if row["column_name"]) == sorted(MEASURES)


def test_a_gpu_that_shows_only_metrics_we_do_not_store_was_seen_all_the_same(tmp_path: Path, seeds: Seeds) -> None:
    second = GPU.replace("GPU-a", "GPU-b").replace("nvidia0", "nvidia1")
    samples, _, _ = parse(
        tmp_path, seeds, line("DCGM_FI_DEV_SM_CLOCK", 210) + line("DCGM_FI_DEV_SM_CLOCK", 210, second)
    )
    assert [row["gpu_uuid"] for row in samples] == ["GPU-a", "GPU-b"]
    assert [measured(row) for row in samples] == [{}, {}]


def test_a_line_without_labels_before_any_gpu_was_met_is_counted_and_no_row(tmp_path: Path, seeds: Seeds) -> None:
    samples, devices, delivery = parse(tmp_path, seeds, "up 1\n")
    assert (samples, devices, delivery.unmapped["up"]) == ([], [], 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DCGM_FI_DEV_GPU_UTIL", "-1"),
        ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "-0.5"),
        ("DCGM_FI_DEV_POWER_USAGE", "1e13"),
        ("DCGM_FI_DEV_POWER_USAGE", "1.9e9"),  # in an hour more millijoules than 64 bits hold
        ("DCGM_FI_DEV_FB_USED", "9e13"),
        ("DCGM_FI_DEV_XID_ERRORS", "3e9"),
        ("DCGM_FI_DEV_GPU_TEMP", "-300"),
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "-1"),
    ],
)
def test_a_value_that_no_gpu_can_have_is_rejected_and_the_rest_of_the_sample_stays(
    tmp_path: Path, seeds: Seeds, name: str, value: str
) -> None:
    samples, _, delivery = parse(tmp_path, seeds, line(name, value) + line("DCGM_FI_DEV_MEMORY_TEMP", -5))
    assert [measured(row) for row in samples] == [{"memory_temp": -5.0}]
    assert [(reject.line_number, reject.reason) for reject in delivery.rejects] == [(1, "no GPU can have this value")]
    assert delivery.rejects[0].text.startswith(name)
