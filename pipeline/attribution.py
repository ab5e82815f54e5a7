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
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import duckdb

from pipeline.errors import UsageError

PATTERNS = ("cluster", "namespace", "pod", "container", "hpc_job", "runtime_tag", "instance_tag_value")
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
    workload: str = ""
    team: str = ""
    kind: str = ""
    cost_center: str = ""


KEYS = tuple(field.name for field in fields(WorkloadRule) if field.name != "rule_number")


def read_rules(path: Path) -> list[WorkloadRule]:
    """The rules of a workloads.toml in file order, numbered from 1; none where the file does not exist.

    Raises UsageError naming the file, the rule and the key that is wrong.
    """
    if not path.is_file():
        return []
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    return parse_rules(document, str(path))


def parse_rules(document: Mapping[str, Any], place: str) -> list[WorkloadRule]:
    """The rules of a parsed workloads.toml; `place` is named in errors."""
    if unknown := sorted(set(document) - {"rule"}):
        raise UsageError(f"{place}: unknown key {unknown[0]!r}; rules stand in [[rule]] tables")
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{place}: 'rule' must be tables; write [[rule]], not [rule]")
    rules = [_rule(number, table, f"{place}, rule {number}") for number, table in enumerate(tables, start=1)]
    _prove_patterns(rules, place)
    return rules


def _rule(number: int, table: Mapping[str, Any], place: str) -> WorkloadRule:
    for key, value in table.items():
        if key not in KEYS:
            raise UsageError(f"{place}: unknown key {key!r}; known are {', '.join(KEYS)}")
        if not isinstance(value, str):
            raise UsageError(f"{place}: {key} must be text in quotes, not {value!r}")
    if not any(table.get(key) for key in GIVES):
        raise UsageError(f"{place}: gives nothing; set at least one of {', '.join(GIVES)}")
    if not any(table.get(key) for key in PATTERNS):
        raise UsageError(
            f"{place}: matches everything; set at least one of {', '.join(PATTERNS)} ('.*' if you mean it)"
        )
    if bool(table.get("instance_tag_key")) != bool(table.get("instance_tag_value")):
        raise UsageError(f"{place}: instance_tag_key and instance_tag_value go together")
    if '"' in str(table.get("instance_tag_key", "")):
        raise UsageError(f"{place}: instance_tag_key must not hold a double quote; EC2 tag keys never do")
    return WorkloadRule(rule_number=number, **table)


def _prove_patterns(rules: list[WorkloadRule], place: str) -> None:
    """Let the engine that will apply the patterns compile each of them."""
    if not rules:
        return
    with duckdb.connect() as conn:
        for rule in rules:
            for key in PATTERNS:
                pattern = asdict(rule)[key]
                try:
                    conn.execute("select regexp_matches('', ?)", [pattern]).fetchone()
                except duckdb.Error as error:
                    reason = str(error).splitlines()[0]
                    where = f"{place}, rule {rule.rule_number}"
                    raise UsageError(
                        f"{where}: {key} = {pattern!r} is not a pattern in RE2 syntax: {reason}"
                    ) from error
