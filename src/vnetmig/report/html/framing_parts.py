"""What stands in a stream around the payloads, as nodes: every byte of headers, footers and commands by name.

Knows the framing's layouts as tables of (name, type, size, value); knows no payload.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.document.section import Section
from vnetmig.report.html.tree import Kind, Node
from vnetmig.report.stream_text import command_text
from vnetmig.stream import framing
from vnetmig.stream.configuration import NAME, Capabilities, Subsection, TargetPageBits, Uuid
from vnetmig.stream.cursor import counted
from vnetmig.stream.events import Command, Configuration, Eof, FileHeader, SectionFooter, Trailing, VmDescription
from vnetmig.stream.tentative import (
    FLAG_BYTES,
    FLAG_NAMES,
    FULL_STATE,
    IDENTITY_BYTES,
    LENGTH_BYTES,
    NO_STATE,
    ON_BASE,
    Frame,
)

Cell = tuple[str, str, int, object]
"""(name, type, bytes, value)"""

Event = FileHeader | Configuration | Command | Eof | VmDescription | Trailing

_TYPE = "uint8"


def part(name: str, offset: int, *cells: Cell, value: str = "") -> Node:
    """A node over ``cells``, which follow each other from ``offset`` on."""
    made = Node(name, Kind.PART, offset, value=value)
    made.children.extend(leaves(offset, *cells))
    return made


def leaves(offset: int, *cells: Cell) -> Iterator[Node]:
    for name, kind, size, value in cells:
        if size:
            yield Node(name, Kind.FIELD, offset, size, kind, str(value))
        offset += size


def event_node(event: Event) -> Node:
    """A thing between the sections."""
    if isinstance(event, FileHeader):
        return part(
            "file header",
            event.offset,
            ("magic", "uint32", 4, f"{event.magic:#x}"),
            ("version", "uint32", 4, event.version),
        )
    if isinstance(event, Configuration):
        return _configuration(event)
    if isinstance(event, Command):
        return part(
            f"command {event.name}",
            event.offset,
            ("type", _TYPE, 1, "COMMAND"),
            ("command", "uint16", 2, f"{event.number} ({event.name})"),
            ("length", "uint16", 2, event.size - framing.COMMAND_HEADER_SIZE),
            ("payload", "buffer", event.size - framing.COMMAND_HEADER_SIZE, command_text(event.payload)),
            value=command_text(event.payload),
        )
    if isinstance(event, VmDescription):
        fault = event.description.fault
        said = f"{len(event.description.devices)} devices" if fault is None else f"cannot be used: {fault.message}"
        return part(
            "vmdescription",
            event.offset,
            ("type", _TYPE, 1, "VMDESCRIPTION"),
            ("length", "uint32", 4, event.size - 5),
            ("JSON", "string", event.size - 5, f"{event.size - 5} bytes of text"),
            value=said,
        )
    if isinstance(event, Trailing):
        return Node("behind the end", Kind.FIELD, event.offset, event.size, "buffer", "no loader reads it")
    return part("end of the stream", event.offset, ("type", _TYPE, 1, "EOF"))


def _configuration(event: Configuration) -> Node:
    body = event.body
    rest = sum(len(subsection.encode()) for subsection in body.subsections)
    length = event.size - 5 - rest
    made = part(
        "configuration",
        event.offset,
        ("type", _TYPE, 1, "CONFIGURATION"),
        ("length", "uint32", 4, length),
        ("machine type", "string", length, body.machine_type),
        value=body.machine_type,
    )
    offset = event.offset + 5 + length
    for subsection in body.subsections:
        leaf, cells = _subsection(subsection)
        name = f"{NAME}/{leaf}"
        head: tuple[Cell, ...] = (
            ("#marker", _TYPE, 1, "SUBSECTION"),
            ("#name", "subsection", 1 + len(name), name),
            ("#version", "uint32", 4, 1),
        )
        made.children.append(part(leaf, offset, *head, *cells))
        offset += len(subsection.encode())
    return made


def _subsection(subsection: Subsection) -> tuple[str, tuple[Cell, ...]]:
    if isinstance(subsection, TargetPageBits):
        return "target-page-bits", (("bits", "uint32", 4, subsection.bits),)
    if isinstance(subsection, Uuid):
        return "uuid", (("uuid", "buffer", len(subsection.uuid), subsection.uuid.hex()),)
    assert isinstance(subsection, Capabilities)
    names = tuple((f"[{i}]", "string", len(counted(n, "capability")), n) for i, n in enumerate(subsection.names))
    return "capabilities", (("count", "uint32", 4, len(names)), *names)


def section_header(section: Section) -> Node:
    cells: list[Cell] = [
        ("type", _TYPE, 1, section.type.upper()),
        ("section_id", "uint32", 4, section.section_id),
    ]
    if section.type in ("start", "full"):
        cells += [
            ("idstr", "string", len(counted(section.idstr, "idstr")), section.idstr),
            ("instance_id", "uint32", 4, section.instance_id),
            ("version_id", "uint32", 4, section.version_id),
        ]
    return part("header", section.offset, *cells)


def section_footer(footer: SectionFooter) -> Node:
    return part(
        "footer",
        footer.offset,
        ("type", _TYPE, 1, "FOOTER"),
        ("section_id", "uint32", 4, footer.section_id),
    )


def frame_head(frame: Frame, offset: int) -> Iterator[Node]:
    """What is in front of the data of a frame, and its data where it is no state of its own."""
    based = IDENTITY_BYTES if frame.flag in ON_BASE else 0
    length = 0 if frame.flag == NO_STATE else LENGTH_BYTES
    yield from leaves(
        offset,
        ("#flag", "flag", FLAG_BYTES, FLAG_NAMES[frame.flag]),
        ("#base", "buffer", based, frame.base.hex()),
        ("#identity", "buffer", based, frame.identity.hex()),
        ("#length", "uint32", length, len(frame.data)),
        ("#data", "buffer", 0 if frame.flag == FULL_STATE else len(frame.data), f"{len(frame.data)} bytes"),
    )
