"""The labels of a Prometheus HTTP API as the exporters wrote them: CloudWatch renames them on the way."""

from __future__ import annotations

from typing import Final

from pipeline.sources.exposition_lines import Labels

SCOPES: Final = ("@resource.", "@datapoint.", "@instrumentation.")
# one name of OpenTelemetry for what the two exporters each have their own name of
OF_CLOUDWATCH: Final = {
    "aws.neuron.core": ("neuroncore",),
    "aws.neuron.device": ("neuron_device_index",),
    "aws.neuron.runtime.tag": ("runtime_tag",),
    "cloud.region": ("region",),
    "host.id": ("instance_id", "hostname"),
    "host.type": ("instance_type",),
    "k8s.container.name": ("container_name", "container"),
    "k8s.namespace.name": ("namespace",),
    "k8s.node.name": ("instance_name", "Hostname"),
    "k8s.pod.name": ("pod_name", "pod"),
    "k8s.pod.uid": ("pod_uid",),
}


def exporter_labels(labels: Labels, kind: str) -> Labels:
    """The labels under the exporters' names; only CloudWatch's need it."""
    if kind != "cloudwatch":
        return labels
    named: dict[str, str] = {}
    for label, value in labels:
        scope = next((scope for scope in SCOPES if label.startswith(scope)), "")
        for name in OF_CLOUDWATCH.get(label.removeprefix(scope), (label.removeprefix(scope),)):
            named.setdefault(name, value)
    return tuple(named.items())
