"""The DAGs load, are linked by assets, keep to one writer, and run the same steps as the command line."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from dags import run_in_process as runner
from pipeline import cli_pass, services, settings, steps
from pipeline.errors import UsageError

INGESTING = {"ingest_events", "ingest_metrics", "ingest_costs"}
DAG_IDS = INGESTING | {"build_marts", "validate_batches", "send_alerts", "verify_figures"}
DAG_FILES = sorted(path for path in runner.DAGS_FOLDER.glob("*.py") if path.stem in DAG_IDS)


def test_all_dags_load_and_nothing_else(dag_bag: Any) -> None:
    assert dag_bag.import_errors == {}
    assert set(dag_bag.dags) == DAG_IDS


def test_the_dag_processor_reads_dag_files_alone(airflow: Path) -> None:
    """What tasks load was imported anew every half minute: 30 s of it at a time on a busy machine."""
    from airflow.utils.file import list_py_file_paths

    assert sorted(map(Path, list_py_file_paths(str(runner.DAGS_FOLDER)))) == DAG_FILES


@pytest.mark.slow
def test_workers_start_with_everything_loaded_and_are_forked_from_what_loaded_it(
    airflow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded after its start, the scheduler's loop stood still until it took its own tasks for orphans."""
    from airflow.executors.local_executor import LocalExecutor

    from dags.executor import WarmExecutor

    loaded: list[bool] = []
    monkeypatch.delitem(sys.modules, "dags.warm", raising=False)
    monkeypatch.setattr(LocalExecutor, "start", lambda self: loaded.append("dags.warm" in sys.modules))
    WarmExecutor(parallelism=1).start()
    assert loaded == [True]
    assert services.COMMON["AIRFLOW__CORE__EXECUTOR"] == f"{WarmExecutor.__module__}.{WarmExecutor.__qualname__}"
    assert services.COMMON["AIRFLOW__SCHEDULER__MP_START_METHOD"] == "fork"


@pytest.mark.parametrize("dag_id", sorted(DAG_IDS))
def test_each_dag_says_what_it_is_and_keeps_to_one_writer(dag_bag: Any, dag_id: str) -> None:
    dag = dag_bag.dags[dag_id]
    assert dag.doc_md.startswith("###")
    assert "When " in dag.doc_md
    assert "chipledger" in dag.tags
    assert dag.max_active_runs == (4 if dag_id in ("build_marts", "ingest_events") else 1)
    assert dag.catchup is False
    for task in dag.tasks:
        assert task.owner == "chipledger"
        # great_expectations judges for long and holds the warehouse for moments: the lock's patience is enough
        assert task.pool == ("default_pool" if task.task_id == "validate" else "warehouse")
        assert task.retries >= (0 if task.task_id == "unreachable" else 1)


def test_assets_link_ingest_to_marts_and_marts_to_alerts(dag_bag: Any) -> None:
    def outlets(dag_id: str) -> set[str]:
        return {asset.name for task in dag_bag.dags[dag_id].tasks for asset in task.outlets}

    def wakes(dag_id: str) -> set[str]:
        condition = dag_bag.dags[dag_id].timetable.asset_condition
        return {asset.name for asset in getattr(condition, "objects", [condition])}

    assert outlets("ingest_events") | outlets("ingest_metrics") | outlets("ingest_costs") == wakes("build_marts")
    assert outlets("build_marts") == wakes("send_alerts") == wakes("validate_batches")


