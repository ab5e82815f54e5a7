"""Container Insights' performance log events of the world, as a CloudWatch Logs subscription and Firehose write them.

One event per core and minute for the node, one per core that a pod holds for its container and one for the pod, one
per node and one per device. An object holds the messages of one cluster and hour one behind the other, each a gzip
member of its own; a message holds ten minutes of one node. One message in fifty comes again an hour later.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.world.fleet import Node
from pipeline.world.neuron_report import core_memory
from pipeline.world.options import SECONDS_PER_HOUR, SECONDS_PER_MINUTE, instant
from pipeline.world.plan import EKS
from pipeline.world.seeds import hexadecimal, stream, uuid_text
from pipeline.world.telemetry import HeldRange, Telemetry
from pipeline.world.workloads import Owner
from pipeline.world.world import World
from pipeline.world.writer import GZIP_LEVEL

PPM_PER_PERCENT = 10_000
MESSAGE_SECONDS = 600
AGAIN_SHARE = 1 / 50
STATUSES = ("completed", "completed_with_err", "completed_with_num_err", "timed_out", "incorrect_input")
ERRORS = ("generic", "numerical", "transient", "model", "runtime", "hardware")
ECC = ("mem_ecc_corrected", "mem_ecc_uncorrected", "sram_ecc_corrected", "sram_ecc_uncorrected")
CONTROL = {"messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logEvents": []}


def emf_files(world: World, start: int, end: int) -> Iterator[tuple[str, bytes]]:
    """(name, gzip bytes) of the objects that carry the minutes of [start, end) of every EKS cluster with Neuron."""
    clusters: dict[str, list[Telemetry]] = {}
    for node in world.watched():
        if node.spec.vendor == "neuron" and node.cluster is not None and node.cluster.kind == EKS:
            clusters.setdefault(node.cluster_name, []).append(world.telemetry(node))
    for cluster, telemetries in sorted(clusters.items()):
        again: list[bytes] = []
        for hour in range(start, end, SECONDS_PER_HOUR):
            messages, repeated = [_packed(CONTROL), *again], again
            again = []
            for telemetry in telemetries:
                for at in range(hour, min(hour + SECONDS_PER_HOUR, end), MESSAGE_SECONDS):
                    until = min(at + MESSAGE_SECONDS, end)
                    if events := list(_events(telemetry, at, until, world.options.interval_seconds)):
                        messages.append(_packed(_message(telemetry.node, events)))
                        if stream(world.options.seed, "emf", telemetry.node.instance_id, at).random() < AGAIN_SHARE:
                            again.append(messages[-1])
            if len(messages) > 1 + len(repeated) or repeated:
                yield _name(cluster, hour), b"".join(messages)


def _name(cluster: str, hour: int) -> str:
    at = instant(hour + SECONDS_PER_HOUR)
    return f"{at:%Y/%m/%d/%H}/{cluster}-1-{at:%Y-%m-%d-%H-%M-%S}-{uuid_text('emf', cluster, hour)}"


def _packed(message: dict[str, Any]) -> bytes:
    return gzip.compress(json.dumps(message, separators=(",", ":")).encode(), GZIP_LEVEL, mtime=0)


def _message(node: Node, events: Sequence[dict[str, Any]]) -> dict[str, Any]:
    texts = [json.dumps(event, separators=(",", ":")) for event in events]
    return {
        "messageType": "DATA_MESSAGE",
        "owner": node.account.account_id,
        "logGroup": f"/aws/containerinsights/{node.cluster_name}/performance",
        "logStream": node.private_dns_name,
        "subscriptionFilters": ["to-firehose"],
        "logEvents": [
            {"id": hexadecimal(56, "emf", text), "timestamp": int(event["Timestamp"]), "message": text}
            for event, text in zip(events, texts, strict=True)
        ],
    }


def _events(telemetry: Telemetry, start: int, end: int, interval: int) -> Iterator[dict[str, Any]]:
    """The events of the minutes of [start, end): what the agent scrapes is the sample that stands for that moment."""
    for minute in range(start, end, SECONDS_PER_MINUTE):
        row = int(np.searchsorted(telemetry.at, minute + SECONDS_PER_MINUTE))
        if row < len(telemetry.at) and telemetry.at[row] - interval < minute + SECONDS_PER_MINUTE:
            yield from _minute(telemetry, row, minute)


def _minute(telemetry: Telemetry, row: int, minute: int) -> Iterator[dict[str, Any]]:
    node = telemetry.node
    held = [each for each in telemetry.held if each.first <= row < each.last]
    memory = np.zeros(len(node.units), np.int64)
    for each in held:
        memory[list(each.holding.units)] += sum(core_memory(node, each.holding).values())
    common = _common(node, minute)
    yield common | {"Type": "Node", "node_cpu_utilization": 19.7}
    yield common | {"Type": "NodeAWSNeuron"} | _executions(held, int(memory.sum()))
    for core in range(len(node.units)):
        use = _use("node", telemetry.busy[row, core] / PPM_PER_PERCENT, int(memory[core]))
        yield common | {"Type": "NodeAWSNeuronCore"} | _place(node, core) | use
    for device in range(node.spec.devices):
        counts = {f"node_neurondevice_hw_ecc_events_{name}": 0 for name in (*ECC, "total")}
        yield common | {"Type": "NodeAWSNeuronDevice", "NeuronDevice": f"device{device}"} | counts
    for each in held:
        if each.holding.owner.pod:
            yield from _owned(node, each, row, common)


def _owned(node: Node, held: HeldRange, row: int, common: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a pod and its container on each core that it holds."""
    owner = held.holding.owner
    name = owner.workload_id.rpartition("/")[2]
    about = {"Namespace": owner.namespace, "PodName": name, "FullPodName": owner.pod, "K8sPodName": owner.pod}
    kubernetes = {"Service": name, "kubernetes": _kubernetes(node, owner, name)}
    memory = sum(core_memory(node, held.holding).values())
    for column, core in enumerate(held.holding.units):
        percent = held.busy[row - held.first, column] / PPM_PER_PERCENT
        place = common | _place(node, core) | about | kubernetes
        yield place | {"Type": "PodAWSNeuronCore"} | _use("pod", percent, memory)
        container = {"Type": "ContainerAWSNeuronCore", "ContainerName": owner.container}
        yield place | container | _use("container", percent, memory)


