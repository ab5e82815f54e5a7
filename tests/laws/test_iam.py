"""deploy/iam-policy.json allows exactly the AWS calls that the code makes: none is missing, none is unused."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.support.aws_use import ROOT, WITHOUT_OPERATION, called_actions, named_actions, services, sources

NEEDS_NO_PERMISSION = {"sts:GetCallerIdentity"}
# services whose reading actions know no resource (AWS service authorization reference)
WITHOUT_RESOURCE = {"ce", "cloudwatch", "ec2"}
POLICY: dict[str, Any] = json.loads((ROOT / "deploy" / "iam-policy.json").read_text("utf-8"))
STATEMENTS: list[dict[str, Any]] = POLICY["Statement"]


def allowed() -> set[str]:
    return {action for statement in STATEMENTS for action in statement["Action"]}


def named() -> set[str]:
    return {action for path in sources() for action in named_actions(path)}


def called() -> set[str]:
    return {action for path in sources() for action in called_actions(path)}


def test_the_policy_allows_exactly_what_the_code_calls() -> None:
    """To mend it, add to or remove from deploy/iam-policy.json; deploy/terraform reads that file."""
    needed = {action for action in named() if not action.endswith(":*")} | called()
    needed -= NEEDS_NO_PERMISSION
    assert sorted(needed - allowed()) == [], "the code calls what deploy/iam-policy.json does not allow"
    assert sorted(allowed() - needed) == [], "deploy/iam-policy.json allows what the code does not call"


def test_every_aws_call_names_the_permission_it_needs() -> None:
    """A refusal could not say what to allow otherwise: make the call through aws_calls.call(…, permission=…)."""
    unnamed = {action for action in called() - named() if f"{action.partition(':')[0]}:*" not in named()}
    assert sorted(unnamed) == []


def test_no_permission_is_named_for_a_call_that_nobody_makes() -> None:
    over_boto3 = {action for action in named() if action.partition(":")[0] in services()}
    wrong = {action for action in over_boto3 if not action.endswith(":*")} - called() - WITHOUT_OPERATION
    assert sorted(wrong) == []


def test_the_law_sees_the_calls_that_are_there() -> None:
    """A reader of source that finds nothing would let everything pass."""
    assert {"s3:ListBucket", "s3:GetObject", "ce:GetCostAndUsage", "cloudwatch:GetMetricData"} <= named()
    assert {"s3", "ce", "cloudwatch", "sts"} <= services()


def test_no_statement_reaches_further_than_it_must() -> None:
    assert POLICY["Version"] == "2012-10-17"
    assert len({statement["Sid"] for statement in STATEMENTS}) == len(STATEMENTS)
    for statement in STATEMENTS:
        assert statement.keys() <= {"Sid", "Effect", "Action", "Resource", "Condition"}
        assert statement["Effect"] == "Allow"
        assert statement["Action"] == sorted(statement["Action"])
        assert all(re.fullmatch(r"[a-z0-9-]+:[A-Za-z]+", action) for action in statement["Action"]), statement["Sid"]
        reaches_all = any(resource in ("*", "arn:aws:s3:::*") for resource in statement["Resource"])
        services_named = {action.partition(":")[0] for action in statement["Action"]}
        assert not reaches_all or services_named <= WITHOUT_RESOURCE, f"{statement['Sid']} reaches every resource"


def test_no_action_writes_or_deletes_anything_but_the_queue_s_own_messages() -> None:
    reading = re.compile(r":(Get|List|Describe|Query)\w+$|^sts:AssumeRole$|^sqs:(Receive|Delete|Change)Message\w*$")
    assert [action for action in allowed() if not reading.search(action)] == []
