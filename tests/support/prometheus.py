"""Endpoints of the three range-query APIs."""

from __future__ import annotations

from typing import Any

from pipeline.prometheus_endpoints import PrometheusEndpoint


def endpoint(kind: str = "prometheus", **more: Any) -> PrometheusEndpoint:
    """An endpoint of this kind, without a network behind it."""
    region = "" if kind == "prometheus" else "us-east-1"
    return PrometheusEndpoint(name="fleet", url="http://host", kind=kind, region=region, **more)  # type: ignore[arg-type]
