"""A figure that is typed becomes a file and a delivery, once; a file of figures shows what it rejects."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pipeline import benchmark_files
from pipeline.comparison_settings import load_move_settings, move_settings
from pipeline.errors import UsageError
from pipeline.home import Home
from pipeline.settings import load
from pipeline.sources.base import Seeds
from pipeline.warehouse import SQL_DIR, bootstrap

SEEDS = Seeds(SQL_DIR / "seeds")
GIVEN = {
    "workload": "ranker",
    "instance_type": "p5.48xlarge",
    "unit": "requests",
    "throughput_per_second": "90",
    "measured_date": "2026-11-02",
    "software": "vLLM 0.11, CUDA 13",
    "note": "",
}
ADD = ("benchmark", "add", "ranker", "--instance-type", "p5.48xlarge", "--throughput", "90", "--unit", "requests")


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    text = benchmark_files.one_line_file(GIVEN, SEEDS)
    assert text.splitlines()[1] == 'ranker,p5.48xlarge,requests,90,"vLLM 0.11, CUDA 13",2026-11-02'
    path = benchmark_files.file_for(Home(tmp_path), text)
    benchmark_files.keep(path, text)
    before = path.stat().st_mtime_ns
    benchmark_files.keep(path, text)
    assert (path.read_text("utf-8"), path.stat().st_mtime_ns) == (text, before)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("name", "text"), [("unit", ""), ("throughput_per_second", "x"), ("note", "a\nb")])
def test_a_figure_that_would_be_rejected_is_not_written(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=name):
        benchmark_files.one_line_file({**GIVEN, name: text}, SEEDS)


def test_adding_twice_lands_once(chipledger, home: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = chipledger(*ADD, "--date", "2026-11-02")
    assert (code, "1 landed (1 rows)" in out) == (0, True)
    code, out, _ = chipledger(*ADD, "--date", "2026-11-02")
    assert (code, "0 landed (0 rows), 1 known already" in out) == (0, True)
    assert len(list((home / "landing" / "benchmarks").iterdir())) == 1


def test_a_wrong_figure_ends_with_two_and_leaves_nothing(chipledger, home: Path) -> None:  # type: ignore[no-untyped-def]
    code, _, err = chipledger(*ADD, "--date", "2026-11-32")
    assert (code, "write 2026-11-02" in err) == (2, True)
    assert not (home / "landing").exists()


def test_the_home_of_the_sample_takes_no_figures(chipledger, home: Path) -> None:  # type: ignore[no-untyped-def]
    (home / "sample" / "landing").mkdir(parents=True)
    code, _, err = chipledger(*ADD, "--date", "2026-11-02")
    assert (code, "holds the sample fleet" in err) == (2, True)
    assert not (home / "landing").exists()


def test_importing_shows_each_rejected_line_and_the_second_time_nothing(chipledger, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "figures.csv"
    lines = [",".join(GIVEN), *(f'ranker,{kind},requests,90,2026-11-02,"",""' for kind in ("p5.48xlarge", "x"))]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    code, out, err = chipledger("benchmark", "import", str(path))
    assert (code, "1 landed (1 rows), 0 known already, 1 lines rejected" in out) == (0, True)
    assert "figures.csv, line 3: instance_type 'x' is not known" in err
    code, out, err = chipledger("benchmark", "import", str(path))
    assert (code, "1 known already" in out, err) == (0, True, "")
    code, _, err = chipledger("benchmark", "import", str(tmp_path / "none.csv"))
    assert (code, "none.csv" in err) == (2, True)


def test_settings_of_moves_reach_the_warehouse_and_touch_it_only_when_they_change(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHIPLEDGER_MIGRATION_COST_USD", "1000")
    monkeypatch.setenv("CHIPLEDGER_MIGRATION_COSTS_USD", '{"ranker": 2000.5}')
    monkeypatch.setenv("CHIPLEDGER_RESEMBLES", '{"bot": "GLM"}')
    values = load()
    with duckdb.connect() as conn:
        bootstrap(conn, comments=False)
        assert load_move_settings(conn, move_settings(values))
        assert not load_move_settings(conn, move_settings(values))
        rows = conn.execute("select workload, migration_cost_usd::varchar, resembles from raw_comparison_settings")
        assert rows.fetchall() == [("", "1000.00", ""), ("bot", None, "GLM"), ("ranker", "2000.50", "")]
    for name, text in values.as_environment().items():
        monkeypatch.setenv(name, text)
    assert move_settings(load()) == move_settings(values)


@pytest.mark.parametrize("text", ['{"ranker": -1}', '{"": 5}', '{"ranker": "NaN"}', "5"])
def test_a_wrong_cost_of_a_move_is_told_by_name(home: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CHIPLEDGER_MIGRATION_COSTS_USD", text)
    with pytest.raises(UsageError, match="migration_costs_usd"):
        load()
