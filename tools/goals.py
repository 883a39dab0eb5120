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

# What stands between a figure and the best, where it is not reached; what was tried. Times are of the machine above.
WHY_NOT_BEST = {
    "save-struct": """\
of 0.28 us, 0.12 are the bound call below and 0.05 the copy to `bytes`; the rest are a dozen steps of
Python, each needed: another thread, another record's memory or another engine must not get these bytes. 25x
would be 0.17 us: the two calls alone.""",
    "save-take": "the same 0.28 us; 6x would be 0.24.",
    "bound-save": """\
0.12 us, of which 0.03 are a call through cffi that does nothing (0.07 when it gives up the interpreter's
lock, as cffi does by itself), the rest the kernel: 1,872 bytes in 124 shuffles. Wider shuffles (32 bytes)
were tried: no quicker, the integers of a queue do not fill them.""",
    "net256-copyto": """\
4 MiB go through a second-level cache of 2: a copy of the same bytes, which changes nothing, takes as long, and
32 bytes at a time are no quicker than 16.""",
    "section-qemu": """\
QEMU 7.2 and newer load this section in about 1 ms, ours takes 6 us; 1,000x would be one call of 1 us.""",
    "batch": "a record's own bytes take 0.07 us of kernel and 0.05 of results and bounds; a call costs 0.28 in all.",
    "two-threads": "each thread has to be woken and waited for, on a machine that does other things beside.",
    "fallback-struct": """\
`numpy.take` of the whole record would be 0.35x, but a record's bytes need their program: ops, counts and
bounds, in Python. `bytes.translate` does the integers of a span in one step and needs no numpy.""",
    "delta-clustered": """\
both sides are read once, as memcmp does, 64 bytes at a time; what comes on top are 20 changed blocks and
the delta's own bytes.""",
    "delta-scattered": "as many lines have changes as there are: their bytes are packed, which memcmp has not to do.",
    "inspect-cat": """\
Python and the modules that it loads take 0.1 s, as long as `cat` takes for the whole GiB; the devices'
73,000 fields as 9 MB of text take another 0.1.""",
    "inspect-analyzer": """\
0.3 s of CPU, most of it the same whatever the size: Python, its modules, and 9 MB of text. Another GiB of memory takes
the script 0.45 s and `inspect` 0.05 at most: of 2 GiB it was 3.4x to 3.8x in four runs.""",
    "peak": "pages of the mapped file that are not let go yet.",
}
