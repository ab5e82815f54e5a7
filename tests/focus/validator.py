"""Runs the FinOps Foundation's validator on a FOCUS file and tells which of its rules fail."""

from __future__ import annotations

import subprocess
import tomllib
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAM = ROOT / ".venv-focus" / "bin" / "focus-validator"
RULES_AT_LEAST = 500  # the model 1.2.0.1 has 578 checks; a report of fewer is no report


@dataclass(frozen=True)
class Verdict:
    """What the validator found: how many rules it ran, passed and skipped, and the ids of those that failed."""

    rules: int
    passed: int
    skipped: int
    failed: frozenset[str]


def validate(parquet: Path, report: Path, *, all_criteria: bool = False) -> Verdict:
    """The validator's verdict on a Parquet file. Its exit code is always 0, so that only its report counts.

    It reads a file of its own by a relative path, and so runs in its own folder; it must not fetch newer rules.
    """
    site_packages = next(PROGRAM.parents[1].glob("lib/python3*/site-packages"))
    more = ["--applicability-criteria", "ALL"] if all_criteria else []
    asked = [str(PROGRAM), "--data-file", str(parquet), "--validate-version", "1.2", "--block-download"]
    wanted = ["--output-type", "unittest", "--output-destination", str(report)]
    ran = subprocess.run([*asked, *wanted, *more], cwd=site_packages, capture_output=True, text=True, check=True)
    if not report.is_file():
        raise AssertionError(f"the validator wrote no report:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return read_report(report.read_text("utf-8"))


def read_report(text: str) -> Verdict:
    """The verdict in a report of type `unittest`; AssertionError where rules broke or are missing."""
    suites = ET.fromstring(text)
    rules, errors, skipped = (int(suites.get(name, "0")) for name in ("tests", "errors", "skipped"))
    failed = frozenset(str(failure.get("name")) for failure in suites.iter("failure"))
    if errors or rules < RULES_AT_LEAST:
        raise AssertionError(f"the validator ran {rules} rules, {errors} of them broke")
    if len(failed) != int(suites.get("failures", "-1")):
        raise AssertionError(f"the report counts {suites.get('failures')} failures and names {sorted(failed)}")
    return Verdict(rules, rules - skipped - len(failed), skipped, failed)


def known_defects(*, all_criteria: bool = False) -> dict[str, str]:
    """Rule → why right data must fail it."""
    known = tomllib.loads((HERE / "known_defects.toml").read_text("utf-8"))
    return known["default"] | (known["all"] if all_criteria else {})
