"""Which series of CloudWatch Container Insights are read, and how ListMetrics finds them.

Container Insights publishes one fact four to six times, once per dimension set, and again as node_, pod_ and
container_ metric. RULES picks one set per fact: the finest of node_* for the hardware, the finest of container_* for
attribution. Units and factors of these metrics stand in the seed `cloudwatch_metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

from pipeline.sources.aws_calls import ApiSpend
from pipeline.sources.cloudwatch_wire import LIST, Wire

Keys: TypeAlias = npt.NDArray[np.int64]

NAMESPACE = "ContainerInsights"
RECENTLY = "PT3H"

NODE = frozenset({"ClusterName", "InstanceId", "NodeName"})
NODE_CORE = NODE | {"InstanceType", "NeuronDevice", "NeuronCore"}
NODE_GPU = NODE | {"InstanceType", "GpuDevice"}
NODE_EFA = NODE | {"InstanceType", "NetworkInterfaceId"}
CONTAINER = frozenset({"ClusterName", "Namespace", "PodName", "FullPodName", "ContainerName"})
CONTAINER_CORE = CONTAINER | {"NeuronDevice", "NeuronCore"}
CONTAINER_GPU = CONTAINER | {"GpuDevice"}

# Where the catalogue keeps what a dimension says.
COLUMN_OF_DIMENSION: Mapping[str, str] = {
    "ClusterName": "cluster",
    "InstanceId": "instance_id",
    "InstanceType": "instance_type",
    "NodeName": "node_name",
    "NeuronDevice": "neuron_device",
    "NeuronCore": "neuron_core",
    "GpuDevice": "gpu_device",
    "NetworkInterfaceId": "network_interface_id",
    "Namespace": "pod_namespace",
    "PodName": "pod_name",
    "FullPodName": "full_pod_name",
    "ContainerName": "container_name",
}


class MetricRule(NamedTuple):
    """The one dimension set and statistic under which a metric is read."""

    dimension_names: frozenset[str]
    statistic: str

    @property
    def scope(self) -> str:
        """`container` for attribution, `node` for hardware."""
        return "container" if "FullPodName" in self.dimension_names else "node"


# In the order in which a budget that does not reach for all of them is spent.
RULES: Mapping[str, MetricRule] = {
    "node_neuroncore_utilization": MetricRule(NODE_CORE, "Average"),
    "node_gpu_utilization": MetricRule(NODE_GPU, "Average"),
    "container_neuroncore_utilization": MetricRule(CONTAINER_CORE, "Average"),
    "container_gpu_utilization": MetricRule(CONTAINER_GPU, "Average"),
    "node_neuroncore_memory_usage_total": MetricRule(NODE_CORE, "Maximum"),
    "node_neurondevice_runtime_memory_used_bytes": MetricRule(NODE, "Maximum"),
    "node_gpu_memory_used": MetricRule(NODE_GPU, "Maximum"),
    "node_gpu_power_draw": MetricRule(NODE_GPU, "Average"),
    "node_gpu_temperature": MetricRule(NODE_GPU, "Maximum"),
    "node_gpu_tensor_core_utilization": MetricRule(NODE_GPU, "Average"),
    "node_efa_rx_bytes": MetricRule(NODE_EFA, "Average"),
    "node_efa_tx_bytes": MetricRule(NODE_EFA, "Average"),
    "node_efa_rdma_read_bytes": MetricRule(NODE_EFA, "Average"),
    "node_efa_rdma_write_bytes": MetricRule(NODE_EFA, "Average"),
}


# The names of each metric's dimensions in order.
DIMENSIONS_OF: Mapping[str, tuple[str, ...]] = {
    name: tuple(sorted(rule.dimension_names)) for name, rule in RULES.items()
}


class DimensionValues:
    """Takes out of a mapping what the dimensions of one metric say, in the order of DIMENSIONS_OF."""

    def __init__(self, metric_name: str) -> None:
        """Of a metric in RULES."""
        self._count = len(DIMENSIONS_OF[metric_name])
        self._values_of: Callable[[Mapping[str, str]], tuple[str, ...]] = itemgetter(*DIMENSIONS_OF[metric_name])

    def __call__(self, dimensions: Mapping[str, str]) -> tuple[str, ...] | None:
        """The values; None under other dimensions than those of the rule."""
        if len(dimensions) != self._count:
            return None
        try:
            return self._values_of(dimensions)
        except KeyError:
            return None


DIMENSION_VALUES: Mapping[str, DimensionValues] = {name: DimensionValues(name) for name in RULES}


class Series(NamedTuple):
    """One CloudWatch metric of one dimension set; `dimensions` are (name, value) pairs sorted by name."""

    metric_name: str
    dimensions: tuple[tuple[str, str], ...]

    @property
    def statistic(self) -> str:
        """The statistic under which it is read."""
        return RULES[self.metric_name].statistic

    @property
    def is_read(self) -> bool:
        """Whether RULES reads this metric under exactly these dimensions."""
        rule = RULES.get(self.metric_name)
        return rule is not None and rule.dimension_names == {name for name, _ in self.dimensions}


class Named(NamedTuple):
    """A series of one account and region, and what names it in the raw tables."""

    key: int
    series: Series


def name_series(account_id: str, region: str, found: Iterable[Series]) -> Iterator[Named]:
    """Each series with its key."""
    heads = {name: _head(account_id, region, name) for name in RULES}
    for series in found:
        digest = _digest(heads[series.metric_name] + orjson.dumps(series.dimensions))
        yield Named(int.from_bytes(digest, "little", signed=True), series)


def series_keys(account_id: str, region: str, metric_name: str, values: Iterable[Sequence[str]]) -> Keys:
    """Keys of the series of one metric, given by what their dimensions say in the order of DIMENSIONS_OF.

    The text of all values of a dimension is made at once: of some thousand series that takes half of the time.
    """
    named = b'"],["'.join(orjson.dumps(name)[1:-1] + b'","%b' for name in DIMENSIONS_OF[metric_name])
    told = _head(account_id, region, metric_name) + b'[["' + named + b'"]]'
    texts = zip(*map(_json_texts, zip(*values, strict=True)), strict=True)
    return np.frombuffer(b"".join([_digest(told % each) for each in texts]), "<i8")


def _json_texts(values: Sequence[str]) -> list[bytes]:
    """Each value as JSON without its quotes."""
    text = orjson.dumps(values)
    if b"\\" in text:  # of a quote within a value, maybe
        return [orjson.dumps(value)[1:-1] for value in values]
    return text[2:-2].split(b'","')


def _head(account_id: str, region: str, metric_name: str) -> bytes:
    return orjson.dumps((account_id, region, NAMESPACE, metric_name, RULES[metric_name].statistic))


def _digest(told: bytes) -> bytes:
    """64 bits of a hash over a series' place, metric, statistic and dimensions."""
    return blake2b(told, digest_size=8).digest()


