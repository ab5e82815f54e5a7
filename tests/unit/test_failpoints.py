"""Failpoints do nothing, until one is armed: then the process dies there."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from pipeline.failpoints import arm, failpoint


def _child(armed: str, passes: str) -> subprocess.CompletedProcess[str]:
    steps = f"arm({armed!r})\nfor place in {passes!r}.split():\n    failpoint(place)\nprint('alive')"
    code = f"from pipeline.failpoints import arm, failpoint\n{steps}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_an_unarmed_failpoint_does_nothing() -> None:
    failpoint("landing.before_commit")


def test_an_armed_failpoint_kills_the_process_without_a_last_word() -> None:
    done = _child("a", "b a")
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "")


@pytest.mark.parametrize(("armed", "alive"), [("a@3", True), ("a@2", False), ("", True), ("b", True)])
def test_a_failpoint_dies_at_the_counted_passing_alone(armed: str, alive: bool) -> None:
    assert (_child(armed, "a a").returncode == 0) is alive


def test_arming_nothing_disarms() -> None:
    arm("x@2")
    arm("")
    failpoint("x")
    failpoint("x")
