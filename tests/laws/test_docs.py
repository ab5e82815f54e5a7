"""What the documents show exists: commands, options, make targets, settings, tables, files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import typer.main

from pipeline.cli import app
from pipeline.settings import COMPOSE_SECRETS, Settings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
DOCUMENTS = [path for path in DOCUMENTS if path.name != "dictionary.md"]
COMMAND = typer.main.get_command(app)


def code_lines(path: Path) -> list[str]:
    blocks = re.findall(r"```(?:sh|bash|console)\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
    return [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def shown(path: Path, program: str) -> list[list[str]]:
    found = []
    for line in code_lines(path):
        words = shlex.split(line, comments=True)
        words = [word for index, word in enumerate(words) if "=" not in word or index > 1 or word.startswith("-")]
        names = [Path(word).name for word in words[:1]]
        if names == [program]:
            found.append(words[1:])
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_shown_exists_with_its_options(path: Path) -> None:
    for words in shown(path, "chipledger"):
        command = COMMAND.commands.get(words[0])  # type: ignore[attr-defined]
        assert command is not None, f"{path.name}: chipledger {' '.join(words)}"
        if len(words) > 1 and words[1] in getattr(command, "commands", {}):
            command = command.commands[words[1]]
        known = {option for parameter in command.params for option in (*parameter.opts, "--help")}
        for word in words[1:]:
            if word.startswith("--"):
                assert word.partition("=")[0] in known, f"{path.name}: chipledger {words[0]} has no {word}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_shown_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for words in shown(path, "make"):
        assert {word for word in words if "=" not in word} <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_setting_shown_exists(path: Path) -> None:
    known = {f"CHIPLEDGER_{name.upper()}" for name in Settings.model_fields} | {"CHIPLEDGER_CONFIG"}
    named = set(re.findall(r"CHIPLEDGER_[A-Z_]*[A-Z]", path.read_text("utf-8")))
    assert named <= known | COMPOSE_SECRETS


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_table_and_file_named_exists(path: Path) -> None:
    text = path.read_text("utf-8")
    models = {file.stem for file in (ROOT / "sql").rglob("*.sql")}
    named = set(re.findall(r"`((?:mart|fct|dim|int|stg|raw|sig)_[a-z_]+)`", text))
    assert named <= models, f"{path.name} names tables that do not exist: {named - models}"
    for target in re.findall(r"\]\(([^)#:]+?)\)", text):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_every_command_has_help_with_an_example() -> None:
    def walk(command: click.Command, name: str) -> None:
        for child_name, child in getattr(command, "commands", {}).items():
            walk(child, f"{name} {child_name}")
        if name != "chipledger":
            assert command.help, f"{name} has no help"
            assert "Example: " in (command.epilog or ""), f"{name} has no example"

    walk(COMMAND, "chipledger")


def test_every_reader_finds_a_door_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text("utf-8").lower()
    for reader in ("finops analyst", "on-call", "operator"):
        assert reader in text


def test_every_example_of_the_allocation_is_a_test_case() -> None:
    text = (ROOT / "docs" / "allocation.md").read_text("utf-8")
    cases = set(re.findall(r"`((?:int|fct|mart)_[a-z_]+/[a-z0-9_]+)`", text))
    assert len(cases) > 5
    assert not {case for case in cases if not (ROOT / "tests" / "sql" / case / "expect.csv").is_file()}
    classes = set(re.findall(r"^\*\*([a-z._]+)\.\*\*", text, re.MULTILINE))
    fact = (ROOT / "sql" / "marts" / "fct_cost_allocated_hourly.sql").read_text("utf-8")
    stated = re.search(r"check:  fail \| cost_class in \(([^)]*)\)", fact)
    assert stated
    assert classes == set(re.findall(r"'([^']+)'", stated[1]))
