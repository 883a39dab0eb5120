"""A Linux guest out of a real QEMU, through vnetmig's values, and into the same QEMU again: it is the same guest.

What the destination shows of the device, and the section that it saves again, are the source's; then the guest goes on,
and so does its TCP connection. Each shape runs on one QEMU, all of them on all with ``VNETMIG_COMPLETE=1``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lab_network import LabNetwork
from linux_guest import ON_LAB_NETWORK, LinuxGuest
from real_qemu import NIC, binary_of
from real_streams import COMPLETE

import vnetmig
from vnetmig.document.net import NetDevice

pytestmark = pytest.mark.qemu

LEGACY = "disable-modern=on,disable-legacy=off"
MODERN = "disable-legacy=on,disable-modern=off"
RSS = "rss=on,hash=on"
PACKED = "packed=on"
VLANS = "lab.vlans=2,5,100,4094"

VERSIONS = ("PATH", "10.0", "11.1")


Shows = Callable[[NetDevice], object]


@dataclass(frozen=True, slots=True)
class Shape:
    """``nic`` are properties of the device, ``guest`` what the guest makes of it; ``shows`` that it did."""

    pairs: int
    shows: Shows
    nic: str = ""
    guest: str = ""

    @property
    def device(self) -> str:
        multi_queue = f"mq=on,vectors={2 * self.pairs + 2}" if self.pairs > 1 else ""
        return ",".join(filter(None, (NIC, multi_queue, self.nic)))


def ring(packed: bool, modern: bool = True, pairs: int = 1) -> Shows:
    def shows(net: NetDevice) -> bool:
        accepted = {"VIRTIO_F_RING_PACKED", "VIRTIO_F_VERSION_1"} & set(net.guest_feature_names)
        expected = {name for name, on in (("VIRTIO_F_RING_PACKED", packed), ("VIRTIO_F_VERSION_1", modern)) if on}
        return accepted == expected and net.curr_queue_pairs == pairs

    return shows


def vlans(net: NetDevice) -> bool:
    """10.0.2 lets every id pass, whatever the guest filters (qemu: virtio_net_set_features); 7.2 and 11.1 do not."""
    return net.vlans in ({0, 2, 5, 100, 4094}, frozenset(range(4096)))


FOUR = "lab.channels=4"
SHAPES = {
    "1 split": Shape(1, ring(packed=False)),
    "1 split, legacy": Shape(1, ring(packed=False, modern=False), LEGACY),
    "1 split, modern": Shape(1, ring(packed=False), MODERN),
    "1 packed": Shape(1, ring(packed=True), PACKED),
    "1 packed, modern": Shape(1, ring(packed=True), f"{PACKED},{MODERN}"),
    "4 split": Shape(4, ring(packed=False, pairs=4), guest=FOUR),
    "4 split, legacy": Shape(4, ring(packed=False, modern=False, pairs=4), LEGACY, FOUR),
    "4 split, modern": Shape(4, ring(packed=False, pairs=4), MODERN, FOUR),
    "4 packed": Shape(4, ring(packed=True, pairs=4), PACKED, FOUR),
    "4 packed, modern": Shape(4, ring(packed=True, pairs=4), f"{PACKED},{MODERN}", FOUR),
    "4 split, 2 in use": Shape(4, ring(packed=False, pairs=2), guest="lab.channels=2"),
    "4 split, RSS": Shape(4, lambda net: net.rss, RSS, f"{FOUR} lab.rss"),
    "4 packed, RSS": Shape(
        4,
        lambda net: net.rss and "VIRTIO_F_RING_PACKED" in net.guest_feature_names,
        f"{PACKED},{RSS}",
        f"{FOUR} lab.rss",
    ),
    "VLANs": Shape(1, vlans, guest=VLANS),
    "VLANs, 4 packed": Shape(4, vlans, PACKED, f"{FOUR} {VLANS}"),
    "MAC table filled": Shape(
        1,
        lambda net: net.mac == "02:12:34:56:78:9a" and len(net.mac_table.macs) > 9 + 20,
        guest="lab.unicast=9 lab.multicast=20 lab.mac=02:12:34:56:78:9a",
    ),
    "MAC table overflown": Shape(
        1,
        lambda net: net.mac_table.uni_overflow and net.mac_table.multi_overflow,
        guest=f"lab.unicast=70 lab.multicast=70 {VLANS}",
    ),
    "promiscuous": Shape(
        1, lambda net: net.rx_mode.promisc and net.rx_mode.allmulti, guest="lab.promiscuous lab.allmulti lab.unicast=2"
    ),
}
CASES = [
    (shape, version)
    for number, shape in enumerate(SHAPES)
    for version in (VERSIONS if COMPLETE else (VERSIONS[number % len(VERSIONS)],))
]
NOT_SAVED = {"shadow-avail-idx", "signalled-used", "signalled-used-valid"}
"""Of a queue: what the destination reads from the ring again, or forgets (qemu: virtio_load)."""
LOST = {"vlan": "none", "vlan-table": []}


@pytest.mark.parametrize(("shape", "version"), CASES)
def test_the_guest_goes_on_with_the_same_device(tmp_path: Path, network: LabNetwork, shape: str, version: str) -> None:
    wanted, binary = SHAPES[shape], binary_of(version)
    captured, recoded, again = (tmp_path / f"{name}.qemu" for name in ("captured", "recoded", "again"))

    def guest(*more: str) -> LinuxGuest:
        return LinuxGuest(
            tmp_path,
            *more,
            nic=wanted.device,
            netdev=network.tap(wanted.pairs),
            options=f"{ON_LAB_NETWORK} {wanted.guest}",
            binary=binary,
            memory=96 if wanted.pairs == 1 else 128,
            ram=tmp_path / "ram",
        )

    def queues_of(machine: LinuxGuest) -> list[dict[str, Any]]:
        return [{key: value for key, value in queue.items() if key not in NOT_SAVED} for queue in machine.queues()]

    with guest() as source:
        source.ready()
        source.goes_on("tick", "echo")
        network.spread()
        source.save(captured)
        lost = LOST if source.loses_vlans else {}
        rx_filter, queues = source.rx_filter(), queues_of(source)
    assert len(queues) == 2 * wanted.pairs + 1

    stream = vnetmig.load(captured)
    net = stream.device("virtio-net")
    assert wanted.shows(net)
    recoded.write_bytes(stream.encode())
    with guest("-S", "-incoming", "defer") as destination:
        destination.do("migrate-incoming", uri=f"exec:cat {recoded}")
        destination.wait("query-migrate", "completed")
        assert destination.rx_filter() == rx_filter | lost
        assert queues_of(destination) == queues
        destination.save(again)
        destination.do("cont")
        destination.goes_on("tick", "echo", since=source)
    (connection,) = network.echo.connections
    assert not connection.faults

    held = vnetmig.load(again).device("virtio-net")
    if lost:
        held.vlans = net.vlans
    assert held.save() == net.save()
