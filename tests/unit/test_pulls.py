from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import pulls, settings, steps
from pipeline.errors import SourceError
from pipeline.pulls import bill_window
from pipeline.sources.aws_calls import ApiSpend
from pipeline.sources.base import DeliveryInfo, ParsedDelivery
from pipeline.sources.cost_explorer import bill_name

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
FIRST, LAST = datetime(2020, 1, 1), datetime(2030, 1, 1)  # noqa: DTZ001 (hypothesis adds the zone)


def test_thirty_five_days_are_pulled_again_and_the_whole_previous_month_while_it_still_moves() -> None:
    assert bill_window(datetime(2026, 11, 10, tzinfo=UTC)) == (date(2026, 10, 1), date(2026, 11, 10))
    assert bill_window(datetime(2026, 11, 18, tzinfo=UTC)) == (date(2026, 10, 14), date(2026, 11, 18))
    assert bill_window(datetime(2026, 11, 1, tzinfo=UTC)) == (date(2026, 9, 27), date(2026, 11, 1))


@given(st.datetimes(min_value=FIRST, max_value=LAST, timezones=st.just(UTC)))
def test_a_bill_window_is_never_shorter_than_35_days_and_ends_today(now: datetime) -> None:
    start, end = bill_window(now)
    assert end == now.date()
    assert timedelta(days=35) <= end - start <= timedelta(days=41)


