"""A statement as a page that prints on A4: plain tables, no script, no picture, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape

from pipeline.statement import CLASS_ORDER, Row, Statement, total

STYLE = """
@page { size: A4; margin: 16mm 14mm; }
* { box-sizing: border-box; }
body { font: 10pt/1.4 system-ui, "Segoe UI", Helvetica, Arial, sans-serif; color: #1a1a1a; max-width: 182mm;
  margin: 8mm auto; padding: 0 4mm; }
h1 { font-size: 17pt; margin: 0; } h2 { font-size: 12pt; margin: 7mm 0 1mm; break-after: avoid; }
p { margin: 1mm 0; } .quiet { color: #555; font-size: 9pt; } .note { margin-top: 6mm; }
.total { display: flex; gap: 14mm; margin: 5mm 0 2mm; padding: 3mm 0; border-top: 2px solid #1a1a1a;
  border-bottom: 1px solid #bbb; }
.total b { display: block; font-size: 16pt; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-size: 9pt; }
th { text-align: left; border-bottom: 1px solid #1a1a1a; padding: 1mm 2mm 1mm 0; vertical-align: bottom; }
td { border-bottom: 1px solid #ddd; padding: 1mm 2mm 1mm 0; vertical-align: top; }
td:first-child { overflow-wrap: anywhere; }
tr { break-inside: avoid; } thead { display: table-header-group; }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; padding-right: 0;
  padding-left: 3mm; }
tfoot td { font-weight: 600; border-top: 1px solid #1a1a1a; border-bottom: none; }
@media print { body { margin: 0; padding: 0; max-width: none; } }
"""
MEANINGS = {
    "workload": "Workloads",
    "idle.unallocated": "Idle: nobody held it",
    "idle.reserved_unused": "Idle: reserved and unused",
    "shared": "Shared: storage, network, control planes, support",
    "unattributed": "Unattributed: not seen, or held by somebody without a name",
    "adjustment": "Adjustments: credits, refunds, tax, discounts, upfront fees",
}
UNKNOWN = "–"


def team_page(one: Statement, statements: Sequence[Statement]) -> str:
    """The page of one team, with the whole bill beside it so that nothing is hidden."""
    parts = [_total(one.effective_usd, one.billed_usd), "<h2>Workloads</h2>", _workloads(one)]
    parts += ["<h2>Shared, idle, unattributed and adjustments of the team's accounts</h2>", _others([one])]
    parts += ["<h2>The whole bill, for comparison</h2>", _teams(statements)]
    return _page(f"Chargeback {one.period:%B %Y}: {one.team}", one, parts)


def all_page(statements: Sequence[Statement]) -> str:
    """The page of all teams together."""
    first = statements[0]
    effective = sum((one.effective_usd for one in statements), Decimal(0))
    billed = sum((one.billed_usd for one in statements), Decimal(0))
    parts = [_total(effective, billed), "<h2>Teams</h2>", _teams(statements)]
    for one in statements:
        if one.of_class("workload"):
            parts += [f"<h2>Workloads: {escape(one.team)}</h2>", _workloads(one)]
    parts += ["<h2>Shared, idle, unattributed and adjustments</h2>", _others(statements)]
    return _page(f"Chargeback {first.period:%B %Y}: all teams", first, parts)


def _page(title: str, one: Statement, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(title)}</title><style>{STYLE}</style></head>
<body>
<h1>{escape(title)}</h1>
<p class="quiet">Billing period {one.period:%Y-%m} (UTC) · published {one.published_at:%Y-%m-%d %H:%M} UTC · USD</p>
{body}
<p class="quiet note">Charged is effective cost: discounts, commitments and upfront fees spread over use. Billed is the
invoice. Cents are rounded by largest remainder, so that every table sums to its total and all teams to the bill.
Unused is the part of a workload's own cost in which the devices it held did not work; {UNKNOWN} means not known,
as telemetry does not see it.</p>
</body></html>
"""


def _total(effective: Decimal, billed: Decimal) -> str:
    return f'<div class="total"><div>Charged<b>{_usd(effective)}</b></div><div>Billed<b>{_usd(billed)}</b></div></div>'


def _workloads(one: Statement) -> str:
    rows = one.of_class("workload")
    if not rows:
        return '<p class="quiet">No workload of this team is on the bill.</p>'
    lines = [
        (*(row.workload_id, row.chip), *_money(row), _number(row.device_hours, 1), _percent(row), _usd(row.unused_usd))
        for row in rows
    ]
    sums = (
        _usd(sum((row.effective_usd for row in rows), Decimal(0))),
        _usd(sum((row.billed_usd for row in rows), Decimal(0))),
        _number(total([row.device_hours for row in rows]), 1),
        "",
        _usd(total([row.unused_usd for row in rows])),
    )
    heads = ("Workload", "Chip", "Charged", "Billed", "Device-hours", "Utilization", "Unused")
    return _table(heads, lines, ("Total", "", *sums), texts=2)


def _others(statements: Sequence[Statement]) -> str:
    """What is no workload, per class, team and account: shown, not hidden."""
    lines = []
    for cost_class in CLASS_ORDER[1:]:
        for one in statements:
            for account, rows in _by_account(one.of_class(cost_class)).items():
                lines.append((MEANINGS[cost_class], one.team, account, *_sums(rows)))
    if not lines:
        return '<p class="quiet">None is charged to this team.</p>'
    rows = [row for one in statements for row in one.rows if row.cost_class != "workload"]
    return _table(("Class", "Team", "Account", "Charged", "Billed"), lines, ("Total", "", "", *_sums(rows)), texts=3)


def _teams(statements: Sequence[Statement]) -> str:
    kinds = ("workload", ("idle.unallocated", "idle.reserved_unused"), "shared", "unattributed", "adjustment")
    lines = [(one.team, *(_usd(_of(one.rows, kind)) for kind in kinds), _usd(one.effective_usd)) for one in statements]
    rows = [row for one in statements for row in one.rows]
    sums = [_usd(_of(rows, kind)) for kind in kinds]
    whole = _usd(sum((row.effective_usd for row in rows), Decimal(0)))
    heads = ("Team", "Workloads", "Idle", "Shared", "Unattributed", "Adjustments", "Charged")
    return _table(heads, lines, ("Bill", *sums, whole), texts=1)


def _of(rows: Iterable[Row], kinds: str | tuple[str, ...]) -> Decimal:
    wanted = (kinds,) if isinstance(kinds, str) else kinds
    return sum((row.effective_usd for row in rows if row.cost_class in wanted), Decimal(0))


def _by_account(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.account_id, []).append(row)
    return found


def _sums(rows: Sequence[Row]) -> tuple[str, str]:
    effective = sum((row.effective_usd for row in rows), Decimal(0))
    return _usd(effective), _usd(sum((row.billed_usd for row in rows), Decimal(0)))


def _money(row: Row) -> tuple[str, str]:
    return _usd(row.effective_usd), _usd(row.billed_usd)


def _usd(amount: Decimal | None) -> str:
    return UNKNOWN if amount is None else f"{amount:,.2f}".replace("-", "−")


def _number(value: Decimal | None, places: int) -> str:
    return UNKNOWN if value is None else f"{value:,.{places}f}"


def _percent(row: Row) -> str:
    return UNKNOWN if row.utilization_ratio is None else f"{row.utilization_ratio * 100:.1f} %"


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]], foot: Sequence[str], *, texts: int) -> str:
    """A table whose first `texts` columns are text, the others numbers."""

    def cells(values: Sequence[str], tag: str) -> str:
        marks = ["" if index < texts else ' class="n"' for index in range(len(values))]
        return "".join(f"<{tag}{mark}>{escape(value)}</{tag}>" for value, mark in zip(values, marks, strict=True))

    body = "\n".join(f"<tr>{cells(line, 'td')}</tr>" for line in lines)
    return (
        f"<table><thead><tr>{cells(heads, 'th')}</tr></thead>\n<tbody>{body}</tbody>\n"
        f"<tfoot><tr>{cells(foot, 'td')}</tr></tfoot></table>"
    )
