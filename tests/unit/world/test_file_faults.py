"""Spoiled deliveries: same options, same bytes; the good objects and the truth stay as they were."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pipeline.world import WorldOptions, generate
from pipeline.world.file_faults import FILE_FAULTS, HOSTILE, spoil

OPTIONS = {"seed": 3, "days": 1, "telemetry_days": 1, "interval_seconds": 1800}


def written(folder: Path, *faults: str) -> dict[str, bytes]:
    generate(WorldOptions(**OPTIONS, faults=faults), folder)  # type: ignore[arg-type]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return written(tmp_path_factory.mktemp("clean"))


def test_the_same_faults_give_the_same_bytes_and_never_touch_the_truth(tmp_path: Path, clean: dict[str, bytes]) -> None:
    first, second = written(tmp_path / "a", *FILE_FAULTS), written(tmp_path / "b", *reversed(FILE_FAULTS))

    del first["world.json"], second["world.json"]
    assert first == second
    truth = {name for name in clean if not name.startswith("landing/") and name != "world.json"}
    exports = {name for name in clean if name.startswith("landing/cur/")}
    assert {name: first[name] for name in truth | exports} == {name: clean[name] for name in truth | exports}


@pytest.mark.parametrize(("fault", "ending"), [("duplicated", "-again"), ("truncated", "-cut")])
def test_copies_lie_beside_the_good_objects(tmp_path: Path, clean: dict[str, bytes], fault: str, ending: str) -> None:
    found = written(tmp_path, fault)
    copies = {name: found[name] for name in found.keys() - clean.keys()}

    assert len(copies) > 10
    for name, content in copies.items():
        good = clean[name.replace(f"{ending}.", ".")]
        assert content == (good if fault == "duplicated" else good[: len(good) // 2])
    assert all(found[name] == content for name, content in clean.items() if name != "world.json")


def test_late_objects_are_only_elsewhere(tmp_path: Path, clean: dict[str, bytes]) -> None:
    found = written(tmp_path, "late")
    assert sum(name.startswith("late/") for name in found) > 10
    together = {name.replace("late/", "landing/", 1): content for name, content in found.items()}
    assert together == {**clean, "world.json": found["world.json"]}


def test_reordered_files_hold_the_same_lines(tmp_path: Path, clean: dict[str, bytes]) -> None:
    found = written(tmp_path, "reordered")
    changed = [name for name in clean if found[name] != clean[name] and name != "world.json"]
    assert changed
    for name in changed:
        ours, theirs = (sorted(gzip.decompress(of[name]).splitlines()) for of in (found, clean))
        assert ours == theirs


def test_hostile_objects_lie_among_the_others(tmp_path: Path) -> None:
    spoil(tmp_path, 3, ("hostile",))
    assert len([path for path in (tmp_path / "landing").rglob("*") if path.is_file()]) == len(HOSTILE)


def test_a_fault_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="'cosmic rays' is no fault class of files; choose among reordered, "):
        WorldOptions(seed=1, faults=("cosmic rays",))
