"""One request per IAM action of a pull, to see whether it is allowed; none of them is billed for more than a metric."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from pipeline.errors import SourceError
from pipeline.prometheus_endpoints import PrometheusEndpoint
from pipeline.sources import clients
from pipeline.sources.aws_calls import call
from pipeline.sources.prometheus_api_call import Asker, TooLarge
from pipeline.sources.prometheus_api_http import sender
from pipeline.sources.queues import Message, Queue

COST_EXPLORER = "Cost Explorer"
ASKED_BACK = timedelta(minutes=5)


def list_metrics(region: str) -> None:
    """Raise SourceError unless cloudwatch:ListMetrics is allowed; free."""
    client = clients.cloudwatch(region)
    place = _cloudwatch(region)
    call(lambda: client.list_metrics(), permission="cloudwatch:ListMetrics", place=place, holding="Metrics")


def get_metric_data(region: str, now: datetime) -> None:
    """Raise SourceError unless cloudwatch:GetMetricData is allowed; asks for one metric (0.00001 USD)."""
    client = clients.cloudwatch(region)
    metric = {"Namespace": "ContainerInsights", "MetricName": "node_neuroncore_utilization"}
    query: Any = {"Id": "probe", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Average"}}
    call(
        lambda: client.get_metric_data(MetricDataQueries=[query], StartTime=now - ASKED_BACK, EndTime=now),
        permission="cloudwatch:GetMetricData",
        place=_cloudwatch(region),
        holding="MetricDataResults",
    )


def get_cost_and_usage(now: datetime) -> None:
    """Raise SourceError unless ce:GetCostAndUsage is allowed.

    Asks for an empty period, which AWS judges after the permission and refuses unbilled: that refusal is the good news.
    """
    client, day = clients.cost_explorer(), now.date().isoformat()
    try:
        call(
            lambda: client.get_cost_and_usage(
                TimePeriod={"Start": day, "End": day}, Granularity="DAILY", Metrics=["UnblendedCost"]
            ),
            permission="ce:GetCostAndUsage",
            place=COST_EXPLORER,
            passing=frozenset({"ValidationException"}),
        )
    except ClientError:
        return


def receive_message(queue_url: str) -> None:
    """Raise SourceError unless sqs:ReceiveMessage is allowed; a message that is looked at is not hidden."""
    Queue(queue_url).peek()


def delete_message(queue_url: str) -> None:
    """Raise SourceError unless sqs:DeleteMessage is allowed; asks with a receipt that no message has."""
    Queue(queue_url).acknowledge([Message("", "", "probe")])


def describe(operation: str, action: str, region: str, credentials: Mapping[str, str] | None, place: str) -> None:
    """Raise SourceError unless an EC2 listing is allowed; EC2 says so to a dry run, and lists nothing."""
    ask = getattr(clients.ec2(region, credentials), operation)
    try:
        call(lambda: ask(DryRun=True), permission=f"ec2:{action}", place=place, passing=frozenset({"DryRunOperation"}))
    except ClientError:
        return


def query_range(endpoint: PrometheusEndpoint, token: str, now: datetime) -> None:
    """Raise SourceError unless a Prometheus API answers a range query of one instant; asked once."""
    asker = Asker(endpoint, sender(endpoint, token), sleep=lambda _: None, attempts=1)
    second = int(now.timestamp()) // endpoint.step_seconds * endpoint.step_seconds
    try:
        asker.ask("up", second, second)
    except TooLarge as error:
        raise SourceError(f"Prometheus {endpoint.name} ({endpoint.url}): {error}; check network and url") from error


def _cloudwatch(region: str) -> str:
    return f"CloudWatch {region}"
