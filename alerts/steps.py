"""The two steps of a pass that tell: `detect` writes findings into the warehouse, `notify` brings them to people."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

from alerts import rules
from alerts.rules import DetectResult
from pipeline.errors import NothingPublished, NotTold
from pipeline.settings import Settings
from pipeline.steps import warehouse

if TYPE_CHECKING:
    from alerts.report import NotifyReport
    from alerts.slack import SlackSettings

LEDGER_FILE = "alerts.db"
FROM_WAREHOUSE = ("data_quality",)


def detect(settings: Settings, now: datetime) -> DetectResult:
    """Make the table `findings` equal to the current signals."""
    with warehouse(settings) as conn:
        return rules.detect(conn, as_of=now)


def notify(settings: Settings, now: datetime, *, dry_run: bool = False) -> NotifyReport:
    """Tell people what changed since they were last told.

    Findings are read from the published snapshot, so that messages and marts agree; failed checks from the warehouse,
    since they may be what stopped the publication. Without a publication nothing is known of the other rules, so that
    what was told of them stands: a lost folder is no all-clear.
    """
    from alerts.dispatch import notify as dispatch

    published, data_through_at = _published_findings(settings)
    rows = published or []
    with warehouse(settings) as conn:
        rows += [asdict(finding) for finding in rules.read_findings(conn, FROM_WAREHOUSE)]
    return dispatch(
        rows,
        state_path=settings.place.state / LEDGER_FILE,
        outbox_dir=settings.place.outbox,
        slack=slack_settings(settings),
        now=lambda: now,
        sleep=time.sleep,
        dry_run=dry_run,
        data_through_at=data_through_at,
        judged=FROM_WAREHOUSE if published is None else None,
    )


def notify_or_fail(settings: Settings, now: datetime) -> NotifyReport:
    """`notify` as a task of its own; raises NotTold where messages wait: silence must not look like peace."""
    report = notify(settings, now)
    if report.problem:
        raise NotTold(str(report))
    return report


def slack_settings(settings: Settings) -> SlackSettings | None:
    """Where to post, or None where token or channel is missing."""
    from alerts.slack import SlackSettings

    if not settings.has_slack:
        return None
    token = settings.slack_token.get_secret_value()
    return SlackSettings(token=token, channel=settings.slack_channel, base_url=settings.slack_base_url)


def _published_findings(settings: Settings) -> tuple[list[dict[str, object]] | None, datetime | None]:
    """The findings of the publication, less those read elsewhere, and how far its data reach; None without one."""
    from pipeline import reading

    root = settings.place.root
    try:
        found = reading.query(root, "select * from mart_anomalies order by finding_id").records()
        (publication,) = reading.query(root, "select data_through_at from publication").records()
    except NothingPublished:
        return None, None
    return [row for row in found if row["rule"] not in FROM_WAREHOUSE], publication["data_through_at"]
