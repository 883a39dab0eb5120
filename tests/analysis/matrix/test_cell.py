"""Findings of two guests become one verdict."""

from __future__ import annotations

import pytest

from vnetmig.analysis.finding import CheckResult, Finding, Severity
from vnetmig.analysis.matrix.cell import OUTCOMES, Cell, Found, Outcome, of_a_stream, of_two_guests

NET = "0000:00:03.0/virtio-net"
MISSING = {NET: "VIRTIO_NET_F_HOST_USO"}


def finding(rule: str, severity: Severity, *, follows: bool = False) -> Finding:
    return Finding(rule, severity, f"{rule} said", NET, follows=follows)


VLANS = finding("vlan-lost", Severity.WARNING)
FEATURES = finding("features-unsupported", Severity.REFUSED)
RINGS = finding("queue-too-large", Severity.REFUSED)
REBOOT = finding("features-after-reboot", Severity.REBOOT)
TOLD = finding("announce", Severity.INFO)


def cell(most: list[Finding], least: list[Finding]) -> Cell:
    return Cell(0, 0, "pc-i440fx-7.2", of_two_guests(CheckResult(most), CheckResult(least), MISSING))


#   most, least                        outcome             verdict
VERDICTS: list[tuple[list[Finding], list[Finding], Outcome, str]] = [
    ([], [], Outcome.WORKS, "works"),
    ([TOLD], [TOLD], Outcome.WORKS, "works"),
    ([VLANS], [], Outcome.LOSES, "works, with a loss if the guest filters VLANs"),
    ([VLANS], [VLANS], Outcome.LOSES, "works, with a loss"),
    ([REBOOT], [REBOOT], Outcome.FAILS_BACK, "works forward, fails back after a guest reboot"),
    ([FEATURES], [], Outcome.UNLESS, "works unless the guest negotiated VIRTIO_NET_F_HOST_USO"),
    ([RINGS], [], Outcome.UNLESS, "works unless the guest uses all that it is offered"),
    ([RINGS], [RINGS], Outcome.REFUSED, "refused"),
    ([FEATURES], [FEATURES, REBOOT], Outcome.REFUSED, "refused"),
    ([REBOOT, VLANS], [REBOOT], Outcome.FAILS_BACK, "works forward, fails back after a guest reboot"),
]


@pytest.mark.parametrize(("most", "least", "outcome", "verdict"), VERDICTS)
def test_verdicts(most: list[Finding], least: list[Finding], outcome: Outcome, verdict: str) -> None:
    found = cell(most, least)
    assert (found.outcome, found.verdict) == (outcome, verdict)
    assert found.loads == (outcome < Outcome.UNLESS)
    assert (found.worst is None) == (outcome == Outcome.WORKS)


def test_all_that_a_cell_comes_to() -> None:
    assert cell([FEATURES, VLANS, REBOOT], [REBOOT]).outcomes == (
        Outcome.UNLESS,
        Outcome.FAILS_BACK,
        Outcome.LOSES,
    )
    assert cell([], []).outcomes == (Outcome.WORKS,)


def test_behind_a_refusal_of_every_guest_nothing_counts() -> None:
    refused = cell([RINGS, FEATURES, VLANS], [RINGS])
    assert [one.finding.rule for one in refused.found] == ["queue-too-large"]
    assert refused.outcomes == (Outcome.REFUSED,)


def test_what_stands_behind_one_guests_refusal_is_another_guests_first() -> None:
    """Of all that a guest may have used, it may have used the second only."""
    behind = finding("vmstate-too-new", Severity.REFUSED, follows=True)
    lost = finding("footer-missing", Severity.REFUSED, follows=True)
    found = cell([FEATURES, behind, lost], [])
    assert [one.finding.rule for one in found.found] == ["features-unsupported", "vmstate-too-new"]
    assert not any(one.finding.follows for one in found.found)


def test_of_a_stream_only_what_comes_to_pass() -> None:
    behind = finding("footer-missing", Severity.REFUSED, follows=True)
    assert of_a_stream(CheckResult([TOLD, RINGS, behind])) == (Found(RINGS),)


@pytest.mark.parametrize("severity", Severity)
def test_every_severity_has_an_outcome(severity: Severity) -> None:
    outcome = Found(finding("any", severity)).outcome
    assert OUTCOMES[outcome][1]
    assert (outcome >= Outcome.REFUSED) == (severity >= Severity.REFUSED)
