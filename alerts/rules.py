"""Which findings hold: the signals of the warehouse, and failed checks, as rows of `findings`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from alerts.signal import Finding
from pipeline import failpoints
from pipeline.errors import ModelError

SIGNALS = ("sig_idle_while_paid", "sig_daily_cost_spike")
NEEDED = (*SIGNALS, "state_check_results", "findings", "finding_transitions")
KEYS = "rule, subject, severity, status, start_at, detected_at, end_at, last_seen_at"
COLUMNS = f"{KEYS}, observed, expected, unit, impact_usd, impact_usd_per_hour, price_basis, evidence"

# A failed check becomes one finding, since the first day it fails for. It has no price: what it costs is trust.
FAILED_CHECKS = """
select
    'data_quality' as rule, check_id as subject, 'critical' as severity, 'open' as status,
    coalesce(
        min(nullif(window_start_at, timestamptz '1970-01-01 00:00:00+00')), min(first_failed_at), $as_of
    ) as start_at,
    coalesce(min(first_failed_at), start_at) as detected_at,
    cast(null as timestamptz) as end_at,
    greatest(coalesce(max(window_end_at), start_at), coalesce(max(first_failed_at), start_at)) as last_seen_at,
    cast(sum(failed_count) as double) as observed, cast(0 as double) as expected, 'rows' as unit,
    cast(0 as decimal(38, 10)) as impact_usd, cast(0 as decimal(38, 10)) as impact_usd_per_hour,
    'none' as price_basis,
    cast(json_object(
        'model', min(model), 'note', min(why), 'checked_rows', sum(checked_count), 'failing_windows', count(*),
        'sample_keys', min_by(sample_keys, window_start_at), 'sql', min_by(reproduce_sql, window_start_at)
    ) as varchar) as evidence
from state_check_results
where status = 'failed' and severity = 'critical'
group by check_id
"""

CURRENT = f"""
create or replace temp table found as
with signals as (
    {" union all ".join(f"select {COLUMNS} from {table}" for table in SIGNALS)}
    union all select {COLUMNS} from ({FAILED_CHECKS})
)
select
    substr(
        sha256(rule || '|' || subject || '|' || strftime(start_at at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')), 1, 16
    ) as finding_id,
    rule, subject, severity, status, start_at, detected_at,
    case when status = 'closed' then coalesce(end_at, last_seen_at) end as end_at,
    coalesce(last_seen_at, end_at, start_at) as last_seen_at,
    observed, expected, unit,
    coalesce(impact_usd, 0) as impact_usd, coalesce(impact_usd_per_hour, 0) as impact_usd_per_hour,
    price_basis, cast(evidence as varchar) as evidence
from signals
order by start_at, finding_id
"""

TRANSITIONS = """
insert into finding_transitions
select finding_id, 'open', detected_at, severity, to_json(findings) from findings
union all
select finding_id, 'close', end_at, severity, to_json(findings) from findings where status = 'closed'
order by all
"""

MART_COLUMNS = "* exclude (start_at, end_at), start_at as opened_at, end_at as closed_at"


@dataclass(frozen=True)
class DetectResult:
    """What a detection changed: counts of findings against the pass before."""

    as_of: datetime
    findings: int
    open: int
    opened: int
    closed: int
    vanished: int
    changed: bool

    def __str__(self) -> str:
        """One line for a terminal."""
        if not self.changed:
            return f"{self.findings} findings, {self.open} open; nothing changed"
        news = f"{self.opened} new, {self.closed} closed, {self.vanished} gone"
        return f"{self.findings} findings, {self.open} open ({news})"


def detect(conn: duckdb.DuckDBPyConnection, *, as_of: datetime) -> DetectResult:
    """Make `findings` and `finding_transitions` equal to the current signals, in one transaction.

    The rows depend on the signals alone, so that neither the order of deliveries nor a rerun can change them;
    what people were told before is the alert ledger's affair. `as_of` dates a failed check that has no date.
    Raises ModelError if a table is missing or two signals claim one finding.
    """
    _require_tables(conn)
    conn.execute(CURRENT.replace("$as_of", f"timestamptz '{as_of.astimezone(UTC).isoformat()}'"))
    try:
        _require_grain(conn)
        result = _compare(conn, as_of)
        if result.changed:
            _replace(conn)
        return result
    finally:
        conn.execute("drop table if exists temp.found")


def read_findings(conn: duckdb.DuckDBPyConnection, rules: Sequence[str] = ()) -> list[Finding]:
    """Findings of the warehouse itself (all, or those of `rules`): what a blocked publication must still tell."""
    wanted = ", ".join(f"'{rule}'" for rule in rules)
    where = f"where rule in ({wanted})" if rules else ""
    relation = conn.sql(f"select {MART_COLUMNS} from findings {where} order by finding_id")
    return [Finding.from_row(row) for row in relation.to_arrow_table().to_pylist()]


def _require_tables(conn: duckdb.DuckDBPyConnection) -> None:
    present = {row[0] for row in conn.execute("select table_name from duckdb_tables()").fetchall()}
    present |= {row[0] for row in conn.execute("select view_name from duckdb_views()").fetchall()}
    if missing := [table for table in NEEDED if table not in present]:
        raise ModelError(f"detect: the warehouse has no {', '.join(missing)}; run: chipledger build")


def _require_grain(conn: duckdb.DuckDBPyConnection) -> None:
    double = conn.execute(
        "select rule, subject, cast(start_at as varchar) from found group by all having count(*) > 1 limit 1"
    ).fetchone()
    if double is not None:
        rule, subject, start = double
        raise ModelError(
            f"detect: two signals of rule {rule} name {subject!r} from {start}; sql/signals/sig_{rule}.sql must "
            "give one row per subject and start"
        )


def _compare(conn: duckdb.DuckDBPyConnection, as_of: datetime) -> DetectResult:
    counts = _row(
        conn,
        """
        select
            (select count(*) from found), (select count(*) from found where status = 'open'),
            (select count(*) from found anti join findings using (finding_id)),
            (select count(*) from found join findings using (finding_id)
             where found.status = 'closed' and findings.status = 'open'),
            (select count(*) from findings anti join found using (finding_id)),
            exists (select * from found except select * from findings)
            or exists (select * from findings except select * from found)
            or (select count(*) from finding_transitions) <> (select count(*) + count(end_at) from found)
        """,
    )
    findings, open_, opened, closed, vanished, changed = counts
    return DetectResult(as_of, findings, open_, opened, closed, vanished, bool(changed))


def _row(conn: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    row = conn.execute(sql).fetchone()
    if row is None:
        raise LookupError(f"no row from: {sql}")
    return row


def _replace(conn: duckdb.DuckDBPyConnection) -> None:
    conn.begin()
    try:
        conn.execute("delete from findings")
        conn.execute("insert into findings by name select * from found order by start_at, finding_id")
        conn.execute("delete from finding_transitions")
        conn.execute(TRANSITIONS)
        failpoints.failpoint("alerts.detect.before_commit")
        conn.commit()
    except duckdb.Error:
        conn.rollback()
        raise
    failpoints.failpoint("alerts.detect.after_commit")
