"""Nothing below the edges reads the clock or the environment; nothing grows without bound; nothing names a machine."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = sorted(path for package in ("pipeline", "alerts", "dags") for path in (ROOT / package).rglob("*.py"))
EDGES = {
    "pipeline/settings.py",
    "pipeline/cli.py",
    "pipeline/cli_pass.py",
    "pipeline/cli_up.py",
    "dags/administrator.py",
    "dags/run_in_process.py",
}
CLOCK_CALLS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"}
# switches a library's telemetry off before importing it; reads nothing
ENVIRONMENT_WRITERS = {"pipeline/checks.py"}
MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 40
MAX_DAG_LINES = 60


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", PYTHON, ids=relative)
def test_time_and_environment_are_read_at_the_edges_only(path: Path) -> None:
    if relative(path) in EDGES:
        return
    names = {dotted(node) for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Attribute)}
    clocks = {name for name in names if ".".join(name.split(".")[-2:]) in CLOCK_CALLS}
    environment = {name for name in names if name in ("os.environ", "os.getenv", "os.putenv")}
    assert not clocks, f"{relative(path)} reads the clock: take `now` as an argument"
    assert not environment or relative(path) in ENVIRONMENT_WRITERS, f"{relative(path)} reads the environment"


@pytest.mark.parametrize("path", PYTHON, ids=relative)
def test_files_and_functions_stay_short(path: Path) -> None:
    text = path.read_text("utf-8")
    limit = MAX_DAG_LINES if relative(path).startswith("dags/") and "@dag" in text else MAX_FILE_LINES
    assert len(text.splitlines()) <= limit
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{relative(path)}: {node.name} has {length} lines"


def test_no_broad_except_hides_a_failure() -> None:
    """A broad catch must raise again."""
    for path in PYTHON:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                names = {dotted(part) for part in ast.walk(node.type)} if node.type else {"Exception"}
                if names & {"Exception", "BaseException"}:
                    raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
                    assert raises, f"{relative(path)}:{node.lineno} swallows every error"


def test_no_sql_reads_the_clock() -> None:
    clock = re.compile(r"\b(now\(|today\(|current_date|current_timestamp|localtime)", re.IGNORECASE)
    for path in (ROOT / "sql").rglob("*.sql"):
        code = "\n".join(line.partition("--")[0] for line in path.read_text("utf-8").splitlines())
        assert not clock.search(code), f"{relative(path)} reads the clock"


def committed_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    paths = [ROOT / line for line in listed.stdout.splitlines()]
    return [path for path in paths if path.is_file() and path != Path(__file__).resolve()]


def test_no_file_names_a_package_host_or_a_path_of_one_machine() -> None:
    hosts = re.compile(rb"pypi\.org|pythonhosted|registry\.npmjs|deb\.debian", re.IGNORECASE)
    machine = re.compile(rb"(?<![\w./-])/(?:work|root|home/\w+)/[\w.-]+")
    for path in committed_files():
        text = path.read_bytes()
        assert not hosts.search(text), f"{relative(path)} names a package host"
        assert not machine.search(text), f"{relative(path)} names a path of one machine: {machine.search(text)}"


def test_the_lock_pins_every_package_with_a_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    assert "://" not in lock
    pinned = re.findall(r"^([a-z0-9._-]+)(?:\[[\w,-]+\])?==", lock, re.MULTILINE)
    assert len(pinned) > 100
    assert lock.count("--hash=sha256:") >= len(pinned)
    wanted = {
        re.split(r"[\[<>=~ ;#]", line)[0].lower()
        for line in (ROOT / "requirements.in").read_text("utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    }
    assert wanted <= {name.replace("_", "-") for name in pinned}
