"""Law: a failed load, save or edit changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from real_streams import committed, document, read, sample

import vnetmig
from vnetmig.document.net import NetDevice
from vnetmig.errors import EncodeError, FieldError, StreamError
from vnetmig.vmstate import Record

CAPTURE = "linux-tap-4q-rss-q100"


def net() -> NetDevice:
    device = document(committed(CAPTURE)).device("virtio-net")
    assert isinstance(device, NetDevice)
    return device


def test_a_program_that_failed_reads_the_next_bytes_as_if_nothing_was(engine: str) -> None:
    found = sample(CAPTURE, "virtio-net")
    first = found.program.load(found.payload, engine=engine).record
    for length in range(0, len(found.payload), 997):
        assert found.program.load(found.payload[:length], engine=engine).error is not None
    again = found.program.load(found.payload, engine=engine).record
    assert again.data == first.data
    assert again is not first


def test_the_bytes_that_were_given_are_not_touched(engine: str) -> None:
    found = sample(CAPTURE, "virtio-net")
    for data in (found.payload, found.payload[:3000]):
        given = bytearray(data)
        found.program.load(given, engine=engine)
        assert given == data


def test_a_document_is_not_changed_by_a_failing_load_of_another(engine: str) -> None:
    good = document(committed(CAPTURE), engine)
    before = [bytes(s.record.data) for s in good.sections if s.record is not None]
    broken = read(committed(CAPTURE))[:200_000]
    with pytest.raises(StreamError):
        vnetmig.load(broken, engine=engine)
    assert [bytes(s.record.data) for s in good.sections if s.record is not None] == before
    assert good.encode() == read(committed(CAPTURE))


def set_macs(device: NetDevice) -> None:
    device.mac_table.unicast = ["52:54:00:00:00:01", "no mac"]


def set_many_macs(device: NetDevice) -> None:
    device.mac_table.multicast = [f"33:33:00:00:00:{i:02x}" for i in range(65)]


def set_vlans(device: NetDevice) -> None:
    device.vlans = [1, 2, 4096]


def set_features(device: NetDevice) -> None:
    device.guest_features = 1 << 70


EDITS: dict[str, Callable[[NetDevice], object]] = {
    "a MAC address": lambda device: device.record.__setitem__("mac", "52:54:00:12:34"),
    "a number out of range": lambda device: device.record.__setitem__("vq[0].num", 1 << 32),
    "a negative number": lambda device: device.record.__setitem__("vq[0].last_avail_idx", -1),
    "one value of many": lambda device: device.record.__setitem__("vlans", (1, 2, *[1 << 32] * 126)),
    "too few values": lambda device: device.record.__setitem__("vlans", (1, 2)),
    "a text for a number": lambda device: device.record.__setitem__("status", "up"),
    "bytes of another length": lambda device: device.record.__setitem__("pci.config", b"123"),
    "a register out of range": lambda device: device.record.__setitem__("pci.config.vendor_id", 1 << 16),
    "an index behind the end": lambda device: device.record.__setitem__("vq[9].num", 1),
    "a field that is none": lambda device: device.record.__setitem__("vq[0].nothing", 1),
    "a size beyond the limit": lambda device: device.record.resize("vq", 1025),
    "a size that follows from another": lambda device: device.record.resize("tx_waiting_of_pair", 9),
    "a size that is fixed": lambda device: device.record.resize("vlans", 9),
    "a subsection that is there": lambda device: device.record.add("rss"),
    "a subsection that is not there": lambda device: device.record.drop("broken"),
    "a subsection that is none": lambda device: device.record.add("nothing"),
    "the name of a subsection": lambda device: device.record.__setitem__("rss.#name", "virtio-net-device/ssr"),
    "a version out of range": lambda device: device.record.__setitem__("rss.#version", 1 << 32),
    "a MAC among others": set_macs,
    "65 MACs": set_many_macs,
    "a VLAN among others": set_vlans,
    "features that have no place": set_features,
    "a receive mode that is none": lambda device: setattr(device.rx_mode, "promisc", 2),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edit_that_is_refused_leaves_every_byte(edit: Callable[[NetDevice], object]) -> None:
    device = net()
    before = bytes(device.record.data)
    with pytest.raises(FieldError) as caught:
        edit(device)
    assert str(caught.value)
    assert device.record.data == before
    assert device.save() == read(committed(CAPTURE))[slice(*device.section.payload_span)]


def inconsistent() -> Record:
    record = net().record
    record["mac_table.in_use"] = 7
    return record


def test_values_that_contradict_each_other_are_not_saved(engine: str) -> None:
    record = inconsistent()
    before = bytes(record.data)
    with pytest.raises(EncodeError, match=r"mac_table\.macs holds 3 elements, its count field says 7"):
        record.save(engine=engine)
    assert record.data == before


def test_a_stream_that_cannot_be_written_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    stream = document(committed(CAPTURE))
    target = tmp_path / "saved.qemu"
    target.write_bytes(b"as before")
    stream.device("virtio-net")["mac_table.in_use"] = 7
    with pytest.raises(EncodeError):
        stream.save(target)
    assert target.read_bytes() == b"as before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_stream_that_was_read_in_part_is_not_saved(tmp_path: Path) -> None:
    stream = vnetmig.load(read(committed(CAPTURE))[:200_000], partial=True)
    with pytest.raises(StreamError):
        stream.save(tmp_path / "part.qemu")
    assert not list(tmp_path.iterdir())
