"""Law: readers raise only StreamError, and nothing read from the wire sizes memory or time before it is checked."""

from __future__ import annotations

import json
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from real_streams import COMPLETE, committed, document, read

import vnetmig
from vnetmig.errors import StreamError
from vnetmig.migration.described import load_described
from vnetmig.stream.vmdescription import Description
from vnetmig.virtio.net import SECTION
from vnetmig.vmstate import BUFFER, UINT8, UINT32, Field, List, Marker, Program, Ref, Struct, Vmsd

MEGABYTE = 1 << 20
DAMAGED = 3_000 if COMPLETE else 120
"""Damaged copies of each stream."""


@contextmanager
def at_most(seconds: float, megabytes: float) -> Iterator[None]:
    """The block takes no more than this (traced memory makes it slow: seconds are generous)."""
    tracemalloc.start()
    began = time.process_time()
    try:
        yield
        took, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < megabytes * MEGABYTE, f"{peak / MEGABYTE:.1f} MB"
    assert took < seconds, f"{took:.1f} s"


# Counts


def with_value(capture: str, idstr: str, path: str, value: bytes | int) -> bytes:
    """A capture in which one field of a device holds another value; no byte moves."""
    field = document(committed(capture)).device(idstr, 0).fields()[path]
    data = bytearray(read(committed(capture)))
    data[field.offset : field.offset + field.size] = (
        value if isinstance(value, bytes) else value.to_bytes(field.size, "big")
    )
    return bytes(data)


HOSTILE = [
    ("linux-user-legacy-q72", "virtio-net", "mac_table.in_use", 0xFFFFFFFF),
    ("linux-user-legacy-q72", "virtio-net", "mac_table.in_use", 1 << 20),
    ("linux-user-legacy-q72", "virtio-net", "config_len", 0xFFFFFFFF),
    ("linux-user-legacy-q72", "virtio-net", "config_len", 0x80000000),
    ("linux-user-legacy-q72", "virtio-net", "num_queues", 0xFFFFFFFF),
    ("linux-tap-4q-load-q72", "virtio-net", "num_queues", 1025),
    ("linux-tap-4q-load-q72", "virtio-net", "curr_queue_pairs", 0xFFFF),
    ("linux-multi-q72", "virtio-console", "serial.max_nr_ports", 0xFFFFFFFF),
    ("linux-multi-q72", "virtio-console", "serial.nr_active_ports", 0xFFFFFFFF),
    ("inflight-blk-scsi-q72", "02.0/virtio-blk", "requests.end.#marker", 1),
]


@pytest.mark.parametrize(("name", "idstr", "path", "value"), HOSTILE, ids=lambda value: str(value))
def test_a_hostile_count_is_refused_quickly_and_in_little_memory(
    name: str, idstr: str, path: str, value: int, engine: str
) -> None:
    data = with_value(name, idstr, path, value)
    began = time.process_time()
    with pytest.raises(StreamError):
        vnetmig.load(data, engine=engine)
    assert time.process_time() - began < 2
    device = document(committed(name)).device(idstr, 0)
    begin, _ = device.section.payload_span
    payload = data[begin:]
    device.record.program.load(payload, engine=engine)  # prepared once, outside of the measurement
    with at_most(2, 4):
        assert device.record.program.load(payload, engine=engine).error is not None


def test_a_count_is_checked_against_what_is_left_before_memory_is_taken(engine: str) -> None:
    wide = Vmsd("wide", 1, (Field("pad", BUFFER, 4096),))
    program = Program(Vmsd("x", 1, (Field("n", UINT32), Struct("wide", wide, Ref("n"), limit=1 << 31))))
    with at_most(1, 1):
        error = program.load(b"\x40\0\0\0" + bytes(64), engine=engine).error
    assert error is not None
    assert error.code == "truncated"


def test_elements_of_no_bytes_are_limited_by_their_count(engine: str) -> None:
    nothing = Vmsd("nothing", 1, (Field("x", UINT8, when=Ref("n") == 0),))
    program = Program(Vmsd("x", 1, (Field("n", UINT32), Struct("all", nothing, Ref("n")))))
    with at_most(2, 2):
        error = program.load(b"\x7f\xff\xff\xff", engine=engine).error
    assert error is not None
    assert (error.code, error.expected) == ("limit", "at most 65536")


