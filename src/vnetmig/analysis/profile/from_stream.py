"""The profile that a saved stream proves of the QEMU that wrote it: what `check --against self` goes by.

Knows which values of a section were the host's and not the guest's. What the stream does not say is taken to be as the
machine type has it by default, and marked as assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from uuid import UUID

from vnetmig.analysis.profile import shape
from vnetmig.analysis.profile.host_features import MMIO, Transport, host_features
from vnetmig.analysis.profile.machine_type import MachineType, Version, machine_type
from vnetmig.analysis.profile.narrowed import narrowed
from vnetmig.analysis.profile.net_backend import Backend, Host
from vnetmig.analysis.profile.profile import DeviceProfile, Profile
from vnetmig.analysis.profile.properties import KINDS, Settings
from vnetmig.analysis.release import Release
from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.stream.configuration import Uuid
from vnetmig.stream.mapped_pieces import MappedEntry
from vnetmig.stream.ram import RamWords
from vnetmig.stream.row import SectionRow
from vnetmig.stream.vmdescription import Style
from vnetmig.virtio.core import QUEUE_MAX
from vnetmig.virtio.features import features
from vnetmig.virtio.offered import disproved, offered_at_least
from vnetmig.vmstate import Record
from vnetmig.vmstate.table import Part, parts


def profile_of(stream: Stream, release: Release | None = None) -> Profile:
    """What ``stream`` proves of its QEMU. ``release``: what --qemu says; else it is guessed.

    >>> import vnetmig
    >>> profile = profile_of(vnetmig.load(vnetmig.sample()))
    >>> str(profile.qemu), profile.device("0000:00:04.0/virtio-net").queue_pairs
    ('10.0.13', 4)
    """
    words: list[str] = []
    arriving: list[tuple[str, Record, dict[str, Part]]] = []
    others: dict[str, None] = {}
    for piece in stream.unsettled:
        if isinstance(piece, SectionRow):
            others.update(dict.fromkeys([header.idstr for header, *_ in piece.places]))
        elif piece.type == "full":
            state = piece.state if piece.idstr.rpartition("/")[2] in KINDS else None
            if state is None:
                others[piece.idstr] = None
            else:
                arriving.append((piece.idstr, state.record, parts(state.record)))
    if release is None:
        nets = [found for _, record, found in arriving if record.program.vmsd.name == "virtio-net"]
        release, why = _guessed(stream, nets)
        words.append(f"QEMU {release}: {why}; --qemu says it better")
    machine = machine_type(stream.machine or "none", release)
    words += machine.assumed
    devices = {idstr: _device(idstr, record, found, machine, release) for idstr, record, found in arriving}
    return Profile(
        release,
        machine=stream.machine,
        devices=tuple(devices.values()),
        others=tuple(idstr for idstr in others if "/" in idstr),
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


def _guessed(stream: Stream, nets: list[dict[str, Part]]) -> tuple[Release, str]:
    """The release that a stream looks like, and why: its version is not in it."""
    machine = machine_type(stream.machine or "none", None)
    description = stream.description
    if description is not None and description.fault is None and description.style is Style.SPACED:
        return Release(5, 2), "its vmdescription is spaced, as 5.2 and older write it"
    if any(_largest_queues(found) for found in nets):
        return Release(10, 0, 13), "every virtqueue was made with 1024 entries, as 10.0.13 does it"
    least: Version = (7, 2)
    why = "its vmdescription has no configuration"
    if description is None or description.fault is not None:
        why = "it has no vmdescription"
    elif description.has_configuration:
        least, why = (10, 0), "its vmdescription has a configuration"
    if any("128bit_features" in found for found in nets):
        least, why = (11, 1), "it has features above bit 63"
    if machine.version is not None and machine.version > least:
        least, why = machine.version, f"the machine type is {stream.machine}"
    return Release(least[0], least[1], 2 if least[:2] == (10, 0) else 0), why


def _largest_queues(found: dict[str, Part]) -> bool:
    """Has the control queue of a NIC 1024 entries? No property sets that."""
    sizes = _queue_sizes(found)
    return len(sizes) >= 3 and sizes[-1] == shape.QUEUE_SIZE_MAX


def _bytes(record: Record, path: str) -> bytes | None:
    value = record.get(path)
    return value if isinstance(value, bytes) else None


def _queue_sizes(found: dict[str, Part]) -> tuple[int, ...]:
    """As the device made them: beside what the driver chose where that is different, else the same."""
    sizes = found[""].columns("vq", QUEUE_MAX).get("num", ())
    return found["ringsize"].columns("vq", len(sizes))["num_default"] if "ringsize" in found else sizes


def _made_sizes(found: dict[str, Part], settings: Settings) -> tuple[int, ...] | None:
    """Entries of each queue as a device of this release is made. Where all have the most that there is, they are as
    10.0.13 makes them, whatever was asked for: another release makes its own."""
    sizes = _queue_sizes(found)
    if sizes and all(size == shape.QUEUE_SIZE_MAX for size in sizes):
        return shape.queue_sizes(settings, 1)
    return sizes or None


def _device(
    idstr: str, record: Record, found: dict[str, Part], machine: MachineType, release: Release
) -> DeviceProfile:
    kind = idstr.rpartition("/")[2]
    core = found[""]
    config = _bytes(record, "pci.config")
    header, ufo = bool(core.value("has_vnet_hdr")), bool(core.value("has_ufo"))
    net = record.program.vmsd.name == "virtio-net"
    length, pairs = core.value("config_len"), core.value("max_queue_pairs")
    transport = Transport(MMIO) if config is None else Transport()
    sure = offered_at_least(kind, found) & ~later_than(kind, release)
    offer = _offer(kind, machine, release, transport, header, ufo)
    bits = offer & ~(disproved(found) | shape.not_asked_for(kind, length or 0)) | sure
    return DeviceProfile(
        idstr,
        kind,
        host_features=bits,
        assumed_features=bits & ~sure,
        queue_pairs=(1 if pairs is None else pairs) if net else None,
        queue_sizes=_made_sizes(found, Settings(kind, machine, release, {})),
        vectors=None if config is None else len(_bytes(record, "msix") or b"") // 16,
        config_size=None if config is None else len(config),
        config_len=length,
        has_vnet_hdr=header if net else None,
        has_ufo=ufo if net else None,
        mac=str(record["mac"]) if net else None,
        pci_ids=None if config is None else _pci_ids(config),
        assumed=(f"features that no driver accepted are as {machine.name} offers them by default",),
    )


def _pci_ids(config: bytes) -> tuple[int, int, int]:
    return int.from_bytes(config[2:4], "little"), config[8], int.from_bytes(config[0x2E:0x30], "little")


@lru_cache(maxsize=256)
def _offer(kind: str, machine: MachineType, release: Release, transport: Transport, header: bool, ufo: bool) -> int:
    """What the machine type offers by default; the guests of a fleet are of few kinds."""
    settings = Settings(kind, machine, release, {})
    return host_features(settings, transport, Backend("tap"), Host(vnet_hdr=header, ufo=ufo)).bits


@lru_cache(maxsize=256)
def later_than(kind: str, release: Release) -> int:
    """Bits that devices of ``kind`` have only in releases after this one."""
    return sum(1 << one.bit for one in features(kind) if not release.since(one.since))


def _ram(stream: Stream) -> dict[str, int]:
    """RAM block -> bytes, from the list at the start."""
    sizes: dict[str, int] = {}
    for piece in stream.unsettled:
        if not isinstance(piece, Section) or piece.idstr != "ram":
            continue
        for event in piece.payloads:
            payload = event.payload
            if isinstance(payload, MappedEntry):
                sizes[payload.block.name] = payload.block.used_length
            elif isinstance(payload, RamWords):
                listed = payload.block_list()
                sizes |= {} if listed is None else {block.name: block.used_length for block in listed.blocks}
        break
    return sizes


def _uuid(stream: Stream) -> str | None:
    configuration = stream.configuration
    for item in () if configuration is None else configuration.subsections:
        if isinstance(item, Uuid):
            return str(UUID(bytes=item.uuid))
    return None
