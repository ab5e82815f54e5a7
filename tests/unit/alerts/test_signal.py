"""A row of mart_anomalies becomes a finding, or an error that says which column is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from alerts.signal import Finding
from tests.unit.alerts.samples import IDLE, SPIKE, closed, rows


@pytest.mark.parametrize("finding", [IDLE, SPIKE, closed(IDLE)])
def test_a_finding_survives_a_row_and_json(finding: Finding) -> None:
    assert Finding.from_row(rows(finding)[0]) == finding
    assert Finding.from_json(finding.to_json()) == finding


def test_times_without_an_offset_are_utc() -> None:
    row = rows(IDLE)[0] | {"opened_at": datetime(2026, 11, 14, 8, 15), "detected_at": "2026-11-14T09:30:00+01:00"}  # noqa: DTZ001
    finding = Finding.from_row(row)
    assert finding.opened_at == IDLE.opened_at
    assert finding.detected_at == datetime(2026, 11, 14, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "value"), [("status", "pending?"), ("severity", "page"), ("opened_at", None), ("finding_id", 7)]
)
def test_a_wrong_column_is_named(column: str, value: object) -> None:
    with pytest.raises(ValueError, match=column):
        Finding.from_row(rows(IDLE)[0] | {column: value})


def test_findings_of_one_subject_continue_each_other_when_their_times_touch() -> None:
    later = replace(IDLE, opened_at=IDLE.last_seen_at, last_seen_at=IDLE.last_seen_at + timedelta(hours=1))
    apart = replace(later, opened_at=IDLE.last_seen_at + timedelta(minutes=1))
    assert later.continues(IDLE)
    assert IDLE.continues(later)
    assert not apart.continues(IDLE)
    assert not replace(later, subject="another").continues(IDLE)
