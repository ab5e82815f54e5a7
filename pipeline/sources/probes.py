"""One request per IAM action of a pull, to see whether it is allowed; none of them is billed for more than a metric."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from pipeline.sources import clients
from pipeline.sources.aws_calls import call

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


def _cloudwatch(region: str) -> str:
    return f"CloudWatch {region}"
