"""What can be said of the sections of devices that are not described here: their stream's own description knows them.

The description at a stream's end tells which devices the source had, in which version and how long each was. A
destination of the same make has the same; that is what these rules take for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from vnetmig.analysis.check import board_rules
from vnetmig.analysis.check.guest_ram import X86, guest_ram
from vnetmig.analysis.check.stream_rules import footer
from vnetmig.analysis.check.trouble import Level, Trouble
from vnetmig.analysis.profile.profile import Profile
from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.stream.row import SectionRow

MISDESCRIBED = frozenset({"s390_css"})
"""Sections whose description QEMU itself writes wrongly (null pointers in arrays)."""


def section(
    stream: Stream, found: Section, described: Collection[tuple[str, int]], profile: Profile
) -> Iterator[Trouble]:
    """``described``: (idstr, instance) of every device that the stream describes; empty when it has no description."""
    if (stream.machine or "").startswith(X86):
        yield from board_rules.oldest(found, profile.qemu)
    if found.type != "full" or not described:
        return
    if found.description is None:
        if (found.idstr, found.instance_id) not in described:
            values = {"idstr": found.idstr, "instance": found.instance_id}
            yield Trouble("unknown-section", values, offset=found.offset, level=Level.STREAM, stops=True)
        return
    version = found.description.version
    if version is not None and found.version_id > version:
        values = {"version": found.version_id, "idstr": found.idstr, "local": version}
        yield Trouble("unsupported-version", values, offset=found.offset, level=Level.STREAM, stops=True)
        return
    yield from board_rules.pci_version(stream, found, profile.qemu)
    if found.idstr == board_rules.OPTION_ROM:
        begin, end = found.payload_span
        yield from board_rules.option_rom(
            found, bytes(stream.input[begin:end]), guest_ram(stream, profile), profile.qemu
        )
    if any(event.assumed for event in found.payloads) and found.idstr not in MISDESCRIBED:
        begin, end = found.payload_span
        size = found.description.size
        if size != end - begin:
            mark = bytes(stream.input[begin + size : begin + size + 5])
            missing = footer(mark, found.idstr, found.section_id, begin + size)
            if missing is not None:
                yield missing


def is_as_described(row: SectionRow, versions: Mapping[tuple[str, int, int], int | None]) -> bool:
    """Does nothing here speak against any section of ``row``? ``versions`` are those that the stream describes: idstr,
    instance and occurrence -> version_id."""
    for header, occurrence, *_ in row.places:
        version = versions.get((header.idstr, header.instance_id, occurrence), -1)
        if version is not None and header.version_id > version:
            return False
    return True