def find_series(
    wire: Wire, *, clusters: Sequence[str] | None = None, is_recent: bool = False, spend: ApiSpend | None = None
) -> set[Series]:
    """Every series that RULES reads; of `clusters` alone where given. 500 per page, followed to the end.

    ListMetrics forgets a series 14 days after its last point; `is_recent` asks for the last three hours alone (their
    start may be 50 minutes off).
    """
    found: set[Series] = set()
    for metric_name, rule in RULES.items():
        for cluster in clusters if clusters is not None else [""]:
            body = _question(metric_name, rule, cluster) | ({"RecentlyActive": RECENTLY} if is_recent else {})
            for metrics in _list_metric(wire, metric_name, body, spend):
                found.update(_read(metric_name, sorted(rule.dimension_names), metrics))
    return found


def _question(metric_name: str, rule: MetricRule, cluster: str) -> dict[str, Any]:
    filters = [{"Name": name} for name in sorted(rule.dimension_names)]
    if cluster:
        filters = [{"Name": "ClusterName", "Value": cluster}, *[f for f in filters if f["Name"] != "ClusterName"]]
    return {"Namespace": NAMESPACE, "MetricName": metric_name, "Dimensions": filters}


def _list_metric(
    wire: Wire, metric_name: str, body: Mapping[str, Any], spend: ApiSpend | None
) -> Iterator[list[dict[str, Any]]]:
    for page in wire.pages(LIST, body, f"CloudWatch ListMetrics of {metric_name}"):
        if spend is not None:
            spend.requests += 1
        yield page["Metrics"]


def _read(metric_name: str, names: Sequence[str], metrics: Iterable[Mapping[str, Any]]) -> Iterator[Series]:
    """The listed series that have exactly these dimensions (sorted)."""
    for metric in metrics:
        pairs = sorted([(pair["Name"], pair["Value"]) for pair in metric["Dimensions"]])
        if [name for name, _ in pairs] == names:
            yield Series(metric_name, tuple(pairs))
