"""The report of the FOCUS validator is read strictly: an empty or broken one is no pass."""

from __future__ import annotations

import pytest

from tests.focus.validator import known_defects, read_report

FAILURE = '<testsuite name="s"><testcase name="t"><failure name="{}" /></testcase></testsuite>'


def report(*failed: str, tests: int = 578, errors: int = 0, failures: int | None = None) -> str:
    count = len(failed) if failures is None else failures
    inner = "".join(FAILURE.format(rule) for rule in failed)
    return f'<testsuites tests="{tests}" failures="{count}" errors="{errors}" skipped="441">{inner}</testsuites>'


def test_failed_rules_are_named_and_the_rest_counted() -> None:
    verdict = read_report(report("InvoiceId-C-005-C"))
    assert (verdict.rules, verdict.passed, verdict.skipped) == (578, 136, 441)
    assert verdict.failed == {"InvoiceId-C-005-C"}


@pytest.mark.parametrize(
    "text", [report(tests=0), report(errors=1), report(failures=2)], ids=["empty", "broken", "cut"]
)
def test_a_report_that_says_too_little_is_no_pass(text: str) -> None:
    with pytest.raises(AssertionError):
        read_report(text)


def test_every_known_defect_says_why() -> None:
    assert all(len(reason) > 20 for reason in known_defects(all_criteria=True).values())
