"""The goals of docs/performance.md: what is measured, what must be reached, and what would be the best."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results"
FIGURES = RESULTS / "goals.json"
INSTRUCTIONS = RESULTS / "instructions.json"


SCALING = RESULTS / "scaling.json"


class Goal(NamedTuple):
    """``key`` names the figure; ``more``: more is better, otherwise it must not be above ``must``."""

    key: str
    measure: str
    more: bool
    must: float
    best: float
    unit: str = "x"
    note: str = ""
    """What is compared, where the name does not say it."""

    def met(self, figure: float, bound: float) -> bool:
        return figure >= bound if self.more else figure <= bound


QEMU_NOTE = """QEMU's time is what its event `vmstate_downtime_load` says, or where it has none the time from the log
line that begins this section to that of the next. It is not all the same work: QEMU reads from a pipe, maps the memory
of the rings, looks at their indices, and does so once in its life; ours is the load of the payload, again and again.
Both by the wall clock."""
BATCH_NOTE = """a batch is `SaveBatch.run`, a call `Program.save` of a record that was saved before, its bytes thrown
away. Bound calls, which check less, stand in the table of devices below."""
THREADS_NOTE = """each thread has a processor of its own and runs a batch of half of the devices 20 times, the one
thread a batch of all; by the wall clock, the quickest of each, since others have the processors too."""
SCRIPT_NOTE = """the script is scripts/analyze-migration.py of QEMU's source. It prints a million bytes of values,
`inspect --json` nine million: path, offset, size, type and value of each field."""

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
    Goal("section-qemu", "a real 46 KB section, load: quicker than a real QEMU's", True, 100, 1000, note=QEMU_NOTE),
    Goal("batch", "1,000 net4 in one batch: quicker than 1,000 calls", True, 1.7, 2.5, note=BATCH_NOTE),
    Goal("two-threads", "1,000 net4 in batches: two threads, quicker than one", True, 1.6, 1.85, note=THREADS_NOTE),
    Goal("fallback-table", "Python engine, save(net4): quicker than a naive table loop", True, 5, 5),
    Goal("fallback-struct", "Python engine, save(net4): times hand-written `struct`", False, 1.6, 0.3),
    Goal("delta-clustered", "delta of 1 MiB, 1 % clustered, bound: times memcmp", False, 1.4, 1.1),
    Goal("delta-scattered", "delta of 1 MiB, 10 % scattered, bound: times memcmp", False, 15, 2),
    Goal("size-clustered", "delta, 1 % clustered: bytes per changed byte", False, 1.05, 1.01, ""),
    Goal("size-scattered", "delta, 10 % scattered: bytes per changed byte", False, 2.9, 2.3, ""),
    Goal("walk-cat", "reading a stream of 1 GiB: CPU, times `cat`", False, 1.6, 1.1),
    Goal("inspect-cat", "`inspect --json` of 1 GiB: CPU, times `cat`", False, 4, 2),
    Goal(
        "inspect-analyzer",
        "`inspect --json` of 1 GiB: less CPU than QEMU's analyzer script",
        True,
        3,
        6,
        note=SCRIPT_NOTE,
    ),
    Goal("peak", "`inspect` of 1 GiB: peak memory above that of 32 MiB", False, 16, 0, " MiB"),
)
