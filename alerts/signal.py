"""What a finding is: one row of mart_anomalies, as values that messages and the ledger can use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal

SEVERITIES = ("critical", "warning", "info")
STATUSES = ("open", "closed")


@dataclass(frozen=True)
class Finding:
    """One finding: times in UTC, money in USD, `observed` and `expected` in `unit`, `evidence` as JSON text."""

    finding_id: str
    rule: str
    subject: str
    severity: str
    status: str
    opened_at: datetime
    detected_at: datetime
    closed_at: datetime | None
    last_seen_at: datetime
    observed: float | None
    expected: float | None
    unit: str
    impact_usd: Decimal
    impact_usd_per_hour: Decimal
    price_basis: str
    evidence: str

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> Finding:
        """Read one row of mart_anomalies, by column name; ValueError names the finding and the column that is wrong."""
        opened_at = _time(row, "opened_at")
        closed_at = None if row.get("closed_at") is None else _time(row, "closed_at")
        return cls(
            finding_id=_text(row, "finding_id"),
            rule=_text(row, "rule"),
            subject=_text(row, "subject"),
            severity=_one_of(row, "severity", SEVERITIES),
            status=_one_of(row, "status", STATUSES),
            opened_at=opened_at,
            detected_at=_time(row, "detected_at"),
            closed_at=closed_at,
            last_seen_at=(closed_at or opened_at) if row.get("last_seen_at") is None else _time(row, "last_seen_at"),
            observed=_number(row.get("observed")),
            expected=_number(row.get("expected")),
            unit=str(row.get("unit") or ""),
            impact_usd=_money(row.get("impact_usd")),
            impact_usd_per_hour=_money(row.get("impact_usd_per_hour")),
            price_basis=str(row.get("price_basis") or "none"),
            evidence=str(row.get("evidence") or "{}"),
        )

    @classmethod
    def from_json(cls, text: str) -> Finding:
        """The inverse of `to_json`."""
        return cls.from_row(json.loads(text))

    def to_json(self) -> str:
        """All fields as a JSON object; times in ISO 8601, money as decimal text."""
        return json.dumps(asdict(self), default=_plain, sort_keys=True)

    @property
    def severity_rank(self) -> int:
        """0 for the most severe."""
        return SEVERITIES.index(self.severity)

    @property
    def ended_at(self) -> datetime:
        """End of the time the finding covers as far as it is known."""
        return self.closed_at or self.last_seen_at

    @property
    def facts(self) -> dict[str, object]:
        """The evidence as an object; text that is no JSON object comes back under `note`."""
        try:
            parsed = json.loads(self.evidence)
        except json.JSONDecodeError:
            parsed = self.evidence
        return parsed if isinstance(parsed, dict) else {"note": parsed}

    def continues(self, other: Finding) -> bool:
        """True if both tell of one incident: same rule, same subject, times that overlap or touch."""
        same = (self.rule, self.subject) == (other.rule, other.subject)
        return same and self.opened_at <= other.ended_at and other.opened_at <= self.ended_at


def _text(row: Mapping[str, object], column: str) -> str:
    value = row.get(column)
    if not isinstance(value, str):
        raise ValueError(f"finding {row.get('finding_id')!r}: {column} is {value!r}; mart_anomalies must give text")
    return value


def _one_of(row: Mapping[str, object], column: str, allowed: tuple[str, ...]) -> str:
    value = _text(row, column)
    if value not in allowed:
        raise ValueError(f"finding {row.get('finding_id')!r}: {column} is {value!r}; known: {', '.join(allowed)}")
    return value


def _time(row: Mapping[str, object], column: str) -> datetime:
    value = row.get(column)
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        raise ValueError(f"finding {row.get('finding_id')!r}: {column} is {value!r}; mart_anomalies must give a time")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def _money(value: object) -> Decimal:
    return Decimal(0) if value is None else Decimal(str(value))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
