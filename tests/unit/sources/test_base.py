"""What makes two deliveries the same one: source, content and known observation time, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from pipeline.sources.base import DeliveryInfo

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
KNOWN = DeliveryInfo("dcgm", "a.prom", "00ff", AT, time_guessed=False, delivered_at=AT)
GUESSED = replace(KNOWN, time_guessed=True)


@pytest.mark.parametrize(
    "other",
    [{"source": "inventory"}, {"content_sha256": "00fe"}, {"observed_at": AT + timedelta(microseconds=1)}],
    ids=lambda other: next(iter(other)),
)
def test_another_source_content_or_known_time_is_another_delivery(other: dict[str, Any]) -> None:
    assert replace(KNOWN, **other).delivery_id != KNOWN.delivery_id


@pytest.mark.parametrize(
    "other",
    [
        {"object": "copy-of-a.prom"},
        {"delivered_at": None},
        {"interval_ms": 60_000},
        {"byte_count": 7},
        {"export_name": "fleet", "billing_period": date(2026, 11, 1), "execution_id": "1"},
        {"observed_at": AT.astimezone(timezone(timedelta(hours=5)))},
    ],
    ids=lambda other: next(iter(other)),
)
def test_nothing_else_makes_it_another(other: dict[str, Any]) -> None:
    assert replace(KNOWN, **other).delivery_id == KNOWN.delivery_id


def test_a_guessed_time_is_no_part_of_the_identity() -> None:
    assert replace(GUESSED, observed_at=AT + timedelta(days=1)).delivery_id == GUESSED.delivery_id
    assert GUESSED.delivery_id != KNOWN.delivery_id
