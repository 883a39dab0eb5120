"""Findings of one stream and of many, in text."""

from __future__ import annotations

from vnetmig.analysis.finding import CheckResult, Finding, Severity
from vnetmig.analysis.fleet import FileChecked
from vnetmig.report.check import REASONS_MAX, Summary, check_blocks
from vnetmig.report.text import plain


def test_a_finding_without_a_hint() -> None:
    result = CheckResult([Finding("net-mac", Severity.WARNING, "another MAC")], "10.0.2", "host")
    told = list(plain(check_blocks("vm.qemu", [result])))
    assert any("another MAC" in line for line in told) and not any("hint:" in line for line in told)


def test_a_summary_counts_rules_that_it_does_not_show() -> None:
    summary = Summary()
    for number in range(REASONS_MAX + 2):
        finding = Finding(f"rule-{number}", Severity.REFUSED, f"message {number}")
        summary.add(FileChecked(f"vm{number}", (CheckResult([finding], "10.0.2", "host"),)))
    told = list(plain(summary.blocks()))
    assert told[-1] == "and 2 more rules" and sum(" rule-" in line for line in told) == REASONS_MAX
