"""GPU dumps with columns of any name become DCGM samples by a mapping file; what is wrong is named with its place."""

from __future__ import annotations

import gzip
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import settings, steps
from pipeline.errors import RefusedDelivery, UsageError
from pipeline.sources.base import IngestOptions, ParsedDelivery, Seeds, SourceObject
from pipeline.sources.damage import refuse_damage
from pipeline.sources.dcgm_rows import MEASURES
from pipeline.sources.detect import detect
from pipeline.sources.lake import read
from pipeline.sources.lake_mapping import LakeMapping, read_mapping
from pipeline.sources.lake_units import RAW_UNITS, factor

WIDE = """
time = { column = "ts", zone = "America/Los_Angeles" }
[labels]
gpu_uuid = "uuid"
hostname = "node"
pod = "owner"
namespace = { value = "ml" }
[measures]
gr_engine_active = { column = "busy", unit = "percent" }
fb_used = { column = "mem", unit = "gib" }
power_usage = "watts"
"""
LONG = """
time = { column = "t", format = "ms" }
[labels]
gpu_uuid = "uuid"
[long]
name = "metric"
value = "v"
[measures]
tensor_active = { name = "tensor_pct", scale = 0.01 }
"""
MATRIX = """
time = "Time"
[columns]
pattern = "(?P<hostname>[^-]+)-(?P<gpu_index>[0-9]+)"
measure = "gpu_util"
"""
HEADER = "ts,uuid,node,owner,busy,mem,watts\n"
ROW = "2026-11-01T04:00:00,GPU-a,i-0a,train-0,25,2,300.5\n"
Rows = list[dict[str, Any]]


@pytest.fixture
def seeds(repo_root: Path) -> Seeds:
    return Seeds(repo_root / "sql" / "seeds")


def mapped(folder: Path, text: str) -> LakeMapping:
    (folder / "lake.toml").write_text(text, "utf-8")
    return read_mapping(folder / "lake.toml")


def parse(folder: Path, seeds: Seeds, mapping: str, content: str | bytes | pa.Table) -> tuple[Rows, ParsedDelivery]:
    path = folder / "dump"
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    obj, lake = SourceObject("dump", path), mapped(folder, mapping)
    delivery = read(obj, IngestOptions(), seeds, lake)
    return [
        row for table, batch in delivery.batches if table.endswith("samples") for row in batch.to_pylist()
    ], delivery


def measured(row: dict[str, Any]) -> dict[str, float]:
    return {name: row[name] for name in MEASURES if row[name] is not None}


def test_a_wide_csv_is_read_in_the_units_and_the_zone_of_its_mapping(tmp_path: Path, seeds: Seeds) -> None:
    (row,), delivery = parse(tmp_path, seeds, WIDE, HEADER + ROW)

    assert row["sample_at"] == datetime(2026, 11, 1, 12, tzinfo=UTC)  # daylight saving time ended two hours before
    assert measured(row) == {"gr_engine_active": 0.25, "fb_used": 2048.0, "power_usage": 300.5}
    assert (row["gpu_uuid"], row["hostname"], row["pod"], row["namespace"]) == ("GPU-a", "i-0a", "train-0", "ml")
    assert delivery.rejects == []


def test_a_long_dump_takes_mapped_names_and_dcgms_own(tmp_path: Path, seeds: Seeds) -> None:
    lines = ["t,uuid,metric,v", "1793534400000,GPU-a,tensor_pct,50", "1793534400000,GPU-a,DCGM_FI_DEV_GPU_TEMP,61"]
    lines += ["1793534400000,GPU-a,DCGM_FI_DEV_GPU_TEMP_CELSIUS,62", "1793534400000,GPU-a,fan_speed,40"]

    (row,), delivery = parse(tmp_path, seeds, LONG, "\n".join(lines) + "\n")

    assert measured(row) == {"tensor_active": 0.5, "gpu_temp": 62.0}
    assert dict(delivery.unmapped) == {"fan_speed": 1}


def test_a_column_per_gpu_is_told_by_its_pattern(tmp_path: Path, seeds: Seeds) -> None:
    rows, _ = parse(tmp_path, seeds, MATRIX, "Time,i0a-0,i0a-1,note\n2026-11-01 12:00:00,7,,x\n")

    assert [(row["hostname"], row["gpu_index"], row["gpu_util"]) for row in rows] == [("i0a", "0", 7.0)]


def test_parquet_tells_the_same_as_csv(tmp_path: Path, seeds: Seeds) -> None:
    columns = {"ts": [datetime(2026, 11, 1, 4)], "uuid": ["GPU-a"], "node": ["i-0a"], "owner": ["train-0"]}  # noqa: DTZ001
    table = pa.table(columns | {"busy": [25], "mem": pa.array([2.0], pa.float32()), "watts": ["300.5"]})

    assert parse(tmp_path, seeds, WIDE, table)[0] == parse(tmp_path, seeds, WIDE, HEADER + ROW)[0]


def test_gzip_is_read_as_it_is(tmp_path: Path, seeds: Seeds) -> None:
    packed = gzip.compress((HEADER + ROW).encode())

    assert parse(tmp_path, seeds, WIDE, packed)[0] == parse(tmp_path, seeds, WIDE, HEADER + ROW)[0]


