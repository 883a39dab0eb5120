"""A stream that is wrong in one place: the error names the place, and all that stood before it is kept."""

from __future__ import annotations

import json
import lzma
import os
from pathlib import Path

import pytest
from real_streams import committed, document, read, samples

import vnetmig
from vnetmig.document.stream import Stream
from vnetmig.engine import engines
from vnetmig.errors import StreamError
from vnetmig.vmstate.fields import FieldMap

LEGACY, PAIRS, RSS = "linux-user-legacy-q72", "linux-tap-4q-load-q72", "linux-tap-4q-rss-q100"
MULTI, BLOCKS = "linux-multi-q72", "inflight-blk-scsi-q72"
NET, BLK, CONSOLE = "virtio-net", "02.0/virtio-blk", "virtio-console"

# capture, device, field, its new value; the error: message, field, expected, got
CASES = [
    (LEGACY, NET, "num_queues", 1025, "Invalid number of virtqueues: 0x401", "vq", "at most 1024", 1025),
    (
        PAIRS,
        NET,
        "num_queues",
        0xFFFFFFFF,
        "Invalid number of virtqueues: 0xffffffff",
        "vq",
        "at most 1024",
        0xFFFFFFFF,
    ),
    (LEGACY, NET, "config_len", 65537, "Failed to load virtio-net:config", "config", "at most 65536", 65537),
    (PAIRS, NET, "config_len", 0xFFFFFFFF, "Failed to load virtio-net:config", "config", "at most 65536", 0xFFFFFFFF),
    (
        LEGACY,
        NET,
        "mac_table.in_use",
        0xFFFFFFFF,
        "Failed to load mac_table:macs",
        "mac_table.macs",
        "at most 1048576",
        0xFFFFFFFF,
    ),
    (
        PAIRS,
        NET,
        "curr_queue_pairs",
        513,
        "virtio-net: curr_queue_pairs is more than VIRTIO_QUEUE_MAX allows",
        "tx_waiting_of_pair",
        "at most 511",
        512,
    ),
    (
        RSS,
        NET,
        "rss.#version",
        3,
        "virtio-net-device/rss: incoming version_id 3 is too new for local version_id 2",
        "rss",
        2,
        3,
    ),
    (
        RSS,
        NET,
        "rss.#version",
        0,
        "virtio-net-device/rss: incoming version_id 0 is too old for local version_id 1",
        "rss",
        1,
        0,
    ),
    (
        PAIRS,
        NET,
        "virtqueues.#version",
        2,
        "virtio/virtqueues: incoming version_id 2 is too new for local version_id 1",
        "virtqueues",
        1,
        2,
    ),
    (
        MULTI,
        CONSOLE,
        "serial.max_nr_ports",
        0xFFFFFFFF,
        "Failed to load virtio-serial:ports_map",
        "serial.ports_map",
        "at most 16",
        1 << 27,
    ),
    (
        MULTI,
        CONSOLE,
        "serial.nr_active_ports",
        512,
        "Failed to load virtio-serial:ports",
        "serial.ports",
        "at most 511",
        512,
    ),
    (
        BLOCKS,
        BLK,
        "requests[0].elem.out_num",
        b"\x01\x04\0\0",
        "in-flight element: out_num 1025 > 1024",
        "requests[0].elem",
        1024,
        1025,
    ),
    (
        BLOCKS,
        BLK,
        "requests[2].elem.in_num",
        b"\xff\xff\xff\xff",
        "in-flight element: in_num 4294967295 > 1024",
        "requests[2].elem",
        1024,
        0xFFFFFFFF,
    ),
]


def changed(capture: str, idstr: str, path: str, value: int | bytes) -> tuple[bytes, int]:
    """(the stream with another value in one field, the field's offset)"""
    field = document(committed(capture)).device(idstr, 0).fields()[path]
    data = bytearray(read(committed(capture)))
    data[field.offset : field.offset + field.size] = (
        value if isinstance(value, bytes) else value.to_bytes(field.size, "big")
    )
    return bytes(data), field.offset


