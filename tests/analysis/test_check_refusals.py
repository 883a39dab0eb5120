"""`vnetmig.check` against what real QEMUs did: the same verdict, and QEMU's own first line, for every broken stream.

The truth is tests/streams/refused. A sample of each group runs; ``VNETMIG_COMPLETE=1`` takes all cases. Each run prints
how often the two agreed, by group and release (``pytest -s``, or in the report of a failure).
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from dataclasses import dataclass

import pytest
import refused_corpus as corpus
from real_streams import COMPLETE
from refused_corpus import Case
from refused_machines import MACHINES, QEMUS

import vnetmig
from vnetmig.analysis.release import Release

pytestmark = pytest.mark.skipif(not hasattr(vnetmig, "check"), reason="vnetmig.check is not there yet")

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


def agreement(results: list[Compared]) -> str:
    """A table: group by release, "verdicts+first lines equal/cases"."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for result in results:
        place = result.case.group, result.case.qemu
        counts[(*place, "cases")] += 1
        counts[(*place, "verdict")] += result.verdict_equal
        counts[(*place, "first")] += result.verdict_equal and result.first_equal
    groups = dict.fromkeys(result.case.group for result in results)
    qemus = [name for name in QEMUS if any(result.case.qemu == name for result in results)]
    rows = [["group", *qemus]]
    for group in groups:
        cells = (tuple(counts[group, qemu, what] for what in ("verdict", "first", "cases")) for qemu in qemus)
        rows.append([group, *(f"{verdict} {first} /{cases}" for verdict, first, cases in cells)])
    return "\n".join(" ".join(f"{cell:>17}" for cell in row) for row in rows)


@pytest.mark.parametrize("machine", list(MACHINES))
@pytest.mark.parametrize("qemu", list(QEMUS))
def test_check_says_what_qemu_did(qemu: str, machine: str) -> None:
    of_machine = [case for case in corpus.cases() if (case.base, case.qemu) == (machine, qemu)]
    results = [compared(case) for case in (of_machine if COMPLETE else corpus.sample(of_machine, EACH))]
    assert results
    print(f"{machine}: verdicts equal, first lines equal, of cases\n{agreement(results)}")
    assert [str(result) for result in results if not (result.verdict_equal and result.first_equal)] == []
