from __future__ import annotations

from pathlib import Path

from pipeline.home import Home, split_by_kind


def test_bills_and_telemetry_of_one_folder_are_swept_apart(tmp_path: Path) -> None:
    for name in ("cur", "cost_explorer", "dcgm"):
        (tmp_path / name).mkdir()
    (tmp_path / "loose.ndjson").touch()
    metrics, costs = split_by_kind((str(tmp_path),))
    assert [Path(root).name for root in metrics] == ["dcgm", "loose.ndjson"]
    assert [Path(root).name for root in costs] == ["cost_explorer", "cur"]


def test_a_folder_without_bills_is_swept_as_it_is(tmp_path: Path) -> None:
    assert split_by_kind((str(tmp_path), "s3://bucket/cur/", "s3://bucket/metrics")) == (
        (str(tmp_path), "s3://bucket/metrics"),
        ("s3://bucket/cur/",),
    )


def test_a_home_is_made_where_none_is(tmp_path: Path) -> None:
    place = Home(tmp_path / "deep" / "ledger").create()
    assert {folder.name for folder in place.root.iterdir()} == {"landing", "published", "outbox", "state"}
