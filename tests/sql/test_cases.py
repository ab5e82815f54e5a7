"""Each model gives, for the inputs of a golden case, exactly the rows that the case expects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sql.conftest import Bench

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/*/expect.csv"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_the_model_gives_the_expected_rows(bench: Bench, case: Path) -> None:
    actual, expected = bench.run(case.parent.name, case)
    assert actual == expected


def test_every_folder_is_a_case_of_a_model(bench: Bench) -> None:
    folders = {
        path for path in HERE.glob("*/*") if path.is_dir() and path.parent.name not in {"__pycache__", "questions"}
    }
    assert folders == set(CASES), "a case folder needs an expect.csv"
    assert {case.parent.name for case in CASES} <= set(bench.models)
