"""A profile on another release: a command line as that QEMU reads it, a recording less what it does not have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vnetmig.analysis.profile.cmdline import profile_of_command
from vnetmig.analysis.profile.on_release import on_release
from vnetmig.analysis.profile.profile import Profile
from vnetmig.analysis.release import WATCHED, Release
from vnetmig.virtio.features import bits_of

LINE = (
    b"qemu-system-x86_64 -nodefaults -M pc-i440fx-5.2 -netdev tap,id=n0,queues=2"
    b" -device virtio-net-pci,netdev=n0,mq=on,rx_queue_size=512 -device virtio-rng-pci"
)
RELEASES = [Release.parse(text) for text in WATCHED]
TUNNEL = bits_of("virtio-net", ["VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO"])


def made(release: Release, line: bytes = LINE) -> Profile:
    return profile_of_command(line, "vm.sh", release)


def recorded(release: Release, line: bytes = LINE) -> Profile:
    return replace(made(release, line), command=None)


@pytest.mark.parametrize("there", RELEASES, ids=str)
@pytest.mark.parametrize("here", RELEASES, ids=str)
def test_a_recording_is_what_the_command_line_gives(here: Release, there: Release) -> None:
    """With a machine type that all releases have; 5.2 makes the queues of all pairs at once."""
    moved, fresh = on_release(recorded(here), there), made(there)
    assert moved.qemu == there
    for one, other in zip(moved.devices, fresh.devices, strict=True):
        assert one.host_features == other.host_features
        assert {one.queue_size(i, 5) for i in range(5)} == {other.queue_size(i, 5) for i in range(5)}


def test_features_of_later_releases_are_gone() -> None:
    new = recorded(Release(11, 1), LINE.replace(b"5.2", b"11.1"))
    device = on_release(new, Release(10, 0, 2)).devices[0]
    assert new.devices[0].host_features is not None and new.devices[0].host_features & TUNNEL
    assert device.host_features is not None and not device.host_features >> 64
    assert not device.assumed_features >> 64


def test_it_is_said_that_a_recording_was_moved() -> None:
    same = recorded(Release(7, 2))
    assert on_release(same, Release(7, 2)) is same
    (words,) = [word for word in on_release(same, Release(11, 1)).assumed if "recorded" in word]
    assert "QEMU 7.2" in words and "QEMU 11.1" in words


def test_an_alias_is_what_the_machine_was_made_as() -> None:
    profile = made(Release(7, 2), LINE.replace(b"pc-i440fx-5.2", b"pc"))
    assert on_release(profile, Release(11, 1)).machine == "pc-i440fx-11.1"
    assert on_release(profile, Release(11, 1), "pc-i440fx-5.2").machine == "pc-i440fx-5.2"


def test_a_device_whose_features_are_not_known_stays_as_it_is() -> None:
    was = recorded(Release(11, 1))
    unknown = replace(was, devices=tuple(replace(device, host_features=None) for device in was.devices))
    assert on_release(unknown, Release(7, 2)).devices == unknown.devices
