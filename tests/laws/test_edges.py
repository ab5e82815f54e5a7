"""Every edge case of the cost reference is drawn into bills, or a test that can fail holds it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.properties.bills import Bill
from tests.properties.edges import DRAWN, EDGES, HELD, Edge

EMPTY = Bill(
    month=(2026, 1, 31), edge="day_middle", nodes=(), charges=(), has_net=False, factor=2, restated=0, explorer_off=0,
    tokens=0, changes_payer=False,
)  # fmt: skip


def test_the_list_of_the_reference_is_whole(shared_data: Path) -> None:
    text = (shared_data.parent / "reference" / "cost.md").read_text("utf-8")
    found = re.search(r"### Edge cases the suite must hold\n(.*)\n", text)
    assert found
    rest = found[1]
    for name in sorted((edge.name for edge in EDGES), key=len, reverse=True):
        assert name in rest, f"{name}: not in the reference, or there twice in tests/properties/edges.py"
        rest = rest.replace(name, "", 1)
    assert re.sub(r"[\s,;/.]+", "", rest) == "", f"cases without an entry in tests/properties/edges.py: {rest}"


@pytest.mark.parametrize("edge", DRAWN, ids=lambda edge: edge.name)
def test_a_drawn_case_is_shown_by_its_shape_and_by_no_empty_bill(edge: Edge) -> None:
    assert edge.shape
    assert edge.is_shown
    assert not edge.is_shown(EMPTY)
    assert edge.is_shown(edge.shape(EMPTY))


@pytest.mark.parametrize("edge", HELD, ids=lambda edge: edge.name)
def test_a_held_case_has_tests_that_can_fail(edge: Edge, repo_root: Path) -> None:
    assert edge.tests
    for name in edge.tests:
        path, _, test = name.partition("::")
        if not test:
            expected = (repo_root / "tests" / "sql" / path / "expect.csv").read_text("utf-8")
            assert len(expected.splitlines()) > 1, f"{path} expects nothing"
        else:
            tree = ast.parse((repo_root / path).read_text("utf-8"))
            found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == test]
            assert len(found) == 1, f"no test {name}"
            asserts = [node for node in ast.walk(found[0]) if isinstance(node, ast.Assert) or _is_raises(node)]
            assert asserts, f"{name} claims nothing"


def _is_raises(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.raises"


def test_every_case_has_a_name_of_its_own() -> None:
    assert len({edge.name for edge in EDGES}) == len(EDGES)
