"""Findings for the tests of alerts."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from alerts.signal import Finding

SINCE = datetime(2026, 11, 14, 8, 15, tzinfo=UTC)
IDLE = Finding(
    finding_id="0123456789abcdef",
    rule="idle_while_paid",
    subject="prod-eks/ml/-/notebooks",
    severity="critical",
    status="open",
    opened_at=SINCE,
    detected_at=SINCE + timedelta(minutes=15),
    closed_at=None,
    last_seen_at=SINCE + timedelta(hours=11, minutes=20),
    observed=0.012,
    expected=0.05,
    unit="ratio",
    impact_usd=Decimal("1412.1234567890"),
    impact_usd_per_hour=Decimal("124.6000000000"),
    price_basis="list",
    evidence=json.dumps(
        {
            "account_id": "111122223333",
            "cluster": "prod-eks",
            "chip": "A100-40GB",
            "device_count": 32,
            "team": "research",
            "contributors": [
                {"instance_id": "i-0aa00000000000001", "devices": 8, "impact_usd": "400.12"},
                {"instance_id": "i-0aa00000000000002", "devices": 8, "impact_usd": "380.9"},
            ],
            "sql": "select usage_hour_at, busy_seconds\nfrom fct_workload_usage_hourly",
        }
    ),
)
SPIKE = replace(
    IDLE,
    finding_id="fedcba9876543210",
    rule="daily_cost_spike",
    subject="111122223333/p5.48xlarge",
    severity="warning",
    status="closed",
    opened_at=datetime(2026, 11, 10, tzinfo=UTC),
    closed_at=datetime(2026, 11, 11, tzinfo=UTC),
    last_seen_at=datetime(2026, 11, 11, tzinfo=UTC),
    observed=9120.0,
    expected=3890.0,
    unit="USD",
    impact_usd=Decimal("5230.0000000000"),
    impact_usd_per_hour=Decimal("217.9166666667"),
    price_basis="effective",
    evidence="{}",
)


def numbered(number: int, **changes: object) -> Finding:
    """An open idle finding of its own, worth `number` USD."""
    return replace(
        IDLE,
        finding_id=f"{number:016x}",
        subject=f"prod/ml/-/job-{number}",
        impact_usd=Decimal(number),
        **changes,  # type: ignore[arg-type]
    )


def closed(finding: Finding) -> Finding:
    """The same finding, over."""
    return replace(finding, status="closed", closed_at=finding.last_seen_at)


def rows(*findings: Finding) -> list[dict[str, object]]:
    """As a caller reads them from mart_anomalies."""
    return [asdict(finding) for finding in findings]
