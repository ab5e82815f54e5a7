"""What a pod reserves is what the scheduler counts for it, whatever way its quantities are written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.pod_requests import BINARY_SUFFIXES, COLUMNS, DECIMAL_SUFFIXES, pod_requests, quantity


def _container(restart: str | None = None, limits: dict[str, str] | None = None, **requests: str) -> dict[str, Any]:
    resources = {"requests": requests} | ({"limits": limits} if limits else {})
    return {"resources": resources} | ({"restartPolicy": restart} if restart else {})


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        *(("500m", "0.5"), ("1.5Gi", "1610612736"), ("2e3", "2000"), ("2E3", "2000"), ("1E", "1e18"), (4, "4")),
        *((".5", "0.5"), ("3.", "3"), ("100n", "1e-7"), ("128974848", "128974848"), ("123Mi", "128974848")),
    ],
)
def test_a_quantity_is_read_as_kubernetes_writes_it(text: object, amount: str) -> None:
    assert quantity(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "-1", "1 Gi", "0x1", "1e", "1e100", "one", "1Kib", None, [], "1" * 40])
def test_what_is_no_quantity_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is no amount of a resource"):
        quantity(text)


@given(st.integers(0, 10**9), st.sampled_from(sorted({**DECIMAL_SUFFIXES, **BINARY_SUFFIXES})))
def test_every_suffix_is_a_power_of_its_base(number: int, suffix: str) -> None:
    is_decimal = suffix in DECIMAL_SUFFIXES
    power = Decimal(10) ** DECIMAL_SUFFIXES[suffix] if is_decimal else Decimal(2) ** BINARY_SUFFIXES[suffix]
    assert quantity(f"{number}{suffix}") == number * power


def test_a_pod_without_requests_reserves_nothing() -> None:
    assert pod_requests({}) == pod_requests({"containers": [{}]}) == dict.fromkeys(COLUMNS, 0)


def test_containers_add_up_and_an_init_container_runs_alone() -> None:
    spec = {
        "containers": [_container(cpu="500m", memory="1Gi"), _container(cpu="0.25", memory="1Gi")],
        "initContainers": [_container(cpu="2", memory="1Gi"), _container(cpu="1")],
    }
    found = pod_requests(spec)
    assert (found["cpu_request_millicores"], found["memory_request_bytes"]) == (2000, 2**31)


def test_a_sidecar_runs_beside_the_containers_and_later_init_containers() -> None:
    spec = {
        "containers": [_container(cpu="1")],
        "initContainers": [_container(cpu="1"), _container("Always", cpu="500m"), _container(cpu="1200m")],
        "overhead": {"cpu": "100m"},
    }
    assert pod_requests(spec)["cpu_request_millicores"] == 1700 + 100


def test_requests_of_the_whole_pod_replace_those_of_its_containers() -> None:
    spec = {
        "containers": [_container(cpu="1", memory="1Gi", **{"nvidia.com/gpu": "2"})],
        "resources": {"requests": {"cpu": "3"}},
    }
    assert list(pod_requests(spec).values())[:3] == [3000, 2**30, 2]


@pytest.mark.parametrize("name", ["nvidia.com/gpu.shared", "nvidia.com/mig-1g.5gb.shared"])
def test_replicas_of_a_gpu_are_an_unknown_part_of_it(name: str) -> None:
    assert pod_requests({"containers": [_container(**{name: "1", "nvidia.com/gpu": "1"})]})["gpu_request_count"] is None


def test_devices_cores_and_slices_are_counted_apart() -> None:
    names = {
        "nvidia.com/gpu": "1",
        "nvidia.com/mig-3g.20gb": "2",
        "aws.amazon.com/neuron": "4",
        "aws.amazon.com/neuroncore": "13",
        "ephemeral-storage": "10Gi",
        "hugepages-2Mi": "1Gi",
    }
    found = pod_requests({"containers": [_container(**names)]})
    assert [found[name] for name in COLUMNS[2:]] == [1, 6, 4, 13]


def test_a_limit_stands_for_the_request_that_is_not_given() -> None:
    spec = {"containers": [_container(limits={"nvidia.com/gpu": "8", "cpu": "4"}, cpu="1")]}
    found = pod_requests(spec)
    assert (found["cpu_request_millicores"], found["gpu_request_count"]) == (1000, 8)


@pytest.mark.parametrize("name", ["cpu", "memory", "nvidia.com/gpu"])
def test_more_than_any_node_has_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="more than any node has"):
        pod_requests({"containers": [_container(**{name: "9E"})]})