@pytest.mark.parametrize("dag_id", ["ingest_events", "ingest_metrics", "ingest_costs", "build_marts", "send_alerts"])
def test_a_timed_sweep_backs_every_event(dag_bag: Any, dag_id: str) -> None:
    """An asset event is only a wake-up: Airflow can hold back the tail of a burst."""
    timetable = dag_bag.dags[dag_id].timetable
    assert "*" in getattr(timetable, "timetable", timetable).expression


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.stem)
def test_dag_files_hold_no_logic(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    logic = (ast.If, ast.For, ast.While, ast.Try, ast.comprehension, ast.Lambda)
    assert not [node for node in ast.walk(tree) if isinstance(node, logic)]
    top_imports = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert not [name for name in top_imports if name and name.split(".")[0] in ("pipeline", "alerts")]


def told(asset: str) -> list[dict[str, Any]]:
    """What the events of an asset carry, oldest first."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    with create_session() as session:
        found = session.query(AssetEvent).order_by(AssetEvent.id).all()
        return [dict(event.extra) for event in found if event.asset.name == asset]


def test_an_empty_inbox_goes_through_all_dags_in_order_and_publishes_empty_tables(airflow: Path, home: Path) -> None:
    outcomes = [run() for _, run in runner.runs()]
    assert [(one.dag_id, one.error) for one in outcomes] == [(dag_id, None) for dag_id in runner.ORDER]
    assert {one.state for one in outcomes} == {"success"}
    (said,) = [one.said["build_and_publish"] for one in outcomes if one.dag_id == "build_marts"]
    assert [line.partition(":")[0] for line in said.splitlines()] == ["build", "check", "detect", "publish"]
    assert settings.load().place.snapshot.is_file()


def test_an_unreachable_source_fails_its_own_task_and_the_pass_goes_on(
    airflow: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inbox").mkdir()
    scrape = 'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",modelName="NVIDIA L4",Hostname="h"} 7\n'
    (tmp_path / "inbox" / "a-20261101T000000Z.prom").write_text(scrape, "utf-8")
    monkeypatch.setenv("CHIPLEDGER_INBOX", f"{tmp_path / 'gone'},{tmp_path / 'inbox'}")
    _, first, *others = [run() for _, run in runner.runs(runner.ORDER[:-1])]  # verdicts do not hang on it
    assert (first.state, first.error) == ("failed", None)
    assert "1 landed (2 rows), 0 known already, 1 source unreachable" in first.said["sweep_metrics"]
    assert f"{tmp_path / 'gone'} is neither" in first.said["sweep_metrics"]
    assert told("raw_metrics")[-1]["windows"]["raw_dcgm_samples"][0] == "2026-11-01T00:00:00+00:00"
    assert {one.state for one in others} == {"success"}
    assert settings.load().place.snapshot.is_file()


def test_what_a_killed_run_landed_is_told_to_the_marts_by_the_next_and_then_no_more(
    airflow: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task outlives its killed scheduler and lands, but its news is lost; tried again, it finds nothing new."""
    (tmp_path / "inbox").mkdir()
    scrape = 'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",modelName="NVIDIA L4",Hostname="h"} 7\n'
    (tmp_path / "inbox" / "a-20261102T000000Z.prom").write_text(scrape, "utf-8")
    monkeypatch.setenv("CHIPLEDGER_INBOX", str(tmp_path / "inbox"))
    values = settings.load()
    assert steps.ingest_metrics(values, values.clock()).count("landed") == 1
    before = len(told("raw_metrics"))
    for _, run in runner.runs(("ingest_metrics", "build_marts", "ingest_metrics")):
        run()
    (news,) = told("raw_metrics")[before:]
    assert news["windows"]["raw_dcgm_samples"][0] == "2026-11-02T00:00:00+00:00"


def test_a_failing_task_surfaces_its_own_error(airflow: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: object) -> None:
        raise UsageError("the rules are wrong")

    monkeypatch.setattr(steps, "build", build)
    (outcome,) = [run() for _, run in runner.runs(("build_marts",))]
    assert (outcome.state, outcome.failed_task) == ("failed", "build_and_publish")
    assert isinstance(outcome.error, UsageError)


def test_alerts_that_reach_nobody_fail_their_task_and_not_the_summary_of_the_pass(
    airflow: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    monkeypatch.setenv("CHIPLEDGER_SLACK_CHANNEL", "C1")
    monkeypatch.setenv("CHIPLEDGER_SLACK_BASE_URL", "http://127.0.0.1:9/api/")
    (outcome,) = [run() for _, run in runner.runs(("send_alerts",))]
    assert (outcome.state, outcome.failed_task) == ("failed", "notify")
    assert isinstance(outcome.error, cli_pass.SAID_ALREADY)
    assert "messages wait for the next pass" in outcome.said["notify"]


def test_quiet_sends_output_to_the_log_and_gives_the_terminal_back(tmp_path: Path, capfd: Any) -> None:
    log = tmp_path / "log" / "run.log"
    with runner.quiet(log):
        os.write(1, b"for the log\n")
    os.write(1, b"for the reader\n")
    assert log.read_text("utf-8") == "for the log\n"
    assert capfd.readouterr().out == "for the reader\n"