def test_bad_records_and_cells_are_rejected_one_by_one_by_their_number(tmp_path: Path, seeds: Seeds) -> None:
    bad = ["2026-11-01,GPU-b,i-0a\n", ROW.replace("2026-11-01T04", "yesterday"), ROW.replace("GPU-a", "")]
    bad += [ROW.replace("25", "idle"), ROW.replace("25", "NaN"), ROW.replace("300.5", "-4")]

    rows, delivery = parse(tmp_path, seeds, WIDE, HEADER + ROW + "".join(bad))

    assert len(rows) == 1  # all good cells are of one GPU and instant
    assert [(one.line_number, one.reason.partition(":")[0]) for one in delivery.rejects] == [
        (3, "3 fields where the header has 7"),
        (4, "column ts"),
        (5, "no label names its GPU"),
        (6, "column busy"),
        (8, "no GPU can have this value"),
    ]


def test_text_that_is_no_utf8_spoils_its_own_record_alone(tmp_path: Path, seeds: Seeds) -> None:
    spoilt = ROW.encode().replace(b"25", b"\xff").replace(b"GPU-a", b"GPU-b")

    rows, delivery = parse(tmp_path, seeds, WIDE, (HEADER + ROW).encode() + spoilt)

    assert [row["gpu_uuid"] for row in rows] == ["GPU-a", "GPU-b"]
    assert [one.line_number for one in delivery.rejects] == [3]


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (
            "when,uuid,node,owner,busy\n1,a,b,c,d\n",
            "no column 'ts', which time names in .*lake.toml; it has when, uuid",
        ),
        ("ts,node,owner,busy\n1,b,c,d\n", "no column 'uuid', which labels.gpu_uuid names"),
        ("ts,uuid,node,owner,load\n1,a,b,c,d\n", "no column of a measure .busy, mem, watts."),
    ],
)
def test_a_dump_without_a_mapped_column_names_the_column_and_the_file(
    tmp_path: Path, seeds: Seeds, content: str, wrong: str
) -> None:
    with pytest.raises(RefusedDelivery, match=wrong):
        parse(tmp_path, seeds, WIDE, content)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("time = ", "not valid TOML"),
        (WIDE.replace('"America/Los_Angeles"', '"Mars"'), "time.zone: 'Mars' is no time zone"),
        (WIDE.replace("gr_engine_active", "busyness"), "measures.busyness is no measure"),
        (WIDE.replace('"gib"', '"watts"'), "watts measures power, but fb_used is memory"),
        (WIDE.replace('"gib"', '"parsecs"'), "'parsecs' is no unit"),
        (WIDE.replace("gpu_uuid", "uuid"), "labels.uuid is no label"),
        (WIDE.replace('gpu_uuid = "uuid"', ""), "which GPU a row is of"),
        (LONG.replace('name = "tensor_pct"', 'column = "x"'), "measures.tensor_active: give its name"),
        (MATRIX.replace("(?P<gpu_index>[0-9]+)", "(?P<gpu>x)"), "columns.pattern: its groups must be named"),
        (MATRIX.replace("[^-]+)", "[^-]+"), "is no regular expression"),
        ("surprise = 1\n" + WIDE, "surprise: Extra inputs"),
    ],
)
def test_a_wrong_mapping_names_its_file_and_the_key(tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(UsageError, match=r"lake\.toml: ") as refused:
        mapped(tmp_path, text)
    assert wrong in str(refused.value)


def test_every_measure_has_a_raw_unit_and_its_own_unit_changes_nothing() -> None:
    assert RAW_UNITS.keys() == set(MEASURES)
    assert {factor(unit, field) for field, unit in RAW_UNITS.items()} == {1.0}


def test_a_table_is_a_dump_only_where_the_mapping_fits_and_the_refusal_says_what_it_lacks(tmp_path: Path) -> None:
    obj = SourceObject("dump.csv", tmp_path / "dump.csv")
    lake = mapped(tmp_path, WIDE)
    obj.path.write_text(HEADER + ROW)
    assert detect(obj, lake=lake) == "lake"
    with pytest.raises(RefusedDelivery, match="no CHIPLEDGER_LAKE_MAPPING says what they mean"):
        detect(obj)

    obj.path.write_text(HEADER.replace("uuid", "gpu") + ROW)
    with pytest.raises(RefusedDelivery, match=r"no 'uuid', which .*lake\.toml needs"):
        detect(obj, lake=lake)


def test_a_mended_mapping_reads_the_same_file_again_and_its_figures_stand(home: Path, tmp_path: Path) -> None:
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    (dumps / "day.csv").write_text(HEADER + ROW)
    mapped(tmp_path, WIDE.replace('unit = "percent"', "scale = 0.001"))
    values = settings.load(lake_mapping=tmp_path / "lake.toml", inbox=(str(dumps),))
    now = datetime(2026, 11, 2, tzinfo=UTC)

    landed = [str(steps.ingest_metrics(values, now)) for _ in range(2)]
    mapped(tmp_path, WIDE)
    landed += [str(steps.ingest_metrics(values, now)) for _ in range(2)]

    assert [words.partition(" ")[0] for words in landed] == ["1", "0", "1", "0"]
    with steps.warehouse(values) as conn:
        ratios = conn.execute(
            "select gr_engine_active from raw_dcgm_samples join raw_deliveries using (delivery_id) order by observed_at"
        ).fetchall()
    assert ratios == [(0.025,), (0.25,)]


@given(st.binary(max_size=200))
def test_any_bytes_end_in_rows_or_one_refusal(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("lake")
    path = folder / "dump"
    path.write_bytes(HEADER.encode() + content)
    mapping = mapped(folder, WIDE)
    with suppress(RefusedDelivery), refuse_damage("dump"):
        delivery = read(SourceObject("dump", path), IngestOptions(), Seeds(Path("sql/seeds").resolve()), mapping)
        rows = sum(len(batch) for table, batch in delivery.batches if table == "raw_dcgm_samples")
        assert rows + len(delivery.rejects) <= content.count(b"\n") + content.count(b"\r") + 5
