"""Mutations of the refusal corpus in the core of a virtio device: features, config, queues and their memory.

Each function is one group: it yields (name, edits).
"""

from __future__ import annotations

from collections.abc import Iterator

from refused_corpus import Edit

from refused_framing import be
from refused_subject import Device, Mutation, Subject, subsection

RAM_SIZE = 96 << 20
FEATURES = "64bit_features.guest_features"
QUEUE_SIZES = (0, 1, 2, 3, 63, 64, 100, 128, 255, 256, 257, 512, 1023, 1024, 1025, 4096, 32768, 65536, 0xFFFFFFFF)
LENGTHS = (0, 1, 6, 7, 9, 11, 12, 24, 60, 64, 256, 4096, 65536, 1 << 20, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def features(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    low = nic.value("guest_features_low")
    wide = FEATURES in nic
    for bit in range(64 if wide else 32):
        flips: list[tuple[str, tuple[Edit, ...]]] = []
        if wide:
            flips.append(("64", (nic.put(FEATURES, nic.value(FEATURES) ^ 1 << bit),)))
        if bit < 32:
            flips.append(("low", (nic.put("guest_features_low", low ^ 1 << bit),)))
        if wide and bit < 32:
            flips.append(("both", (*flips[0][1], *flips[1][1])))
        for name, edits in flips:
            yield f"bit {bit} {name}", edits
    for value in (0, 0xFFFFFFFF):
        yield f"low={value:#x}", (nic.put("guest_features_low", value),)
    if wide:
        for value in (0, 1 << 32, (1 << 64) - 1):
            yield f"64={value:#x}", (nic.put(FEATURES, value),)
        yield "64 and low=0", (nic.put(FEATURES, 0), nic.put("guest_features_low", 0))
        begin = nic.subsections["64bit_features"][0]
    else:
        begin = next(iter(nic.subsections.values()))[0] if nic.subsections else nic.end
        for value in (low, low | 1 << 32, low | 1 << 60):
            yield f"64={value:#x} added", (Edit(begin, 0, subsection("virtio/64bit_features", be(value, 8))),)
    if "128bit_features" not in nic.subsections:
        for value in (0, 1, 1 << 63):
            yield f"128={value:#x} added", (Edit(begin, 0, subsection("virtio/128bit_features", be(value, 8))),)
    else:
        for path, field in nic.fields.items():
            if path.startswith("128bit_features.") and "#" not in path:
                for value in (1, 2, 1 << 10, (1 << 64) - 1):
                    yield f"128={value:#x}", (nic.put(path, value),)
                yield "128 removed", (Edit(field.offset - 34, 42, b""),)
    if "curr_guest_offloads" in nic:
        field = nic.fields["curr_guest_offloads"]
        without = Edit(field.offset, field.size, b"")
        yield "no offloads, bit 2 there", (without,)
        yield "no offloads, low without bit 2", (without, nic.put("guest_features_low", low & ~4))
    if "extra_state.pci.modern_state.guest_features[0]" in nic:
        for word in (0, 1):
            for value in (0, 0xFFFFFFFF):
                path = f"extra_state.pci.modern_state.guest_features[{word}]"
                yield f"modern_state word {word}={value:#x}", (nic.put(path, value),)


def config(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    length = nic.value("config_len")
    begin, end = nic.behind("config_len"), nic.at("num_queues")
    for value in (*LENGTHS, length - 4, length - 1, length + 1, length + 2, length + 4):
        if value != length:
            yield f"len={value:#x}", (nic.put("config_len", value),)
    for value in (0, 1, 6, 8, 10, 12, 17, 24, 60, 256, 4096, 65536):
        if value < length:
            yield f"len={value:#x} fitted", (nic.put("config_len", value), Edit(begin + value, length - value, b""))
        elif value > length:
            yield f"len={value:#x} fitted", (nic.put("config_len", value), Edit(end, 0, bytes(value - length)))
    yield "all ones", (Edit(begin, length, b"\xff" * length),)
    yield "all zero", (Edit(begin, length, bytes(length)),)
    for path, values in {
        "config.max_virtqueue_pairs": (0, 1, 2, 3, 5, 8, 0x8000, 0xFFFF),
        "config.status": (0, 2, 3, 0xFFFF),
        "config.mtu": (0, 68, 0xFFFF),
        "config.rss_max_key_size": (0, 41, 255),
        "config.rss_max_indirection_table_length": (0, 64, 0xFFFF),
        "config.supported_hash_types": (0, 0xFFFFFFFF),
    }.items():
        if path in nic:
            for value in values:
                yield f"{path}={value:#x}", (nic.put(path, value),)


def _entry(s: Subject, n: int) -> tuple[int, int]:
    """(begin, end) of queue ``n`` in the core's list."""
    nic = s.nic
    begin = nic.at(f"vq[{n}].num")
    return begin, nic.behind(f"vq[{n}].vector" if f"vq[{n}].vector" in nic else f"vq[{n}].last_avail_idx")


def num_queues(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    there = nic.value("num_queues")
    for value in (*range(12), 64, 511, 1023, 1024, 1025, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        if value != there:
            yield f"{value:#x}", (nic.put("num_queues", value),)
    begin, end = _entry(s, there - 1)
    untouched = bytearray(s.bytes(begin, end))
    untouched[4:] = bytes(12) + b"\xff\xff" if len(untouched) == 16 else bytes(10)
    for value in (0, 1, 2, 3, 4, 5, 7, 9, 11, 19, 64, 1023, 1024):
        count = nic.put("num_queues", value)
        if value < there:
            first = _entry(s, value)[0]
            yield f"{value:#x} fitted", (count, Edit(first, end - first, b""))
        elif value > there:
            yield f"{value:#x} fitted", (count, Edit(end, 0, bytes(untouched) * (value - there)))
    yield "first queue missing", (nic.put("num_queues", there - 1), Edit(_entry(s, 0)[0], end - begin, b""))
    yield "last queue twice", (nic.put("num_queues", there + 1), Edit(end, 0, s.bytes(begin, end)))


def _some(nic: Device) -> dict[str, int]:
    count = nic.value("num_queues")
    return {"first": 0, "second": 1, "last": count - 1} | ({"middle": count // 2} if count > 3 else {})


def queue_num(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    for name, n in _some(nic).items():
        for value in QUEUE_SIZES:
            if value != nic.value(f"vq[{n}].num"):
                yield f"{name}={value:#x}", (nic.put(f"vq[{n}].num", value),)
    for value in (0, 100, 128, 512, 1024):
        every = range(nic.value("num_queues"))
        yield (
            f"all={value:#x}",
            tuple(nic.put(f"vq[{n}].num", value) for n in every if nic.value(f"vq[{n}].num") != value),
        )


def queue_addresses(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    places = {"0": 0, "beyond RAM": RAM_SIZE, "end of RAM": RAM_SIZE - 16, "low": 0x1000, "huge": (1 << 64) - 4096}
    places |= {"hole": 0xF0000000, "rom": 0xFFFC0000, "top bit": 1 << 63}
    for name, n in _some(nic).items():
        paths = {"desc": f"vq[{n}].desc"}
        paths |= {ring: f"virtqueues.vq[{n}].{ring}" for ring in ("avail", "used")}
        for ring, path in paths.items():
            if path in nic:
                for place, address in places.items():
                    yield f"{name} {ring} {place}", (nic.put(path, address),)
                for more in (1, 2, 8, 4096):
                    yield f"{name} {ring}+{more}", (nic.add(path, more),)
        index = f"vq[{n}].last_avail_idx"
        yield f"{name} desc 0 and index 0", (nic.put(f"vq[{n}].desc", 0), nic.put(index, 0))
        if paths["avail"] in nic:
            yield (
                f"{name} avail is used",
                (nic.put(paths["avail"], nic.value(paths["used"])),),
            )
            yield f"{name} all addresses 0", tuple(nic.put(path, 0) for path in paths.values())
            yield (
                f"{name} all addresses and index 0",
                (*(nic.put(path, 0) for path in paths.values()), nic.put(index, 0)),
            )


def last_avail(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    for name, n in _some(nic).items():
        path = f"vq[{n}].last_avail_idx"
        num = nic.value(f"vq[{n}].num")
        for more in (1, -1, 2, -2, num - 1, num, num + 1, -num, -num - 1, 1000, -1000, 2 * num, 0x7FFF, 0x8000):
            yield f"{name}{more:+}", (nic.add(path, more),)
        for value in (0, 0xFFFF):
            if value != nic.value(path):
                yield f"{name}={value:#x}", (nic.put(path, value),)
    yield "all+1", tuple(nic.add(f"vq[{n}].last_avail_idx", 1) for n in range(nic.value("num_queues")))


def _rings(nic: Device, n: int) -> tuple[int, int]:
    """Guest addresses of the indices in the available and the used ring."""
    if f"virtqueues.vq[{n}].avail" in nic:
        return nic.value(f"virtqueues.vq[{n}].avail") + 2, nic.value(f"virtqueues.vq[{n}].used") + 2
    num, avail = nic.value(f"vq[{n}].num"), nic.value(f"vq[{n}].desc") + 16 * nic.value(f"vq[{n}].num")
    return avail + 2, ((avail + 4 + 2 * num + 4095) & -4096) + 2


def memory(s: Subject) -> Iterator[Mutation]:
    nic = s.nic
    for name, n in _some(nic).items():
        if not nic.value(f"vq[{n}].desc"):
            continue
        num = nic.value(f"vq[{n}].num")
        for ring, address in zip(("avail", "used"), _rings(nic, n), strict=True):
            at = s.memory(address)
            index = int.from_bytes(s.bytes(at, at + 2), "little")
            for more in (1, -1, num - 1, num, num + 1, -num, -num - 1, 1000, -1000, 0x8000):
                yield f"{name} {ring} index{more:+}", (Edit(at, 2, ((index + more) & 0xFFFF).to_bytes(2, "little")),)
            if index:
                yield f"{name} {ring} index=0", (Edit(at, 2, bytes(2)),)
            yield f"{name} {ring} flags", (Edit(at - 2, 2, b"\xff\xff"),)
    for address, at in s.pages:
        if s.bytes(at, at + 4096).strip(b"\0"):
            yield f"page {address:#x} zero", (Edit(at, 4096, bytes(4096)),)
    yield "all pages zero", tuple(Edit(at, 4096, bytes(4096)) for _, at in s.pages)
