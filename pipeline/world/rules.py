"""The attribution rules that belong to a world: teams and cost centers, never a name that would change an identity."""

from __future__ import annotations

# Pattern key, pattern, team, cost center: the first match speaks.
_RULES = (
    ("namespace", "^(training|sweeps)$", "foundation-models", "CC-100"),
    ("namespace", "^tuning$", "applied-ml", "CC-110"),
    ("namespace", "^serving$", "inference-platform", "CC-200"),
    ("namespace", "^jupyter$", "research", "CC-300"),
    ("hpc_job", ".+", "research", "CC-310"),
    ("runtime_tag", ".+", "ranking", "CC-210"),
)


def rules_text() -> str:
    """The text of workloads.toml."""
    parts = ["# Who pays for which workload of the simulated fleet; names come from the telemetry.\n"]
    for key, pattern, team, cost_center in _RULES:
        parts.append(f'\n[[rule]]\n{key} = "{pattern}"\nteam = "{team}"\ncost_center = "{cost_center}"\n')
    return "".join(parts)
