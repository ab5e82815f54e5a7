"""What an alert says, free of any channel: money first, then facts, evidence, and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

from alerts.signal import Finding
from alerts.text import plural, span, usd, utc

RUNBOOKS = Path(__file__).parent / "runbooks"
PRICE_BASIS = {
    "effective": "at what the bill charged (effective cost)",
    "list": "at public list price: the bill has not arrived",
    "none": "no price: see below",
}
CONTRIBUTORS = 3
DIGEST_LINES = 30
DIGEST_STEP = "Take the open ones from the top; each rule has its runbook in alerts/runbooks/."
SPIKE = "daily_cost_spike"
UNTRUSTED = "data_quality"
OWNER_KEYS = ("team", "owner", "cost_center")
SPOKEN_FOR = {"contributors", "top_contributors", "sql", "reproduce_sql", "note", *OWNER_KEYS}
SUBJECTS = {"idle_while_paid": "Workload", SPIKE: "Account and type", UNTRUSTED: "Check"}
OBSERVED = {"idle_while_paid": "Busy", SPIKE: "Cost of the day"}
LABELS = {"account_id": "Account", "chip": "Chips", "device_count": "", "sample_keys": "First failing keys"}


@dataclass(frozen=True)
class Fact:
    """A labelled value; `outside` marks text that we did not write ourselves."""

    label: str
    value: str
    outside: bool = True


@dataclass(frozen=True)
class Message:
    """One message in the order it is read. All fields are plain text: escaping is the channel's work."""

    headline: str
    money: str
    facts: tuple[Fact, ...] = ()
    evidence_title: str = ""
    evidence: tuple[str, ...] = ()
    next_step: str = ""
    runbook: str = ""
    reproduce_sql: str = ""
    footer: tuple[str, ...] = field(default=())

    @classmethod
    def from_json(cls, text: str) -> Message:
        """The inverse of `to_json`."""
        fields = json.loads(text)
        facts = tuple(Fact(**fact) for fact in fields.pop("facts"))
        return cls(facts=facts, evidence=tuple(fields.pop("evidence")), footer=tuple(fields.pop("footer")), **fields)

    def to_json(self) -> str:
        """The message as the ledger keeps it."""
        return json.dumps(asdict(self))

    def to_dict(self) -> dict[str, object]:
        """The message as JSON-ready values."""
        return asdict(self)


def compose(finding: Finding, state: str, *, data_through_at: datetime | None = None) -> Message:
    """The message of one finding; `state` is open, closed or retracted."""
    evidence = finding.facts
    contributors = _contributors(evidence)
    to_do = state == "open" or (state == "closed" and finding.rule == SPIKE)  # a day is over, what drove it may not be
    return Message(
        headline=f"[{_tag(finding, state)}] {_headline(finding, state)}",
        money=_money(finding, state),
        facts=_facts(finding, evidence, data_through_at),
        evidence_title="Where it comes from" if contributors else "",
        evidence=contributors,
        next_step=first_step(finding.rule) if to_do else "",
        runbook=f"alerts/runbooks/{finding.rule}.md" if to_do else "",
        reproduce_sql=str(evidence.get("sql") or evidence.get("reproduce_sql") or _select(finding)),
        footer=(f"finding {finding.finding_id}", f"rule {finding.rule}", f"detected {utc(finding.detected_at)}"),
    )


def digest(
    members: Sequence[tuple[Finding, str]], *, occasion: str, data_through_at: datetime | None = None
) -> Message:
    """One message over many findings, each with its state; `occasion` says why they come together."""
    ordered = sorted(members, key=lambda member: _digest_order(*member))
    total = sum((finding.impact_usd for finding, state in members if state != "retracted"), Decimal(0))
    rate = sum((finding.impact_usd_per_hour for finding, state in members if state == "open"), Decimal(0))
    shown = [_line(finding, state) for finding, state in ordered[:DIGEST_LINES]]
    if len(ordered) > DIGEST_LINES:
        shown.append(f'and {len(ordered) - DIGEST_LINES:,} more: chipledger query "select * from mart_anomalies"')
    states = [state for _, state in members]
    counts = ", ".join(
        f"{states.count(state):,} {state}" for state in ("open", "closed", "retracted") if state in states
    )
    what = f"{plural(len(members), 'finding')} {occasion}"
    first, state = ordered[0]
    return Message(
        headline=f"[{_tag(first, state)}] {usd(total)}{_rate(rate)}: {what}: {counts}",
        money=f"{usd(total)} in all{f' · {usd(rate)} per hour now' if rate else ''} · {_bases(members)}",
        evidence_title="Open first, then by severity and money",
        evidence=tuple(shown),
        next_step=DIGEST_STEP if "open" in states else "",
        reproduce_sql="select * from mart_anomalies order by status desc, severity, impact_usd desc",
        footer=(f"data through {utc(data_through_at)}",) if data_through_at else (),
    )


