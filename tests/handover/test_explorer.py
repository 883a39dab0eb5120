"""Every interleaving of the shipped state machines with every fault: no world breaks a law (explorer.py).

``VNETMIG_COMPLETE=1``: every combination of options, twice: with two faults beside a cancel, and with three cuts per
message and a second migration from every single end (an hour of processor time); else modes and options in pairs, one
cut, one fault, a second migration from each kind of end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from explorer import Explorer, Report
from ownership_laws import WITH_HANDOVER, WITHOUT
from replayed_sides import Case

COMPLETE = bool(os.environ.get("VNETMIG_COMPLETE"))

_MODES = (
    ("stock", False),
    ("stock", True),
    ("iterative", False),
    ("iterative", True),
    ("preheat-all", False),
    ("preheat-all", True),
    ("iterative-delta", True),
    ("early", True),
)
_USED_QUEUES = (None, "count", "bitmap")

CASES = [
    Case(mode, handover, ack, used_queues)
    for number, (mode, handover) in enumerate(_MODES)
    for ack in (False, True)
    for used_queues in (_USED_QUEUES if COMPLETE else (_USED_QUEUES[(number + ack) % 3],))
]

FAILING = [
    Case(mode, handover, fails=fails)
    for mode, handover in (_MODES if COMPLETE else (("stock", False), ("stock", True), ("early", True)))
    for fails in ("stop", "prepare", "commit", "loaded", "start")
]

_reports: list[Report] = []


@pytest.fixture(scope="module", autouse=True)
def _told(request: pytest.FixtureRequest) -> Iterator[None]:
    """What was explored, said once at the end whatever is captured."""
    yield
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        worlds, moves = sum(r.worlds for r in _reports), sum(r.moves for r in _reports)
        resolved, again = sum(r.resolved for r in _reports), sum(r.again for r in _reports)
        violations = sum(len(r.violations) for r in _reports)
        print(
            f"\nexplorer: {len(_reports)} cases, {worlds} states, {moves} transitions, {resolved} doubts resolved, "
            f"{again} second migrations, {violations} violations"
        )


def _explored(case: Case) -> Report:
    report = Explorer(case, complete=COMPLETE).explore()
    _reports.append(report)
    if COMPLETE:
        _reports.append(Explorer(case, faults=2).explore())
    violations = [*report.violations, *_reports[-1].violations]
    assert not violations, "\n".join(map(str, violations))
    return report


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_world_breaks_a_law(case: Case) -> None:
    report = _explored(case)
    # It went everywhere: every end that the table allows was met.
    assert set(report.ends) == (WITH_HANDOVER if case.asks else WITHOUT)
    assert report.resolved
    assert report.again


@pytest.mark.parametrize("case", FAILING, ids=str)
def test_a_hook_that_fails_leaves_one_owner(case: Case) -> None:
    report = _explored(case)
    finished = case.fails == "prepare" and case.mode == "stock"  # it is never called there
    assert (("has given it", "runs") in report.ends) == finished


def test_two_faults_in_one_run() -> None:
    report = Explorer(Case("stock", handover=True), faults=2).explore()
    _reports.append(report)
    assert not report.violations, "\n".join(map(str, report.violations))
