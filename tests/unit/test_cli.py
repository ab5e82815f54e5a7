"""The commands as a person types them, in this process: answers, refusals, exit codes."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline import cli_pass, cli_summary
from pipeline.check_results import CheckReport, CheckResult


def test_build_on_an_empty_home_publishes_all_tables_empty(chipledger, home: Path) -> None:
    code, _, _ = chipledger("build")
    assert code == 0
    assert (home / "published" / "marts.duckdb").is_file()
    code, out, _ = chipledger("query", "select count(*) as n from mart_workload_cost_daily", "--json")
    assert (code, json.loads(out)) == (0, [{"n": 0}])


def test_a_second_build_finds_nothing_new(chipledger, built_home: Path) -> None:
    code, out, _ = chipledger("build")
    assert code == 0
    assert "nothing new" in out


@pytest.mark.parametrize(
    "words", [("query", "select 1"), ("tables",), ("export", "dim_workload", "--to", "x.csv"), ("ask", "idle_cost")]
)
def test_reading_before_the_first_publication_says_what_to_run(chipledger, words: tuple[str, ...]) -> None:
    code, _, err = chipledger(*words)
    assert code == 1
    assert "nothing published yet: run chipledger build" in err


@pytest.mark.parametrize("words", [("check",), ("publish",)])
def test_judging_or_publishing_before_the_first_build_says_what_to_run(chipledger, words: tuple[str, ...]) -> None:
    code, _, err = chipledger(*words)
    assert (code, err) == (1, "chipledger: nothing built yet: run chipledger build\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("explain", "a", "today"), "DATE: 'today' is no day; write 2026-11-14"),
        (("compare", "a", "--price-date", "soon"), "--price-date: 'soon' is no day"),
        (("compare", "a", "--price-date", "9999-12-31"), "nobody knows the prices of a day to come"),
    ],
)
def test_a_day_that_is_none_or_not_known_yet_is_a_usage_error(chipledger, words: tuple[str, ...], told: str) -> None:
    code, _, err = chipledger(*words)
    assert code == 2
    assert told in err


def test_run_without_a_source_is_a_usage_error_that_names_the_settings(chipledger) -> None:
    code, _, err = chipledger("run")
    assert code == 2
    assert "CHIPLEDGER_INBOX" in err
    assert "chipledger run --sample" in err


def test_a_misspelt_setting_ends_with_two(chipledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPLEDGER_INBOKS", "exports")
    code, _, err = chipledger("build")
    assert (code, err.count("\n")) == (2, 1)
    assert "CHIPLEDGER_INBOKS is no setting; did you mean CHIPLEDGER_INBOX?" in err


def test_a_refused_object_ends_with_one_and_the_good_one_lands(chipledger, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "good-20261101T000000Z.prom").write_text(
        'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",modelName="NVIDIA L4",Hostname="h"} 7\n', "utf-8"
    )
    (inbox / "broken.prom.gz").write_bytes(gzip.compress(b"x" * 10_000)[:40])
    code, out, _ = chipledger("ingest", str(inbox))
    assert code == 1
    assert "broken.prom.gz" in out
    assert "1 landed" in out
    code, out, _ = chipledger("ingest", str(inbox / "good-20261101T000000Z.prom"))
    assert code == 0
    assert "1 known already" in out


def test_a_pass_without_one_of_its_inboxes_still_publishes_and_ends_with_one(
    chipledger, built_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "a-20261101T000000Z.prom").write_text(
        'DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",modelName="NVIDIA L4",Hostname="h"} 7\n', "utf-8"
    )
    monkeypatch.setenv("CHIPLEDGER_INBOX", f"{tmp_path / 'gone'},{inbox}")
    code, out, _ = chipledger("run")
    assert code == 1
    assert f"{tmp_path / 'gone'} is neither a file nor a folder; give an existing path" in out
    assert "1 landed" in out
    assert all(f"{step}:" in out for step in ("build", "check", "detect", "publish", "notify"))
    _, out, _ = chipledger("query", "select accelerator_id from dim_accelerator", "--json")
    assert json.loads(out) == [{"accelerator_id": "GPU-1"}]


def test_ingest_answers_in_json(chipledger, tmp_path: Path) -> None:
    path = tmp_path / "a-20261101T000000Z.prom"
    path.write_text('DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",modelName="NVIDIA L4",Hostname="h"} 7\n', "utf-8")
    code, out, _ = chipledger("ingest", str(path), "--json")
    (row,) = json.loads(out)
    assert (code, row["status"], row["source"], row["rejects"]) == (0, "landed", "dcgm", 0)


def test_a_missing_path_and_a_wrong_time_are_usage_errors(chipledger) -> None:
    code, _, err = chipledger("ingest", "nowhere")
    assert (code, "nowhere" in err) == (2, True)
    code, _, err = chipledger("ingest", ".", "--observed-at", "noon")
    assert (code, "--observed-at" in err) == (2, True)


def test_unknown_words_are_usage_errors(chipledger) -> None:
    assert chipledger("frobnicate")[0] == 2
    assert chipledger("world")[0] == 2
    assert chipledger("world", "serve", "nowhere")[0] == 2
    assert chipledger("world", "--seed", "1", "--size", "XXL", "--out", "x")[0] == 2


def test_sql_prints_a_model_that_runs_as_it_stands(chipledger) -> None:
    code, out, _ = chipledger("sql", "mart_workload_cost_daily")
    assert code == 0
    assert "$start_at" not in out
    code, _, err = chipledger("sql", "mart_workload_costs_daily")
    assert (code, "did you mean" in err) == (2, True)


def test_a_writing_statement_is_refused(chipledger, built_home: Path) -> None:
    code, _, err = chipledger("query", "drop table mart_workload_cost_daily")
    assert code == 1
    assert err.startswith("chipledger: ")


def test_tables_and_export_read_the_publication(chipledger, built_home: Path, tmp_path: Path) -> None:
    _, out, _ = chipledger("tables", "--json")
    assert {"fct_cost_allocated_hourly", "mart_anomalies"} <= {row["table"] for row in json.loads(out)}
    _, out, _ = chipledger("tables", "dim_workload")
    assert "workload_id" in out
    assert chipledger("export", "dim_workload", "--to", str(tmp_path / "w.csv"))[0] == 0
    assert (tmp_path / "w.csv").read_text("utf-8").startswith("workload_id")


def test_the_steps_can_be_taken_one_by_one(chipledger, built_home: Path) -> None:
    shutil.rmtree(built_home / "published")
    assert chipledger("build", "--no-publish")[0] == 0
    assert not (built_home / "published" / "marts.duckdb").exists()
    for step in ("check", "detect", "publish", "notify"):
        assert chipledger(step)[0] == 0, step
    assert chipledger("notify", "--dry-run")[0] == 0


def test_a_check_that_warns_for_a_month_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    days = [datetime(2026, 11, day, tzinfo=UTC) for day in range(1, 31)]
    one = CheckResult("m:a", "m", "why", "warning", "warned", days[0], days[1], 1, 2, (), "select 1", days[0])
    warned = [*(replace(one, window_start_at=day) for day in days), replace(one, check_id="m:b")]
    cli_pass.show_checks(CheckReport([], warned, 7))
    told = capsys.readouterr().err.splitlines()
    assert [line[:19] for line in told if not line.startswith(" ")] == ["m:a over 2026-11-30", "m:b over 2026-11-01"]
    assert "  and 29 more days: chipledger check --show m:a" in told


def test_notify_fails_aloud_where_slack_cannot_be_reached(
    chipledger, built_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "SLACK_BOT_TOKEN": "xoxb-1",
        "CHIPLEDGER_SLACK_CHANNEL": "C1",
        "CHIPLEDGER_SLACK_BASE_URL": "http://127.0.0.1:9/api/",
    }.items():
        monkeypatch.setenv(name, value)
    code, out, _ = chipledger("notify")
    assert (code, "messages wait for the next pass" in out) == (1, True)


@pytest.mark.parametrize("damage", [b"not a database" * 1000, b"SQLite format 3\0" + bytes(4080)])
def test_a_damaged_alert_ledger_is_one_sentence_that_names_it(chipledger, built_home: Path, damage: bytes) -> None:
    (built_home / "state" / "alerts.db").write_bytes(damage)
    code, _, err = chipledger("notify")
    assert (code, err.count("\n")) == (1, 1)
    assert f"alert ledger {built_home / 'state' / 'alerts.db'}: " in err
    assert "restore it from a backup, or move it away" in err


def test_too_little_memory_is_one_sentence_that_names_the_setting(chipledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPLEDGER_MEMORY_LIMIT", "10KB")
    code, _, err = chipledger("build")
    assert (code, err.count("\n"), "raise CHIPLEDGER_MEMORY_LIMIT" in err) == (1, 1, True)


def test_a_closed_finding_is_shown_with_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = {"opened_at": datetime(2026, 11, 13, tzinfo=UTC), "closed_at": datetime(2026, 11, 14, tzinfo=UTC)}
    row = {"rule": "r", "subject": "s", "severity": "warning", "impact_usd": 5, "impact_usd_per_hour": 1, **times}
    row["known"] = 1234
    rows = [{**row, "status": "closed"}, {**row, "status": "open", "closed_at": None}]
    monkeypatch.setattr(cli_summary, "_ask", lambda root, sql: rows)
    cli_summary._show_findings(Path())
    out = capsys.readouterr().out
    assert "closed, 2026-11-13T00:00:00Z to 2026-11-14T00:00:00Z]" in out
    assert "open since 2026-11-13T00:00:00Z]" in out
    assert out.endswith('… and 1,232 more: chipledger query "from mart_anomalies"\n')


def test_top_workloads_say_what_of_their_cost_no_bill_tells_yet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"workload_id": "w", "chip": "L4", "effective_usd": 5, "device_hours": 1, "busy": None, "unused_usd": None}
    for estimated, words in ((0, []), (3, ["$3.00"])):
        monkeypatch.setattr(cli_summary, "_ask", lambda root, sql, usd=estimated: [{**row, "estimated_usd": usd}])
        cli_summary._show_workloads(Path())
        _, _, columns, cells = capsys.readouterr().out.splitlines()
        assert ("of it estimated" in columns) == bool(words)
        assert cells.split() == ["w", "L4", "$5.00", *words, "1.0", "no", "data", "no", "data"]


def test_ask_lists_the_questions_and_prints_one_as_sql(chipledger) -> None:
    code, out, _ = chipledger("ask", "--json")
    assert code == 0
    assert (4, "idle_cost") in [(row["number"], row["name"]) for row in json.loads(out)]
    code, out, _ = chipledger("ask", "4", "--param", "from_date=2026-11-01", "--sql")
    assert code == 0
    assert "usage_date >= cast('2026-11-01' as date)" in out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("idle",), "did you mean idle_cost"),
        (("4", "--param", "from_date"), "write it as name=value"),
        (("4", "--param", "day=1"), "no parameter day"),
        (("4", "--param", "from_date=yesterday"), "--param from_date: 'yesterday' is no day; write 2026-11-14"),
        (("3", "--param", "since=today"), "--param since: 'today' is no time"),
        (("16", "--param", "budget_usd=1,000"), "--param budget_usd: '1,000' is no number"),
    ],
)
def test_a_wrong_question_is_a_usage_error_with_a_next_step(chipledger, words: tuple[str, ...], told: str) -> None:
    code, _, err = chipledger("ask", *words)
    assert code == 2
    assert told in err
