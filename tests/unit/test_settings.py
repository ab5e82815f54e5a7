from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline import settings, steps
from pipeline.errors import UsageError


def test_defaults_need_no_file_and_no_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHIPLEDGER_HOME")
    values = settings.load()
    assert values.place.root == Path.cwd() / "ledger"
    assert values.inbox == ()
    assert not values.has_slack


def test_the_environment_wins_over_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("chipledger.toml").write_text('inbox = ["one", "two"]\nthreads = 3\n', "utf-8")
    monkeypatch.setenv("CHIPLEDGER_THREADS", "1")
    values = settings.load()
    assert (values.inbox, values.threads) == (("one", "two"), 1)


def test_lists_come_as_comma_separated_text(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPLEDGER_INBOX", " exports , s3://bucket/dcgm/ ,")
    assert settings.load().inbox == ("exports", "s3://bucket/dcgm/")


@pytest.mark.parametrize("text", ["2026-11-18T00:00:00Z", "2026-11-18", "2026-11-18T02:00:00+02:00"])
def test_the_clock_can_be_fixed_and_is_utc(home: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CHIPLEDGER_NOW", text)
    assert settings.load().clock() == datetime(2026, 11, 18, tzinfo=UTC)


def test_a_wrong_value_is_named_with_its_setting(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPLEDGER_THREADS", "many")
    with pytest.raises(UsageError, match=r"threads.*integer"):
        settings.load()


@pytest.mark.parametrize("amount", ["lots", "", "2", "0GB", "-1GB", "2GBx", "150%", "0%", "1,5GB"])
def test_a_nonsense_amount_of_memory_is_answered_with_one_that_works(
    home: Path, monkeypatch: pytest.MonkeyPatch, amount: str
) -> None:
    monkeypatch.setenv("CHIPLEDGER_MEMORY_LIMIT", amount)
    with pytest.raises(UsageError, match=r"memory_limit: .*set CHIPLEDGER_MEMORY_LIMIT to one like 2GB") as caught:
        settings.load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("amount", ["2GB", "500mb", "1.5 GiB", "80%", " 100MB "])
def test_an_amount_of_memory_that_is_taken_opens_a_warehouse(
    home: Path, monkeypatch: pytest.MonkeyPatch, amount: str
) -> None:
    monkeypatch.setenv("CHIPLEDGER_MEMORY_LIMIT", amount)
    with steps.warehouse(settings.load()) as conn:
        assert conn.execute("select 1").fetchall() == [(1,)]


def test_a_misspelt_key_in_the_file_is_refused(home: Path) -> None:
    Path("chipledger.toml").write_text("inboxes = []\n", "utf-8")
    with pytest.raises(UsageError, match="inboxes"):
        settings.load()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CHIPLEDGER_INBOXES", "CHIPLEDGER_INBOX"),
        ("CHIPLEDGER_COSTEXPLORER", "CHIPLEDGER_COST_EXPLORER"),
        ("CHIPLEDGER_REGION", "CHIPLEDGER_REGIONS"),
        ("chipledger_hom", "CHIPLEDGER_HOME"),
        ("CHIPLEDGER_SLACK_BOT_TOKEN", "SLACK_BOT_TOKEN"),
        ("CHIPLEDGER_SLACK_TOKEN", "SLACK_BOT_TOKEN"),
    ],
)
def test_a_misspelt_name_in_the_environment_is_answered_with_the_nearest(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "sesame")
    with pytest.raises(UsageError, match=rf"{name} is no setting; did you mean {meant}\?") as caught:
        settings.load()
    assert "sesame" not in str(caught.value)


def test_every_known_name_is_taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.OTHER_NAMES - {"CHIPLEDGER_CONFIG"}:
        monkeypatch.setenv(name, "x")
    (home.parent / "elsewhere.toml").write_text("", "utf-8")
    monkeypatch.setenv("CHIPLEDGER_CONFIG", str(home.parent / "elsewhere.toml"))
    monkeypatch.setenv("chipledger_threads", "3")
    for name, value in settings.load(slack_channel="C1").as_environment().items():
        monkeypatch.setenv(name, value)
    assert (settings.load().threads, settings.load().slack_channel) == (3, "C1")


def test_broken_toml_names_the_file(home: Path) -> None:
    Path("chipledger.toml").write_text("inbox = [", "utf-8")
    with pytest.raises(UsageError, match=r"chipledger\.toml: not valid TOML"):
        settings.load()


def test_a_secret_in_the_file_is_refused_without_being_shown(home: Path) -> None:
    Path("chipledger.toml").write_text('slack_token = "xoxb-sesame"\n', "utf-8")
    with pytest.raises(UsageError, match="slack_token") as caught:
        settings.load()
    assert "sesame" not in str(caught.value)


def test_the_token_is_never_printed_nor_handed_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-sesame")
    monkeypatch.setenv("CHIPLEDGER_SLACK_CHANNEL", "C1")
    values = settings.load()
    assert values.has_slack
    assert "sesame" not in repr(values)
    assert "sesame" not in str(values.as_environment())


def test_settings_survive_the_way_through_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPLEDGER_INBOX", "a,b")
    monkeypatch.setenv("CHIPLEDGER_NOW", "2026-11-18")
    before = settings.load()
    for name, value in before.as_environment().items():
        monkeypatch.setenv(name, value)
    after = settings.load()
    assert (after.inbox, after.now, after.place) == (before.inbox, before.now, before.place)
    assert after.cost_explorer is before.cost_explorer


def test_a_time_that_is_none_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"--as-of.*yesterday"):
        settings.parse_time("yesterday", "--as-of")


