"""The profile that a saved stream proves of the QEMU that wrote it: what `check --against self` goes by.

Knows which values of a section were the host's and not the guest's. What the stream does not say is taken to be as the
machine type has it by default, and marked as assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from vnetmig.analysis.profile import shape
from vnetmig.analysis.profile.host_features import MMIO, Transport, host_features
from vnetmig.analysis.profile.machine_type import MachineType, Version, machine_type
from vnetmig.analysis.profile.narrowed import narrowed
from vnetmig.analysis.profile.net_backend import Backend, Host
from vnetmig.analysis.profile.profile import DeviceProfile, Profile
from vnetmig.analysis.profile.properties import KINDS, Settings
from vnetmig.analysis.release import Release
from vnetmig.document.device import Device
from vnetmig.document.net import NetDevice
from vnetmig.document.stream import Stream
from vnetmig.stream.configuration import Uuid
from vnetmig.stream.mapped_pieces import MappedEntry
from vnetmig.stream.ram import RamWords
from vnetmig.stream.ram_words import BlockList
from vnetmig.stream.vmdescription import Style
from vnetmig.virtio.features import features
from vnetmig.virtio.offered import disproved, proved
from vnetmig.virtio.rings import guest_features
from vnetmig.vmstate import Record


def profile_of(stream: Stream, release: Release | None = None) -> Profile:
    """What ``stream`` proves of its QEMU. ``release``: what --qemu says; else it is guessed.

    >>> import vnetmig
    >>> profile = profile_of(vnetmig.load(vnetmig.sample()))
    >>> str(profile.qemu), profile.device("0000:00:04.0/virtio-net").queue_pairs
    ('10.0.13', 4)
    """
    words: list[str] = []
    if release is None:
        release, why = _guessed(stream)
        words.append(f"QEMU {release}: {why}; --qemu says it better")
    machine = machine_type(stream.machine or "none", release)
    words += machine.assumed
    devices: dict[str, DeviceProfile] = {}
    others: list[str] = []
    for section in stream.sections:
        kind = section.idstr.rpartition("/")[2]
        is_virtio = section.type == "full" and kind in KINDS and section.state is not None
        device = section.device if is_virtio else None
        if device is not None:
            devices[section.idstr] = _device(device, kind, machine, release)
        elif section.type == "full" and "/" in section.idstr and section.idstr not in others:
            others.append(section.idstr)
    return Profile(
        release,
        machine=stream.machine,
        devices=tuple(devices.values()),
        others=tuple(others),
        complete=stream.error is None,
        ram=_ram(stream),
        uuid=_uuid(stream),
        origin="the stream itself",
        assumed=tuple(words),
    )


@dataclass(frozen=True, slots=True)
class OfStream:
    """The profile of whichever stream it is held against; ``host``: on the kernel that was probed."""

    host: Host | None = None

    def of(self, stream: Stream, release: Release | None = None) -> Profile:
        made = profile_of(stream, release)
        return made if self.host is None else replace(narrowed(made, self.host), origin="host")


def _guessed(stream: Stream) -> tuple[Release, str]:
    """The release that a stream looks like, and why: its version is not in it."""
    machine = machine_type(stream.machine or "none", None)
    description = stream.description
    if description is not None and description.fault is None and description.style is Style.SPACED:
        return Release(5, 2), "its vmdescription is spaced, as 5.2 and older write it"
    if any(_largest_queues(net.record) for net in stream.nets()):
        return Release(10, 0, 13), "every virtqueue was made with 1024 entries, as 10.0.13 does it"
    least: Version = (7, 2)
    why = "its vmdescription has no configuration"
    if description is None or description.fault is not None:
        why = "it has no vmdescription"
    elif description.configuration is not None:
        least, why = (10, 0), "its vmdescription has a configuration"
    if any("128bit_features" in net.record.subsections() for net in stream.nets()):
        least, why = (11, 1), "it has features above bit 63"
    if machine.version is not None and machine.version > least:
        least, why = machine.version, f"the machine type is {stream.machine}"
    return Release(least[0], least[1], 2 if least[:2] == (10, 0) else 0), why


def _largest_queues(record: Record) -> bool:
    """Has the control queue of a NIC 1024 entries? No property sets that."""
    sizes = _queue_sizes(record)
    return len(sizes) >= 3 and sizes[-1] == shape.QUEUE_SIZE_MAX


def _number(record: Record, path: str) -> int | None:
    value = record.get(path)
    return value if isinstance(value, int) else None


def _bytes(record: Record, path: str) -> bytes | None:
    value = record.get(path)
    return value if isinstance(value, bytes) else None


def _queue_sizes(record: Record) -> tuple[int, ...]:
    """As the device made them: beside what the driver chose where that is different, else the same."""
    sizes = []
    for index in range(_number(record, "num_queues") or 0):
        made = _number(record, f"ringsize.vq[{index}].num_default")
        sizes.append(made if made is not None else _number(record, f"vq[{index}].num") or 0)
    return tuple(sizes)


def _made_sizes(record: Record, settings: Settings) -> tuple[int, ...] | None:
    """Entries of each queue as a device of this release is made. Where all have the most that there is, they are as
    10.0.13 makes them, whatever was asked for: another release makes its own."""
    sizes = _queue_sizes(record)
    if sizes and all(size == shape.QUEUE_SIZE_MAX for size in sizes):
        return shape.queue_sizes(settings, 1)
    return sizes or None


def _device(device: Device, kind: str, machine: MachineType, release: Release) -> DeviceProfile:
    record = device.record
    config = _bytes(record, "pci.config")
    table = _bytes(record, "msix")
    length = _number(record, "config_len")
    header, ufo = _number(record, "has_vnet_hdr"), _number(record, "has_ufo")
    net = isinstance(device, NetDevice)
    bits, sure = _features(device, kind, machine, release, header=bool(header), ufo=bool(ufo))
    return DeviceProfile(
        device.idstr,
        kind,
        host_features=bits,
        assumed_features=bits & ~sure,
        queue_pairs=device.max_queue_pairs if isinstance(device, NetDevice) else None,
        queue_sizes=_made_sizes(record, Settings(kind, machine, release, {})),
        vectors=None if config is None else len(table or b"") // 16,
        config_size=None if config is None else len(config),
        config_len=length,
        has_vnet_hdr=bool(header) if net else None,
        has_ufo=bool(ufo) if net else None,
        mac=device.mac if isinstance(device, NetDevice) else None,
        pci_ids=None if config is None else _pci_ids(config),
        assumed=(f"features that no driver accepted are as {machine.name} offers them by default",),
    )


def _pci_ids(config: bytes) -> tuple[int, int, int]:
    return int.from_bytes(config[2:4], "little"), config[8], int.from_bytes(config[0x2E:0x30], "little")


def _features(
    device: Device, kind: str, machine: MachineType, release: Release, *, header: bool, ufo: bool
) -> tuple[int, int]:
    """(all that is offered, those that are proved): what the machine type offers by default, less what cannot be."""
    record = device.record
    sure = device.offered_at_least if isinstance(device, NetDevice) else guest_features(record) | proved(record)
    transport = Transport() if "pci.config" in record else Transport(MMIO)
    settings = Settings(kind, machine, release, {})
    offer = host_features(settings, transport, Backend("tap"), Host(vnet_hdr=header, ufo=ufo)).bits
    sure &= ~later_than(kind, release)
    never = disproved(record) | shape.not_asked_for(kind, _number(record, "config_len") or 0)
    return offer & ~never | sure, sure


def later_than(kind: str, release: Release) -> int:
    """Bits that devices of ``kind`` have only in releases after this one."""
    return sum(1 << one.bit for one in features(kind) if not release.since(one.since))


def _ram(stream: Stream) -> dict[str, int]:
    """RAM block -> bytes, from the list at the start."""
    sizes: dict[str, int] = {}
    for section in stream.sections:
        if section.idstr != "ram":
            continue
        for event in section.payloads:
            payload = event.payload
            if isinstance(payload, MappedEntry):
                sizes[payload.block.name] = payload.block.used_length
            elif isinstance(payload, RamWords):
                first = next(iter(payload.words()), None)
                if isinstance(first, BlockList):
                    sizes |= {block.name: block.used_length for block in first.blocks}
        break
    return sizes


def _uuid(stream: Stream) -> str | None:
    configuration = stream.configuration
    for item in () if configuration is None else configuration.subsections:
        if isinstance(item, Uuid):
            return str(UUID(bytes=item.uuid))
    return None
