"""detect makes `findings` equal to the signals: the same signals, the same rows, whatever happened before."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal

import duckdb
import pytest

from alerts.rules import COLUMNS, SIGNALS, detect, read_findings
from pipeline import failpoints
from pipeline.errors import ModelError
from pipeline.warehouse import SQL_DIR

AS_OF = datetime(2026, 11, 15, tzinfo=UTC)
SIGNAL_DDL = """
create table {} (
    rule varchar, subject varchar, severity varchar, status varchar, start_at timestamptz, detected_at timestamptz,
    end_at timestamptz, last_seen_at timestamptz, observed double, expected double, unit varchar,
    impact_usd decimal(38, 10), impact_usd_per_hour decimal(38, 10), price_basis varchar, evidence varchar
)
"""
IDLE = "('idle_while_paid', '{}', 'critical', '{}', '2026-11-14 08:00Z', '2026-11-14 08:15Z', {}, '2026-11-14 19:00Z', \
0.01, 0.05, 'ratio', 100.5, 9.1, 'list', '{{\"chip\": \"H100\"}}')"
SPIKE = "('daily_cost_spike', '1/p5', 'warning', 'closed', '2026-11-10 00:00Z', '2026-11-12 00:00Z', \
'2026-11-11 00:00Z', '2026-11-11 00:00Z', 900, 300, 'USD', 600, 25, 'effective', '{}')"


@pytest.fixture
def conn(raw_conn: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    for table in SIGNALS:
        raw_conn.execute(SIGNAL_DDL.format(table))
    return raw_conn


def signal(conn: duckdb.DuckDBPyConnection, *idle: str) -> None:
    """Replace the signals: idle rows as given, and one spike."""
    conn.execute("delete from sig_idle_while_paid; delete from sig_daily_cost_spike")
    conn.execute(f"insert into sig_daily_cost_spike values {SPIKE}")
    if idle:
        conn.execute(f"insert into sig_idle_while_paid values {', '.join(idle)}")


def open_(subject: str) -> str:
    return IDLE.format(subject, "open", "null")


def over(subject: str) -> str:
    return IDLE.format(subject, "closed", "'2026-11-14 19:00Z'")


def contents(conn: duckdb.DuckDBPyConnection) -> list[list[dict[str, object]]]:
    return [
        conn.sql(f"select * from {table} order by all").to_arrow_table().to_pylist()
        for table in ("findings", "finding_transitions")
    ]


def test_findings_are_exactly_the_signals(conn: duckdb.DuckDBPyConnection) -> None:
    signal(conn, open_("a"), over("b"))
    result = detect(conn, as_of=AS_OF)
    assert (result.findings, result.open, result.opened, result.closed, result.vanished) == (3, 1, 3, 0, 0)
    assert {(f.subject, f.status) for f in read_findings(conn)} == {("a", "open"), ("b", "closed"), ("1/p5", "closed")}


def test_the_finding_id_is_the_hash_of_rule_subject_and_start(conn: duckdb.DuckDBPyConnection) -> None:
    signal(conn, open_("a"))
    detect(conn, as_of=AS_OF)
    expected = hashlib.sha256(b"idle_while_paid|a|2026-11-14T08:00:00.000000Z").hexdigest()[:16]
    assert expected in {finding.finding_id for finding in read_findings(conn)}


def test_detecting_again_changes_nothing(conn: duckdb.DuckDBPyConnection) -> None:
    signal(conn, open_("a"))
    detect(conn, as_of=AS_OF)
    before = contents(conn)
    result = detect(conn, as_of=datetime(2027, 1, 1, tzinfo=UTC))
    assert not result.changed
    assert contents(conn) == before


def test_the_way_to_a_set_of_signals_leaves_no_trace(conn: duckdb.DuckDBPyConnection) -> None:
    signal(conn, over("b"))
    detect(conn, as_of=AS_OF)
    straight = contents(conn)
    for detour in ((open_("a"), open_("b")), (), (open_("b"),), (over("b"),)):
        signal(conn, *detour)
        detect(conn, as_of=AS_OF)
    assert contents(conn) == straight


def test_a_result_counts_what_closed_and_what_vanished(conn: duckdb.DuckDBPyConnection) -> None:
    signal(conn, open_("a"), open_("b"))
    detect(conn, as_of=AS_OF)
    signal(conn, over("a"))
    result = detect(conn, as_of=AS_OF)
    assert (result.opened, result.closed, result.vanished) == (0, 1, 1)


def test_transitions_carry_data_times(conn: duckdb.DuckDBPyConnection) -> None:
    signal(conn, over("b"))
    detect(conn, as_of=AS_OF)
    rows = [row for row in contents(conn)[1] if '"b"' in str(row["payload"])]
    assert [(row["transition"], row["transition_at"]) for row in rows] == [
        ("close", datetime(2026, 11, 14, 19, tzinfo=UTC)),
        ("open", datetime(2026, 11, 14, 8, 15, tzinfo=UTC)),
    ]


def test_a_failed_check_is_one_critical_finding_over_all_its_days(conn: duckdb.DuckDBPyConnection) -> None:
    signal(conn)
    columns = "check_id, window_start_at, severity, status, model, why, failed_count, checked_count, reproduce_sql"
    failed = "'mart_x:cost', '2026-11-{} 00:00Z', 'critical', 'failed', 'mart_x', 'lost credit', 2, 50, 'select 1'"
    warned = "'mart_x:other', '2026-11-10 00:00Z', 'warning', 'warned', 'mart_x', 'odd', 2, 50, 'select 1'"
    passed = "'mart_x:good', '2026-11-10 00:00Z', 'critical', 'passed', 'mart_x', 'good', 0, 50, 'select 1'"
    for values in (failed.format(10), failed.format(11), warned, passed):
        conn.execute(f"insert into state_check_results ({columns}) values ({values})")
    detect(conn, as_of=AS_OF)
    (finding,) = read_findings(conn, ["data_quality"])
    assert (finding.subject, finding.severity, finding.status, finding.price_basis) == (
        "mart_x:cost",
        "critical",
        "open",
        "none",
    )
    assert finding.opened_at == datetime(2026, 11, 10, tzinfo=UTC)
    assert (finding.observed, finding.impact_usd) == (4.0, Decimal(0))
    assert finding.facts["checked_rows"] == 100
    assert finding.facts["sql"] == "select 1"


def test_two_signals_for_one_finding_are_refused_and_nothing_changes(conn: duckdb.DuckDBPyConnection) -> None:
    signal(conn, open_("a"))
    detect(conn, as_of=AS_OF)
    before = contents(conn)
    signal(conn, open_("a"), over("a"))
    with pytest.raises(ModelError, match=r"two signals of rule idle_while_paid name 'a'"):
        detect(conn, as_of=AS_OF)
    assert contents(conn) == before


def test_a_missing_signal_table_is_named_with_the_next_step(conn: duckdb.DuckDBPyConnection) -> None:
    conn.execute("drop table sig_daily_cost_spike")
    with pytest.raises(ModelError, match="sig_daily_cost_spike; run: chipledger build"):
        detect(conn, as_of=AS_OF)


def test_dying_before_the_commit_leaves_the_last_findings(
    conn: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal(conn, open_("a"))
    detect(conn, as_of=AS_OF)
    before = contents(conn)
    signal(conn, over("a"))

    def die(name: str) -> None:
        raise duckdb.Error(name)

    monkeypatch.setattr(failpoints, "failpoint", die)
    with pytest.raises(duckdb.Error, match="before_commit"):
        detect(conn, as_of=AS_OF)
    monkeypatch.undo()
    assert contents(conn) == before
    assert detect(conn, as_of=AS_OF).closed == 1


def test_the_mart_gives_every_column_of_the_contract(conn: duckdb.DuckDBPyConnection) -> None:
    signal(conn, open_("a"), over("b"))
    detect(conn, as_of=AS_OF)
    relation = conn.sql((SQL_DIR / "marts" / "mart_anomalies.sql").read_text("utf-8"))
    promised = (
        "finding_id rule subject severity status opened_at detected_at closed_at observed expected unit impact_usd"
    )
    assert set(f"{promised} impact_usd_per_hour price_basis evidence".split()) <= set(relation.columns)
    by_subject = {row["subject"]: row for row in relation.to_arrow_table().to_pylist()}
    assert by_subject["a"]["closed_at"] is None
    assert by_subject["b"]["closed_at"] == datetime(2026, 11, 14, 19, tzinfo=UTC)


def test_detect_reads_the_columns_that_the_signals_promise() -> None:
    assert COLUMNS.count(",") == 14