def test_a_list_without_end_ends_at_its_limit(engine: str) -> None:
    program = Program(Vmsd("x", 1, (List("l", Vmsd("e", 1, ()), limit=1000),)))
    with at_most(2, 2):
        error = program.load(b"\x01" * 100_000, engine=engine).error
    assert error is not None
    assert (error.code, error.got) == ("limit", 1001)


def test_a_backend_chunk_of_4_gigabytes_is_refused(engine: str) -> None:
    chunks = Vmsd("c", 1, (List("chunks", Vmsd("chunk", 0, (Field("data", BUFFER, Marker(), limit=1 << 26),)), 4),))
    with at_most(1, 1):
        error = Program(chunks).load(b"\xff\xff\xff\xff" + bytes(100), engine=engine).error
    assert error is not None
    assert error.code == "limit"


def test_the_virtio_net_program_reads_any_noise_without_harm(engine: str) -> None:
    params = {"mmio": 0, "config_size": 256, "vectors": 3, "multiqueue": 1}
    program = Program(SECTION, params)
    rng = random.Random(7)
    for size in (0, 1, 300, 1000, 60_000):
        for _ in range(20):
            loaded = program.load(rng.randbytes(size), engine=engine)
            assert loaded.error is None or isinstance(loaded.error, StreamError)
            assert len(loaded.record.data) < 8 * size + 4096


# Whole streams

STREAMS = [
    "linux-user-legacy-q72",
    "linux-multi-q72",
    "linux-user-1q-ping-q52",
    "rfc-user-1q",
    "s390x-ioint-q111",
    "m68k-q800-q72",
]


def damage(data: bytes, rng: random.Random) -> bytes:
    """One thing wrong, anywhere or in the last 100,000 bytes (where the devices and the vmdescription are)."""
    low = 0 if rng.random() < 0.3 else max(0, len(data) - 100_000)
    at = rng.randrange(low, len(data))
    kind = rng.randrange(5)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + bytes((data[at] ^ 1 << rng.randrange(8),)) + data[at + 1 :]
    if kind == 2:
        return data[:at] + rng.randbytes(4) + data[at + 4 :]
    if kind == 3:
        return data[:at] + rng.randbytes(rng.randrange(1, 20)) + data[at:]
    return data[:at] + data[at + rng.randrange(1, 200) :]


@pytest.mark.parametrize("name", STREAMS)
def test_a_damaged_stream_is_read_or_refused_and_never_anything_else(name: str) -> None:
    good, rng = read(committed(name)), random.Random(name)
    for _ in range(DAMAGED):
        data = damage(good, rng)
        stream = vnetmig.load(data, partial=True)
        for section in stream.sections:
            if section.record is not None:
                for _ in zip(range(50), section.record.fields().leaves(), strict=False):
                    pass
        if stream.error is None:
            assert stream.encode() == data


# The vmdescription

E: dict[str, Any] = {"vmsd_name": "e", "version": 1, "fields": []}


def struct(n: int, size: int, body: dict[str, Any]) -> dict[str, Any]:
    return {"name": "a", "array_len": n, "type": "struct", "struct": body, "size": size}


def described(fields: list[dict[str, Any]], data: bytes, subsections: list[dict[str, Any]] | None = None) -> int:
    """Number of leaves when ``data`` is read by these fields."""
    device: dict[str, Any] = {"name": "x", "instance_id": 0, "vmsd_name": "x", "version": 1, "fields": fields}
    if subsections:
        device["subsections"] = subsections
    (found,) = Description(json.dumps({"page_size": 4096, "devices": [device]}).encode()).devices
    record = load_described(found, data)
    assert record.save() == data
    return sum(1 for _ in record.fields().leaves())


def deep(levels: int) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = [{"name": "x", "type": "uint8", "size": 1}]
    for _ in range(levels):
        body = {"vmsd_name": "d", "version": 1, "fields": fields}
        fields = [{"name": "s", "type": "struct", "struct": body, "size": 1}]
    return fields


NOTHING_TO_READ = {
    "no bytes a million million times": [struct(10**12, 0, E)],
    "nested, each of no bytes": [struct(1000, 0, {**E, "fields": [struct(10**9, 0, E)]})],
    "an integer of no bytes": [{"name": "a", "array_len": 10**12, "type": "uint8", "size": 0}],
    "a buffer of no bytes": [{"name": "a", "array_len": 10**12, "type": "buffer", "size": 0}],
}


