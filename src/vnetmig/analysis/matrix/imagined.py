"""What a source can send, without a source: the streams of two guests on a profile's devices.

One guest uses all that it is offered (every feature, every queue pair, VLANs, receive-side scaling), the other the
least that a driver can. Whatever a real guest uses lies between them. Knows how a profile's devices look on the wire;
knows no destination. No guest memory is imagined: rings stay unused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vnetmig.analysis.profile.pci_made import pci_made
from vnetmig.analysis.profile.profile import DeviceProfile, Profile
from vnetmig.analysis.release import Release
from vnetmig.document.load import load
from vnetmig.document.net_state import NetState, new_net
from vnetmig.document.new_stream import new_stream
from vnetmig.document.stream import Stream
from vnetmig.model import properties as p
from vnetmig.model.net_values import S_ACKNOWLEDGE, S_DRIVER, S_DRIVER_OK, S_FEATURES_OK, RssState
from vnetmig.model.queue import NO_VECTOR, Queue
from vnetmig.model.transport import MmioTransport, PciTransport, Transport
from vnetmig.virtio.core import PCI_DEVICE
from vnetmig.virtio.pci_config import CAP_EXPRESS, CONFIG_SIZE
from vnetmig.virtio.section import SECTIONS, program
from vnetmig.vmstate import Record

VECTORS = 2
"""MSI-X vectors of a device of which no profile says how many."""

RSS_VERSION_2 = "10.2"
"""Since this release the rss subsection has version 2 (qemu: hw/net/virtio-net.c:vmstate_virtio_net_rss)."""

_RUNNING = S_ACKNOWLEDGE | S_DRIVER | S_DRIVER_OK | S_FEATURES_OK
_VLANS = (2, 5)
_LOW = (1 << 32) - 1
_MODERN_STATE = "extra_state.pci.modern_state"
_MASKED = b"\0" * 12 + b"\1\0\0\0"
_CAP_POWER = 0x01
_EXPRESS, _POWER = 0x40, 0x7C  #: where QEMU puts these capabilities of a virtio device


@dataclass(frozen=True)
class Guests:
    """The two streams of one source."""

    most: Stream
    least: Stream


def guests_of(profile: Profile) -> Guests:
    """The streams of the guest that uses the most, and of the one that uses the least, of ``profile``'s devices."""
    return Guests(_stream(profile, most=True), _stream(profile, most=False))


def _stream(profile: Profile, *, most: bool) -> Stream:
    stream = new_stream(profile.machine or "none", capabilities=sorted(profile.capabilities or ()))
    for device in profile.devices:
        if device.kind == "virtio-net":
            stream.add(_net(device, profile.qemu, most=most))
        elif device.kind in SECTIONS:
            stream.add(_Plain(device, most=most))
    return load(stream.encode())


def _accepted(device: DeviceProfile, *, most: bool) -> int:
    """The least is what a legacy driver needs, nothing; a device without a legacy interface wants VERSION_1. Through
    the legacy interface alone only 32 features can be had at all."""
    offered = device.host_features or 0
    if most:
        return offered if offered & p.VERSION_1 else offered & _LOW
    return offered & p.VERSION_1 if device.pci_ids is not None and device.pci_ids[1] else 0


def _net(device: DeviceProfile, release: Release, *, most: bool) -> NetState:
    pairs = device.queue_pairs or 1
    accepted = _accepted(device, most=most)
    many = bool(accepted & (p.MQ | p.RSS))
    used = pairs if many else 1
    state = new_net(
        device.idstr,
        max_queue_pairs=pairs,
        offered=device.host_features or 0,
        guest_features=accepted,
        transport=_transport(device),
        queues=_queues(device, 2 * used + 1),
        curr_queue_pairs=used,
        status=_RUNNING,
        config=bytes(device.config_len or 0),
        vlans=_VLANS if accepted & p.CTRL_VLAN else None,
        has_vnet_hdr=int(bool(device.has_vnet_hdr)),
        has_ufo=int(bool(device.has_ufo)),
        mac=device.mac or p.FIRST_MAC,
    )
    if accepted & (p.RSS | p.HASH_REPORT):
        table = tuple(index % used for index in range(p.RSS_TABLE_MAX if accepted & p.RSS else 1))
        state.values.rss = RssState(enabled=True, redirect=bool(accepted & p.RSS), table=table)
        if release.since(RSS_VERSION_2):
            state.values.properties = replace(state.values.properties, rss_version=2)
    return state


