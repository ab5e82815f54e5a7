"""Who may import whom, read from the source itself: also what import-linter cannot see (dags, imports in functions)."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pipeline", "alerts", "dags")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Every imported module of a file, those inside functions too, those only for type checking not."""
    tree = ast.parse(path.read_text("utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    return tuple(name for node in ast.walk(tree) if id(node) not in typing_only for name in named(node))


def named(node: ast.AST) -> Iterator[str]:
    """The modules, and the things of a module, that a statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(of: str, *, among: tuple[str, ...] = PACKAGES) -> set[str]:
    return {
        module_name(path)
        for path in FILES
        if path.relative_to(ROOT).parts[0] in among
        for name in imports(path)
        if name == of or name.startswith(f"{of}.")
    }


def test_only_dags_import_airflow() -> None:
    assert all(name.startswith("dags.") for name in importers("airflow"))


def test_only_sources_import_boto3() -> None:
    found = importers("boto3") | importers("botocore")
    assert found
    assert all(name.startswith("pipeline.sources.") for name in found)


def test_only_alerts_slack_imports_slack_sdk() -> None:
    assert importers("slack_sdk") == {"alerts.slack"}


def test_only_checks_imports_great_expectations_and_only_inside_a_function() -> None:
    assert importers("great_expectations") == {"pipeline.checks"}
    tree = ast.parse((ROOT / "pipeline" / "checks.py").read_text("utf-8"))
    at_the_top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert not any(name.startswith("great_expectations") for name in at_the_top)


def test_the_pipeline_imports_neither_alerts_nor_dags_but_for_its_command_line() -> None:
    found = importers("alerts", among=("pipeline",)) | importers("dags", among=("pipeline",))
    assert all(re.match(r"pipeline\.cli(_\w+)?$", name) for name in found)


def test_alerts_import_no_dags() -> None:
    assert importers("dags", among=("alerts",)) == set()


def test_nobody_imports_the_command_line_but_its_own_parts() -> None:
    for path in FILES:
        name = module_name(path)
        wanted = {other for other in imports(path) if re.match(r"pipeline\.cli(_|\.|$)", other)}
        assert not wanted or name.startswith("pipeline.cli"), f"{name} imports {wanted}"


def test_the_world_shares_no_code_with_what_it_judges() -> None:
    for path in (ROOT / "pipeline" / "world").rglob("*.py"):
        ours = {name for name in imports(path) if name.split(".")[0] in PACKAGES}
        strangers = {name for name in ours if not name.startswith("pipeline.world") and name != "pipeline"}
        assert not strangers, f"{module_name(path)} imports {strangers}"
    found = importers("pipeline.world")
    assert all(name.startswith(("pipeline.world", "pipeline.cli")) for name in found)


def test_sources_know_no_warehouse() -> None:
    for path in (ROOT / "pipeline" / "sources").rglob("*.py"):
        assert "duckdb" not in imports(path)
        assert not {name for name in imports(path) if name.startswith(("pipeline.warehouse", "pipeline.landing"))}


def test_help_answers_without_loading_heavy_modules() -> None:
    heavy = {"airflow", "great_expectations", "boto3", "duckdb", "pandas", "pydantic"}
    code = f"import sys, pipeline.cli; print(*{heavy!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
