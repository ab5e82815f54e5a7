"""Which AWS operations the product calls and which IAM actions it names for them, read from its source."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

ROOT = Path(__file__).resolve().parents[2]
CLIENT_MAKERS = frozenset({"client", "_client", "new_client", "create_client"})
NAMED = re.compile(r"(?<![\w:/])[a-z0-9-]+:[A-Z]\w+")
NAMED_LATER = re.compile(r"([a-z0-9-]+:)$")
# what boto3 adds to its clients, by the operation that has to be allowed
ADDED = {"download_file": "GetObject", "download_fileobj": "GetObject", "upload_file": "PutObject"}
# operations whose IAM action has another name (AWS service authorization reference)
ACTION = {
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjects": "s3:ListBucket",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}
# IAM actions without an operation of that name: one version of an object; PromQL, which is plain HTTP
WITHOUT_OPERATION = frozenset({"s3:GetObjectVersion", "aps:QueryMetrics", "aps:GetLabels", "aps:GetSeries"})


def sources() -> list[Path]:
    """Every file that may talk to AWS: boto3 is imported by pipeline/sources alone."""
    return [path for folder in ("pipeline/sources", "dags") for path in sorted((ROOT / folder).rglob("*.py"))]


@cache
def named_actions(path: Path) -> set[str]:
    """IAM actions that stand in the file's texts, docstrings apart; `ec2:*` where `f"ec2:{action}"` names it later."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]  # fmt: skip
    found = {action for node in texts for action in NAMED.findall(str(node.value)) if action in _known()}
    heads = [node.values[0] for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    later = [NAMED_LATER.match(str(head.value)) for head in heads if isinstance(head, ast.Constant)]
    return found | {f"{head[1]}*" for head in later if head and head[1].rstrip(":") in services()}


@cache
def called_actions(path: Path) -> set[str]:
    """IAM actions of the operations that the file names: as a client's method, or as a text in either spelling."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            found |= _actions(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= _actions(node.value)
    return found


def _actions(method: str) -> set[str]:
    return {_action(service, operation) for service, operation in _operations().get(method, ())}


def _action(service: str, operation: str) -> str:
    plain = f"{service}:{operation}"
    return ACTION.get(plain, plain)


@cache
def _known() -> frozenset[str]:
    operations = (each for found in _operations().values() for each in found)
    return WITHOUT_OPERATION | {_action(service, operation) for service, operation in operations}


@cache
def services() -> frozenset[str]:
    """The AWS services that the product makes clients of."""
    calls = (
        node
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and _name(node.func) in CLIENT_MAKERS and node.args
    )
    known = set(botocore.session.get_session().get_available_services())
    first = {node.args[0].value for node in calls if isinstance(node.args[0], ast.Constant)}
    return frozenset(first & known)


@cache
def _operations() -> dict[str, set[tuple[str, str]]]:
    """Method or operation name → (service, operation) for every operation of the services used."""
    session = botocore.session.get_session()
    found: dict[str, set[tuple[str, str]]] = {}
    for service in services():
        for operation in session.get_service_model(service).operation_names:
            for spelling in (xform_name(operation), operation):
                found.setdefault(spelling, set()).add((service, operation))
    for method, operation in ADDED.items():
        found.setdefault(method, set()).add(("s3", operation))
    return found


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
