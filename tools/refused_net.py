"""Mutations of the refusal corpus in virtio-net's own fields.

Each function is one group: it yields (name, edits).
"""

from __future__ import annotations

from collections.abc import Iterator

from refused_corpus import Edit

from refused_framing import be
from refused_subject import Mutation, Subject, subsection

MAC = bytes.fromhex("02c0ffee0001")


def net_fields(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    for path, values in {
        "tx_waiting": (1, 2, -1, 0x7FFFFFFF, 0x80000000),
        "mergeable_rx_bufs": (0, 1, 2, -1),
        "net_status": (0, 2, 3, 0xFFFF),
        "promisc": (0, 1, 2, 255),
        "allmulti": (0, 1, 2, 255),
        "has_vnet_hdr": (0, 1, 2, 255, 256, 0x80000000, -1),
        "mac_table_overflow.multi": (1, 2, 255),
        "mac_table_overflow.uni": (1, 2, 255),
        "alluni": (1, 2, 255),
        "nomulti": (1, 2, 255),
        "nouni": (1, 2, 255),
        "nobcast": (1, 2, 255),
        "has_ufo": (0, 1, 2, 0x80, 255),
    }.items():
        for value in values:
            if value != nic.value(path):
                yield f"{path}={value & 0xFFFFFFFF:#x}", (nic.put(path, value),)
    for mac in (bytes(6), b"\xff" * 6, MAC):
        yield f"mac={mac.hex()}", (nic.put("mac", mac),)
    begin, end = nic.at("vlans[0]"), nic.at("has_vnet_hdr")
    for fill in (0, 0x55, 0xFF):
        yield f"vlans={fill:#x}", (Edit(begin, end - begin, bytes((fill,)) * (end - begin)),)
    yield "vlans too short", (Edit(begin, 4, b""),)


def mac_table(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    there = nic.value("mac_table.in_use")
    begin, end = nic.behind("mac_table.in_use"), nic.at("vlans[0]")
    wrong = (0, 1, 2, 4, 63, 64, 65, 100, 255, 10922, 0x2AAAAAAA, 0x2AAAAAAB, 0x55555555, 0x55555556)
    for value in (*wrong, 0x7FFFFFFF, 0x80000000, 0xAAAAAAAB, 0xFFFFFFFF):
        if value != there:
            yield f"in_use={value:#x}", (nic.put("mac_table.in_use", value),)
    for value in (0, 1, 5, 63, 64, 65, 66, 100, 1000):
        if value != there:
            yield (
                f"in_use={value:#x} fitted",
                (nic.put("mac_table.in_use", value), Edit(begin, end - begin, MAC * value)),
            )


def queue_pairs(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    if "max_queue_pairs" not in nic:
        at = nic.behind("has_ufo")
        for pair in ((1, 1), (2, 1), (4, 4), (0, 0)):
            yield f"added max={pair[0]} curr={pair[1]}", (Edit(at, 0, be(pair[0], 2) + be(pair[1], 2)),)
        return
    values = (0, 1, 2, 3, 4, 5, 8, 9, 511, 512, 1023, 0x7FFF, 0x8000, 0xFFFF)
    for value in values:
        if value != nic.value("max_queue_pairs"):
            yield f"max={value}", (nic.put("max_queue_pairs", value),)
    waiting = nic.behind("curr_queue_pairs")
    there = nic.value("curr_queue_pairs") - 1
    for value in values:
        if value == there + 1:
            continue
        edit = nic.put("curr_queue_pairs", value)
        yield f"curr={value}", (edit,)
        fitted = max(0, value - 1)
        if fitted < there:
            yield f"curr={value} fitted", (edit, Edit(waiting, 4 * (there - fitted), b""))
        else:
            yield f"curr={value} fitted", (edit, Edit(waiting, 0, bytes(4 * (fitted - there))))
    yield (
        "max=2 curr=2 fitted",
        (
            *(nic.put("max_queue_pairs", 2), nic.put("curr_queue_pairs", 2)),
            Edit(waiting, 4 * (there - 1), b""),
        ),
    )
    yield "both missing", (Edit(waiting - 4, 4 + 4 * there, b""),)
    for n in range(there):
        for value in (1, 2, 0xFFFFFFFF):
            yield f"tx_waiting_of_pair[{n}]={value:#x}", (nic.put(f"tx_waiting_of_pair[{n}]", value),)


def offloads(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    path = "curr_guest_offloads"
    if path not in nic:
        return
    for value in (0, (1 << 64) - 1):
        yield f"{value:#x}", (nic.put(path, value),)
    for bit in (*range(16), 21, 22, 32, 46, 47, 48, 54, 55, 60, 63):
        yield f"bit {bit}", (nic.put(path, nic.value(path) ^ 1 << bit),)


def rss(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    if "rss" not in nic.subsections:
        # Version 1: enabled, redirect, populate_hash, hash_types, table length, default queue, key, table
        for length in (0, 1, 2, 3, 128, 129):
            content = b"\1\1\0" + be(63) + be(length, 2) + be(0, 2) + bytes(40 + 2 * length)
            at = nic.subsections["64bit_features"][0] if "64bit_features" in nic.subsections else nic.end
            if "128bit_features" in nic.subsections:
                at = nic.subsections["128bit_features"][0]
            yield f"added length={length}", (Edit(at, 0, subsection("virtio-net-device/rss", content)),)
            yield f"added at the end length={length}", (Edit(nic.end, 0, subsection("virtio-net-device/rss", content)),)
        return
    for path, field in list(nic.fields.items()):
        if path.startswith("rss.") and "[" not in path and "#" not in path:
            for value in (0, 1, 2, (1 << 8 * field.size) - 1):
                if value != field.value and field.size <= 8:
                    yield f"{path}={value:#x}", (nic.put(path, value),)
    table = nic.at("rss.indirections_table[0]")
    there = nic.value("rss.indirections_len")
    for length in (0, 1, 2, 3, 4, 64, 96, 127, 128, 129, 256, 1024, 32767, 32768, 0xFFFF):
        if length == there:
            continue
        edit = nic.put("rss.indirections_len", length)
        yield f"length={length}", (edit,)
        if length < there:
            yield f"length={length} fitted", (edit, Edit(table, 2 * (there - length), b""))
        else:
            yield f"length={length} fitted", (edit, Edit(table, 0, bytes(2 * (length - there))))
    for value in (3, 4, 5, 0x8000, 0xFFFF):
        yield f"default_queue={value:#x}", (nic.put("rss.default_queue", value),)
        yield f"indirections_table[0]={value:#x}", (nic.put("rss.indirections_table[0]", value),)
    for path in ("rss.key",):
        yield "key zero", (nic.put(path, bytes(40)),)
    for version in (0, 1, 2, 3):
        yield f"version={version}", (nic.put("rss.#version", version),)
    supported = nic.behind("rss.hash_types")
    if "rss.supported_hash_types" in nic:
        yield "as version 1", (nic.put("rss.#version", 1), Edit(supported, 4, b""))
    else:
        yield "as version 2", (nic.put("rss.#version", 2), Edit(supported, 0, be(0x1FF)))


#  place in virtio-net -> bytes further in
CUTS = {
    "pci.version_id": (0, 2),
    "pci.config.vendor_id": (0, 100),
    "pci.irq_state[0]": (0, 1, 8),
    "msix.table[0].address_lo": (0, 20),
    "msix_pba.pending[0]": (0,),
    "config_vector": (0, 1),
    "status": (0,),
    "isr": (0,),
    "queue_sel": (0, 1),
    "guest_features_low": (0, 3),
    "config_len": (0, 2),
    "config.mac": (0, 3, 7),
    "num_queues": (0, 3),
    "vq[0].num": (0, 2),
    "vq[0].desc": (0, 7),
    "vq[0].last_avail_idx": (0, 1),
    "vq[0].vector": (0, 1),
    "vq[1].num": (0,),
    "mac": (0, 3),
    "tx_waiting": (0, 2),
    "mergeable_rx_bufs": (0, 3),
    "net_status": (0, 1),
    "promisc": (0,),
    "allmulti": (0,),
    "mac_table.in_use": (0, 2),
    "mac_table.macs[0]": (0, 1, 6),
    "vlans[0]": (0, 1, 256),
    "has_vnet_hdr": (0, 3),
    "mac_table_overflow.multi": (0,),
    "alluni": (0,),
    "has_ufo": (0,),
    "max_queue_pairs": (0, 1),
    "curr_queue_pairs": (0,),
    "tx_waiting_of_pair[0]": (0, 5),
    "curr_guest_offloads": (0, 4),
    "rss.#name": (0, 1, 9, 23),
    "rss.enabled": (0,),
    "rss.hash_types": (0, 2),
    "rss.indirections_len": (0,),
    "rss.key": (0, 30),
    "rss.indirections_table[0]": (0, 3),
    "128bit_features.#name": (0, 2),
    "64bit_features.#name": (0, 1, 2, 12),
    "64bit_features.#version": (0, 2),
    "64bit_features.guest_features": (0, 4),
    "virtqueues.#name": (0, 10),
    "virtqueues.vq[0].avail": (0, 1000),
    "ringsize.#name": (0, 10, 500),
    "extra_state.#name": (0, 1, 15),
    "extra_state.#version": (0, 4),
    "extra_state.pci.modern_state.#name": (1, 2, 20),
    "extra_state.pci.modern_state.dfselect": (0,),
    "extra_state.pci.modern_state.vqs[0].num": (0, 1, 10000),
    "started.#name": (0, 1, 5),
    "started.#version": (0,),
    "started.started": (0,),
    "packed_virtqueues.#name": (0, 10),
    "packed_virtqueues.vq[0].last_avail_idx": (0, 5000),
}


def truncation(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    begin, end = nic.section.span
    for more in (0, 1, 3, 5, 6, 20, nic.begin - begin - 8, nic.begin - begin - 3):
        yield f"header+{more}", (s.cut(begin + more),)
    for path, places in CUTS.items():
        if path in nic:
            for more in places:
                yield f"{path}+{more}", (s.cut(nic.at(path) + more),)
    for more in range(6):
        yield f"footer+{more}", (s.cut(nic.end + more),)
    ahead = next(section for section in s.stream.sections if section.span[0] >= end)
    yield "in the next section", (s.cut(ahead.payload_span[0] + 2),)
