"""Other ways to turn the same bytes into values or native memory and back, written as people write them.

``struct``         objects with an attribute per field, a precompiled Struct per kind of object
``struct-tuple``   no objects: all values in one flat tuple, one Struct for everything
``numpy-take``     native memory, the bytes put in another order by an index array
``numpy-copyto``   native memory, copied between a native and a big-endian structure
``table``          a table of fields, gone through one field at a time (int.from_bytes)
``construct``      the same table as a compiled `construct` declaration, where that package is installed
``memcpy``         the bytes copied as they are: the floor

A peer saves from, and loads into, whatever it keeps its state in. None of them checks anything.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapes
from shapes import Rows

Save = Callable[[], "bytes | bytearray"]
Load = Callable[[], Any]


@dataclass(frozen=True)
class Peer:
    """``save()`` gives the bytes, ``load()`` gives the state, ``again(state)`` saves what was loaded."""

    save: Save
    load: Load
    again: Callable[[Any], bytes | bytearray]


# memcpy


def memcpy(wire: bytes) -> Peer:
    memory = bytearray(wire)
    return Peer(lambda: bytes(memory), lambda: bytearray(wire), bytes)


# struct, objects


@dataclass(slots=True)
class Queue:
    num: int
    num_default: int
    align: int
    desc: int
    avail: int
    used: int
    last_avail_idx: int
    shadow_avail_idx: int
    used_idx: int
    signalled_used: int
    last_avail_wrap_counter: int
    shadow_avail_wrap_counter: int
    used_wrap_counter: int
    signalled_used_valid: int
    notification: int
    enabled: int
    inuse: int
    vector: int
    tx_waiting: int
    tx_timer: int
    inflight: list[tuple[int, int, int, int]]


@dataclass(slots=True)
class Device:
    status: int
    isr: int
    queue_sel: int
    guest_features: int
    mac: bytes
    net_status: int
    mergeable_rx_bufs: int
    has_vnet_hdr: int
    has_ufo: int
    promisc: int
    allmulti: int
    alluni: int
    nomulti: int
    nouni: int
    nobcast: int
    max_queue_pairs: int
    curr_queue_pairs: int
    curr_guest_offloads: int
    mac_table_in_use: int
    mac_table_first_multi: int
    mac_table_multi_overflow: int
    mac_table_uni_overflow: int
    mac_table: bytes
    vlans: bytes
    rss_enabled: int
    rss_redirect: int
    rss_populate_hash: int
    rss_hash_types: int
    rss_indirections_len: int
    rss_default_queue: int
    rss_key: bytes
    rss_indirections_table: tuple[int, ...]
    vq: list[Queue]


_DEVICE = struct.Struct(">BBHQ6sHIIBBBBBBBHHQIIBB384s512sBBBIHH40s")
_INDIRECTIONS = struct.Struct(">128H")
_QUEUE = struct.Struct(">IIIQQQHHHHBBBBBBIHIQ")
_DESCRIPTOR = struct.Struct(">QIHH")


def device_bytes(d: Device) -> bytes:
    parts = [
        _DEVICE.pack(
            d.status, d.isr, d.queue_sel, d.guest_features, d.mac, d.net_status, d.mergeable_rx_bufs,
            d.has_vnet_hdr, d.has_ufo, d.promisc, d.allmulti, d.alluni, d.nomulti, d.nouni, d.nobcast,
            d.max_queue_pairs, d.curr_queue_pairs, d.curr_guest_offloads, d.mac_table_in_use,
            d.mac_table_first_multi, d.mac_table_multi_overflow, d.mac_table_uni_overflow, d.mac_table,
            d.vlans, d.rss_enabled, d.rss_redirect, d.rss_populate_hash, d.rss_hash_types,
            d.rss_indirections_len, d.rss_default_queue, d.rss_key,
        ),
        _INDIRECTIONS.pack(*d.rss_indirections_table),
    ]  # fmt: skip
    for q in d.vq:
        parts.append(
            _QUEUE.pack(
                q.num, q.num_default, q.align, q.desc, q.avail, q.used, q.last_avail_idx, q.shadow_avail_idx,
                q.used_idx, q.signalled_used, q.last_avail_wrap_counter, q.shadow_avail_wrap_counter,
                q.used_wrap_counter, q.signalled_used_valid, q.notification, q.enabled, q.inuse, q.vector,
                q.tx_waiting, q.tx_timer,
            )
        )  # fmt: skip
        if q.inflight:
            parts += [_DESCRIPTOR.pack(*descriptor) for descriptor in q.inflight]
    return b"".join(parts)


def device_of(wire: bytes, queues: int, inflight: int) -> Device:
    table = _INDIRECTIONS.unpack_from(wire, _DEVICE.size)
    at = _DEVICE.size + _INDIRECTIONS.size
    vq = []
    for _ in range(queues):
        values = _QUEUE.unpack_from(wire, at)
        at += _QUEUE.size
        size = inflight * _DESCRIPTOR.size
        vq.append(Queue(*values, list(_DESCRIPTOR.iter_unpack(wire[at : at + size])) if size else []))
        at += size
    return Device(*_DEVICE.unpack_from(wire), table, vq)


# struct, the section: its queue entries are tuples, one each

_HEAD = struct.Struct(">" + shapes.code(shapes.SECTION_HEAD))
_RING = struct.Struct(">QQ")
_MIDDLE = struct.Struct(">" + shapes.code(shapes.SECTION_MIDDLE))
_MODERN = struct.Struct(">HBBIIIIII")
_TAIL = struct.Struct(">20sB")

Section = tuple[tuple[Any, ...], list[tuple[Any, ...]], tuple[Any, ...], list[tuple[Any, ...]], tuple[Any, ...]]


def _section_bytes(section: Section) -> bytes:
    head, rings, middle, queues, tail = section
    parts = [_HEAD.pack(*head)]
    parts += [_RING.pack(*ring) for ring in rings]
    parts.append(_MIDDLE.pack(*middle))
    parts += [_MODERN.pack(*queue) for queue in queues]
    parts.append(_TAIL.pack(*tail))
    return b"".join(parts)


def _section_of(wire: bytes) -> Section:
    at = _HEAD.size
    rings = list(_RING.iter_unpack(wire[at : at + 1024 * _RING.size]))
    at += 1024 * _RING.size
    middle = _MIDDLE.unpack_from(wire, at)
    at += _MIDDLE.size
    queues = list(_MODERN.iter_unpack(wire[at : at + 1024 * _MODERN.size]))
    at += 1024 * _MODERN.size
    return _HEAD.unpack_from(wire), rings, middle, queues, _TAIL.unpack_from(wire, at)


def struct_objects(name: str, wire: bytes) -> Peer:
    if name == "section":
        section = _section_of(wire)
        return Peer(lambda: _section_bytes(section), lambda: _section_of(wire), _section_bytes)
    queues, inflight = {"net4": (9, 0), "net256": (513, 256)}[name]
    device = device_of(wire, queues, inflight)
    return Peer(lambda: device_bytes(device), lambda: device_of(wire, queues, inflight), device_bytes)


def struct_tuple(rows: Rows, wire: bytes) -> Peer:
    whole = struct.Struct(">" + shapes.code(rows))
    values = whole.unpack(wire)
    return Peer(lambda: whole.pack(*values), lambda: whole.unpack(wire), lambda state: whole.pack(*state))


# numpy


def numpy_take(rows: Rows, wire: bytes) -> Peer:
    order = shapes.permutation(rows)
    memory = np.frombuffer(wire, np.uint8).take(order)
    return Peer(
        lambda: memory.take(order).tobytes(),
        lambda: np.frombuffer(wire, np.uint8).take(order),
        lambda state: state.take(order).tobytes(),
    )


def numpy_copyto(rows: Rows, wire: bytes) -> Peer:
    native, big = shapes.dtype(rows, "="), shapes.dtype(rows, ">")

    def load() -> Any:
        memory = np.empty(1, native)
        np.copyto(memory, np.frombuffer(wire, big))
        return memory

    def save(memory: Any) -> bytes:
        output = np.empty(1, big)
        np.copyto(output, memory)
        return output.tobytes()

    state = load()
    return Peer(lambda: save(state), load, save)


# the table loop

Table = list[tuple[str, str, int, int, "Table"]]


def _table(rows: Rows) -> Table:
    return [(c.name, c.kind, c.width, c.count, _table(c.rows)) for c in shapes.cells(rows)]


def _table_load(table: Table, data: bytes, at: int) -> tuple[dict[str, Any], int]:
    values: dict[str, Any] = {}
    for name, kind, width, count, inner in table:
        if kind == "bytes":
            values[name] = data[at : at + count]
            at += count
        elif kind == "struct":
            elements = []
            for _ in range(count):
                element, at = _table_load(inner, data, at)
                elements.append(element)
            values[name] = elements
        elif count == 1:
            values[name] = int.from_bytes(data[at : at + width], "big")
            at += width
        else:
            numbers = []
            for _ in range(count):
                numbers.append(int.from_bytes(data[at : at + width], "big"))
                at += width
            values[name] = numbers
    return values, at


def _table_save(table: Table, values: dict[str, Any], output: bytearray) -> None:
    for name, kind, width, count, inner in table:
        value = values[name]
        if kind == "bytes":
            output += value
        elif kind == "struct":
            for element in value:
                _table_save(inner, element, output)
        elif count == 1:
            output += value.to_bytes(width, "big")
        else:
            for number in value:
                output += number.to_bytes(width, "big")


def table_loop(rows: Rows, wire: bytes) -> Peer:
    table = _table(rows)
    values, _ = _table_load(table, wire, 0)

    def save(state: dict[str, Any]) -> bytearray:
        output = bytearray()
        _table_save(table, state, output)
        return output

    return Peer(lambda: save(values), lambda: _table_load(table, wire, 0)[0], save)


# construct


def construct_compiled(rows: Rows, wire: bytes) -> Peer | None:
    """None where the package is not installed."""
    try:
        import construct as c
    except ImportError:
        return None
    numbers = {1: c.Int8ub, 2: c.Int16ub, 4: c.Int32ub, 8: c.Int64ub}

    def declare(inner: Rows) -> Any:
        parts = []
        for cell in shapes.cells(inner):
            if cell.kind == "struct":
                parts.append(cell.name / c.Array(cell.count, declare(cell.rows)))
            elif cell.kind == "bytes":
                parts.append(cell.name / c.Bytes(cell.count))
            else:
                number = numbers[cell.width]
                parts.append(cell.name / (number if cell.count == 1 else c.Array(cell.count, number)))
        return c.Struct(*parts)

    declared = declare(rows).compile()
    state = declared.parse(wire)
    return Peer(lambda: declared.build(state), lambda: declared.parse(wire), declared.build)


PEERS = ("memcpy", "struct", "struct-tuple", "numpy-take", "numpy-copyto", "table", "construct")


def peers(name: str, wire: bytes) -> dict[str, Peer]:
    """All peers of a workload, each tried: it saves the wire's bytes, and so does what it loads."""
    rows = shapes.SHAPES[name]
    found = {
        "memcpy": memcpy(wire),
        "struct": struct_objects(name, wire),
        "struct-tuple": struct_tuple(rows, wire),
        "numpy-take": numpy_take(rows, wire),
        "numpy-copyto": numpy_copyto(rows, wire),
        "table": table_loop(rows, wire),
        "construct": construct_compiled(rows, wire),
    }
    present = {label: peer for label, peer in found.items() if peer is not None}
    for label, peer in present.items():
        if bytes(peer.save()) != wire or bytes(peer.again(peer.load())) != wire:
            raise AssertionError(f"{label} gives other bytes for {name}")
    return present
