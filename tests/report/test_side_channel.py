"""A multifd channel made here: every packet a row, and what is missing at the end an error."""

from __future__ import annotations

from vnetmig.report import text
from vnetmig.report.json import pieces
from vnetmig.report.side_channel import channel_blocks, channel_json, read_channel
from vnetmig.stream.multifd import SYNC, ZLIB, DeviceStatePacket, InitPacket, PagesPacket

OFFSETS = tuple(4096 * n for n in range(128))


def channel() -> bytes:
    name = b"pc.ram".ljust(256, b"\0")
    pages = PagesPacket(0, 128, 2, 8192, 5, 3, name, OFFSETS, data=bytes(8192))
    sync = PagesPacket(SYNC, 128, 0, 0, 6, 0, bytes(256), OFFSETS)
    return InitPacket(1, bytes(range(16))).encode() + pages.encode() + sync.encode()


def test_packets() -> None:
    data = channel()
    found = read_channel(data[at : at + 1000] for at in range(0, len(data), 1000))
    assert found.error is None
    assert [entry.payload for entry in found.packets] == [0, 8192, 0]
    assert sum(entry.size for entry in found.packets) == len(data)
    shown = [line.split() for line in text.plain(channel_blocks(found))]
    assert ["0x40", "9536", "5", "-", "2", "3", "8192", "pc.ram"] in shown
    made = "".join(pieces(channel_json(found)))
    assert '"normal": 2, "zero": 3' in made


def test_cut_off() -> None:
    found = read_channel([channel()[:-1]])
    assert len(found.packets) == 2
    assert found.error is not None and found.error.section == "multifd"


def test_device_state_and_compression() -> None:
    device = DeviceStatePacket(0x40, b"0000:00:02.0/vfio".ljust(256, b"\0"), 3, b"state")
    pages = PagesPacket(ZLIB, 128, 1, 4, 5, 0, b"pc.ram".ljust(256, b"\0"), OFFSETS, data=b"zlib")
    found = read_channel([InitPacket(1, bytes(16)).encode() + device.encode() + pages.encode()])
    assert found.error is None
    shown = [" ".join(line.split()) for line in text.plain(channel_blocks(found))]
    assert any(line.endswith("- device state 0x40 - - 5 0000:00:02.0/vfio") for line in shown)
    assert any(line.endswith("5 zlib 1 0 4 pc.ram") for line in shown)
    made = "".join(pieces(channel_json(found)))
    assert '"kind": "device state", "flags": 64, "idstr": "0000:00:02.0/vfio", "instance_id": 3, "payload": 5' in made