@pytest.mark.parametrize("fields", NOTHING_TO_READ.values(), ids=NOTHING_TO_READ.keys())
def test_a_described_nothing_costs_nothing(fields: list[dict[str, Any]]) -> None:
    with at_most(1, 1):
        assert described(fields, b"") == 0


REFUSED: dict[str, Callable[[], int]] = {
    "a size above any file": lambda: described([{"name": "a", "type": "buffer", "size": 10**30}], b""),
    "a length above any file": lambda: described([{"name": "a", "array_len": 10**30, "type": "uint8", "size": 1}], b""),
    "a negative size": lambda: described([{"name": "a", "type": "buffer", "size": -1}], b""),
    "a size that is no number": lambda: described([{"name": "a", "type": "buffer", "size": "7"}], bytes(7)),
    "a size that is true": lambda: described([{"name": "a", "type": "uint8", "size": True}], b"a"),
    "a negative index": lambda: described([{"name": "a", "index": -1, "type": "uint8", "size": 1}], b"a"),
    "a field that is no object": lambda: described([5], b""),  # type: ignore[list-item]
    "a sum that is not the payload's": lambda: described([{"name": "a", "type": "uint8", "size": 1}], b"ab"),
    "nesting without end": lambda: described(deep(80), b"a"),
    "subsections in a thousand million elements": lambda: described(
        [struct(10**9, 0, {**E, "subsections": [{"vmsd_name": "e/s", "version": 1, "fields": []}]})], b""
    ),
    "a subsection of another's": lambda: described([], b"", [{"vmsd_name": "y/s", "version": 1, "fields": []}]),
    "a subsection name of 300 bytes": lambda: described(
        [], b"", [{"vmsd_name": "x" * 300, "version": 1, "fields": []}]
    ),
    "text that is none": lambda: described([], b"", [{"vmsd_name": "x\ud800", "version": 1, "fields": []}]),
}


@pytest.mark.parametrize("attempt", REFUSED.values(), ids=REFUSED.keys())
def test_a_hostile_vmdescription_is_refused(attempt: Callable[[], int]) -> None:
    with at_most(2, 2), pytest.raises(StreamError):
        attempt()


@pytest.mark.parametrize("name", ["a{}", "a"], ids=["names of their own", "one name for all"])
def test_many_fields_take_time_in_proportion(name: str) -> None:
    def seconds(number: int) -> float:
        fields = [{"name": name.format(i), "type": "uint8", "size": 1} for i in range(number)]
        began = time.process_time()
        assert described(fields, bytes(number)) == number
        return time.process_time() - began

    seconds(1000)
    assert seconds(8000) < 8 * 8000 / 1000 * max(seconds(1000), 0.01)


def test_arrays_in_arrays_take_time_in_proportion() -> None:
    fields: list[dict[str, Any]] = [
        {"name": "x", "type": "uint8", "size": 1},
        {"name": "b", "type": "buffer", "size": 1},
    ]
    size = 2
    for _ in range(15):
        body = {"vmsd_name": "d", "version": 1, "fields": fields}
        fields = [{"name": "s", "array_len": 2, "type": "struct", "struct": body, "size": size}]
        size *= 2
    began = time.process_time()
    assert described(fields, bytes(size)) == size
    assert time.process_time() - began < 15


VALUES = (None, -1, 0, 1, 2, 10**12, 10**25, "", "x", "struct", "qtailq", "gtree", [], {}, [{}], True, 1.5)


def replaced(root: Any, rng: random.Random) -> Any:
    """``root`` with one value in its devices replaced."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            places.append((node, key))
            if isinstance(child, dict | list):
                walk(child)

    walk(root["devices"])
    node, key = rng.choice(places)
    node[key] = rng.choice(VALUES)
    return root


@pytest.mark.parametrize("name", ["m68k-q800-q72", "s390x-ioint-q111"])
def test_a_vmdescription_with_any_value_replaced_raises_stream_errors_only(name: str) -> None:
    rng, stream = random.Random(name), document(committed(name))
    assert stream.description is not None
    text = stream.description.encode()
    payloads = {s.idstr: s.payload.encode() for s in stream.sections if s.payload is not None}
    for _ in range(DAMAGED):
        for device in Description(json.dumps(replaced(json.loads(text), rng)).encode()).devices:
            payload = payloads.get(device.name, b"")
            try:
                record = load_described(device, payload)
            except StreamError:
                continue
            assert record.save() == payload