def test_aws_is_asked_before_the_warehouse_is_held_and_the_spend_is_told(
    begun_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = settings.load(cost_explorer=True, cost_explorer_accounts=("111122223333",), lock_wait_seconds=0)

    def fetch(_: object, *, spend: ApiSpend, **__: object) -> Iterator[ParsedDelivery]:
        with steps.warehouse(values):  # would raise WarehouseLocked
            spend.billed_units += 3
        yield from ()

    monkeypatch.setattr(pulls.clients, "cost_explorer", lambda: None)
    monkeypatch.setattr(pulls.cost_explorer, "fetch", fetch)
    assert str(pulls.pull_cost_explorer(values, NOW)).endswith("AWS requests for 0.03 USD")


def test_an_unreachable_source_does_not_silence_the_others(
    begun_home: Path, small_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_files.scrape("20261118T000100Z")
    inbox = (str(small_files.folder.parent / "gone"), str(small_files.folder))
    values = settings.load(inbox=inbox, regions=("us-east-1",))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    ingested = steps.ingest_metrics(values, NOW)
    assert ingested.count("landed") == 1
    assert ingested.summary == "1 landed (2 rows), 0 known already, 2 sources unreachable"
    first, second = str(ingested).splitlines()[1:]
    assert first.startswith(f"  {inbox[0]} is neither a file nor a folder; ")
    assert second.startswith("  CloudWatch us-east-1: ")
    assert "(nobody) could not be found; check AWS_PROFILE" in second


def test_instances_are_pulled_where_wanted_and_their_failure_keeps_the_bill(
    begun_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = ("111122223333", "444455556666")
    values = settings.load(cost_explorer=True, cost_explorer_accounts=accounts, cost_explorer_resources=True)
    asked: list[list[str]] = []

    def bill(_: object, *, accounts: Sequence[str], now: datetime, **__: object) -> Iterator[ParsedDelivery]:
        for account in accounts:
            name = bill_name(*bill_window(now), account)
            yield ParsedDelivery(DeliveryInfo("cost_explorer", name, name, now, False, now), iter(()))

    def resources(_: object, *, accounts: Sequence[str], now: datetime, **__: object) -> Iterator[ParsedDelivery]:
        asked.append(list(accounts))
        if accounts:
            start, end = pulls.cost_explorer_resources.resource_window(now)
            name = pulls.cost_explorer_resources.pull_name(start, end, accounts[0])
            yield ParsedDelivery(DeliveryInfo("cost_explorer", name, name, now, False, now), iter(()))
            raise SourceError("Cost Explorer resources: not turned on")

    monkeypatch.setattr(pulls.clients, "cost_explorer", lambda: None)
    monkeypatch.setattr(pulls.cost_explorer, "fetch", bill)
    monkeypatch.setattr(pulls.cost_explorer_resources, "fetch", resources)
    first = pulls.pull_cost_explorer(values, NOW)
    again = pulls.pull_cost_explorer(values, NOW + timedelta(hours=1))
    assert (first.count("landed"), [one.words for one in first.unreachable]) == (
        3,
        ["Cost Explorer resources: not turned on"],
    )
    assert (again.count("landed"), asked) == (1, [list(accounts), [accounts[1]]])


@pytest.mark.parametrize("answer", ["<html>sign in</html>", "{}"])
def test_an_answer_that_is_not_aws_s_is_a_failing_source_and_no_traceback(
    begun_home: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    values = settings.load(cost_explorer=True)
    with answering(answer) as url:
        for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "ENDPOINT_URL": url}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
        monkeypatch.setattr("time.sleep", lambda _: None)  # it is asked again, some times
        (lost,) = steps.ingest_costs(values, NOW).unreachable
    assert lost.words.startswith("Cost Explorer: cost-explorer://all/2026-10-14/2026-11-18: ")
    assert "check" in lost.words


@contextmanager
def answering(text: str) -> Iterator[str]:
    """A server that says the same to everybody."""

    class Parrot(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class Meter:
    """Cost Explorer that bills what it is asked; an account in `down` fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *accounts: str) -> None:
        self.accounts, self.asked, self.down = list(accounts), list[str](), set[str]()
        monkeypatch.setattr(pulls.clients, "cost_explorer", lambda: None)
        monkeypatch.setattr(pulls.cost_explorer, "list_accounts", self.list_accounts)
        monkeypatch.setattr(pulls.cost_explorer, "fetch", self.fetch)

    def list_accounts(self, _: object, **__: object) -> list[str]:
        self.asked.append("all")
        return self.accounts

    def fetch(
        self, _: object, *, start: date, end: date, accounts: Sequence[str], now: datetime, **__: object
    ) -> Iterator[ParsedDelivery]:
        for account in accounts:
            self.asked.append(account)
            if account in self.down:
                raise SourceError(f"Cost Explorer {account}: throttled; run again later")
            name = bill_name(start, end, account)
            yield ParsedDelivery(DeliveryInfo("cost_explorer", name, account, now, False, now), iter(()))

    def asked_by(self, values: settings.Settings, now: datetime) -> list[str]:
        self.asked.clear()
        pulls.pull_cost_explorer(values, now)
        return self.asked


def test_an_answered_bill_is_not_paid_for_again_within_six_hours(
    begun_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, meter = settings.load(), Meter(monkeypatch, "1", "2")
    assert meter.asked_by(values, NOW) == ["all", "1", "2"]
    assert meter.asked_by(values, NOW + timedelta(hours=5, minutes=59)) == []
    assert meter.asked_by(values, NOW + timedelta(hours=6)) == ["all", "1", "2"]


def test_an_answer_that_brought_nothing_is_an_answer(begun_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values, meter = settings.load(), Meter(monkeypatch)
    assert meter.asked_by(values, NOW) == ["all"]
    assert meter.asked_by(values, NOW + timedelta(minutes=10)) == []


def test_only_the_question_that_failed_is_asked_again(begun_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values, meter = settings.load(), Meter(monkeypatch, "1", "2", "3")
    meter.down.add("2")
    assert meter.asked_by(values, NOW) == ["all", "1", "2"]
    meter.down.clear()
    assert meter.asked_by(values, NOW + timedelta(minutes=10)) == ["2", "3"]
    assert meter.asked_by(values, NOW + timedelta(minutes=20)) == []


def test_other_days_other_accounts_and_a_clock_turned_back_are_other_questions(
    begun_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, meter = settings.load(cost_explorer_accounts=("1",)), Meter(monkeypatch)
    late = datetime(2026, 11, 18, 23, tzinfo=UTC)
    assert meter.asked_by(values, late) == ["1"]
    assert meter.asked_by(values, late + timedelta(hours=2)) == ["1"]
    assert meter.asked_by(settings.load(cost_explorer_accounts=("1", "2")), late + timedelta(hours=3)) == ["2"]
    assert meter.asked_by(values, late - timedelta(hours=1)) == ["1"]


def test_the_waiting_time_is_a_setting(begun_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPLEDGER_COST_EXPLORER_INTERVAL_HOURS", "1")
    values, meter = settings.load(), Meter(monkeypatch, "1")
    assert meter.asked_by(values, NOW) == ["all", "1"]
    assert meter.asked_by(values, NOW + timedelta(hours=1)) == ["all", "1"]


def test_bills_that_came_as_files_do_not_keep_the_pull_from_asking(
    begun_home: Path, small_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, meter = settings.load(inbox=(str(small_files.folder),)), Meter(monkeypatch, "1")
    small_files.cost_page("444455556666-20261003T000000Z.json")
    assert steps.ingest_costs(values, NOW).count("landed") == 1
    assert meter.asked_by(values, NOW) == ["all", "1"]
