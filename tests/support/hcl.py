"""As much of Terraform's language as a test needs: blocks, what they declare, and what the text refers to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAIRS = {"}": "{", "]": "[", ")": "("}
BLOCK = re.compile(r'^(\w+)((?: "[^"]*")*) \{', re.MULTILINE)
REFERENCE = re.compile(r"(?<![\w.])(data\.aws_\w+|aws_\w+|var|local)\.(\w+)")
TEXT = re.compile(r'"((?:\$\{(?:[^{}]|\{[^}]*\})*\}|\\.|[^"\\])*)"')


@dataclass(frozen=True)
class Block:
    """One top-level block: its kind (`variable`), its labels and its body."""

    kind: str
    labels: tuple[str, ...]
    body: str

    @property
    def address(self) -> str:
        """How other blocks refer to it."""
        return {
            "variable": "var.{0}",
            "resource": "{0}.{1}",
            "data": "data.{0}.{1}",
        }.get(self.kind, self.kind).format(*self.labels)


def folder_text(folder: Path) -> str:
    """Every .tf file of one folder without its comments: to Terraform they are one module."""
    return "\n".join(_without_comments(path.read_text("utf-8")) for path in sorted(folder.glob("*.tf")))


def blocks(text: str) -> list[Block]:
    """The top-level blocks; raises ValueError where brackets do not balance or text stands between blocks."""
    found, at = [], 0
    while head := BLOCK.search(text, at):
        if between := text[at : head.start()].strip():
            raise ValueError(f"outside every block: {between[:60]!r}")
        end = _closing(text, head.end() - 1)
        labels = tuple(re.findall(r'"([^"]*)"', head[2]))
        found.append(Block(head[1], labels, text[head.end() : end]))
        at = end + 1
    if rest := text[at:].strip():
        raise ValueError(f"outside every block: {rest[:60]!r}")
    return found


def local_names(found: list[Block]) -> set[str]:
    """What the `locals` blocks declare."""
    bodies = [block.body for block in found if block.kind == "locals"]
    return {name for body in bodies for name in re.findall(r"^  (\w+)\s*=", body, re.MULTILINE)}


def references(text: str) -> set[str]:
    """Addresses that expressions name, those inside `${…}` too, plain text not."""
    bare = TEXT.sub(lambda found: " ".join(_insides(found[1])), text)
    return {f"{kind}.{name}" for kind, name in REFERENCE.findall(bare)}


def _insides(literal: str) -> list[str]:
    return re.findall(r"\$\{((?:[^{}]|\{[^}]*\})*)\}", literal)


def _closing(text: str, opening: int) -> int:
    stack: list[str] = []
    skipped = {at for found in TEXT.finditer(text, opening) for at in range(found.start(), found.end())}
    for at in range(opening, len(text)):
        character = text[at]
        if at in skipped:
            continue
        if character in PAIRS.values():
            stack.append(character)
        elif character in PAIRS and (not stack or stack.pop() != PAIRS[character]):
            raise ValueError(f"{character!r} closes nothing: {text[max(0, at - 60) : at + 1]!r}")
        if not stack:
            return at
    raise ValueError(f"a bracket stays open: {text[opening : opening + 60]!r}")


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("#", "//")))