def fault(data: bytes, engine: str | None = None) -> tuple[StreamError, Stream]:
    with pytest.raises(StreamError) as caught:
        vnetmig.load(data, engine=engine)
    stream = caught.value.stream
    assert isinstance(stream, Stream)
    return caught.value, stream


@pytest.mark.parametrize(("name", "idstr", "path", "value", "message", "field", "expected", "got"), CASES)
def test_a_wrong_value_is_named_with_its_place(
    name: str, idstr: str, path: str, value: int | bytes, message: str, field: str, expected: object, got: object,
    engine: str,
) -> None:  # fmt: skip
    data, offset = changed(name, idstr, path, value)
    error, _ = fault(data, engine)
    assert error.message == message
    assert (error.field, error.expected, error.got) == (field, expected, got)
    assert error.section == document(committed(name)).device(idstr, 0).idstr
    assert abs(error.offset - offset) <= 64  # at the field, or at the list that it counts
    assert f"{error.offset:#x}" in str(error)


def test_an_unknown_subsection_is_told_in_qemus_words(engine: str) -> None:
    data, offset = changed(PAIRS, NET, "virtqueues.#name", b"\x05\x11virtio/virtqueueZ")
    error, _ = fault(data, engine)
    assert error.message == "VM subsection 'virtio/virtqueueZ' in 'virtio' does not exist"
    assert (error.offset, error.code, error.got) == (offset, "subsection", "virtio/virtqueueZ")
    assert "virtio/started" in str(error.expected)


def test_a_subsection_of_another_prefix_ends_the_section(engine: str) -> None:
    data, offset = changed(PAIRS, NET, "virtqueues.#name", b"\x05\x11Virtio/virtqueues")
    error, _ = fault(data, engine)
    assert error.message.startswith("Missing section footer for")
    assert error.offset == offset


@pytest.mark.parametrize(
    ("version", "words"), [(12, "unsupported version 12"), (10, "incoming version_id 10 is too old")]
)
def test_a_section_version_that_is_not_ours_is_refused(version: int, words: str) -> None:
    section = document(committed(LEGACY)).device(NET).section
    data = bytearray(read(committed(LEGACY)))
    at = section.payload_span[0] - 4
    assert data[at : at + 4] == b"\0\0\0\x0b"
    data[at + 3] = version
    error, stream = fault(bytes(data))
    assert words in error.message
    assert error.section == section.idstr
    assert stream.failed is not None


@pytest.mark.parametrize("pairs", [0, 3, 5, 512])
def test_a_count_of_pairs_that_does_not_fit_the_bytes_is_seen_at_the_footer(pairs: int) -> None:
    data, offset = changed(PAIRS, NET, "curr_queue_pairs", pairs)
    error, _ = fault(data)
    assert error.message.startswith("Missing section footer for")
    assert 0 < error.offset - offset <= 4 * 512 + 10


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("queue_sel", 1024),
        ("queue_sel", 0xFFFF),
        ("max_queue_pairs", 0),
        ("vq[0].vector", 77),
        ("promisc", 2),
        ("pci.irq_state[0]", 2),
    ],
)
def test_a_value_that_only_a_loader_refuses_is_kept_as_it_came(path: str, value: int) -> None:
    data, _ = changed(PAIRS, NET, path, value)
    stream = vnetmig.load(data)
    assert stream.device(NET)[path] == value
    assert stream.encode() == data


@pytest.mark.parametrize("number", [65, 100])
def test_more_macs_than_a_device_stores_are_kept(number: int) -> None:
    stream = document(committed(LEGACY))
    macs = [f"33:33:00:00:00:{i:02x}" for i in range(number)]
    record = stream.device(NET).record
    record.resize("mac_table.macs", number)
    for index, mac in enumerate(macs):
        record[f"mac_table.macs[{index}]"] = mac
    again = vnetmig.load(stream.encode()).device(NET)
    assert again["mac_table.macs"] == tuple(macs)
    assert again["mac_table.in_use"] == number


# What stood before the fault


