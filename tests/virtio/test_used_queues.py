"""F19: a state without the entries of unused queues: sizes, both encodings, and the stock form back, byte for byte."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_streams import committed, document, every_committed_capture

from vnetmig.errors import StreamError
from vnetmig.virtio.section import device_of
from vnetmig.virtio.used_queues import ARRAYS_MAX, ENCODINGS, SIZE_MAX, QueueArray, pack, queue_arrays, unpack
from vnetmig.vmstate import Record

MODERN, PACKED = ("virtqueues.vq", "extra_state.pci.modern_state.vqs"), ("packed_virtqueues.vq",)

encodings = pytest.mark.parametrize("encoding", list(ENCODINGS))


def virtio_records(folder: Path) -> list[Record]:
    return [
        section.record
        for section in document(folder).sections
        if section.type == "full" and device_of(section.idstr) is not None and section.record is not None
    ]


def net(name: str) -> Record:
    (record, *_) = virtio_records(committed(name))
    return record


# Which arrays.


@pytest.mark.parametrize(
    ("name", "strides"),
    [
        ("rfc-user-1q", [16, 28]),  # virtqueues, modern_state
        ("linux-user-packed-q72", [16, 28, 10]),  # and packed_virtqueues
        ("rfc-user-1q-legacy", []),
        ("microvm-mmio-q72", [4]),  # ringsize
        ("linux-q35-pcie-q72", [16, 28]),
    ],
)
def test_f19_the_arrays_of_a_device(name: str, strides: list[int]) -> None:
    arrays = queue_arrays(net(name))
    assert [array.stride for array in arrays] == strides
    assert {array.elements for array in arrays} <= {1024}
    ends = [array.end for array in arrays]
    assert all(end <= array.offset for end, array in zip(ends, arrays[1:], strict=False))


def test_f19_every_array_that_qemu_walks() -> None:
    """virtqueues, ringsize, packed_virtqueues and modern_state of one device."""
    record = net("linux-user-packed-q72").copy()
    record.add("ringsize")
    record["ringsize.vq[2].num_default"] = 64
    assert [array.stride for array in queue_arrays(record)] == [16, 4, 28, 10]


# Sizes.


@pytest.mark.parametrize(
    ("name", "count", "bitmap"), [("rfc-user-1q", 1340, 1600), ("linux-user-packed-q72", 1420, 1800)]
)
def test_f19_forty_five_kilobytes_less(name: str, count: int, bitmap: int) -> None:
    record = net(name)
    state, arrays = record.save(), queue_arrays(record)
    assert len(state) > 46_000
    assert len(pack(state, arrays, "count")) < count
    assert len(pack(state, arrays, "bitmap")) < bitmap


def test_f19_a_bitmap_is_shorter_when_used_queues_lie_apart() -> None:
    array = QueueArray(0, 28)
    state = bytearray(28 * 1024)
    state[0], state[28 * 1000] = 1, 1
    assert len(pack(bytes(state), [array], "bitmap")) < 250 < 28_000 < len(pack(bytes(state), [array], "count"))


# The same device.


@every_committed_capture
@encodings
def test_f19_a_real_state_comes_back(folder: Path, encoding: str) -> None:
    for record in virtio_records(folder):
        state = record.save()
        packed = pack(state, queue_arrays(record), encoding)
        assert unpack(packed) == state
        assert len(packed) <= len(state) + 200


@st.composite
def states(draw: st.DrawFn) -> tuple[bytes, list[QueueArray]]:
    """Any bytes with any arrays in them, many entries zero."""
    parts, arrays, at = [], [], 0
    for _ in range(draw(st.integers(0, ARRAYS_MAX))):
        gap = draw(st.binary(max_size=8))
        stride, elements = draw(st.integers(1, 9)), draw(st.integers(0, 20))
        entry = st.one_of(st.just(bytes(stride)), st.binary(min_size=stride, max_size=stride))
        content = b"".join(draw(st.lists(entry, min_size=elements, max_size=elements)))
        arrays.append(QueueArray(at + len(gap), stride, elements))
        parts += [gap, content]
        at += len(gap) + len(content)
    return b"".join((*parts, draw(st.binary(max_size=8)))), arrays


@given(states(), st.sampled_from(sorted(ENCODINGS)))
def test_f19_any_state_comes_back(state: tuple[bytes, list[QueueArray]], encoding: str) -> None:
    data, arrays = state
    assert unpack(pack(data, arrays, encoding)) == data


@encodings
def test_f19_unused_entries_need_not_be_zero(encoding: str) -> None:
    """A packed ring's wrap counters are 1 from the start, of queues that there are not, too."""
    record = net("linux-user-packed-q72")
    array = queue_arrays(record)[2]
    state = record.save()
    entry = state[array.end - array.stride : array.end]
    assert any(entry) and state.count(entry, array.offset, array.end) > 1000
    assert unpack(pack(state, [array], encoding)) == state
    assert len(pack(state, [array], encoding)) < len(state) - 9000


