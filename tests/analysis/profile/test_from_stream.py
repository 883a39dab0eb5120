"""What a stream proves of its own QEMU, against the command line that wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_streams import committed, document, every_capture, truth

import vnetmig
from vnetmig.analysis.profile.cmdline import profile_of_command
from vnetmig.analysis.profile.from_stream import profile_of
from vnetmig.analysis.profile.profile import DeviceProfile, Profile
from vnetmig.analysis.release import Release
from vnetmig.virtio.features import names

PROVED = ("vectors", "config_size", "config_len", "has_vnet_hdr", "has_ufo", "pci_ids", "queue_pairs")


def of_command(folder: Path) -> Profile | None:
    command = (folder / "cmdline.txt").read_bytes()
    program = command.split()[0]
    if program.startswith(b"qemu-system") and not program.endswith(b"x86_64"):
        return None
    version = truth(folder)["version"]["qemu"]
    return profile_of_command(command, folder.name, Release(version["major"], version["minor"], version["micro"]))


def sizes(device: DeviceProfile, count: int) -> list[int | None]:
    return [device.queue_size(index, count) for index in range(count)]


@every_capture
def test_against_its_command_line(folder: Path) -> None:
    told = of_command(folder)
    made = profile_of(document(folder))
    if told is None:
        return
    for device in made.devices:
        other = told.device(device.idstr)
        assert other is not None and other.host_features is not None and device.host_features is not None
        proved = device.host_features & ~device.assumed_features
        assert not proved & ~other.host_features, names(device.kind, proved & ~other.host_features)
        for name in PROVED:
            assert getattr(device, name) == getattr(other, name), name
        assert device.queue_sizes is not None
        count = len(device.queue_sizes)
        assert sizes(device, count) == sizes(other, count)
    for block, size in told.ram.items():
        assert made.ram[block] == size
    assert made.complete and made.machine == told.machine


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("linux-user-1q-ping-q52", "5.2"),
        ("linux-multi-q72", "7.2"),
        ("npcm750-qbpo", "10.0.2"),
        ("linux-tap-4q-rss-q100", "10.0.13"),
        ("linux-tap-4q-packed-q111", "11.1"),
    ],
)
def test_the_release_is_guessed_and_said(name: str, release: str) -> None:
    made = profile_of(document(committed(name)))
    assert str(made.qemu) == release
    assert made.assumed[0].startswith(f"QEMU {release}: ") and "--qemu" in made.assumed[0]


def test_the_uuid_of_a_source_that_sent_it() -> None:
    data = document(committed("linux-multi-q72")).encode()
    end = 13 + int.from_bytes(data[9:13], "big")
    part = b"\x05\x12configuration/uuid\0\0\0\x01" + bytes(range(16))
    assert profile_of(vnetmig.load(data)).uuid is None
    made = profile_of(vnetmig.load(data[:end] + part + data[end:]))
    assert made.uuid == "00010203-0405-0607-0809-0a0b0c0d0e0f"


def test_a_release_that_is_given() -> None:
    made = profile_of(document(committed("linux-multi-q72")), Release.parse("9.1"))
    assert made.qemu == Release(9, 1) and not made.assumed


def test_what_the_layout_says_no_to() -> None:
    """No virtqueues subsection: VERSION_1 is not offered, whatever the machine type has by default."""
    (nic,) = profile_of(document(committed("linux-user-legacy-q72"))).devices
    assert nic.host_features is not None
    assert not nic.host_features & 1 << 32
    assert not nic.host_features & 1, "no virtio-net header: no checksum offload"
    (packed,) = profile_of(document(committed("linux-user-packed-q72"))).devices
    assert packed.host_features is not None and packed.host_features & 1 << 34
    assert not packed.assumed_features & 1 << 34
