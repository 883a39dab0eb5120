"""Broken streams that real QEMUs were given: `check` foresees what each of them did and said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bad_streams import Bad, bad_streams, verdict_of

from vnetmig.analysis.finding import CheckResult

FOUND = bad_streams(Path(os.environ.get("VNETMIG_STREAMS", "/nonexistent")))


@pytest.mark.skipif(not FOUND, reason="VNETMIG_STREAMS holds no folder of broken streams")
def test_verdicts_and_first_lines_are_those_of_real_qemu(capsys: pytest.CaptureFixture[str]) -> None:
    """All verdicts. All first lines, but of those that tell what stood in memory that the pages do not hold."""
    results = [(bad, bad.checked()) for bad in FOUND]
    verdicts = [bad for bad, result in results if verdict_of(result) == bad.verdict]
    silent = [bad for bad, _ in results if bad.first_line is None]
    said = [bad for bad, result in results if bad.first_line in {one.message for one in result}]
    foreign = [bad for bad, result in results if _needs_other_memory(bad, result)]
    with capsys.disabled():
        print(
            f"\nbroken streams: {len(results)}; verdict as QEMU's: {len(verdicts)}; QEMU's first line found: "
            f"{len(said)} of {len(results) - len(silent)}; {len(foreign)} others tell of memory that is not at hand"
        )
    assert [bad.name for bad, _ in results if bad not in verdicts] == []
    assert [bad.name for bad, _ in results if bad not in [*said, *silent, *foreign]] == []


def _needs_other_memory(bad: Bad, result: CheckResult) -> bool:
    """The line has indices that were read in guest memory, and the pages at hand are of another boot: they hold
    nothing where this stream's rings are, which is said."""
    said = {one.message for one in result}
    return bad.tells_of_memory and bad.first_line not in said and any(one.rule == "memory-foreign" for one in result)
