"""What a Kubernetes pod asks of its node: its effective requests, as the scheduler counts them.

Containers and sidecars (init containers that restart always) run together; a plain init container runs alone before
them, beside the sidecars that started earlier. The greater of both is reserved, plus the overhead of the pod's
runtime; requests of the whole pod replace those of its containers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

NUMBER = r"\+?[0-9]{1,30}(?:\.[0-9]{0,30})?|\+?\.[0-9]{1,30}"
QUANTITY = re.compile(rf"({NUMBER})([eE][+-]?[0-9]{{1,2}}|[numkMGTPE]|[KMGTPE]i|)")
DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
# millicores, bytes, and counts beyond which no node of any cloud goes
MOST = {"cpu": 2**30, "memory": 2**50}
MOST_COUNTED = 2**16
MIG = re.compile(r"nvidia\.com/mig-([1-9])g\.[0-9]+gb(?:\.me)?$")
REPLICA = re.compile(r"nvidia\.com/(?:gpu|mig-.+)\.shared$")
WHOLE_GPUS = ("nvidia.com/gpu", "amd.com/gpu")
NEURON_DEVICES = ("aws.amazon.com/neuron", "aws.amazon.com/neurondevice")
NEURON_CORES = ("aws.amazon.com/neuroncore",)
KNOWN = frozenset(("cpu", "memory", *WHOLE_GPUS, *NEURON_DEVICES, *NEURON_CORES))
COLUMNS = (
    *("cpu_request_millicores", "memory_request_bytes", "gpu_request_count"),
    *("mig_slice_request_count", "neuron_device_request_count", "neuron_core_request_count"),
)

Amounts = Counter[str]


def pod_requests(spec: Mapping[str, Any]) -> dict[str, int | None]:
    """Reserved amounts by the COLUMNS of raw_pods, from a pod's spec; 0 where it asks for nothing.

    Of replicas of a shared GPU (`nvidia.com/gpu.shared`) nobody says how many make a device: GPUs are None then.
    Raises ValueError for a quantity that Kubernetes would not take.
    """
    amounts = _effective(spec)
    overall = _amounts((spec.get("resources") or {}).get("requests"))
    amounts |= {name: overall[name] for name in ("cpu", "memory") if name in overall}
    amounts = _sum((amounts, _amounts(spec.get("overhead"))))
    sums = (
        amounts["cpu"],
        amounts["memory"],
        None if any(map(REPLICA.match, amounts)) else sum(amounts[name] for name in WHOLE_GPUS),
        sum(int(found[1]) * count for name, count in amounts.items() if (found := MIG.match(name))),
        sum(amounts[name] for name in NEURON_DEVICES),
        sum(amounts[name] for name in NEURON_CORES),
    )
    return dict(zip(COLUMNS, sums, strict=True))


def quantity(text: object) -> Decimal:
    """A Kubernetes quantity, as 500m, 1.5Gi or 2e3; raises ValueError for anything else, or below zero."""
    found = QUANTITY.fullmatch(str(text))
    if not found:
        raise ValueError(f"{text!r} is no amount of a resource")
    number, suffix = Decimal(found[1]), found[2]
    if suffix in BINARY_SUFFIXES:
        return number * Decimal(2 ** BINARY_SUFFIXES[suffix])
    if suffix in DECIMAL_SUFFIXES:
        return number.scaleb(DECIMAL_SUFFIXES[suffix])
    return number.scaleb(int(suffix[1:]))


def _effective(spec: Mapping[str, Any]) -> Amounts:
    sidecars: Amounts = Counter()
    alone: Amounts = Counter()
    for container in spec.get("initContainers") or []:
        wanted = _of_container(container)
        if container.get("restartPolicy") == "Always":
            sidecars = _sum((sidecars, wanted))
        else:
            alone |= _sum((sidecars, wanted))
    return _sum((sidecars, *map(_of_container, spec.get("containers") or []))) | alone


def _of_container(container: Mapping[str, Any]) -> Amounts:
    """Its requests; a limit stands for the request that is not given."""
    resources = container.get("resources") or {}
    return Counter({**_amounts(resources.get("limits")), **_amounts(resources.get("requests"))})


def _amounts(quantities: Mapping[str, Any] | None) -> Amounts:
    """Millicores of cpu, bytes of memory, counts of the rest, rounded up as the scheduler does."""
    found: Amounts = Counter()
    for name, text in (quantities or {}).items():
        amount = quantity(text) * (1000 if name == "cpu" else 1)
        if not (name in KNOWN or MIG.match(name) or REPLICA.match(name)):
            continue
        found[name] = int(amount.to_integral_value(ROUND_CEILING))
        if found[name] > MOST.get(name, MOST_COUNTED):
            raise ValueError(f"{text!r} of {name} is more than any node has")
    return found


def _sum(parts: Iterable[Amounts]) -> Amounts:
    total: Amounts = Counter()
    for part in parts:
        total.update(part)
    return total