def _common(node: Node, minute: int) -> dict[str, Any]:
    second = int(hexadecimal(4, "scrape", node.instance_id), 16) % SECONDS_PER_MINUTE
    return {
        "CloudWatchMetrics": [{"Namespace": "ContainerInsights", "Dimensions": [["ClusterName"]], "Metrics": []}],
        "ClusterName": node.cluster_name,
        "InstanceId": node.instance_id,
        "InstanceType": node.spec.name,
        "NodeName": node.private_dns_name,
        "Timestamp": str((minute + second) * 1000),
        "UltraServer": "",
        "Version": "0",
        "availability_zone": node.availability_zone,
        "kubernetes": {"host": node.private_dns_name},
        "region": node.region,
    }


def _place(node: Node, core: int) -> dict[str, str]:
    return {"NeuronDevice": f"device{core // node.cores_per_device}", "NeuronCore": f"core{core}"}


def _use(scope: str, percent: float, memory: int) -> dict[str, float]:
    names = (f"{scope}_neuroncore_utilization", f"{scope}_neuroncore_memory_usage_total")
    return dict(zip(names, (float(percent), memory), strict=True))


def _executions(held: Iterable[HeldRange], memory: int) -> dict[str, float]:
    """Executions of a minute; of the node's memory the agent keeps what the first runtime says."""
    runtimes = [each.holding for each in held]
    first = sum(sum(core_memory(each.node, each).values()) * len(each.units) for each in runtimes[:1])
    counts = {f"node_neuron_execution_status_{name}": 0 for name in STATUSES}
    counts |= {f"node_neuron_execution_errors_{name}": 0 for name in (*ERRORS, "total")}
    counts |= {"node_neuron_execution_status_completed": 600 * len(runtimes)}
    return counts | {
        "node_neurondevice_runtime_memory_used_bytes": min(first, memory),
        "node_neuron_execution_latency": 0.01,
    }


def _kubernetes(node: Node, owner: Owner, name: str) -> dict[str, Any]:
    return {
        "host": node.private_dns_name,
        "labels": {"app": name},
        "pod_id": uuid_text("pod", owner.namespace, owner.pod),
        "pod_owners": [{"owner_kind": _owner_kind(owner.pod.removeprefix(name)), "owner_name": name}],
        "containerd": {"container_id": hexadecimal(64, "container", owner.pod)},
    }


def _owner_kind(tail: str) -> str:
    """What made a pod, by what was added to its owner's name."""
    parts = tail.strip("-").split("-")
    if len(parts) == 1:
        return "StatefulSet" if parts[0].isdigit() else "Job"
    return "Job" if parts[0].isdigit() else "Deployment"
