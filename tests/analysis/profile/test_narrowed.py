"""What a probed kernel leaves of a profile."""

from __future__ import annotations

import pytest

from vnetmig.analysis.profile.cmdline import profile_of_command
from vnetmig.analysis.profile.narrowed import narrowed
from vnetmig.analysis.profile.net_backend import Host
from vnetmig.analysis.profile.profile import DeviceProfile
from vnetmig.analysis.release import Release

NEW = Host(kernel="6.18", vnet_hdr=True, multi_queue=True, ufo=True, uso=True, tunnel=True, tunnel_csum=True)
OLD = Host(kernel="5.15", vnet_hdr=True, multi_queue=True, ufo=True, uso=False, tunnel=False, tunnel_csum=False)
BARE = Host(kernel="3.7", vnet_hdr=False, multi_queue=False)


def nic(netdev: str, host: Host | None = None, *, at_once: bool = False) -> DeviceProfile:
    """A NIC of 11.1, with the host given to the command line or put on afterwards."""
    command = f"q -M pc-q35-11.1 -nodefaults -netdev {netdev},id=n -device virtio-net-pci,netdev=n,mq=on"
    made = profile_of_command(command.encode(), "vm.sh", Release.parse("11.1"), host if at_once else None)
    if host is not None and not at_once:
        made = narrowed(made, host)
    (device,) = made.devices
    return device


@pytest.mark.parametrize("host", [NEW, OLD, BARE], ids=lambda host: host.kernel)
@pytest.mark.parametrize("netdev", ["tap", "tap,vnet_hdr=off", "user", "bridge", "tap,queues=4"])
def test_both_ways_are_one(netdev: str, host: Host) -> None:
    later, at_once = nic(netdev, host), nic(netdev, host, at_once=True)
    assert later.host_features == at_once.host_features
    assert later.assumed_features == at_once.assumed_features == 0
    assert (later.has_vnet_hdr, later.has_ufo) == (at_once.has_vnet_hdr, at_once.has_ufo)


def test_what_is_not_known_stays_assumed() -> None:
    before, after = nic("tap"), nic("tap", Host(kernel="6.18", vnet_hdr=True, uso=True))
    assert before.host_features == after.host_features
    assert before.assumed_features & 0b111 << 54 and not after.assumed_features & 0b111 << 54
    assert after.assumed_features & 1 << 10, "UFO was not asked"


def test_a_process_behind_a_socket_is_not_the_kernels() -> None:
    assert nic("vhost-user", BARE) == nic("vhost-user")


def test_twice_is_once() -> None:
    made = profile_of_command(
        b"q -M pc-q35-10.0 -nodefaults -netdev tap,id=n,vhost=on -device virtio-net-pci,netdev=n", "vm.sh"
    )
    once = narrowed(made, OLD)
    assert narrowed(once, OLD) == once


def test_queues_that_the_kernel_does_not_have() -> None:
    assert any("one queue only" in word for word in nic("tap,queues=4", BARE).assumed)
