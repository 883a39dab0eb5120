"""`vnetmig.check` against what real QEMUs did: the same verdict, and QEMU's own first line, for every broken stream.

The truth is tests/refused. A sample of each group runs; ``VNETMIG_COMPLETE=1`` takes all cases. Each run prints how
often the two agreed.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

import pytest
import refused_corpus as corpus
from real_streams import COMPLETE
from refused_corpus import Case
from refused_machines import MACHINES, QEMUS

import vnetmig
from vnetmig.analysis.release import Release

EACH = 3
"""Cases of one group, machine and release, unless VNETMIG_COMPLETE is set."""

#   what QEMU did    the verdicts that say so
VERDICTS = {
    "completed": ("loads", "loads, device broken", "loads, fails after the next guest reboot"),
    "exit 1": ("refused",),
    "signal 5": ("QEMU would crash",),
    "signal 6": ("QEMU would crash",),
    "signal 11": ("QEMU would crash",),
    "hang": ("QEMU would hang",),
}

_PLACE = re.compile(r"^\S+\.[ch]:\d+: ")
"""File and line in front of an assertion: they change with every build."""


#   group          (verdicts, first lines) of the sample that are not QEMU's; a group that is not here has none
DIFFER = {
    "destination": (12, 0),  # properties that a release does not have at all; ports of a console
    "msix": (2, 0),  # 5.2 dies of the vectors right behind its table, and refuses later ones
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One case: did check foresee the result, and the first line?"""

    case: Case
    verdict: str
    messages: tuple[str, ...]

    @property
    def verdict_equal(self) -> bool:
        return self.verdict in VERDICTS[self.case.result]

    @property
    def first_equal(self) -> bool:
        """QEMU's silence is matched by anything: a finding may well know more."""
        first = _PLACE.sub("", self.case.first)
        return not first or first in (_PLACE.sub("", message) for message in self.messages)

    def __str__(self) -> str:
        return f"{self.case.id}: {self.verdict}: {self.messages[:3]}, real: {self.case.result}: {self.case.first!r}"


def compared(case: Case) -> Compared:
    from vnetmig.analysis.profile.cmdline import profile_of_command

    release, _ = QEMUS[case.qemu]
    arguments = corpus.arguments(MACHINES[case.base].arguments(case.qemu), case.destination)
    command = shlex.join(["qemu-system-x86_64", *arguments])
    profile = profile_of_command(command.encode(), case.id, Release.parse(release))
    found = vnetmig.check(case.stream, against=profile, qemu=release)
    return Compared(case, found.verdict, tuple(finding.message for finding in found))


GROUPS = sorted({case.group for case in corpus.cases()})


def compare(group: str) -> list[Compared]:
    """Cases of one group, of every machine and release."""
    chosen = [case for case in corpus.cases() if case.group == group]
    if not COMPLETE:
        pairs = [(machine, qemu) for machine in MACHINES for qemu in QEMUS]
        by_pair = {pair: [case for case in chosen if (case.base, case.qemu) == pair] for pair in pairs}
        chosen = [case for cases in by_pair.values() for case in corpus.sample(cases, EACH)]
    return [compared(case) for case in chosen]


@pytest.mark.parametrize("group", GROUPS)
def test_check_says_what_qemu_did(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    """But for as many of the sample as the table says. Of all cases the numbers are printed only."""
    results = compare(group)
    other_verdict = [result for result in results if not result.verdict_equal]
    other_line = [result for result in results if result.verdict_equal and not result.first_equal]
    with capsys.disabled():
        print(f"\n{group}: of {len(results)}, {len(other_verdict)} verdicts and {len(other_line)} more lines differ")
    verdicts, lines = DIFFER.get(group, (0, 0))
    if not COMPLETE:
        assert len(other_verdict) <= verdicts, "\n".join(map(str, other_verdict))
        assert len(other_line) <= lines, "\n".join(map(str, other_line))
