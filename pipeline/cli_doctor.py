"""Composes the examinations of `chipledger doctor` with real clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.doctor import (
    Finding,
    examine_aws,
    examine_disk,
    examine_inbox,
    examine_publication,
    examine_rules,
    examine_spend,
    examine_warehouse,
)

if TYPE_CHECKING:
    from pipeline.settings import Settings


def examine(settings: Settings) -> list[Finding]:
    """Every part, in the order in which a pass needs them."""
    from pipeline import attribution, steps
    from pipeline.sources import clients
    from pipeline.sources.objects import list_objects

    place = settings.place
    return [
        examine_disk(place),
        examine_rules(lambda: len(attribution.read_rules(settings.workloads)), settings.workloads),
        *examine_inbox(steps.sweep_roots(settings), lambda root: len(list_objects(root))),
        *examine_aws(settings.regions, clients.account_id, clients.list_some_metrics),
        examine_spend(
            settings.cost_explorer, len(settings.cost_explorer_accounts), settings.cost_explorer_interval_hours
        ),
        examine_warehouse(place),
        *examine_publication(place, settings.clock()),
        _examine_slack(settings),
    ]


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
