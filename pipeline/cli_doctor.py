"""Composes the examinations of `chipledger doctor` with real clients."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pipeline.doctor import (
    Finding,
    Permission,
    examine_credentials,
    examine_disk,
    examine_inbox,
    examine_permissions,
    examine_publication,
    examine_rules,
    examine_spend,
    examine_warehouse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pipeline.settings import Settings


def examine(settings: Settings) -> list[Finding]:
    """Every part, in the order in which a pass needs them."""
    from pipeline import attribution, steps
    from pipeline.sources.objects import list_objects, probe_object

    place, now = settings.place, settings.clock()
    return [
        examine_disk(place),
        examine_rules(lambda: len(attribution.read_rules(settings.workloads)), settings.workloads),
        *examine_inbox(steps.sweep_roots(settings), list_objects, probe_object),
        *_examine_aws(settings, now),
        examine_spend(
            settings.cost_explorer, len(settings.cost_explorer_accounts), settings.cost_explorer_interval_hours
        ),
        examine_warehouse(place),
        *examine_publication(place, now),
        _examine_slack(settings),
    ]


def _examine_aws(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Credentials first: without them every permission would fail with the same words."""
    from pipeline.sources import clients

    pulled = settings.regions or ((clients.COST_EXPLORER_REGION,) if settings.cost_explorer else ())
    credentials = examine_credentials(pulled, clients.account_id)
    yield credentials
    if not settings.regions:
        yield Finding("cloudwatch", "ok", "not pulled (CHIPLEDGER_REGIONS is empty)")
    if credentials.status == "ok":
        yield from examine_permissions(_needed(settings, now))


def _needed(settings: Settings, now: datetime) -> Iterator[Permission]:
    """What the configured pulls ask of AWS."""
    from pipeline.sources import probes

    for region in settings.regions:
        place = f"CloudWatch {region}"
        yield Permission("cloudwatch", "cloudwatch:ListMetrics", place, partial(probes.list_metrics, region))
        yield Permission("cloudwatch", "cloudwatch:GetMetricData", place, partial(probes.get_metric_data, region, now))
    if settings.cost_explorer:
        probe = partial(probes.get_cost_and_usage, now)
        yield Permission("cost explorer", "ce:GetCostAndUsage", probes.COST_EXPLORER, probe)


def _examine_slack(settings: Settings) -> Finding:
    from alerts.slack import Slack
    from alerts.steps import slack_settings
    from alerts.transport import Result

    chosen = slack_settings(settings)
    if chosen is None and (settings.slack_channel or settings.slack_token.get_secret_value()):
        missing = "SLACK_BOT_TOKEN" if settings.slack_channel else "CHIPLEDGER_SLACK_CHANNEL"
        return Finding(
            "slack", "warn", f"{missing} is missing: nobody is told, messages go to {settings.place.outbox}; set it"
        )
    if chosen is None:
        return Finding(
            "slack",
            "ok",
            f"not set (SLACK_BOT_TOKEN, CHIPLEDGER_SLACK_CHANNEL): messages go to {settings.place.outbox}",
        )
    outcome = Slack(chosen).probe()
    if outcome.result is Result.OK:
        return Finding("slack", "ok", f"{chosen.base_url} answers for channel {chosen.channel}")
    return Finding(
        "slack", "fail", f"{chosen.base_url}: {outcome.reason or outcome.result}; check SLACK_BOT_TOKEN and the channel"
    )
