"""Which workload, team and cost center a rule in workloads.toml gives; rules are read and proven here, applied in SQL.

A rule is one `[[rule]]` table. Its patterns are regular expressions in RE2 syntax; all that are given must match, an
absent one matches anything, and the first rule that matches speaks:

    [[rule]]
    namespace = "^search$"
    pod = "^ranker-"
    workload = "ranker"
    team = "search"
    kind = "inference"
    cost_center = "CC-7"

A key of a tag or label stands beside its value: `pod_label_key = "app"` with `pod_label_value = "^ranker$"`. The owner
of a pod is `kind/name`, as `deployment/ranker`.

A rule with `service`, `resource`, `usage_type`, `bill_tag_key` or `cost_category_key` speaks of lines of the bill that
no telemetry sees (SageMaker, Bedrock, Batch, ECS); keys of the bill match in any case, with any signs between words. A
rule with `account` alone, and neither `workload` nor `kind`, is inherited by what no other rule gives a team.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb

from pipeline.errors import UsageError

PATTERNS = (
    *("cluster", "namespace", "pod", "container", "hpc_job", "runtime_tag"),
    *("owner", "instance_tag_value", "pod_label_value"),
    *("account", "service", "resource", "usage_type", "bill_tag_value", "cost_category_value"),
)
KEYED = {
    "instance_tag_value": "instance_tag_key",
    "pod_label_value": "pod_label_key",
    "bill_tag_value": "bill_tag_key",
    "cost_category_value": "cost_category_key",
}
# the patterns that an account alone leaves out
_BESIDE_ACCOUNT = tuple(name for name in PATTERNS if name != "account")
_HEADING = re.compile(r"\s*\[\[\s*rule\s*\]\]")
GIVES = ("workload", "team", "kind", "cost_center")


@dataclass(frozen=True)
class WorkloadRule:
    """One rule; '' in a pattern matches anything, '' in what it gives leaves that part to the next fallback."""

    rule_number: int
    cluster: str = ""
    namespace: str = ""
    pod: str = ""
    container: str = ""
    hpc_job: str = ""
    runtime_tag: str = ""
    instance_tag_key: str = ""
    instance_tag_value: str = ""
    owner: str = ""
    pod_label_key: str = ""
    pod_label_value: str = ""
    account: str = ""
    service: str = ""
    resource: str = ""
    usage_type: str = ""
    bill_tag_key: str = ""
    bill_tag_value: str = ""
    cost_category_key: str = ""
    cost_category_value: str = ""
    workload: str = ""
    team: str = ""
    kind: str = ""
    cost_center: str = ""

    @property
    def is_inherited(self) -> bool:
        """It names an account alone: its team and cost center go to whatever no other rule gives one."""
        return not (any(getattr(self, name) for name in _BESIDE_ACCOUNT) or self.workload or self.kind)


KEYS = tuple(field.name for field in fields(WorkloadRule) if field.name != "rule_number")


def read_rules(path: Path) -> list[WorkloadRule]:
    """The rules of a workloads.toml in file order, numbered from 1; none where the file does not exist.

    Raises UsageError naming the file, the line, the rule and the key that is wrong.
    """
    if not path.is_file():
        return []
    try:
        text = path.read_text("utf-8")
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    return parse_rules(document, str(path), text)


def parse_rules(document: Mapping[str, Any], place: str, text: str = "") -> list[WorkloadRule]:
    """The rules of a parsed workloads.toml; errors name `place`, and the line where `text` is the file's."""
    if unknown := sorted(set(document) - {"rule"}):
        raise UsageError(f"{place}: unknown key {unknown[0]!r}; rules stand in [[rule]] tables")
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{place}: 'rule' must be tables; write [[rule]], not [rule]")
    rules = []
    with duckdb.connect() as conn:
        for number, table in enumerate(tables, start=1):
            where = _Where(place, text, number, len(tables))
            rules.append(_rule(number, table, where))
            _prove_patterns(conn, rules[-1], where)
    return rules


@dataclass(frozen=True)
class _Where:
    """Where one rule stands, to be named in errors."""

    place: str
    text: str
    number: int
    rule_count: int

    def wrong(self, why: str, key: str = "") -> UsageError:
        """The error, at the line of `key`, or of the rule's own heading."""
        line = self._line(key)
        return UsageError(f"{self.place}{f', line {line}' if line else ''}, rule {self.number}: {why}")

    def _line(self, key: str) -> int:
        """The line counted from 1; 0 where the file writes its rules otherwise than as [[rule]] tables."""
        lines = self.text.splitlines()
        starts = [line for line, words in enumerate(lines, start=1) if _HEADING.match(words)]
        if len(starts) != self.rule_count:
            return 0
        first = starts[self.number - 1]
        end = starts[self.number] - 1 if self.number < len(starts) else len(lines)
        setting = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*=""")
        return next((line for line in range(first + 1, end + 1) if key and setting.match(lines[line - 1])), first)


def _rule(number: int, table: Mapping[str, Any], where: _Where) -> WorkloadRule:
    for key, value in table.items():
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise where.wrong(f"unknown key {key!r}{hint}; known are {', '.join(KEYS)}", key)
        if not isinstance(value, str):
            raise where.wrong(f"{key} must be text in quotes, not {value!r}", key)
    for value, key in KEYED.items():
        if bool(table.get(key)) != bool(table.get(value)):
            raise where.wrong(f"{key} and {value} go together", key if table.get(key) else value)
        if '"' in str(table.get(key, "")):
            raise where.wrong(f"{key} must not hold a double quote; such keys do not exist", key)
    if not any(table.get(key) for key in GIVES):
        raise where.wrong(f"gives nothing; set at least one of {', '.join(GIVES)}")
    if not any(table.get(key) for key in PATTERNS):
        raise where.wrong(f"matches everything; set at least one of {', '.join(PATTERNS)} ('.*' if you mean it)")
    return WorkloadRule(rule_number=number, **table)


def _prove_patterns(conn: duckdb.DuckDBPyConnection, rule: WorkloadRule, where: _Where) -> None:
    """Let the engine that will apply the patterns compile each of them."""
    for key in PATTERNS:
        pattern = asdict(rule)[key]
        try:
            conn.execute("select regexp_matches('', ?)", [pattern]).fetchone()
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise where.wrong(f"{key} = {pattern!r} is not a pattern in RE2 syntax: {reason}", key) from error
