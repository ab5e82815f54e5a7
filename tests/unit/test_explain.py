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


ENDPOINT = "arn:aws:sagemaker:us-east-1:111122223333:endpoint/ranker-v2"
BILL_RULES = [
    WorkloadRule(1, account="^1111", team="platform", cost_center="CC-1"),
    WorkloadRule(2, resource=":endpoint/ranker", workload="ranker", team="search"),
    WorkloadRule(3, bill_tag_key="Owner-Group", bill_tag_value="^ads$", team="ads"),
]


def test_a_line_of_the_bill_is_named_by_its_arn_and_inherits_its_account(models: Models) -> None:
    job = ENDPOINT.replace("endpoint/ranker-v2", "training-job/llama-2026-11-05-03-00-04-317")
    told = explain(Facts(service="AmazonSageMaker", resource=job, account="111122223333"), BILL_RULES, models)
    assert (told.workload_id, told.attribution_rule) == ("-/-/sagemaker-training/llama", "arn")
    assert (told.team, told.cost_center) == ("platform", "CC-1")
    assert outcomes(told) == {
        "rule:1": "adds",
        "rule:2": "no",
        "rule:3": "no",
        "tag": "no",
        "arn": "decides",
        "usage_type": "unasked",
    }


def test_a_rule_for_a_resource_names_a_line_and_no_pod(models: Models) -> None:
    assert explain(Facts(service="AmazonSageMaker", resource=ENDPOINT), BILL_RULES, models).attribution_rule == "rule:2"
    told = explain(Facts("ranker-0", "ml"), BILL_RULES, models)
    assert told.attribution_rule == "pod_name"
    assert why(told, "rule:2") == "':endpoint/ranker' asks for a resource; none is known"


def test_keys_of_the_bill_match_in_any_spelling(models: Models) -> None:
    line = Facts(service="AmazonBedrock", usage_type="USE1-Nova-input-tokens", bill_tags={"user:owner group": "video"})
    assert why(explain(line, BILL_RULES, models), "rule:3") == (
        "tag of the line 'Owner-Group' is 'video', which '^ads$' does not match"
    )


def test_a_line_that_nothing_names_is_told_so(models: Models) -> None:
    told = explain(Facts(service="AmazonEC2", usage_type="BoxUsage:m7i.2xlarge"), BILL_RULES, models)
    assert (told.workload_id, told.attribution_rule) == ("", "")
    assert {step.outcome for step in told.steps} == {"no"}


def test_a_pod_and_a_line_are_two_questions(home: Path) -> None:
    runner = CliRunner()
    both = runner.invoke(app, ["workloads", "explain", "bot-0", "--service", "AmazonBedrock"])
    assert "two things at once" in str(both.exception)
    none = runner.invoke(app, ["workloads", "explain", "--account", "111122223333"])
    assert "nothing to explain" in str(none.exception)
