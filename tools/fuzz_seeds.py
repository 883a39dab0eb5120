"""Write what the fuzz targets of csrc/fuzz start from: programs of real devices, and seeds from real streams.

``python tools/fuzz_seeds.py programs`` writes csrc/fuzz/programs (committed: again after a change of a description;
``check`` exits 1 when that is due);
``python tools/fuzz_seeds.py seeds FOLDER`` writes FOLDER/<target>/ for every target. The formats are told in
csrc/fuzz/common.h and at the tops of the targets. Reads tests/streams only.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "laws"), str(ROOT / "tests" / "engine")]

from odd_programs import EVERYTHING  # noqa: E402
from real_streams import Sample, sample  # noqa: E402

from fuzz_streams import small_captures  # noqa: E402
from vnetmig.engine import get  # noqa: E402
from vnetmig.engine.code import Flat  # noqa: E402
from vnetmig.engine.rings import RingQueue, pack_queues  # noqa: E402
from vnetmig.vmstate import Program  # noqa: E402

PROGRAMS = ROOT / "csrc" / "fuzz" / "programs"
EVERY_OP = bytes.fromhex("03 00000001  0102 0201 0304  0005 aa 0007 bb 0000 01 00000001 0009 00 00 0a 0b0c")

DEVICES = {
    "net-legacy": ("linux-user-legacy-q72", "virtio-net"),
    "net-rss": ("linux-tap-4q-rss-q100", "virtio-net"),
    "net-packed": ("linux-user-packed-q72", "virtio-net"),
    "nvme": ("nvme-q111", "nvme"),
    "gic": ("xlnx-versal-gtree-q111", "arm_gicv3"),
    "serial": ("linux-user-legacy-q72", "serial"),
}

WHOLE = 40_000
"""Bytes of a section from which on it is one of a modern device with its queue arrays."""


def image(flat: Flat) -> bytes:
    """A program as csrc/fuzz/common.h tells it."""
    words = flat.words()
    tables = [words[name] for name in ("ops", "runs", "insns", "consts", "subs")]
    numbers = (len(flat.ops), len(flat.runs), len(flat.insns), len(flat.consts), len(flat.subs), len(flat.names))
    head = struct.pack("=7I", *numbers, flat.record_bytes)
    return head + b"".join(table.tobytes() for table in tables) + flat.names


def devices() -> dict[str, Sample]:
    """In the order of their files' names, by which the targets number them."""
    found = {name: sample(*place) for name, place in DEVICES.items()}
    found["every-op"] = Sample("every op", Program(EVERYTHING), EVERY_OP)
    return dict(sorted(found.items()))


def delta_seeds(payloads: list[bytes]) -> Iterator[bytes]:
    for old in payloads:
        base = old[:1500]
        for new in (base, base[:700] + b"inserted" + base[700:], bytes(b ^ (i % 3 == 0) for i, b in enumerate(base))):
            head = struct.pack("=H", len(base))
            yield b"\1" + head + base + new[:1500]
            yield b"\0" + head + base + get().make_delta(base, new)


def ring_seeds() -> Iterator[bytes]:
    """A queue of eight entries, split and packed, three of them in flight."""
    entries = b"".join(struct.pack("<QIHH", 0x1000 * i, 64, i, 0x80) for i in range(8))
    available = struct.pack("<HH8HH", 0, 3, *range(8), 0)
    used = struct.pack("<HH", 0, 0) + bytes(8 * 8 + 2)
    memory = entries + available + used
    for flags in (0, 1, 2, 4, 8 | 1, 16 | 1):
        queue = RingQueue(
            desc=64, avail=64 + len(entries), used=64 + len(entries + available), num=8, align=64, flags=flags, inuse=3,
            last_avail_idx=3, used_idx=0, early_idx=0,
        )  # fmt: skip
        raw = struct.pack("=QQQ", 64, len(memory), 0)
        for options in (0, 1, 2, 3):
            yield bytes((options | 4, 1 + 8, 16)) + pack_queues([queue]) + raw + memory
            yield bytes((options, 1 + 8, 16)) + pack_queues([queue]) + b"\x40\xff\x03" + memory * 4


def scan_seeds() -> Iterator[bytes]:
    """Pages and zero pages of each size the head can name, with and without an end, some cut."""
    for number in range(7):
        size = 64 << number
        page = struct.pack(">Q", size | 0x28) + bytes(size)
        zeros = b"".join(struct.pack(">QB", size * i | 0x22, 0) for i in range(40))
        head = struct.pack("=QBHq", number, 5, 9, 64 * size)
        for options in (0, 2, 4 | 2, 8 | 2):
            for pages in (zeros + page + zeros, page * 3 + b"\0" * 8, zeros[:-1], zeros[:9] + page[:-1]):
                yield bytes((options,)) + head + pages[:4000]


def seeds() -> Iterator[tuple[str, bytes]]:
    """(target, input)"""
    known = devices()
    for number, (_, program, payload) in enumerate(known.values()):
        loaded = program.load(payload)
        yield "load", bytes((number,)) + payload
        if len(payload) >= WHOLE:
            yield "whole", bytes((number,)) + payload
        yield "save", bytes((number,)) + bytes(loaded.record.data)
        yield "program", image(program.flat) + payload[:64]
    for seed in delta_seeds([payload for _, _, payload in known.values()]):
        yield "delta", seed
    for seed in ring_seeds():
        yield "ring", seed
    for seed in scan_seeds():
        yield "scan", seed
    for number, capture in enumerate(small_captures()):
        yield "reader", bytes((number,)) + capture.data


def main() -> int:
    what, *rest = sys.argv[1:] or [""]
    if what == "programs":
        PROGRAMS.mkdir(exist_ok=True)
        for name, (_, program, _) in devices().items():
            (PROGRAMS / f"{name}.program").write_bytes(image(program.flat))
    elif what == "check":
        images = {f"{name}.program": image(found.program.flat) for name, found in devices().items()}
        if images != {path.name: path.read_bytes() for path in PROGRAMS.iterdir()}:
            print(f"{PROGRAMS} is stale: python tools/fuzz_seeds.py programs", file=sys.stderr)
            return 1
    elif what == "seeds" and len(rest) == 1:
        for target, data in seeds():
            folder = Path(rest[0]) / target
            folder.mkdir(parents=True, exist_ok=True)
            (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
