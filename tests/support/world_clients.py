"""Real boto3 clients of the world's CloudWatch and Cost Explorer, and what they pull."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import boto3
import pyarrow as pa
from botocore.config import Config

from pipeline.sources import cloudwatch
from pipeline.sources.base import ParsedDelivery
from pipeline.sources.cloudwatch_rows import catalogue_rows
from pipeline.sources.cloudwatch_series import name_series
from pipeline.windows import Window
from pipeline.world import END_AT, Node, World
from pipeline.world.serve_http import DoublesServer

DAYS = 3
LAST_DAY = Window(END_AT - timedelta(days=1), END_AT)
FIRST_DATE, END_DATE = (END_AT - timedelta(days=DAYS)).date(), END_AT.date()
SERVING = "us-west-2"  # the region with the fewest cores: a whole day of it is pulled
TRAINING = "us-east-1"
Connect = Callable[..., Any]


def connected(server: DoublesServer, service: str, region: str = TRAINING, key: str = "AKIAWORLD") -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        region_name=region,
        endpoint_url=server.url,
        aws_access_key_id=key,
        aws_secret_access_key="none",
        config=Config(retries={"mode": "standard", "max_attempts": 4}),
    )


def pull(client: Any, region: str, window: Window = LAST_DAY, **more: Any) -> list[dict[str, Any]]:
    """The points, each with what names its series."""
    catalogue = more.pop("catalogue", None) or cloudwatch.list_series(client)
    place = {"account_id": "0", "region": region}
    named = catalogue_rows(*place.values(), list(name_series(*place.values(), catalogue))).to_pylist()
    names = {row["series_key"]: row for row in named}
    deliveries = cloudwatch.fetch(client, window=window, now=END_AT, catalogue=catalogue, **place, **more)
    return [names[row["series_key"]] | row for row in rows(deliveries)]


def rows(deliveries: Iterator[ParsedDelivery]) -> list[dict[str, Any]]:
    batches = [batch for delivery in deliveries for _, batch in delivery.batches]
    return pa.Table.from_batches(batches).to_pylist() if batches else []


def eks_neuron_nodes(world: World, region: str) -> list[Node]:
    nodes = [node for node in world.watched() if node.spec.vendor == "neuron" and node.region == region]
    return [node for node in nodes if node.cluster is not None]


def query(query_id: str, name: str, dimensions: dict[str, str], period: int = 60, stat: str = "Average") -> Any:
    pairs = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    metric = {"Namespace": "ContainerInsights", "MetricName": name, "Dimensions": pairs}
    return {"Id": query_id, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}


def get(client: Any, queries: list[Any], start: datetime, minutes: int, **more: Any) -> dict[str, list[float]]:
    end = start + timedelta(minutes=minutes)
    page = client.get_metric_data(MetricDataQueries=queries, StartTime=start, EndTime=end, **more)
    return {result["Id"]: result["Values"] for result in page["MetricDataResults"]}


def finest(row: dict[str, Any]) -> dict[str, str]:
    names = {"ClusterName": "cluster", "InstanceType": "instance_type", "InstanceId": "instance_id"}
    names |= {"NodeName": "node_name", "NeuronDevice": "neuron_device", "NeuronCore": "neuron_core"}
    return {name: row[column] for name, column in names.items()}