def before(data: bytes, offset: int) -> list[tuple[str, object, int]]:
    """Every leaf of every device up to ``offset`` of the whole stream."""
    whole = vnetmig.load(data)
    return [
        (f"{section.idstr} {path}", field.value, field.offset)
        for section in whole.sections
        if section.type == "full" and section.state is not None
        for path, field in FieldMap(section.record, section.record_offset).leaves()
        if field.offset + field.size <= offset
    ]


def kept(stream: Stream, error: StreamError) -> list[tuple[str, object, int]]:
    """The same of what a failed load kept."""
    found = []
    for section in stream.sections:
        record = section.record
        if section is stream.failed and record is None:
            record = error.record
        if record is None or section.type != "full":
            continue
        found += [
            (f"{section.idstr} {path}", field.value, field.offset)
            for path, field in FieldMap(record, section.payload_span[0]).leaves()
            if field.offset + field.size <= error.offset
        ]
    return found


@pytest.mark.parametrize(("name", "idstr", "path", "value"), [case[:4] for case in CASES])
def test_partial_keeps_every_value_before_the_fault(name: str, idstr: str, path: str, value: int | bytes) -> None:
    data, offset = changed(name, idstr, path, value)
    stream = vnetmig.load(data, partial=True)
    error = stream.error
    assert error is not None
    assert error.stream is stream
    assert stream.failed is not None
    assert stream.failed.idstr == error.section
    good = before(read(committed(name)), min(offset, error.offset))
    mine = [leaf for leaf in kept(stream, error) if leaf[2] < min(offset, error.offset)]
    assert [leaf for leaf in mine if leaf[0].partition(" ")[0] == error.section]
    # A field that only its end would have told (a span that was cut) may be missing, never wrong.
    assert set(mine) <= set(good)
    assert len(mine) >= len(good) - 64


@pytest.mark.parametrize("name", [LEGACY, PAIRS, MULTI])
def test_a_stream_cut_anywhere_keeps_all_sections_before_the_cut(name: str) -> None:
    data = read(committed(name))
    whole = vnetmig.load(data)
    spans = [(section.idstr, section.span) for section in whole.sections]
    for length in range(1, len(data), max(1, len(data) // 150)):
        stream = vnetmig.load(data[:length], partial=True)
        complete = [idstr for idstr, (_, end) in spans if end <= length]
        assert [section.idstr for section in stream.sections][: len(complete)] == complete
        if length < len(data) - 4:
            assert stream.error is not None
            assert 0 <= stream.error.offset <= length


def test_without_partial_the_same_error_is_raised() -> None:
    data, _ = changed(*CASES[0][:4])
    error, stream = fault(data)
    other = vnetmig.load(data, partial=True)
    assert str(other.error) == str(error)
    assert [s.idstr for s in other.sections] == [s.idstr for s in stream.sections]


def test_a_good_stream_has_no_error() -> None:
    stream = vnetmig.load(read(committed(LEGACY)), partial=True)
    assert (stream.error, stream.failed) == (None, None)
    assert list(samples(committed(LEGACY)))


# Streams that a real QEMU was given

BAD = Path(os.environ.get("VNETMIG_STREAMS", "nowhere")) / "bad"


def broken_streams() -> list[Path]:
    return sorted(path.parent for path in BAD.glob("*/edits.json"))


@pytest.mark.skipif(not BAD.is_dir(), reason="VNETMIG_STREAMS is not set")
def test_both_engines_say_the_same_of_every_broken_stream() -> None:
    number = 0
    for folder in broken_streams():
        edits = json.loads((folder / "edits.json").read_text())
        data = lzma.decompress((BAD / edits["base"] / "stream.bin.xz").read_bytes())
        moved = 0
        for edit in edits["ops"]:
            at = edit["off"] + moved
            data = data[:at] + bytes.fromhex(edit["insert"]) + data[at + edit["delete"] :]
            moved += len(edit["insert"]) // 2 - edit["delete"]
        assert len(data) == edits["length"]
        streams = [vnetmig.load(data, partial=True, engine=name) for name in engines()]
        assert len({str(stream.error) for stream in streams}) == 1, folder.name
        if streams[0].error is None:
            assert all(stream.encode() == data for stream in streams), folder.name
        number += 1
    assert number >= 80