def of_one_subject(members: Sequence[tuple[Finding, str]], *, data_through_at: datetime | None = None) -> Message:
    """The message of a finding that came back: every time it held, and what to do while it holds."""
    first = members[0][0]
    told = digest(
        members, occasion=f"of {first.subject}, {first.rule.replace('_', ' ')}", data_through_at=data_through_at
    )
    is_open = any(state == "open" for _, state in members)
    runbook = f"alerts/runbooks/{first.rule}.md" if is_open else ""
    return replace(told, next_step=first_step(first.rule) if is_open else "", runbook=runbook)


def note(steps: Sequence[tuple[str, Finding]]) -> Message:
    """The short reply under a message whose findings changed: (transition, finding) pairs."""
    lines = [f"{_WORDS[transition]}: {_headline(finding, _STATE_AFTER[transition])}" for transition, finding in steps]
    if len(steps) == 1:
        transition, finding = steps[0]
        state = _STATE_AFTER[transition]
        tag = "ESCALATED to " + finding.severity.upper() if transition == "escalate" else _WORDS[transition].upper()
        return Message(headline=f"[{tag}] {_headline(finding, state)}", money=_money(finding, state))
    total = sum((finding.impact_usd for transition, finding in steps if transition != "retract"), Decimal(0))
    shown = lines[:DIGEST_LINES] + [f"and {len(lines) - DIGEST_LINES:,} more"] * (len(lines) > DIGEST_LINES)
    return Message(
        headline=f"{usd(total)}: {plural(len(steps), 'finding')} of this message changed",
        money="",
        evidence=tuple(shown),
    )


_WORDS = {
    "open": "again",
    "reopen": "open again",
    "close": "closed",
    "retract": "retracted",
    "escalate": "escalated",
}
_STATE_AFTER = {"open": "open", "escalate": "open", "reopen": "open", "close": "closed", "retract": "retracted"}


@cache
def first_step(rule: str) -> str:
    """The first numbered line of the rule's runbook: written there, said here."""
    path = RUNBOOKS / f"{rule}.md"
    found = re.search(r"^1\. (.+)$", path.read_text("utf-8"), re.MULTILINE) if path.is_file() else None
    return found[1] if found else ""


def _tag(finding: Finding, state: str) -> str:
    return finding.severity.upper() if state == "open" else state.upper()


def _headline(finding: Finding, state: str) -> str:
    told = {
        UNTRUSTED: _untrusted_headline,
        SPIKE: _spike_headline,
    }.get(finding.rule, _lasting_headline)
    return told(finding, state)


def _lasting_headline(finding: Finding, state: str) -> str:
    duration = span(finding.ended_at - finding.opened_at)
    what = finding.rule.replace("_", " ")
    if state == "retracted":
        return f"{usd(finding.impact_usd)} does not stand: {finding.subject} was not {what}, newer data says"
    amount = f"{usd(finding.impact_usd)} so far{_rate(finding.impact_usd_per_hour)}"
    if state == "closed":
        amount = f"{usd(finding.impact_usd)} in total{_rate(finding.impact_usd_per_hour)}"
    return f"{amount}: {finding.subject} {what}{_devices(finding)} for {duration}"


def _spike_headline(finding: Finding, state: str) -> str:
    last = finding.ended_at - timedelta(days=1)  # times are half-open
    until = f" to {last:%Y-%m-%d}" if last > finding.opened_at else ""
    day = f"{finding.subject} on {finding.opened_at:%Y-%m-%d}{until}"
    if state == "retracted":
        return f"{usd(finding.impact_usd)} does not stand: {day}: the bill was corrected"
    amount = f"{usd(finding.impact_usd)} above normal{_rate(finding.impact_usd_per_hour)}: {day}"
    if finding.observed is None:
        return amount
    return f"{amount}: {_measure(finding.observed, finding.unit)}, normally {_measure(finding.expected, finding.unit)}"


def _untrusted_headline(finding: Finding, state: str) -> str:
    model = str(finding.facts.get("model") or finding.subject)
    if state != "open":
        return f"{model} can be trusted again: check {finding.subject} passes"
    rows = "rows" if finding.observed is None else plural(int(finding.observed), "row")
    return f"Do not trust {model}: check {finding.subject} fails on {rows}"


