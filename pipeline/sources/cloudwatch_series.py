"""Which Neuron series of CloudWatch Container Insights are read, and how ListMetrics finds them.

Container Insights publishes one fact four to six times, once per dimension set, and again as node_, pod_ and
container_ metric. RULES picks one set for the hardware and one for attribution; nothing else is ever asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pipeline.sources.aws_calls import ApiSpend, call

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import DimensionFilterTypeDef

NAMESPACE = "ContainerInsights"

HARDWARE = frozenset({"ClusterName", "InstanceType", "InstanceId", "NodeName", "NeuronDevice", "NeuronCore"})
ATTRIBUTION = frozenset(
    {"ClusterName", "Namespace", "PodName", "FullPodName", "ContainerName", "NeuronDevice", "NeuronCore"}
)


@dataclass(frozen=True)
class MetricRule:
    """The one dimension set and statistic under which a metric is read."""

    dimension_names: frozenset[str]
    statistic: str


RULES: Mapping[str, MetricRule] = {
    "node_neuroncore_utilization": MetricRule(HARDWARE, "Average"),
    "node_neuroncore_memory_usage_total": MetricRule(HARDWARE, "Maximum"),
    "container_neuroncore_utilization": MetricRule(ATTRIBUTION, "Average"),
}


@dataclass(frozen=True, order=True)
class Series:
    """One CloudWatch metric of one dimension set; `dimensions` are (name, value) pairs sorted by name."""

    metric_name: str
    dimensions: tuple[tuple[str, str], ...]

    @property
    def is_read(self) -> bool:
        """Whether RULES reads this metric under exactly these dimensions."""
        rule = RULES.get(self.metric_name)
        return rule is not None and rule.dimension_names == frozenset(name for name, _ in self.dimensions)


def list_series(
    client: CloudWatchClient, *, clusters: Sequence[str] | None = None, spend: ApiSpend | None = None
) -> list[Series]:
    """Every series that RULES reads, sorted; of `clusters` alone where given. 500 per page, followed to the end."""
    found: set[Series] = set()
    for metric_name, rule in RULES.items():
        for cluster in clusters if clusters is not None else [""]:
            found.update(_list_metric(client, metric_name, rule, cluster, spend))
    return sorted(found)


def _list_metric(
    client: CloudWatchClient, metric_name: str, rule: MetricRule, cluster: str, spend: ApiSpend | None
) -> Iterator[Series]:
    filters: list[DimensionFilterTypeDef] = [{"Name": name} for name in sorted(rule.dimension_names)]
    if cluster:
        filters = [{"Name": "ClusterName", "Value": cluster}, *[f for f in filters if f["Name"] != "ClusterName"]]
    pages = client.get_paginator("list_metrics").paginate(
        Namespace=NAMESPACE, MetricName=metric_name, Dimensions=filters
    )
    iterator = iter(pages)
    ask = partial(
        call,
        partial(next, iterator, None),
        permission="cloudwatch:ListMetrics",
        place=f"CloudWatch ListMetrics of {metric_name}",
        holding="Metrics",
    )
    while (page := ask()) is not None:
        if spend is not None:
            spend.requests += 1
        for metric in page["Metrics"]:
            series = Series(metric_name, tuple(sorted((d["Name"], d["Value"]) for d in metric["Dimensions"])))
            if series.is_read:
                yield series
