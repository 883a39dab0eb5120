"""What can be said of the devices of a PC board, of which no description of ours exists.

Knows the oldest version that each reads, and what kvm-tpr-opt looks for in guest memory (qemu: hw/i386/kvmvapic.c).
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from vnetmig.analysis.check.guest_ram import GuestRam
from vnetmig.analysis.check.stream_rules import footer
from vnetmig.analysis.check.trouble import Frame, Level, Trouble
from vnetmig.analysis.release import Release
from vnetmig.document.load import load
from vnetmig.document.sample import sample
from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.migration.described import program_of
from vnetmig.stream.outline import DeviceDescription
from vnetmig.stream.payload import SectionHeader
from vnetmig.stream.vmdesc_json import JsonObject
from vnetmig.virtio.core import PCI_DEVICE
from vnetmig.vmstate.types import INT32_LE

_PCI_PATH = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}(:[0-9a-f]{2}\.[0-7])+/")

ROM_BLOCK = 512  #: option ROMs are so many bytes long, or a multiple
_ROM_SIZE = 2  #: where a ROM's length stands, in such blocks

#   section, behind the last /   its description, oldest version read, and since when
_OLDEST: tuple[tuple[str, int, str | None], ...] = (
    ("I440FX", 3, None),
    ("PIIX3", 2, None),
    ("piix4_pm", 3, None),
    ("PCIBUS", 1, None),
    ("PCIHost", 1, None),
    ("acpi_build", 1, None),
    ("apic", 3, None),
    ("cpu", 11, None),
    ("cpu_common", 1, None),
    ("dma", 1, None),
    ("fdc", 2, None),
    ("fw_cfg", 1, None),
    ("globalstate", 1, None),
    ("hpet", 2, "11.1"),
    ("hpet", 1, None),
    ("i2c_bus", 1, None),
    ("i8254", 2, None),
    ("i8259", 1, None),
    ("ioapic", 1, None),
    ("kvm-tpr-opt", 1, None),
    ("mc146818rtc", 3, "11.1"),
    ("mc146818rtc", 1, None),
    ("pckbd", 3, None),
    ("pcspk", 1, None),
    ("port92", 1, None),
    ("ps2kbd", 2, None),
    ("ps2mouse", 2, None),
    ("serial", 2, None),
    ("timer", 1, None),
)
"""As 5.2, 7.2, 10.0 and 11.1 do it; where they differ the later bound was seen with 11.1."""


_LATEST_OLDEST = {name: max(oldest for one, oldest, _ in _OLDEST if one == name) for name, *_ in _OLDEST}

OPTION_ROM = "kvm-tpr-opt"
_STATE, _ROM_STATE = -20, -4
"""Where two words stand from the end of its payload: whether it is in use, and where its ROM keeps its state."""


def oldest(section: Section, release: Release) -> Iterator[Trouble]:
    """A version that is not read any more."""
    name = section.idstr.rpartition("/")[2]
    found = next((oldest for one, oldest, since in _OLDEST if one == name and release.since(since)), None)
    if found is not None and section.version_id < found:
        values = {"vmsd": name, "version": section.version_id, "minimum": found}
        yield Trouble("vmstate-too-old", values, offset=section.offset, level=Level.SECTION, stops=True)


def option_rom(section: Section, payload: bytes, memory: GuestRam | None, release: Release) -> Iterator[Trouble]:
    """kvm-tpr-opt patches its option ROM in guest memory, and refuses when there is none."""
    if lacks_rom(payload, memory):
        code = errno.EINVAL if release.since("10.2") else errno.EPERM
        values = {"vmsd": section.idstr, "version": 1, "minimum": 1, "code": -errno.EPERM}
        yield Trouble(
            "option-rom", {}, offset=section.offset, says=("post-load-hook", values), code=code, level=Level.SECTION
        )


def lacks_rom(payload: bytes, memory: GuestRam | None) -> bool:
    """Is ``payload`` that of a kvm-tpr-opt in use, and its ROM surely not in ``memory``?"""
    if memory is None or len(payload) < -_STATE or not any(payload[_STATE : _STATE + 4]):
        return False
    place = int.from_bytes(payload[_ROM_STATE:], "big")
    return memory.is_whole and memory.read(place // ROM_BLOCK * ROM_BLOCK + _ROM_SIZE, 1) == b"\0"


def is_usual(header: SectionHeader, payload: Callable[[], bytes], memory: Callable[[], GuestRam | None]) -> bool:
    """Does none of these rules speak against a section, in any release? It need not be made, then."""
    least, is_pci = _of_name(header.idstr)
    if header.version_id < least:
        return False
    if is_pci:
        return 0 <= int.from_bytes(payload()[:4], "big", signed=True) <= PCI_DEVICE.version
    return header.idstr != OPTION_ROM or not lacks_rom(payload(), memory())


@lru_cache(maxsize=4096)
def _of_name(idstr: str) -> tuple[int, bool]:
    """(the least version that every release reads, is it a PCI device?)"""
    return _LATEST_OLDEST.get(idstr.rpartition("/")[2], 0), bool(_PCI_PATH.match(idstr))


def pci_version(stream: Stream, section: Section, release: Release) -> Iterator[Trouble]:
    """The number that a PCI device's state begins with, where that is described so."""
    begin, end = section.payload_span
    found = int.from_bytes(bytes(stream.input[begin : min(begin + 4, end)]), "big", signed=True)
    if not _PCI_PATH.match(section.idstr) or 0 <= found <= PCI_DEVICE.version:
        return
    record = section.record
    first = None if record is None else next(iter(record.walk()), None)
    if first is None or first.node.type is not INT32_LE:
        return
    values = {"value": found, "most": PCI_DEVICE.version}
    frames = (Frame(PCI_DEVICE.name, "version_id", "int32 le"),)
    yield Trouble("pci-version", values, offset=begin, level=Level.SECTION, frames=frames, stops=True)


