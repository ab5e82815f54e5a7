"""What names a workload, told by the build's own SQL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import steps
from pipeline.attribution import WorkloadRule
from pipeline.cli import app
from pipeline.errors import UsageError
from pipeline.explain import Explanation, Facts, explain
from pipeline.models import Models

RULES = [
    WorkloadRule(1, namespace="^search$", pod="^ranker", workload="ranker", team="search"),
    WorkloadRule(2, owner="^deployment/", team="platform", cost_center="CC-7"),
    WorkloadRule(3, pod_label_key="tier", pod_label_value="^gold$", workload="gold"),
    WorkloadRule(4, hpc_job="^47", workload="batch"),
    WorkloadRule(5, instance_tag_key="Team", instance_tag_value="^ml$", runtime_tag=".", workload="ml"),
]
HASHED = Facts(
    "ranker-7d9f8b6c5d-x2k4z",
    "ml",
    owner="ReplicaSet/ranker-7d9f8b6c5d",
    labels={"pod-template-hash": "7d9f8b6c5d", "tier": "silver"},
)


@pytest.fixture(scope="module")
def models() -> Models:
    return steps.models_here()


def outcomes(told: Explanation) -> dict[str, str]:
    return {step.step: step.outcome for step in told.steps}


def why(told: Explanation, step: str) -> str:
    return next(each.why for each in told.steps if each.step == step)


def test_a_rule_that_gives_no_name_adds_its_team_to_the_owner(models: Models) -> None:
    told = explain(HASHED, RULES, models)
    assert (told.workload_id, told.attribution_rule) == ("-/ml/deployment/ranker", "owner")
    assert (told.team, told.cost_center) == ("platform", "CC-7")
    assert list(outcomes(told).values()) == ["no", "adds", "no", "no", "no", "decides", "unasked", "unasked", "unasked"]


def test_every_pattern_that_does_not_match_is_told_with_what_it_saw(models: Models) -> None:
    told = explain(HASHED, RULES, models)
    assert why(told, "rule:1") == "namespace 'ml' is not matched by '^search$'"
    assert why(told, "rule:3") == "pod label 'tier' is 'silver', which '^gold$' does not match"
    assert why(told, "rule:4") == "'^47' asks for a Slurm job; none is known"
    assert why(told, "rule:5") == "'.' asks for a runtime tag; none is known; there is no instance tag 'Team'"


def test_the_first_rule_wins_and_a_later_match_is_told_as_such(models: Models) -> None:
    told = explain(Facts("ranker-0", "search", labels={"tier": "gold"}), RULES, models)
    assert (told.workload_id, told.attribution_rule) == ("-/search/-/ranker", "rule:1")
    assert why(told, "rule:3") == "it matches too, but rule 1 comes first"


def test_a_job_and_a_runtime_have_their_steps(models: Models) -> None:
    job = explain(Facts(hpc_job="9", cluster="blue"), RULES, models)
    tag = explain(Facts(runtime_tag="t", tags={"Team": "ml"}), RULES, models)
    assert (job.workload_id, job.attribution_rule) == ("blue/-/slurm/9", "slurm")
    assert (tag.workload_id, tag.attribution_rule) == ("-/-/-/ml", "rule:5")


def test_beside_a_pod_no_job_is_looked_at(models: Models) -> None:
    told = explain(Facts("bot-3", "ml", hpc_job="4711"), RULES, models)
    assert told.attribution_rule == "pod_name"
    assert why(told, "rule:4") == "'^47' asks for a Slurm job; none is known"


def test_without_rules_the_fallbacks_are_all_there_is(models: Models) -> None:
    told = explain(Facts("bot-3", "ml"), [], models)
    assert (told.workload_id, why(told, "rules")) == ("-/ml/-/bot", "workloads.toml holds no rule")


def test_the_command_prints_an_array_of_objects(home: Path) -> None:
    (home.parent / "workloads.toml").write_text('[[rule]]\npod = "^bot"\nteam = "t"\n')
    result = CliRunner().invoke(app, ["workloads", "explain", "bot-3", "rank-0", "--namespace", "ml", "--json"])
    first, second = json.loads(result.stdout)
    assert (first["workload"], first["team"], second["workload"], second["team"]) == ("bot", "t", "rank", "")
    assert first["steps"][0] == {"step": "rule:1", "outcome": "adds", "why": "it matches and gives team = 't'"}


@pytest.mark.parametrize(
    ("words", "told"),
    [([], "name a POD"), (["x", "--label", "q"], "key=value"), (["x", "--owner", "ranker"], "Kind/name")],
)
def test_a_question_without_sense_is_refused(home: Path, words: list[str], told: str) -> None:
    result = CliRunner().invoke(app, ["workloads", "explain", *words])
    assert isinstance(result.exception, UsageError)
    assert told in str(result.exception)


def test_hostile_names_are_only_names(models: Models) -> None:
    for name in ("'; drop table x; --", 'a"b', "a\x1fb", "$start_at", "é\u202e", "a\\"):
        told = explain(Facts(name, "ml", labels={name: name}, tags={name: name}), RULES, models)
        assert told.workload_id.startswith("-/ml/-/")
