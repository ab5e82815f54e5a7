"""The dictionary is written from the headers alone, and a stale one is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import catalog
from pipeline.models import Models
from tests.unit.toy_marts import toy_models


@pytest.fixture
def models(tmp_path: Path) -> Models:
    return toy_models(tmp_path / "sql")


def test_every_table_and_column_is_in_the_dictionary(models: Models) -> None:
    text = catalog.render(models)
    for header in (*models.values(), *models.raw.values()):
        assert f"### {header.name}\n" in text
        for column in header.columns:
            assert f"| `{column}` |" in text


def test_a_table_shows_grain_window_lineage_and_why_its_checks_exist(models: Models) -> None:
    block = catalog.render(models).partition("### fct_hours\n")[2].partition("### ")[0]
    assert block.startswith("\nWhat each chip cost in each hour.\n")
    assert "- grain: `hour_at`, `chip`" in block
    assert "- replaced by windows of `hour_at`" in block
    assert "- reads [int_hours](#int_hours)" in block
    assert "| warn: `kind in ('gpu', 'trn')` | other chips have no price |" in block


def test_the_lineage_is_a_mermaid_flowchart_of_what_the_sql_reads(models: Models) -> None:
    chart = catalog.render(models).partition("```mermaid\n")[2].partition("```")[0]
    assert chart.startswith("flowchart LR\n")
    assert "  int_hours --> fct_hours\n" in chart
    assert "  state_check_results --> mart_data_quality\n" in chart
    assert "state_touched" not in chart


def test_marts_come_first(models: Models) -> None:
    text = catalog.render(models)
    assert text.index("## Marts") < text.index("## Staging") < text.index("## Raw and state")


def test_bars_and_brackets_do_not_break_the_table() -> None:
    assert catalog._cell("a|b <c>") == "a\\|b &lt;c&gt;"


def test_check_tells_a_stale_dictionary_from_a_fresh_one(
    models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "docs" / "dictionary.md"
    assert catalog.main(["--check"], models.sql_dir, target) == 1
    assert "dictionary.md is stale: run make docs" in capsys.readouterr().err
    assert catalog.main([], models.sql_dir, target) == 0
    assert catalog.main(["--check"], models.sql_dir, target) == 0
    file = models.sql_dir / "marts" / "dim_chip.sql"
    file.write_text(file.read_text().replace("one row per chip", "a row per chip"))
    assert catalog.main(["--check"], models.sql_dir, target) == 1


def test_a_broken_header_is_named_instead_of_a_traceback(
    models: Models, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (models.sql_dir / "marts" / "dim_chip.sql").write_text("select 1\n")
    assert catalog.main([], models.sql_dir, tmp_path / "dictionary.md") == 1
    assert "sql/marts/dim_chip.sql:1" in capsys.readouterr().err