@encodings
def test_f19_an_array_behind_the_end_stays_as_it_is(encoding: str) -> None:
    state = bytes(range(100))
    assert unpack(pack(state, [QueueArray(50, 16)], encoding)) == state


# Hostile bytes.

ARRAY = QueueArray(2, 4, 10)
STATE = b"ab" + bytes(4) + b"used" + bytes(32) + b"cd"


UNUSED = bytes(4)


def packed(encoding: int = 1, size: int = 44, number: int = 1, array: bytes | None = None, rest: bytes = b"") -> bytes:
    return struct.pack(">BIB", encoding, size, number) + (array or struct.pack(">IHH", 2, 4, 10)) + rest


def test_f19_the_layout() -> None:
    assert pack(STATE, [ARRAY], "count") == packed(rest=b"abcd" + UNUSED + b"\0\2" + bytes(4) + b"used")
    assert pack(STATE, [ARRAY], "bitmap") == packed(2, rest=b"abcd" + UNUSED + b"\x02\0" + b"used")


@encodings
def test_f19_every_truncation_is_an_error(encoding: str) -> None:
    data = pack(STATE, [ARRAY], encoding)
    for cut in range(len(data)):
        with pytest.raises(StreamError, match="a packed state cannot be read") as caught:
            unpack(data[:cut])
        assert caught.value.code == "truncated" and caught.value.offset <= cut


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (packed(0), "encoding"),
        (packed(3), "encoding"),
        (packed(size=SIZE_MAX + 1), "size"),
        (packed(size=0xFFFFFFFF), "size"),
        (packed(number=ARRAYS_MAX + 1), "number of arrays"),
        (packed(array=struct.pack(">IHH", 10, 4, 10)), "array"),  # ends behind the state
        (packed(array=struct.pack(">IHH", 0xFFFFFFFF, 4, 10)), "array"),
        (packed(array=struct.pack(">IHH", 2, 0, 10)), "array"),
        (packed(size=SIZE_MAX, array=struct.pack(">IHH", 2, 4, 1025)), "array"),
        (packed(number=2, array=struct.pack(">IHHIHH", 2, 4, 10, 41, 1, 1)), "array"),  # overlap
        (packed(number=2, array=struct.pack(">IHHIHH", 30, 1, 1, 2, 1, 1)), "array"),  # order
        (packed(rest=b"abcd" + UNUSED + b"\0\x0b" + bytes(44)), "number of queues"),
        (packed(2, rest=b"abcd" + UNUSED + b"\0\x04" + bytes(4)), "bitmap"),
        (packed(rest=b"abcd" + UNUSED + b"\0\0" + b"x"), "end"),
    ],
)
def test_f19_what_pack_never_makes(data: bytes, field: str) -> None:
    with pytest.raises(StreamError, match="a packed state cannot be read") as caught:
        unpack(data)
    assert caught.value.field == field


@given(st.binary(max_size=100))
def test_f19_any_bytes_give_a_bounded_state_or_an_error(data: bytes) -> None:
    for hostile in (data, packed(rest=data), packed(2, rest=data)):
        with contextlib.suppress(StreamError):
            assert len(unpack(hostile)) <= len(hostile) + ARRAYS_MAX * 1024 * 0xFFFF
