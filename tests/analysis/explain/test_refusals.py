"""Every line that a real QEMU printed about a damaged stream is understood, and told once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from vnetmig.analysis.catalogue.messages import MESSAGES
from vnetmig.analysis.catalogue.reading import Finder
from vnetmig.analysis.explain.explain import explain
from vnetmig.analysis.release import Release

REAL = Path(__file__).with_name("refusals.txt")

#   case: the rules it breaks, one or the other by release
RULES = {
    "02-feature-bit-hi": {"features-unsupported"},
    "03-too-many-qp": {"queue-pairs"},
    "03b-curr-qp-0": {"queue-used-index"},
    "04-max-qp-2": {"max-queue-pairs"},
    "05-last-avail-ahead": {"queue-used-index", "queue-guest-index"},
    "05b-last-avail-nonzero-no-desc": {"queue-address"},
    "06-truncated-in-mac": {"field-failed", "stream-error"},
    "06b-truncated-in-header": {"section-header-truncated"},
    "06c-truncated-before-eof": {"field-failed", "stream-error"},
    "07-version-new": {"unsupported-version"},
    "07b-version-old": {"vmstate-too-old"},
    "08-unknown-subsection": {"field-failed", "subsection-unknown"},
    "08b-subsection-version": {"vmstate-too-new"},
    "09-vnet-hdr": {"vnet-hdr"},
    "09b-has-ufo": {"ufo"},
    "10-mac-table-65-desync": {"queue-used-index", "footer-missing"},
    "10c-mac-table-huge": {"queue-used-index", "footer-missing", "stream-error", "vnet-hdr"},
    "11-queue-size-100": {"queue-guest-index"},
    "11b-queue-size-4096": {"queue-too-large"},
    "11c-queue-size-0": {"queue-size-zero"},
    "12-instance-id": {"unknown-section"},
    "12b-idstr-slot": {"unknown-section"},
    "13-nq-too-many": {"num-queues"},
    "13b-nq-2": {"field-failed", "queue-too-large"},
    "14-config-len-huge": {"field-failed", "element-failed"},
    "14-config-len-plus4": {"field-failed", "element-failed", "heap-corruption"},
    "14b-config-len-1M": {"field-failed", "element-failed", "heap-corruption"},
    "15-footer-missing": {"footer-missing"},
    "15b-footer-id": {"footer-mismatch"},
    "16-pci-device-id": {"pci-config"},
    "17-vector": {"field-failed", "element-failed"},
    "18-queue-sel": {"field-failed", "element-failed"},
    "19-magic": {"not-a-stream"},
    "19b-file-version": {"version-obsolete"},
    "19c-machine-name": {"machine-type"},
    "20-section-type": {"unknown-section-type"},
}


@dataclass(frozen=True)
class Refusal:
    case: str
    qemu: str
    lines: tuple[str, ...]


def refusals() -> list[Refusal]:
    made = []
    for block in REAL.read_text(encoding="utf-8").split("\n## ")[1:]:
        head, *lines = block.strip().splitlines()
        case, qemu, *_ = head.split(" | ")
        made.append(Refusal(case, qemu, tuple(lines)))
    return made


ALL = refusals()


@pytest.mark.parametrize("refusal", ALL, ids=[f"{r.case}-{r.qemu}-{n}" for n, r in enumerate(ALL)])
def test_one_explanation_for_all_lines(refusal: Refusal) -> None:
    told = explain("\n".join(refusal.lines))
    crashed = "double free or corruption (out)" in refusal.lines
    assert len(told) == 1 + crashed
    assert {entry.id for entry in told} <= RULES[refusal.case]
    assert not told.unknown
    (entry, *_) = told
    assert len(entry.chain) == len(set(entry.chain))
    shown = [text for entry in told for text in (entry.text, *entry.chain)]
    for line in refusal.lines:
        assert any(text in line for text in shown)


@pytest.mark.parametrize("line", sorted({line for refusal in ALL for line in refusal.lines}))
def test_each_line_by_itself(line: str) -> None:
    told = explain(line)
    assert told.known and len(told) == 1
    assert not told.unknown


@pytest.mark.parametrize("refusal", ALL, ids=[f"{r.case}-{r.qemu}-{n}" for n, r in enumerate(ALL)])
def test_the_release_knows_its_own_words(refusal: Refusal) -> None:
    """since and until: what this release printed is among what its tables say it prints."""
    finder = Finder(MESSAGES, Release.parse(refusal.qemu))
    for line in refusal.lines:
        assert finder.find(line), line