def ended_in(section: Section, data: bytes) -> Trouble:
    """The stream ends in the payload of ``section``, which is ``data``: in which field, as far as that is known.

    A stream that ends has no description; that of the capture that comes with the package stands for it.
    """
    name = section.idstr.rpartition("/")[2]
    described = _board().get((section.idstr, section.instance_id))
    if described is None:
        values: dict[str, object] = {"vmsd": name, "code": -errno.EIO}
        return Trouble("stream-error", values, offset=section.payload_span[1], code=errno.EIO, level=Level.SECTION)
    loaded = program_of(described, described.size).load(data)
    error = loaded.error
    if error is None and loaded.size < len(data):
        mark = data[loaded.size : loaded.size + 5]
        missing = footer(mark, section.idstr, section.section_id, section.payload_span[0] + loaded.size)
        if missing is not None:
            return missing
    said = re.fullmatch(r"Failed to load (.+?)(?::(.+)| subsection)", "" if error is None else error.message)
    field = None if error is None or error.field is None else re.sub(r"\[\d+\]", "", error.field)
    if said is None or field is None:
        detail = ("footer-error", {"id": section.section_id})
        values = {"code": -errno.EIO}
        return Trouble("footer-truncated", values, offset=section.offset, level=Level.STREAM, detail=detail)
    vmsd = said[1]
    named = _field_of(described.json, vmsd, said[2] or field) or said[2] or field
    values = {"vmsd": vmsd, "code": -errno.EIO}
    frames = (Frame(vmsd, named),)
    return Trouble("stream-error", values, field, code=errno.EIO, level=Level.SECTION, frames=frames)


@lru_cache(maxsize=1)
def _board() -> dict[tuple[str, int], DeviceDescription]:
    """(idstr, instance) -> its description, of a pc-i440fx board."""
    description = load(sample()).description
    return {(one.name, one.instance_id): one for one in (description.devices if description is not None else ())}


def _field_of(described: object, vmsd: str, name: str) -> str | None:
    """QEMU's own name of a field, which may have dots in it where ours has structs."""
    if isinstance(described, list):
        return next((found for one in described if (found := _field_of(one, vmsd, name))), None)
    if not isinstance(described, JsonObject):
        return None
    if vmsd in (described.get("vmsd_name"), described.get("name")):
        names = (str(one.get("name")) for one in described.get("fields") or () if isinstance(one, JsonObject))
        found = next((one for one in names if one == name or one.endswith(f".{name}")), None)
        if found is not None:
            return found
    return next((found for _, one in described.pairs if (found := _field_of(one, vmsd, name))), None)
