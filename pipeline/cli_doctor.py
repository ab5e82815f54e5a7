"""Composes the examinations of `chipledger doctor` with real clients."""

from __future__ import annotations

from collections.abc import Mapping
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
        examine_rules(
            lambda: len(attribution.read_rules(settings.workloads)),
            settings.workloads,
            is_set="workloads" in settings.model_fields_set,
        ),
        *examine_inbox(steps.sweep_roots(settings), list_objects, probe_object),
        *_examine_aws(settings, now),
        *_examine_prometheus(settings, now),
        examine_spend(
            settings.cost_explorer, len(settings.cost_explorer_accounts), settings.cost_explorer_interval_hours
        ),
        *examine_warehouse(place),
        *examine_publication(place, now),
        _examine_slack(settings),
    ]


def _examine_aws(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Credentials first: without them every permission would fail with the same words."""
    from pipeline.sources import clients

    billed = (clients.COST_EXPLORER_REGION,) if settings.cost_explorer else ()
    pulled = settings.regions or settings.inventory_regions or billed
    credentials = examine_credentials(pulled, clients.account_id)
    yield credentials
    if not settings.regions:
        yield Finding("cloudwatch", "ok", "not pulled (CHIPLEDGER_REGIONS is empty)")
    if credentials.status == "ok":
        yield from examine_permissions(_needed(settings, now))
        for role in ("", *settings.inventory_roles) if settings.inventory_regions else ():
            yield from _examine_inventory(settings, role)


def _examine_inventory(settings: Settings, role: str) -> Iterator[Finding]:
    """What the listings of one account need: its role first, without which nothing else can be asked."""
    from pipeline.sources import clients, probes

    taken: list[Mapping[str, str]] = []
    regions = settings.inventory_regions
    if role:
        take = partial(clients.assume_role, role, regions[0], settings.inventory_external_id)
        place = f"AWS role {role}"
        yield from examine_permissions([Permission("inventory", "sts:AssumeRole", place, lambda: taken.append(take()))])
        if not taken:
            return
    for region in regions:
        place = f"EC2 {region}" + (f" of {role}" if role else "")
        for operation, action in _listings(settings, role):
            probe = partial(probes.describe, operation, action, region, taken[0] if taken else None, place)
            yield from examine_permissions([Permission("inventory", f"ec2:{action}", place, probe)])


def _listings(settings: Settings, role: str) -> Iterator[tuple[str, str]]:
    """EC2 operations with their IAM actions; spot prices are the same in every account, and asked of our own."""
    yield "describe_instances", "DescribeInstances"
    yield "describe_instance_types", "DescribeInstanceTypes"
    yield "describe_capacity_reservations", "DescribeCapacityReservations"
    if settings.spot_prices and not role:
        yield "describe_spot_price_history", "DescribeSpotPriceHistory"


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
    for url in settings.queues:
        place = f"queue {url}"
        yield Permission("queue", "sqs:ReceiveMessage", place, partial(probes.receive_message, url))
        yield Permission("queue", "sqs:DeleteMessage", place, partial(probes.delete_message, url))


def _examine_prometheus(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Whether each API answers; what an answer takes differs by kind, so the words of a refusal name it."""
    from pipeline.errors import SourceError
    from pipeline.sources import probes

    for endpoint in settings.prometheus:
        try:
            probes.query_range(endpoint, settings.prometheus_token.get_secret_value(), now)
            yield Finding("prometheus", "ok", f"{endpoint.name}: {endpoint.url} answers")
        except SourceError as error:
            yield Finding("prometheus", "fail", str(error))


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
    slack = Slack(chosen)
    outcome = slack.probe()
    if outcome.result is not Result.OK:
        reason = outcome.reason or outcome.result
        return Finding("slack", "fail", f"{chosen.base_url}: {reason}; check SLACK_BOT_TOKEN")
    lookup = slack.find("", channel=chosen.channel, thread_ts="", since=slack.server_time)
    if lookup.possible:
        return Finding("slack", "ok", f"{chosen.base_url} answers for channel {chosen.channel}")
    return Finding(
        "slack",
        "warn" if lookup.reason == "missing_scope" else "fail",
        f"channel {chosen.channel}: {lookup.reason}; give CHIPLEDGER_SLACK_CHANNEL the channel's id (C…), invite the "
        "app to it, and let it read its history (channels:history, of private ones groups:history): what was cut off "
        "while it was sent is looked up there, and stays held where it cannot be",
    )
