"""A closed period keeps its published figures, whatever the warehouse comes to hold, until it is reopened."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipeline import failpoints, periods, reading
from pipeline.errors import ChipledgerError, NothingPublished, UsageError
from pipeline.home import Home
from pipeline.models import Models, load_models
from pipeline.publish import PUBLIC_PREFIXES, publish
from pipeline.warehouse import SQL_DIR
from tests.unit.toy_marts import DAY, DAY_1, NOW, add_hours, create_tables, toy_models

JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)
FEB_1 = datetime(2026, 2, 1, tzinfo=UTC)
LATER = NOW + 60 * DAY
RESTATEMENTS = """-- mart_restatements: the periods there are.
-- grain:  billing_period
-- column: billing_period | first day of the billing period
-- check:  fail | billing_period is not null | a period has a name
select distinct cast(date_trunc('month', hour_at) as date) as billing_period from int_hours
"""
MONTHS = """-- mart_months: what each billing period cost.
-- grain:  billing_period
-- column: billing_period | first day of the billing period
-- column: billed_cost_usd | USD of the period
-- check:  fail | billed_cost_usd >= 0 | a negative cost is a lost credit row
select cast(date_trunc('month', hour_at) as date) as billing_period, sum(cost_usd) as billed_cost_usd
from int_hours group by 1
"""
# they tell what closings and later bills do
OF_CLOSINGS = {"mart_restatements", "mart_period_actions"}
FAILPOINTS = ["before_close_commit", "after_close_commit", "before_reopen_commit", "after_reopen_commit"]


@pytest.fixture
def models(tmp_path: Path) -> Models:
    folder = tmp_path / "sql"
    toy_models(folder)
    (folder / "marts" / "mart_restatements.sql").write_text(RESTATEMENTS, "utf-8")
    return load_models(folder)


@pytest.fixture
def place(tmp_path: Path) -> Home:
    return Home(tmp_path / "ledger")


@pytest.fixture
def conn(raw_conn: duckdb.DuckDBPyConnection, models: Models) -> duckdb.DuckDBPyConnection:
    """January costs 5, February 7."""
    create_tables(raw_conn, models)
    raw_conn.execute(
        "create table mart_restatements as select unnest([date '2026-01-01', '2026-02-01']) as billing_period"
    )
    raw_conn.execute("insert into dim_chip values ('a', 1)")
    add_hours(raw_conn, (DAY_1, "a", 5, "gpu"), (FEB_1, "a", 7, "gpu"))
    return raw_conn


def publish_at(conn: duckdb.DuckDBPyConnection, place: Home, models: Models, moment: datetime) -> None:
    publish(conn, place, models, published_at=moment, as_of=moment, code_version="1")


def close(conn: duckdb.DuckDBPyConnection, place: Home, period: date = JANUARY) -> periods.Closing:
    return periods.close(conn, place, period, actor="ann", reason="paid", now=NOW)


def reopen(conn: duckdb.DuckDBPyConnection, period: date = JANUARY) -> periods.Closing:
    return periods.reopen(conn, period, actor="bob", reason="refund", now=LATER)


def costs(place: Home, as_of: datetime | None = None) -> list[tuple[int, int]]:
    """Month → USD as published."""
    sql = "select month(hour_at)::int, sum(cost_usd)::int from fct_hours group by all order by all"
    return [(month, usd) for month, usd in reading.query(place.root, sql, as_of=as_of).rows]


def restate(conn: duckdb.DuckDBPyConnection) -> None:
    """All costs become tenfold, and January gets an hour more."""
    conn.execute("update fct_hours set cost_usd = cost_usd * 10")
    add_hours(conn, (DAY_1 + DAY, "b", 1000, "gpu"))


def test_a_closed_month_stands_and_the_others_move(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    publish_at(conn, place, models, NOW)
    close(conn, place)
    restate(conn)
    for days in (1, 2):
        publish_at(conn, place, models, NOW + days * DAY)
        assert costs(place) == [(1, 5), (2, 70)]
    conn.execute("delete from fct_hours where hour_at < ?", [FEB_1])
    publish_at(conn, place, models, LATER)
    assert costs(place) == [(1, 5), (2, 70)]


def test_a_mart_of_months_keeps_the_closed_one_too(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    (models.sql_dir / "marts" / "mart_months.sql").write_text(MONTHS, "utf-8")
    models = load_models(models.sql_dir)
    conn.execute("create table mart_months as select billing_period, 5 as billed_cost_usd from mart_restatements")
    publish_at(conn, place, models, NOW)
    close(conn, place)
    conn.execute("update mart_months set billed_cost_usd = 50")
    publish_at(conn, place, models, LATER)
    sql = "select billing_period, billed_cost_usd from mart_months order by all"
    assert reading.query(place.root, sql).rows == [(JANUARY, 5), (FEBRUARY, 50)]


def test_no_published_table_of_billing_periods_forgets_that_they_close() -> None:
    published = [model for name, model in load_models(SQL_DIR).items() if name.startswith(PUBLIC_PREFIXES)]
    undated = {model.name for model in published if "billing_period" in model.columns and not periods.is_dated(model)}
    assert undated == OF_CLOSINGS


def test_reopening_lets_in_all_that_came_since_and_only_then(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    publish_at(conn, place, models, NOW)
    close(conn, place)
    restate(conn)
    publish_at(conn, place, models, NOW + DAY)
    assert reopen(conn).actor == "ann"
    assert costs(place) == [(1, 5), (2, 70)]
    publish_at(conn, place, models, LATER)
    assert costs(place) == [(1, 1050), (2, 70)]
    assert [costs(place, NOW + days * DAY) for days in (0, 1)] == [[(1, 5), (2, 7)], [(1, 5), (2, 70)]]
    assert list(place.closed.iterdir()) == []


def test_who_when_and_why_are_kept(conn: duckdb.DuckDBPyConnection, place: Home, models: Models) -> None:
    publish_at(conn, place, models, NOW)
    close(conn, place)
    reopen(conn)
    rows = conn.execute(
        "select action_number, billing_period, action, actor, reason from raw_period_actions"
    ).fetchall()
    assert rows == [(1, JANUARY, "close", "ann", "paid"), (2, JANUARY, "reopen", "bob", "refund")]
    assert conn.execute("select distinct table_name from state_touched").fetchall() == [("raw_period_actions",)]


def test_a_period_closed_again_keeps_the_figures_of_the_second_time(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    publish_at(conn, place, models, NOW)
    close(conn, place)
    restate(conn)
    assert close(conn, place).published_at == NOW  # closing what is closed changes nothing
    reopen(conn)
    publish_at(conn, place, models, LATER)
    assert close(conn, place).published_at == LATER
    conn.execute("update fct_hours set cost_usd = 0")
    publish_at(conn, place, models, LATER + DAY)
    assert costs(place) == [(1, 1050), (2, 0)]


def test_a_dimension_keeps_the_members_of_closed_months(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    publish_at(conn, place, models, NOW)
    close(conn, place)
    conn.execute("delete from dim_chip; insert into dim_chip values ('b', 3)")
    publish_at(conn, place, models, NOW + DAY)
    assert reading.query(place.root, "select chip from dim_chip").rows == [("a",), ("b",)]
    conn.execute("insert into dim_chip values ('a', 9)")
    publish_at(conn, place, models, NOW + 2 * DAY)
    assert reading.query(place.root, "select chip, price_usd::int from dim_chip").rows == [("a", 9), ("b", 3)]


def test_a_column_that_came_later_is_unknown_in_a_closed_month(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    publish_at(conn, place, models, NOW)
    close(conn, place)
    conn.execute("alter table fct_hours drop column kind")
    conn.execute("alter table fct_hours add column joules bigint")
    conn.execute("update fct_hours set joules = 3, cost_usd = 1")
    path = models["fct_hours"].path
    path.write_text(
        path.read_text("utf-8")
        .replace("kind | gpu or trn", "joules | energy")
        .replace("-- check:  warn | kind in ('gpu', 'trn') | other chips have no price\n", "")
        .replace("kind from", "joules from")
    )
    publish_at(conn, place, load_models(models.sql_dir), NOW + DAY)
    rows = reading.query(place.root, "select month(hour_at)::int, cost_usd::int, joules from fct_hours").rows
    assert rows == [(1, 5, None), (2, 1, 3)]


def test_kept_figures_that_are_gone_stop_publication_and_say_how_to_go_on(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    publish_at(conn, place, models, NOW)
    close(conn, place)
    (place.closed / "2026-01.duckdb").unlink()
    with pytest.raises(ChipledgerError, match=r"2026-01\.duckdb is gone.*backup.*chipledger reopen 2026-01"):
        publish_at(conn, place, models, NOW + DAY)
    assert costs(place) == [(1, 5), (2, 7)]
    reopen(conn)
    publish_at(conn, place, models, LATER)


def test_what_cannot_be_closed_or_reopened_is_told(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    with pytest.raises(NothingPublished, match="no figures to keep: run chipledger build"):
        close(conn, place)
    publish_at(conn, place, models, NOW)
    with pytest.raises(
        UsageError, match="no bill of 2025-12 is published; billing periods there are: 2026-01, 2026-02"
    ):
        close(conn, place, date(2025, 12, 1))
    with pytest.raises(UsageError, match="2026-01 is not closed; closed periods: none"):
        reopen(conn)
    close(conn, place, FEBRUARY)
    with pytest.raises(UsageError, match="2026-01 is not closed; closed periods: 2026-02"):
        reopen(conn)


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "october", "2026-10-01", "", "2026-10; drop table x"])
def test_only_a_month_is_a_period(text: str) -> None:
    with pytest.raises(UsageError, match="is no billing period; write a month as 2026-10"):
        periods.parse_period(text)
    assert periods.parse_period(" 2026-10 ") == date(2026, 10, 1)


@pytest.mark.parametrize("name", FAILPOINTS)
def test_a_death_while_closing_or_reopening_leaves_the_one_or_the_other(
    name: str, conn: duckdb.DuckDBPyConnection, place: Home, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        """kill -9, seen from inside: nobody catches it."""

    def die(*_: object) -> None:
        raise Died

    publish_at(conn, place, models, NOW)
    if "reopen" in name:
        close(conn, place)
    restate(conn)
    monkeypatch.setattr("os.kill", die)
    failpoints.arm(f"periods.{name}")
    with pytest.raises(Died):
        (reopen(conn) if "reopen" in name else close(conn, place))
    failpoints.arm("")
    is_closed = name in ("after_close_commit", "before_reopen_commit")
    assert (JANUARY in periods.closings(conn)) == is_closed
    assert costs(place) == [(1, 5), (2, 7)]
    publish_at(conn, place, models, LATER)
    assert costs(place) == [(1, 5 if is_closed else 1050), (2, 70)]
    assert [path.name for path in place.closed.glob("*")] == (["2026-01.duckdb"] if is_closed else [])


def test_by_rule_a_period_closes_once_it_is_final_and_old_enough(
    conn: duckdb.DuckDBPyConnection, place: Home, models: Models
) -> None:
    def due(now: datetime) -> list[date]:
        closed = periods.close_by_rule(conn, place, after_days=15, now=now)
        return [closing.period for closing in closed if closing.actor == periods.RULE]

    publish_at(conn, place, models, NOW)
    assert due(LATER) == []  # nothing built yet that tells what is final
    conn.execute("create table int_bills (billing_period date, record_type text, open_line_count bigint)")
    conn.execute("insert into int_bills values ('2026-01-01', 'Usage', 0), ('2026-01-01', 'Tax', 1)")
    conn.execute("insert into int_bills values ('2026-02-01', 'Usage', 0)")
    assert due(datetime(2026, 3, 15, tzinfo=UTC)) == []
    assert due(datetime(2026, 3, 16, tzinfo=UTC)) == [FEBRUARY]
    conn.execute("update int_bills set open_line_count = 0")
    assert due(datetime(2026, 3, 16, tzinfo=UTC)) == [JANUARY]
    periods.reopen(conn, JANUARY, actor="bob", reason="", now=LATER)
    assert due(LATER + timedelta(days=99)) == []  # a person has spoken
