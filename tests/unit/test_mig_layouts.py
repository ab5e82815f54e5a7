"""The seed of MIG layouts is what NVIDIA's placements allow: every layout, and how many more fit beside it."""

from __future__ import annotations

import csv

import pytest

from pipeline.warehouse import SQL_DIR
from tests.support.mig import PLACEMENTS, fits, layouts

COLUMNS = ("device_slice_count", "layout", "wanted_slice_count", "fit_count_low", "fit_count_high")


def test_the_seed_is_what_the_placements_allow() -> None:
    with (SQL_DIR / "seeds" / "mig_layouts.csv").open(encoding="utf-8") as file:
        shipped = {tuple(row[name] for name in COLUMNS) for row in csv.DictReader(file)}
    assert shipped == {
        tuple(map(str, (device, "+".join(map(str, layout)), wanted, *fits(device, layout, wanted))))
        for device, sizes in PLACEMENTS.items()
        for layout in layouts(device)
        for wanted in sizes
    }


@pytest.mark.parametrize(
    ("device", "layout", "wanted", "low", "high"),
    [
        (7, (3, 3), 1, 0, 0),  # six of seven slices in use, and the seventh is lost
        (7, (3, 2), 2, 0, 1),
        (7, (3, 2), 1, 1, 2),
        (7, (4,), 3, 1, 1),
        (7, (4, 3), 1, 0, 0),
        (7, (1,) * 7, 1, 0, 0),
        (7, (2, 2, 2), 1, 1, 1),
        (4, (2,), 2, 1, 1),
        (4, (1, 1), 2, 0, 1),
    ],
)
def test_known_layouts_leave_what_nvidia_s_guide_draws(
    device: int, layout: tuple[int, ...], wanted: int, low: int, high: int
) -> None:
    assert fits(device, layout, wanted) == (low, high)
