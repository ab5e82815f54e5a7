"""One Slack workspace over real HTTP, and passes of the notifier against it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alerts.dispatch import notify
from alerts.report import NotifyReport
from alerts.signal import Finding
from tests.fakes.slack import FakeSlack, serve
from tests.support.slack_passes import SETTINGS, Tell
from tests.unit.alerts.samples import rows


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with serve(FakeSlack()) as server:
        yield server


@pytest.fixture
def tell(slack: FakeSlack, tmp_path: Path) -> Tell:
    """One pass over the findings given."""

    def one_pass(*findings: Finding, skew: timedelta = timedelta(), **options: Any) -> NotifyReport:
        given = options.pop("settings", SETTINGS)
        return notify(
            rows(*findings),
            state_path=tmp_path / "alerts.db",
            outbox_dir=tmp_path / "outbox",
            slack=replace(given, base_url=slack.base_url),
            now=lambda: slack.now(skew),
            sleep=slack.sleep,
            **{"max_seconds": 600.0, **options},
        )

    return one_pass