ENDPOINT = '[[prometheus]]\nname = "fleet"\nurl = "{url}"\n{more}\n'


@pytest.mark.parametrize(
    ("url", "more", "wrong"),
    [
        ("ftp://host", "", "no http"),
        ("http://me:sesame@host:9090", "", "no name or password"),
        ("https://host/workspaces/ws-1", 'kind = "amp"', "set region"),
        ("http://host", "step_seconds = 7", "does not divide 3600"),
        (
            "https://aps-workspaces.us-east-1.amazonaws.com/workspaces/ws-1",
            'kind = "amp"\nbearer = true',
            "drop bearer",
        ),
        ("http://host", 'kind = "thanos"', "prometheus.0.kind"),
    ],
)
def test_a_wrong_prometheus_endpoint_is_named_with_what_is_wrong(home: Path, url: str, more: str, wrong: str) -> None:
    Path("chipledger.toml").write_text(ENDPOINT.format(url=url, more=more), "utf-8")
    with pytest.raises(UsageError, match=wrong) as refused:
        settings.load()
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "kind", "asked", "region"),
    [
        ("http://host:9090/", "prometheus", "http://host:9090/api/v1/query_range", ""),
        (
            "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1/api/v1/query",
            "amp",
            "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1/api/v1/query_range",
            "eu-west-1",
        ),
        (
            "https://monitoring.us-east-1.amazonaws.com",
            "cloudwatch",
            "https://monitoring.us-east-1.amazonaws.com/api/v1/query_range",
            "us-east-1",
        ),
    ],
)
def test_an_endpoint_is_asked_at_query_range_whatever_was_pasted(
    home: Path, url: str, kind: str, asked: str, region: str
) -> None:
    Path("chipledger.toml").write_text(ENDPOINT.format(url=url, more=f'kind = "{kind}"'), "utf-8")
    (endpoint,) = settings.load().prometheus
    assert (endpoint.range_url, endpoint.signing_region) == (asked, region)


def test_endpoints_survive_the_trip_through_the_environment_and_the_token_stays_behind(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("chipledger.toml").write_text(ENDPOINT.format(url="http://host", more="bearer = true"), "utf-8")
    before = settings.load(prometheus_token="sesame")
    Path("chipledger.toml").unlink()
    for name, value in before.as_environment().items():
        monkeypatch.setenv(name, value)
    assert settings.load().prometheus == before.prometheus
    assert "sesame" not in str(before.as_environment()) + repr(before)


def test_two_endpoints_of_one_name_are_refused(home: Path) -> None:
    Path("chipledger.toml").write_text(2 * ENDPOINT.format(url="http://host", more=""), "utf-8")
    with pytest.raises(UsageError, match="two endpoints are called fleet"):
        settings.load()


def test_endpoints_in_the_environment_that_are_no_json_are_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIPLEDGER_PROMETHEUS", "http://host")
    with pytest.raises(UsageError, match=r"prometheus.*JSON"):
        settings.load()


@pytest.mark.parametrize("name", ["SLACK_BOT_TOKEN", "CHIPLEDGER_PROMETHEUS_TOKEN"])
def test_a_token_that_no_header_takes_is_refused_without_being_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for token in ("xoxb-1\nb", "xoxb-1 b", "xoxb-1é"):
        monkeypatch.setenv(name, token)
        with pytest.raises(UsageError, match="copy the token again") as refused:
            settings.load()
        assert "xoxb" not in str(refused.value)
    monkeypatch.setenv(name, " xoxb-1\n")
    values = settings.load()
    assert "xoxb-1" in (values.slack_token.get_secret_value(), values.prometheus_token.get_secret_value())


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CHIPLEDGER_CONFIG", "gone.toml", "CHIPLEDGER_CONFIG: no file gone.toml"),
        ("CHIPLEDGER_HOME", "", r"home: .*is empty; unset it \(./ledger\), or name a folder"),
        ("CHIPLEDGER_RESEMBLES", "x", "resembles.*write a JSON list or object"),
    ],
)
def test_a_setting_that_names_nothing_is_not_passed_over(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=told):
        settings.load()
