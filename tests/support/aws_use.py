"""Which AWS operations the product calls and which IAM actions it names for them, read from its source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

ROOT = Path(__file__).resolve().parents[2]
CLIENT_MAKERS = frozenset({"client", "_client", "new_client", "create_client"})
NAMED = re.compile(r"[a-z0-9-]+:(\w*)")
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


def sources() -> list[Path]:
    """Every file that may talk to AWS: boto3 is imported by pipeline/sources alone, aiobotocore by dags."""
    return [path for folder in ("pipeline/sources", "dags") for path in sorted((ROOT / folder).rglob("*.py"))]


def named_actions(path: Path) -> set[str]:
    """IAM actions that the file's calls name as `permission=`; `ec2:*` where the action is put in at run time."""
    tree = ast.parse(path.read_text("utf-8"))
    constants = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and node.value is not None
    }
    arguments = {each.arg for each in ast.walk(tree) if isinstance(each, ast.arg)}
    given = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "permission"]
    return {action for value in given for action in _texts(value, constants, arguments, path)}


def _texts(value: ast.expr, constants: dict[str, ast.expr], arguments: set[str], path: Path) -> Iterator[str]:
    start = value.values[0] if isinstance(value, ast.JoinedStr) else value  # f"ec2:{action}", f"sts:AssumeRole on {x}"
    if isinstance(start, ast.Constant) and (found := NAMED.match(str(start.value))):
        yield found[0] if found[1] else f"{found[0]}*"
    elif isinstance(value, ast.IfExp):
        yield from _texts(value.body, constants, arguments, path)
        yield from _texts(value.orelse, constants, arguments, path)
    elif isinstance(value, ast.Name) and value.id in constants:
        yield from _texts(constants[value.id], constants, arguments, path)
    elif not (isinstance(value, ast.Name) and value.id in arguments):  # an argument is handed on: its giver counts
        raise AssertionError(
            f"{path.name}:{value.lineno}: permission={ast.unparse(value)} cannot be read; write the IAM action itself"
        )


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
    return frozenset(first & known | {"sqs"})  # Airflow's hook makes the SQS client


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
