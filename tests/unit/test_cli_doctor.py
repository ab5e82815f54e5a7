"""What `chipledger doctor` finds wrong, and what it leaves alone."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.doctor import examine_disk
from pipeline.home import Home
from pipeline.warehouse import open_warehouse
from tests.fakes.slack import CHANNEL, TOKEN, FakeSlack, serve


def test_the_doctor_speaks_of_every_part(chipledger, built_home: Path) -> None:
    code, out, _ = chipledger("doctor", "--json")
    parts = {row["part"]: row["status"] for row in json.loads(out)}
    assert code == 0
    assert {"disk", "workloads", "inbox", "cloudwatch", "cost explorer", "warehouse", "publication", "slack"} <= set(
        parts
    )
    assert parts["disk"] == parts["warehouse"] == parts["publication"] == "ok"


def test_the_rows_of_a_failed_check_are_shown_from_the_warehouse_and_the_doctor_knows(
    chipledger, built_home: Path
) -> None:
    with open_warehouse(built_home / "warehouse.duckdb") as conn:
        conn.execute("insert into dim_workload by name select 'a' as workload_id, '' as team")
        conn.execute(
            "update state_check_results set status = 'failed', failed_count = 1, first_failed_at = '2026-11-01', "
            "sample_keys = '[]' where check_id = 'dim_workload:team_ne'"
        )
    code, out, err = chipledger("check", "--show", "dim_workload:team_ne")
    header, row = out.splitlines()
    assert (code, dict(zip(header.split("\t"), row.split("\t"), strict=True))["workload_id"]) == (0, "a")
    assert "dim_workload:team_ne over the whole table: 1 of 0 rows" in err
    code, _, err = chipledger("check", "--show", "nope")
    assert (code, "no check 'nope' fails or warns; these do: dim_workload:team_ne" in err) == (2, True)
    _, out, _ = chipledger("doctor", "--json")
    (checks,) = [row for row in json.loads(out) if row["part"] == "checks"]
    assert (checks["status"], checks["what"][:34]) == ("fail", "1 failed check held the publicatio")


def test_the_doctor_misses_rules_that_a_setting_names(chipledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPLEDGER_WORKLOADS", "gone.toml")
    _, out, _ = chipledger("doctor", "--json")
    (rules,) = [row for row in json.loads(out) if row["part"] == "workloads"]
    assert (rules["status"], rules["what"][:41]) == ("warn", "CHIPLEDGER_WORKLOADS: no file gone.toml; ")


@pytest.mark.parametrize(("free", "status"), [(2**28 - 1, "fail"), (2**28, "warn"), (5 * 2**30, "ok")])
def test_the_doctor_fails_on_a_full_disk(home: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    assert examine_disk(Home(home)).status == status


def test_the_doctor_fails_on_rules_that_cannot_be_read(chipledger) -> None:
    Path("workloads.toml").write_text("[[rule]]\nnonsense = 1\n", "utf-8")
    code, out, _ = chipledger("doctor")
    assert code == 1
    assert "nonsense" in out


def test_the_doctor_names_a_warehouse_of_another_version(chipledger, begun_home: Path) -> None:
    with open_warehouse(begun_home / "warehouse.duckdb") as conn:
        conn.execute("alter table raw_cloudwatch_samples add column neuron_core varchar")
    code, out, _ = chipledger("doctor")
    assert code == 1
    assert "its table raw_cloudwatch_samples was made by another version" in out


def test_the_doctor_names_files_that_do_not_open(chipledger, home: Path) -> None:
    (home / "published").mkdir(parents=True)
    for name in ("warehouse.duckdb", "published/marts.duckdb"):
        (home / name).write_bytes(b"not a database" * 1000)
    code, out, _ = chipledger("doctor", "--json")
    parts = {row["part"]: row for row in json.loads(out)}
    assert (code, parts["warehouse"]["status"], parts["publication"]["status"]) == (1, "fail", "fail")
    assert "chipledger publish" in parts["publication"]["what"]
    code, _, err = chipledger("build")
    assert (code, err.count("\n")) == (1, 1)


@pytest.mark.parametrize(("hours", "told"), [("6", "120 requests a month, 1.20 USD"), ("48", "30 requests")])
def test_the_doctor_predicts_what_the_bill_s_pulls_cost(
    chipledger, monkeypatch: pytest.MonkeyPatch, hours: str, told: str
) -> None:
    monkeypatch.setenv("CHIPLEDGER_COST_EXPLORER", "true")
    monkeypatch.setenv("CHIPLEDGER_COST_EXPLORER_INTERVAL_HOURS", hours)
    _, out, _ = chipledger("doctor")
    assert told in out


def test_the_doctor_sees_half_a_slack(chipledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    _, out, _ = chipledger("doctor", "--json")
    (slack,) = [row for row in json.loads(out) if row["part"] == "slack"]
    assert (slack["status"], "CHIPLEDGER_SLACK_CHANNEL" in slack["what"]) == ("warn", True)


@pytest.mark.parametrize(
    ("channel", "error", "status", "told"),
    [
        (CHANNEL, "", "ok", f"answers for channel {CHANNEL}"),
        ("#alerts", "", "fail", "#alerts: channel_not_found; give CHIPLEDGER_SLACK_CHANNEL the channel's id"),
        (CHANNEL, "not_in_channel", "fail", "invite the app"),
        (CHANNEL, "missing_scope", "warn", "channels:history"),
    ],
)
def test_the_doctor_looks_into_the_channel_and_not_at_the_token_alone(
    chipledger, monkeypatch: pytest.MonkeyPatch, channel: str, error: str, status: str, told: str
) -> None:
    with serve(FakeSlack(error={"conversations.history": error} if error else {})) as slack:
        monkeypatch.setenv("SLACK_BOT_TOKEN", f"{TOKEN}\n")
        monkeypatch.setenv("CHIPLEDGER_SLACK_CHANNEL", channel)
        monkeypatch.setenv("CHIPLEDGER_SLACK_BASE_URL", slack.base_url)
        _, out, _ = chipledger("doctor", "--json")
    (found,) = [row for row in json.loads(out) if row["part"] == "slack"]
    assert (found["status"], told in found["what"]) == (status, True)
