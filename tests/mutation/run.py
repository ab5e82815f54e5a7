"""Breaks the code on purpose, one place at a time, and asks whether a test notices: `make mutation`.

`mutants.toml` lists each mutant: a file, an exact text in it, what replaces it, the claim that this breaks, and the few
tests that should notice. The working tree is copied; the copy alone is broken. Before that every named test must pass.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MUTANTS = Path(__file__).with_name("mutants.toml")
GOLDEN = "tests/sql/test_cases.py::test_the_model_gives_the_expected_rows"
PYTEST = ("-m", "pytest", "-q", "--tb=no", "--hypothesis-seed=0", "-p", "no:cacheprovider")
FAILED = re.compile(r"^FAILED (.+?)(?: - .*)?$", re.MULTILINE)
SECONDS_PER_MUTANT = 300
SECONDS_FOR_ALL = 1800
TESTS_FAILED = 1


@dataclass(frozen=True)
class Mutant:
    """One way to break `file`; `tests` are pytest node ids, or golden cases written as model/case."""

    name: str
    group: str
    file: str
    text: str
    replacement: str
    breaks: str
    tests: tuple[str, ...]

    @property
    def node_ids(self) -> list[str]:
        """The selection as pytest takes it."""
        return [name if name.startswith("tests/") else f"{GOLDEN}[{name}]" for name in self.tests]

    def places(self, root: Path) -> int:
        """How often the text stands in the file; a mutant is sound if this is 1."""
        path = root / self.file
        return path.read_text("utf-8").count(self.text) if path.is_file() else 0


@dataclass(frozen=True)
class Verdict:
    """How a mutant ended: `caught_by` is the first test that failed, '' where none did; then `problem` says why."""

    mutant: Mutant
    caught_by: str
    problem: str
    seconds: float


def load(path: Path = MUTANTS) -> list[Mutant]:
    """The mutants in the order of the file."""
    listed = tomllib.loads(path.read_text("utf-8"))["mutant"]
    return [Mutant(**{**one, "tests": tuple(one["tests"])}) for one in listed]


def copy_tree(root: Path, to: Path) -> None:
    """Every file that git knows or would add. Real captures beside the repository stay within reach."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name)
    captures = root.parent / "shared"
    if captures.is_dir():
        (to.parent / "shared").symlink_to(captures)


def run_tests(tree: Path, node_ids: Sequence[str], *options: str, seconds: int) -> tuple[int | None, str]:
    """(exit code, output) of pytest in `tree`; no code when it took too long."""
    # no bytecode: a mutant of the same length, written within the second, would go unnoticed
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *PYTEST, *options, *node_ids]
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stdout + done.stderr


@contextmanager
def broken(tree: Path, mutant: Mutant) -> Iterator[None]:
    """The tree with the mutant in it."""
    path = tree / mutant.file
    sound = path.read_text("utf-8")
    path.write_text(sound.replace(mutant.text, mutant.replacement), "utf-8")
    try:
        yield
    finally:
        path.write_text(sound, "utf-8")


def judge(tree: Path, mutant: Mutant) -> Verdict:
    """Whether a test fails. An error is no catch: then the mutant does not run, and says nothing of the tests."""
    started = time.monotonic()
    with broken(tree, mutant):
        code, output = run_tests(tree, mutant.node_ids, "-x", seconds=SECONDS_PER_MUTANT)
    seconds = time.monotonic() - started
    failed = FAILED.findall(output)
    if code == TESTS_FAILED and failed:
        return Verdict(mutant, _short(failed[0]), "", seconds)
    problem = {0: "survived", None: "took too long"}.get(code, f"pytest ended with {code}: {_end(output)}")
    return Verdict(mutant, "", problem, seconds)


def judge_all(mutants: Sequence[Mutant], trees: Sequence[Path]) -> Iterator[Verdict]:
    """One verdict per mutant, in order, as many at a time as there are trees."""
    free: queue.SimpleQueue[Path] = queue.SimpleQueue()
    for tree in trees:
        free.put(tree)

    def with_a_tree(mutant: Mutant) -> Verdict:
        tree = free.get()
        try:
            return judge(tree, mutant)
        finally:
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        yield from pool.map(with_a_tree, mutants)


def _short(node_id: str) -> str:
    path, _, test = node_id.partition("::")
    case = re.search(r"\[(\w+/\w+)\]$", test)
    return case[1] if case and node_id.startswith(GOLDEN) else f"{Path(path).name}::{test}"


def _end(output: str) -> str:
    return " / ".join(output.strip().splitlines()[-3:])


def _show(verdict: Verdict) -> None:
    mark = "caught by" if verdict.caught_by else "NOT CAUGHT"
    mutant = verdict.mutant
    print(f"{mutant.group:<12} {mutant.name:<46} {verdict.seconds:5.1f} s  {mark} {verdict.caught_by}", flush=True)
    if verdict.problem:
        print(f"  {verdict.problem}\n  {mutant.file}: {mutant.text!r} → {mutant.replacement!r}\n  {mutant.breaks}")


def _missing(mutants: Sequence[Mutant]) -> list[str]:
    counts = [(mutant, mutant.places(ROOT)) for mutant in mutants]
    return [f"{m.name}: its text stands {count} times in {m.file}, not once" for m, count in counts if count != 1]


def _trees(base: Path, count: int) -> list[Path]:
    trees = [base / str(number) / ROOT.name for number in range(count)]
    for tree in trees:
        copy_tree(ROOT, tree)
    return trees


def main() -> int:
    """0 when every mutant is caught; 1 when one survives, cannot be placed, or the tests fail without any."""
    parser = argparse.ArgumentParser(description="Break the code in known ways; a test must notice each.")
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="WORD", help="mutants whose group or name holds a word"
    )
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default 2)")
    asked = parser.parse_args()
    mutants = [one for one in load() if any(word in f"{one.group}/{one.name}" for word in asked.only)]
    if missing := _missing(mutants):
        print("\n".join(missing))
        return 1
    with tempfile.TemporaryDirectory(prefix="chipledger-mutation-") as base:
        trees = _trees(Path(base), max(1, min(asked.jobs, len(mutants))))
        wanted = sorted({node_id for mutant in mutants for node_id in mutant.node_ids})
        code, output = run_tests(trees[0], wanted, seconds=SECONDS_FOR_ALL)
        if code != 0:
            print(f"the tests must pass before anything is broken; pytest ended with {code}\n{output}")
            return 1
        print(f"{len(wanted)} tests pass; breaking {len(mutants)} places")
        verdicts = []
        for verdict in judge_all(mutants, trees):
            _show(verdict)
            verdicts.append(verdict)
    survivors = [verdict.mutant.name for verdict in verdicts if not verdict.caught_by]
    print(f"{len(verdicts) - len(survivors)} of {len(verdicts)} caught" + "".join(f"\n- {name}" for name in survivors))
    return 1 if survivors or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
