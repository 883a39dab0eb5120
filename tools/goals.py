"""The goals of docs/performance.md: what is measured, what must be reached, and what would be the best."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results"
FIGURES = RESULTS / "goals.json"
INSTRUCTIONS = RESULTS / "instructions.json"


class Goal(NamedTuple):
    """``key`` names the figure; ``more``: more is better, otherwise it must not be above ``must``."""

    key: str
    measure: str
    more: bool
    must: float
    best: float
    unit: str = "x"

    def met(self, figure: float, bound: float) -> bool:
        return figure >= bound if self.more else figure <= bound


#    key                   measure                                                   more   must  best
GOALS = (
    Goal("save-struct", "save(net4) to bytes: quicker than hand-written `struct`", True, 12, 25),
    Goal("save-take", "save(net4) to bytes: quicker than numpy `take`", True, 3, 6),
    Goal("bound-save", "save(net4), bound: quicker than `struct`", True, 25, 40),
    Goal("bound-load", "load(net4), bound: quicker than `struct`", True, 18, 40),
    Goal("instructions", "C kernel, save(net4): instructions", False, 3000, 1500, ""),
    Goal("net256-copy", "net256 in place: times a copy", False, 2.5, 1.5),
    Goal("net256-copyto", "net256 in place: quicker than numpy `copyto`", True, 3, 6),
    Goal("section-table", "a real 46 KB section, load: quicker than a naive table loop", True, 50, 500),
    Goal("fallback-table", "Python engine, save(net4): quicker than a naive table loop", True, 5, 5),
    Goal("fallback-struct", "Python engine, save(net4): times hand-written `struct`", False, 1.6, 0.3),
    Goal("delta-clustered", "delta of 1 MiB, 1 % clustered, bound: times memcmp", False, 1.4, 1.1),
    Goal("delta-scattered", "delta of 1 MiB, 10 % scattered, bound: times memcmp", False, 15, 2),
    Goal("size-clustered", "delta, 1 % clustered: bytes per changed byte", False, 1.05, 1.01, ""),
    Goal("size-scattered", "delta, 10 % scattered: bytes per changed byte", False, 2.9, 2.3, ""),
    Goal("walk-cat", "reading a stream of 1 GiB: CPU, times `cat`", False, 1.6, 1.1),
    Goal("inspect-cat", "`inspect --json` of 1 GiB: CPU, times `cat`", False, 4, 2),
    Goal("peak", "`inspect` of 1 GiB: peak memory above that of 32 MiB", False, 16, 0, " MiB"),
)

UNMEASURED = (
    ("a batch of 1,000 devices against 1,000 calls; two threads on batches", "there is no batch entry point"),
    ("a real section, load: quicker than QEMU's own traced load", "needs traces of a QEMU on the same machine"),
    ("`inspect` of 1 GiB against QEMU's analyzer script", "the script is not in a package"),
)
