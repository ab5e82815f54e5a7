"""Rows of a metric stream as people read them: each point beside what its series says."""

from __future__ import annotations

from typing import Any

from pipeline.sources.base import ParsedDelivery


def named_rows(delivery: ParsedDelivery) -> list[dict[str, Any]]:
    """The points of a delivery, each with what names its series; every series is told once."""
    found: dict[str, list[dict[str, Any]]] = {"raw_cloudwatch_series": [], "raw_cloudwatch_samples": []}
    for table, batch in delivery.batches:
        found[table] += batch.to_pylist()
    names = {row["series_key"]: row for row in found["raw_cloudwatch_series"]}
    assert len(names) == len(found["raw_cloudwatch_series"])
    return [names[row["series_key"]] | row for row in found["raw_cloudwatch_samples"]]
