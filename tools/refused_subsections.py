"""Mutations of the refusal corpus in the subsections of a virtio device.

Each function is one group: it yields (name, edits).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from refused_corpus import Edit

from refused_framing import be
from refused_subject import Mutation, Subject, subsection

MODERN = "extra_state.pci.modern_state"
QUEUES = 1024


def subsections(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    for name, (begin, end) in nic.subsections.items():
        whole = s.bytes(begin, end)
        length = whole[1]
        yield f"{name} removed", (Edit(begin, end - begin, b""),)
        yield f"{name} twice", (Edit(end, 0, whole),)
        yield f"{name} renamed", (Edit(begin + 1 + length, 1, b"Z"),)
        yield f"{name} without its content", (Edit(begin + 6 + length, end - begin - 6 - length, b""),)
        yield f"{name} one byte more", (Edit(end, 0, b"\0"),)
        yield f"{name} one byte less", (Edit(end - 1, 1, b""),)
        for mark in (0x00, 0x04, 0x06, 0x7E):
            yield f"{name} mark={mark:#x}", (Edit(begin, 1, bytes((mark,))),)
        for size in (0, 1, 6, 7, length - 1, length + 1, 255):
            yield f"{name} name length={size}", (Edit(begin + 1, 1, bytes((size,))),)
        for version in (0, 2, 99, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
            yield f"{name} version={version:#x}", (Edit(begin + 2 + length, 4, be(version)),)
        yield f"{name} of another device", (Edit(begin + 2, 6, b"vhosty"),)
    spans = list(nic.subsections.items())
    for (first, one), (second, two) in pairwise(spans):
        yield f"{first} behind {second}", (Edit(one[0], one[1] - one[0], b""), Edit(two[1], 0, s.bytes(*one)))
    if spans:
        top, (name, last) = spans[0][1][0], spans[-1]
        yield f"{name} in front", (Edit(last[0], last[1] - last[0], b""), Edit(top, 0, s.bytes(*last)))
        yield "all removed", (Edit(top, nic.end - top, b""),)
        yield "all twice", (Edit(nic.end, 0, s.bytes(top, nic.end)),)
        for other in ("virtio/nonsense", "virtio-net-device/nonsense", "virtio-net/nonsense", "nonsense", "virtio"):
            yield f"{other} in front", (Edit(top, 0, subsection(other, b"")),)
            yield f"{other} at the end", (Edit(nic.end, 0, subsection(other, b"")),)


def added(s: Subject) -> Iterator[Mutation]:
    """Subsections that QEMU knows, where the source did not write them; and other values in those it did."""
    nic = s.nic
    for name, values in {
        "started": (0, 1, 2, 255),
        "disabled": (0, 1, 2, 255),
        "broken": (0, 1, 2, 255),
        "device_endian": (0, 1, 2, 3, 255),
    }.items():
        for value in values:
            if name in nic.subsections:
                yield f"{name}={value}", (Edit(nic.subsections[name][1] - 1, 1, bytes((value,))),)
            else:
                yield f"{name}={value}", (Edit(nic.end, 0, subsection(f"virtio/{name}", bytes((value,)))),)
    if "ringsize" not in nic.subsections:
        for value in (0, 1, 64, 256, 1024, 1025, 0xFFFFFFFF):
            yield f"ringsize={value:#x}", (Edit(nic.end, 0, subsection("virtio/ringsize", be(value) * QUEUES)),)
    else:
        end = nic.subsections["ringsize"][1]
        for value in (0, 256, 1024, 0xFFFFFFFF):
            yield f"ringsize={value:#x}", (Edit(end - 4 * QUEUES, 4 * QUEUES, be(value) * QUEUES),)
    if "packed_virtqueues" not in nic.subsections:
        for last, wrap, used, inuse in ((0, 1, 0, 0), (0, 0, 0, 0), (5, 1, 5, 0), (5, 1, 3, 2), (0xFFFF, 2, 0, 1000)):
            entry = be(last, 2) + be(wrap, 1) + be(used, 2) + be(wrap, 1) + be(inuse)
            what = f"packed_virtqueues last={last:#x} wrap={wrap} used={used:#x} inuse={inuse}"
            yield what, (Edit(nic.end, 0, subsection("virtio/packed_virtqueues", entry * QUEUES)),)
    if "virtqueues" not in nic.subsections:
        content = bytes(16 * QUEUES)
        yield "virtqueues=0", (Edit(nic.end, 0, subsection("virtio/virtqueues", content)),)
    if "extra_state" not in nic.subsections:
        yield "extra_state", (Edit(nic.end, 0, subsection("virtio/extra_state", b"")),)
    elif f"{MODERN}.#name" not in nic:
        end = nic.subsections["extra_state"][1]
        state = subsection("virtio_pci/modern_state", bytes(16 + 28 * QUEUES))
        yield "modern_state=0", (Edit(end, 0, state),)


def modern_state(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    if f"{MODERN}.#name" not in nic:
        return
    begin, end = nic.at(f"{MODERN}.#name"), nic.subsections["extra_state"][1]
    yield "removed", (Edit(begin, end - begin, b""),)
    yield "twice", (Edit(end, 0, s.bytes(begin, end)),)
    yield "renamed", (Edit(begin + 2, 1, b"V"),)
    yield "unknown of the same device", (Edit(begin + 13, 1, b"X"),)
    for version in (0, 2, 99):
        yield f"version={version}", (nic.put(f"{MODERN}.#version", version),)
    for path, values in {
        "dfselect": (0, 2, 5, 0xFFFFFFFF),
        "gfselect": (0, 2, 5, 0xFFFFFFFF),
        "vqs[0].num": (0, 1, 100, 128, 1024, 1025, 0xFFFF),
        "vqs[0].unused": (1, 255),
        "vqs[0].enabled": (0, 2, 255),
        "vqs[0].desc[0]": (0, 0xFFFFFFFF),
        "vqs[0].desc[1]": (1, 0xFFFFFFFF),
        "vqs[0].avail[0]": (0,),
        "vqs[0].used[0]": (0,),
        "vqs[1023].num": (1, 256, 0xFFFF),
        "vqs[1023].enabled": (1, 2),
    }.items():
        for value in values:
            width = nic.fields[f"{MODERN}.{path}"].size
            yield f"{path}={value:#x}", (nic.put(f"{MODERN}.{path}", value.to_bytes(width, "big")),)
    yield "features128", (Edit(end, 0, subsection("virtio_pci/modern_state/features128", bytes(8))),)
    yield "one queue less", (Edit(end - 28, 28, b""),)


def packed(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    if "packed_virtqueues" not in nic.subsections:
        return
    last = nic.value("num_queues") - 1
    for n in (0, last, last + 1, QUEUES - 1):
        for name, values in {
            "last_avail_idx": (0, 1, 255, 256, 257, 0x7FFF, 0x8000, 0xFFFF),
            "last_avail_wrap_counter": (0, 1, 2, 255),
            "used_idx": (0, 1, 256, 0x8000, 0xFFFF),
            "used_wrap_counter": (0, 1, 2, 255),
            "inuse": (0, 1, 255, 256, 257, 0x7FFFFFFF, 0xFFFFFFFF),
        }.items():
            path = f"packed_virtqueues.vq[{n}].{name}"
            for value in values:
                if value != nic.fields[path].value:
                    yield f"vq[{n}].{name}={value:#x}", (nic.put(path, value),)