def _money(finding: Finding, state: str) -> str:
    if finding.rule == UNTRUSTED:
        return (
            "New figures are held back; the last good publication stands" if state == "open" else "Publication goes on"
        )
    if state == "retracted":
        return f"{usd(Decimal(0))}: the {usd(finding.impact_usd)} reported before are withdrawn"
    words = "so far" if state == "open" and finding.rule != SPIKE else "in total"
    basis = PRICE_BASIS.get(finding.price_basis, finding.price_basis)
    return f"{usd(finding.impact_usd)} {words} · {usd(finding.impact_usd_per_hour)} per hour · {basis}"


def _rate(per_hour: Decimal, words: str = "") -> str:
    return f" ({usd(per_hour)}/h{words})" if per_hour else ""


def _devices(finding: Finding) -> str:
    count, chip = finding.facts.get("device_count"), finding.facts.get("chip")
    return f" on {count} × {chip}" if count and chip else f" on {chip}" if chip else ""


def _facts(finding: Finding, evidence: dict[str, object], data_through_at: datetime | None) -> tuple[Fact, ...]:
    owner = next((str(evidence[key]) for key in OWNER_KEYS if evidence.get(key)), "")
    since = f"{utc(finding.opened_at)}, {span(finding.ended_at - finding.opened_at)}"
    facts = [Fact(SUBJECTS.get(finding.rule, "Subject"), finding.subject)]
    if finding.rule != UNTRUSTED:
        facts.append(Fact("Owner", owner or "nobody named: add a rule to workloads.toml", outside=bool(owner)))
    facts += [
        Fact("Since" if finding.status == "open" else "From", since, outside=False),
    ]
    if finding.observed is not None and finding.rule != UNTRUSTED:
        words = "idle below" if finding.rule == "idle_while_paid" else "normally"
        expected = f", {words} {_measure(finding.expected, finding.unit)}" if finding.expected is not None else ""
        facts.append(
            Fact(
                OBSERVED.get(finding.rule, "Observed"),
                f"{_measure(finding.observed, finding.unit)}{expected}",
                outside=False,
            )
        )
    facts.append(Fact("Data through", utc(data_through_at or finding.last_seen_at), outside=False))
    facts += [fact for key, value in evidence.items() if (fact := _evidence_fact(key, value, evidence))]
    return tuple(facts)


def _evidence_fact(key: str, value: object, evidence: dict[str, object]) -> Fact | None:
    if key in SPOKEN_FOR or value in (None, "", [], {}) or (key == "device_count" and evidence.get("chip")):
        return None
    label = LABELS.get(key) or key.replace("_", " ").capitalize()
    count = evidence.get("device_count")
    return Fact(label, f"{count} × {value}" if key == "chip" and count else _spoken(value))


def _spoken(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_spoken(inner)}" for name, inner in value.items())
    return ", ".join(map(_spoken, value)) if isinstance(value, list) else str(value)


def _contributors(evidence: dict[str, object]) -> tuple[str, ...]:
    listed = evidence.get("contributors") or evidence.get("top_contributors") or []
    lines = [_contributor(item) for item in (listed if isinstance(listed, list) else [listed])[:CONTRIBUTORS]]
    return (*lines, str(evidence["note"])) if evidence.get("note") else tuple(lines)


def _contributor(item: object) -> str:
    if not isinstance(item, dict):
        return str(item)
    money = next((item[key] for key in ("impact_usd", "cost_usd", "usd") if item.get(key) is not None), None)
    rest = [(key, value) for key, value in item.items() if not key.endswith("usd") and value not in (None, "")]
    names = [value if isinstance(value, str) else f"{key.replace('_', ' ')} {_spoken(value)}" for key, value in rest]
    return f"{usd(Decimal(str(money)))}  {' · '.join(names)}" if money is not None else " · ".join(names)


def _measure(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    if unit.lower() in ("usd", "usd_per_day"):
        return usd(Decimal(str(value)))
    return f"{value * 100:.1f} %" if unit.lower() == "ratio" else f"{value:,.6g} {unit}".rstrip()


def _bases(members: Sequence[tuple[Finding, str]]) -> str:
    bases = sorted({finding.price_basis for finding, _ in members} - {"none"})
    return "price basis: " + (" and ".join(bases) or "none")


def _digest_order(finding: Finding, state: str) -> tuple[bool, int, Decimal, str]:
    return state != "open", finding.severity_rank, -finding.impact_usd, finding.finding_id


def _line(finding: Finding, state: str) -> str:
    return f"{_tag(finding, state)} {_headline(finding, state)}  [{finding.finding_id}]"


def _select(finding: Finding) -> str:
    return f"select * from mart_anomalies where finding_id = '{finding.finding_id}'"
