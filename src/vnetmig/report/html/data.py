"""A loaded stream as a tree of nodes whose leaves are all of its bytes, each once and in order.

Knows sections, their fields and what of them fits into a page; knows no HTML. Guest memory never gets into a page: the
payload of RAM sections is summed up, and behind a fault, where nothing says what is memory, few bytes are shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby, islice

from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.errors import StreamError
from vnetmig.report.blocks import Note, Table
from vnetmig.report.device_text import section_facts, value_and_names
from vnetmig.report.failure import error_lines
from vnetmig.report.fields import device_name, partial_fields, section_fields
from vnetmig.report.html.findings import Finding, broken, of_rings, of_section, of_stream, queue_node
from vnetmig.report.html.framing_parts import event_node, frame_head, section_footer, section_header
from vnetmig.report.html.tree import Describe, Kind, Node, add_fields, fold_runs, unnamed
from vnetmig.report.ram import summarize
from vnetmig.report.rings import ring_states, rings_table
from vnetmig.report.sections import content, described_by
from vnetmig.report.stream_text import stream_blocks
from vnetmig.stream.commands import Packaged
from vnetmig.stream.events import (
    Command,
    Configuration,
    Eof,
    FileHeader,
    PackageEnd,
    SectionFooter,
    SectionPayload,
    SectionStart,
    Trailing,
    VmDescription,
)
from vnetmig.stream.tentative import Frame
from vnetmig.vmstate.fields import Field

RAM = "ram"
NO_MEMORY = "guest memory is not in this page"
RAM_RUN = 4
"""Fewer RAM sections than this in a row stay as they are."""
FIELDS_MAX = 700_000
"""Rows that a browser can scroll over: Firefox lays nothing out below some 17,800,000 pixels."""
BYTES_MAX = 8 << 20
"""Of the stream, in the page. The largest device seen (pseries: its hash table) has 3.5 MB."""
RINGS_RAM_MAX = 1 << 30
"""The stream's own RAM is put together for a check of the rings up to this size."""
BEHIND_FAULT = 4096
"""Bytes shown from the fault on when no RAM can follow."""
BEFORE_RAM = 16
"""The same when RAM may follow: one line of a dump, enough for the word or header that was not understood."""


@dataclass(slots=True)
class Model:
    """``start``: the node that a page opens at."""

    root: Node
    start: Node
    data: memoryview
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class Room:
    """What still fits into the page."""

    fields: int = FIELDS_MAX
    bytes: int = BYTES_MAX


def explore(
    stream: Stream,
    data: bytes | memoryview,
    *,
    name: str = "stream",
    device: Section | None = None,
    rings: bool = False,
) -> Model:
    """The model of ``stream``, which was read from ``data`` (without what was wrapped around it).

    ``device``: the section that the page opens at. ``rings``: check them whatever that takes; without it the stream's
    own RAM is put together for them only if it is small.
    """
    root = Node(name, Kind.STREAM, 0, type="stream", value=stream.machine or "")
    model = Model(root, root, memoryview(data))
    model.findings += of_stream(stream, root)
    room = Room()
    made, holder, end = _add_events(stream, root, room)
    if stream.error is not None:
        model.start = _add_fault(stream, stream.error, holder, end, model.data, room)
        model.findings.append(broken(stream.error, model.start))
    _gather_ram(root)
    fold_runs(root, model.data)
    _add_blocks(stream, model, made, rings=rings or device is not None or _ram_is_small(stream))
    if device is not None:
        model.start = made.get(id(device), model.start)
    return model


def _add_events(stream: Stream, root: Node, room: Room) -> tuple[dict[int, Node], Node, int]:
    """Hang everything that was read under ``root``. Returns (section's id() -> its node, the node in which reading
    would go on, offset behind the last event)."""
    made: dict[int, Node] = {}
    parent = holder = root
    end, cut = 0, -1
    sections = iter(stream.sections)
    words = _ram_words(stream)
    for event in stream.events:
        section = next(sections) if isinstance(event, SectionStart) else None
        end = event.offset + event.size
        if room.fields <= 0 and (cut >= 0 or not isinstance(event, SectionPayload | SectionFooter)):
            cut = event.offset if cut < 0 else cut
            continue
        if section is not None:
            holder = made[id(section)] = _section(section, room, words.get(id(section), ""))
            parent.children.append(holder)
        elif isinstance(event, FileHeader | Configuration | Command | Eof | VmDescription | Trailing):
            node = _fitted(event_node(event), room)
            parent.children.append(node)
            if isinstance(event, Command) and isinstance(event.payload, Packaged):
                parent = node
        elif isinstance(event, PackageEnd):
            parent = root
        if not isinstance(event, SectionStart | SectionPayload):
            holder = parent
    if cut >= 0:
        root.children.append(_elided("more", cut, end - cut, "too many parts for this page"))
        holder = root
    return made, holder, end


def _is_ram(section: Section) -> bool:
    return section.idstr == RAM


def _ram_is_small(stream: Stream) -> bool:
    spans = (section.payload_span for section in stream.sections if _is_ram(section))
    return sum(end - begin for begin, end in spans) <= RINGS_RAM_MAX


def _ram_words(stream: Stream) -> dict[int, str]:
    """What is in each RAM section, in words, by the section's id()."""
    summary = summarize(stream)
    if summary is None:
        return {}
    sections = [section for section in stream.sections if _is_ram(section)]
    return {
        id(section): ", ".join(f"{count} {name}" for name, count in counts.items())
        for section, counts in zip(sections, summary.by_section, strict=True)
    }