def _queues(device: DeviceProfile, count: int) -> list[Queue]:
    """As many as the guest uses, or as the device makes anyway."""
    count = max(count, len(device.queue_sizes or ()))
    return [Queue(device.queue_size(index, count) or p.RX_QUEUE_SIZE) for index in range(count)]


def _transport(device: DeviceProfile) -> Transport:
    if device.idstr.startswith("virtio-mmio@"):
        return MmioTransport()
    vectors = VECTORS if device.vectors is None else device.vectors
    config = _pci_config(device, vectors)
    modern = bool((device.host_features or 0) & p.VERSION_1)
    return PciTransport(config, _MASKED * vectors, bytes((vectors + 7) // 8), modern=modern)


def _pci_config(device: DeviceProfile, vectors: int) -> bytes:
    """The configuration space as far as a load compares it; all that a guest programs is zero."""
    size = device.config_size or CONFIG_SIZE
    config = bytearray(size)
    expected = pci_made(
        device,
        vectors,
        modern=bool((device.host_features or 0) & p.VERSION_1),
        legacy=device.pci_ids is None or device.pci_ids[1] == 0,
        express=size > CONFIG_SIZE,
    )
    for one in expected.bytes:
        config[one.offset] = one.value
    if size > CONFIG_SIZE:  # a Port's device: its two capabilities stand where no load compares them
        config[_POWER : _POWER + 2] = bytes((_CAP_POWER, _EXPRESS))
        config[_EXPRESS] = CAP_EXPRESS
    return bytes(config)


class _Plain:
    """A device of another kind: what the virtio core has of it, everything else zero."""

    instance_id = 0

    def __init__(self, device: DeviceProfile, *, most: bool) -> None:
        self.idstr = device.idstr
        self.version_id = SECTIONS[device.kind][0].version
        self.record = _plain_record(device, self.version_id, _accepted(device, most=most))


def _plain_record(device: DeviceProfile, version: int, accepted: int) -> Record:
    offered = device.host_features or 0
    on_pci = not device.idstr.startswith("virtio-mmio@")
    vectors = (VECTORS if device.vectors is None else device.vectors) if on_pci else 0
    params = {"mmio": int(not on_pci), "config_size": device.config_size or CONFIG_SIZE, "vectors": vectors}
    params |= {name: int(bool(offered & p.RING_PACKED)) for name in SECTIONS[device.kind][1]}
    record = program(device.kind, version, tuple(sorted(params.items()))).new_record()
    if on_pci:
        record["pci.version_id"] = PCI_DEVICE.version
        record["pci.config"] = _pci_config(device, vectors)
        record.add("extra_state")
        if offered & p.VERSION_1:
            record.add(_MODERN_STATE)
            record[f"{_MODERN_STATE}.guest_features[0]"] = accepted & _LOW
            record[f"{_MODERN_STATE}.guest_features[1]"] = accepted >> 32 & _LOW
    if vectors:
        record["msix"] = _MASKED * vectors
        record["config_vector"] = NO_VECTOR
    record["status"] = _RUNNING
    record["guest_features_low"] = accepted & _LOW
    record.resize("config", device.config_len or 0)
    sizes = device.queue_sizes or ()
    record.resize("vq", len(sizes))
    for index, size in enumerate(sizes):
        record[f"vq[{index}].num"] = size
        if vectors:
            record[f"vq[{index}].vector"] = NO_VECTOR
    if offered >> 32:
        record.add("64bit_features")
        record["64bit_features.guest_features"] = accepted & (1 << 64) - 1
    for name, feature in (("virtqueues", p.VERSION_1), ("packed_virtqueues", p.RING_PACKED)):
        if offered & feature:
            record.add(name)
    record.add("started")
    record["started.started"] = 1
    return record