def _gather_ram(root: Node) -> None:
    """Put RAM sections that follow each other together: a source sends hundreds of them."""
    gathered: list[Node] = []
    for is_ram, group in groupby(root.children, lambda node: node.kind == Kind.SECTION and node.name == RAM):
        nodes = list(group)
        if is_ram and len(nodes) >= RAM_RUN:
            value = f"{len(nodes)} sections of guest memory, which is not in this page"
            nodes = [Node(RAM, Kind.RUN, nodes[0].offset, type="run", value=value, children=nodes)]
        gathered += nodes
    root.children = gathered


def _section(section: Section, room: Room, words: str) -> Node:
    name = f"{section.idstr}#{section.instance_id}" if section.instance_id else section.idstr
    value = words or content(section) or f"described by {described_by(section)}"
    node = Node(name, Kind.SECTION, section.offset, type=section.type, value=value)
    node.children.append(_fitted(section_header(section), room))
    begin, end = section.payload_span
    if end > begin:
        _add_payload(node, section, begin, end, room, words)
    if section.footer is not None:
        node.children.append(_fitted(section_footer(section.footer), room))
    return node


def _add_payload(node: Node, section: Section, begin: int, end: int, room: Room, words: str) -> None:
    if _is_ram(section):
        node.children.append(_elided("RAM", begin, end - begin, f"{NO_MEMORY}: {words}"))
        return
    fields = list(islice(section_fields(section), room.fields + 1))
    if len(fields) > room.fields or end - begin > room.bytes:
        node.children.append(_elided("payload", begin, end - begin, "too large for this page"))
        return
    room.bytes -= end - begin
    if isinstance(section.payload, Frame):
        for leaf in frame_head(section.payload, begin):
            node.children.append(leaf)
            begin = leaf.offset + leaf.size
    room.fields -= add_fields(node, fields, _describer(device_name(section)), begin, end)


def _elided(name: str, offset: int, size: int, why: str) -> Node:
    return Node(name, Kind.ELIDED, offset, size, "", f"{size} bytes, {why}")


def _describer(device: str) -> Describe:
    def describe(path: str, found: Field) -> tuple[str, str]:
        value, names = value_and_names(device, path, found)
        return value, " ".join(names)

    return describe


def _fitted(node: Node, room: Room) -> Node:
    """The node, without the bytes of leaves for which there is no room: their size is somebody else's choice."""
    for leaf in node.leaves():
        room.fields -= 1
        if leaf.size > room.bytes:
            leaf.kind, leaf.value = Kind.ELIDED, f"{leaf.size} bytes, too large for this page"
        else:
            room.bytes -= leaf.size
    return node


def _add_fault(stream: Stream, error: StreamError, holder: Node, end: int, data: memoryview, room: Room) -> Node:
    """What was decoded before the fault, the fault, and what was not read."""
    at = max(end, min(error.offset, len(data)))
    fields = list(islice(partial_fields(stream), room.fields))
    known = fields[-1][1].offset + fields[-1][1].size if fields else end
    device = error.record.program.vmsd.name if error.record is not None else ""
    add_fields(holder, fields, _describer(device), end, known)
    if at > known:
        holder.children.append(_before_fault(stream, known, at - known, room))
    shown = min(len(data) - at, BEFORE_RAM if _ram_may_follow(stream) else BEHIND_FAULT)
    what = [
        f"{word} {value}" for word, value in (("expected", error.expected), ("got", error.got)) if value is not None
    ]
    fault = Node(f"fault: {error.message}", Kind.FAULT, at, max(shown, 0), "", ", ".join(what))
    fault.blocks.append(Note("\n".join(error_lines(error))))
    holder.children.append(fault)
    if len(data) > at + fault.size:
        why = "behind the fault: not read, and not in this page"
        holder.children.append(_elided("not read", at + fault.size, len(data) - at - fault.size, why))
    return fault


def _before_fault(stream: Stream, offset: int, size: int, room: Room) -> Node:
    """What was looked at in vain; it may be memory, too, when a length in front of it is wrong."""
    if size > (BEFORE_RAM if _ram_may_follow(stream) else room.bytes):
        return _elided("not understood", offset, size, "which may be guest memory: not in this page")
    return unnamed(offset, size)


def _ram_may_follow(stream: Stream) -> bool:
    return not any(_is_ram(section) and section.type == "end" and section.footer for section in stream.sections)


def _add_blocks(stream: Stream, model: Model, made: dict[int, Node], *, rings: bool) -> None:
    """What is to be said beside the tree, and the findings of each section."""
    if stream.events:
        # The tree is the list of the sections.
        model.root.blocks += [b for b in stream_blocks(stream) if not (isinstance(b, Table) and b.title == "sections")]
    for section in stream.sections:
        node = made.get(id(section))
        if node is None:
            continue
        model.findings += of_section(section, node)
        node.blocks.append(section_facts(section))
        states = ring_states(stream, section) if rings else ()
        if states:
            node.blocks.append(rings_table(stream, states))
            for ring in states:
                queue = queue_node(node, ring)
                if queue is not node:
                    queue.blocks.append(rings_table(stream, [ring]))
            model.findings += of_rings(node, states)
