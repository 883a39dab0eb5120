"""A loaded stream as text: what `inspect STREAM` prints.

Knows documents; the fields of one device are device_text.py's.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.document.stream import Stream
from vnetmig.report.blocks import Block, Facts, Note, Table, columns, listed
from vnetmig.report.fields import Coverage, coverage
from vnetmig.report.naming import STATUS, bits
from vnetmig.report.ram import RamSummary, summarize
from vnetmig.report.sections import content, described_by, virtio_sections
from vnetmig.stream.commands import NOTHING, CommandPayload, Packaged, Ping, PostcopyAdvise, RamDiscard, RecvBitmap
from vnetmig.stream.compression import Compression
from vnetmig.stream.configuration import TargetPageBits, Uuid
from vnetmig.stream.container import Wrapper
from vnetmig.stream.events import Configuration, Eof, FileHeader, Trailing, VmDescription
from vnetmig.stream.vmdescription import Style


def stream_blocks(stream: Stream) -> Iterator[Block]:
    """Header, network devices, sections, commands, RAM, vmdescription, and how much of all has a name."""
    yield _head(stream)
    if stream.sections:
        yield _sections(stream)
    nets = _nets(stream)
    if nets.rows:
        yield nets
    if stream.commands:
        yield _commands(stream)
    summary = summarize(stream)
    if summary is not None:
        yield from _ram(summary)
    yield _end(stream)


def _head(stream: Stream) -> Facts:
    facts = Facts("")
    for wrapper in stream.wrappers:
        facts.pairs += _wrapper(wrapper)
    for event in stream.events:
        if isinstance(event, FileHeader):
            facts.pairs.append(("stream", f"QEMU migration stream, version {event.version}"))
        elif isinstance(event, Configuration):
            facts.pairs.append(("machine", event.body.machine_type))
            facts.pairs.append(("capabilities", listed(event.body.capabilities, 40) or "none announced"))
            for subsection in event.body.subsections:
                if isinstance(subsection, TargetPageBits):
                    facts.pairs.append(("target page bits", str(subsection.bits)))
                elif isinstance(subsection, Uuid):
                    facts.pairs.append(("uuid", subsection.uuid.hex()))
    if stream.header is not None and stream.configuration is None:
        facts.pairs.append(("machine", "not in the stream (no configuration section)"))
    return facts


def _wrapper(wrapper: Wrapper) -> list[tuple[str, str]]:
    if isinstance(wrapper, Compression):
        return [("compressed", wrapper.value)]
    state = "guest was running" if wrapper.was_running == 1 else f"guest state {wrapper.was_running}"
    complete = "" if wrapper.complete else ", INCOMPLETE: libvirt was still writing it"
    cookie = ", cookie" if wrapper.cookie is not None else ""
    return [
        ("libvirt image", f"version {wrapper.version}, format {wrapper.format_name}, {state}{complete}"),
        ("", f"{wrapper.size} bytes in front of the stream: domain XML of {len(wrapper.xml)} bytes{cookie}"),
    ]


def _sections(stream: Stream) -> Table:
    table = Table(
        "sections",
        columns(">offset", "type", ">id", ">instance", ">version", ">payload", ">end", "described by", "idstr"),
    )
    for section in stream.sections:
        begin, end = section.payload_span
        told = content(section)
        table.rows.append(
            (
                f"{section.offset:#x}",
                section.type,
                str(section.section_id),
                str(section.instance_id),
                str(section.version_id),
                str(end - begin),
                f"{section.span[1]:#x}",
                described_by(section),
                section.idstr + (f"  ({told})" if told else ""),
            )
        )
    if any(described_by(s) == "assumed" for s in stream.sections):
        table.notes.append("assumed: nothing describes it; it ends where its footer was found to fit")
    if any(described_by(s) == "opaque" for s in stream.sections):
        table.notes.append("opaque: a virtio device that vnetmig does not know; QEMU describes it as one buffer")
    if any(described_by(s) == "length" for s in stream.sections):
        table.notes.append("length: the vmdescription gave its length, but does not explain its bytes")
    return table


def _nets(stream: Stream) -> Table:
    table = Table("network devices", columns("mac", "status", ">pairs", ">of", ">queues", ">features", "idstr"))
    for net in stream.nets():
        count = net["num_queues"]
        table.rows.append(
            (
                net.mac,
                "|".join(bits(STATUS, net.status)) or "reset",
                str(net.curr_queue_pairs),
                str(net.max_queue_pairs),
                str(count),
                f"{net.guest_features:#x}",
                net.idstr,
            )
        )
    return table


def _commands(stream: Stream) -> Table:
    table = Table("commands", columns(">offset", "command", "payload"))
    for command in stream.commands:
        table.rows.append((f"{command.offset:#x}", command.name, command_text(command.payload)))
    return table


def command_text(payload: CommandPayload) -> str:
    """A command's payload in words."""
    if isinstance(payload, Ping):
        return f"{payload.value:#x}"
    if isinstance(payload, PostcopyAdvise):
        if payload.page_sizes is None:
            return "dirty bitmaps only"
        return f"page sizes {payload.page_sizes:#x}, target page {payload.target_page_size}"
    if isinstance(payload, RamDiscard):
        return f"{payload.block}: " + listed([f"{start:#x}+{size:#x}" for start, size in payload.ranges])
    if isinstance(payload, Packaged):
        return f"{payload.length} bytes of sections and commands follow"
    if isinstance(payload, RecvBitmap):
        return payload.block
    return "" if payload == NOTHING else str(payload)


def _ram(summary: RamSummary) -> Iterator[Block]:
    facts = Facts("ram")
    facts.pairs.append(("payload", f"{summary.size} bytes in {summary.sections} sections"))
    if summary.total is not None:
        facts.pairs.append(("announced", f"{summary.total} bytes of guest memory"))
    if summary.page_size is not None:
        facts.pairs.append(("page", f"{summary.page_size} bytes"))
    facts.pairs.append(("words", ", ".join(f"{count} {name}" for name, count in summary.words.items()) or "none"))
    yield facts
    if summary.blocks:
        has_gpa = any(block.gpa is not None for block in summary.blocks)
        has_map = any(block.mapped is not None for block in summary.blocks)
        extra = ([">gpa"] if has_gpa else []) + ([">present", ">pages at"] if has_map else [])
        table = Table("ram blocks", columns(">bytes", *extra, "block"))
        for block in summary.blocks:
            row = [str(block.used_length)]
            if has_gpa:
                row.append("-" if block.gpa is None else f"{block.gpa:#x}")
            if has_map:
                row.append(str(summary.present.get(block.name, 0)))
                row.append("-" if block.mapped is None else f"{block.mapped.pages_offset:#x}")
            table.rows.append((*row, block.name))
        yield table


def _end(stream: Stream) -> Facts:
    facts = Facts("")
    for event in stream.events:
        if isinstance(event, Eof):
            facts.pairs.append(("eof", f"{event.offset:#x}"))
        elif isinstance(event, VmDescription):
            facts.pairs.append(("vmdescription", _described(event)))
    trailing = sum(event.size for event in stream.events if isinstance(event, Trailing))
    if trailing:
        facts.pairs.append(("behind the end", f"{trailing} bytes that no loader reads"))
    virtio = virtio_sections(stream)
    ids = {id(section) for section in virtio}
    rest = [section for section in stream.sections if id(section) not in ids]
    if virtio:
        facts.pairs.append(("virtio sections", _covered(sum(map(coverage, virtio), Coverage()))))
    if rest:
        facts.pairs.append(("other sections", _covered(sum(map(coverage, rest), Coverage()))))
    return facts


def _described(event: VmDescription) -> str:
    fault = event.description.fault
    if fault is not None:
        return f"{event.offset:#x}, {event.size} bytes, cannot be used: {fault.message}"
    style = "as QEMU 5.2 writes it" if event.description.style is Style.SPACED else "as QEMU 6.0 and later write it"
    kept = ", text kept as it came" if event.description.verbatim else ""
    return f"{event.offset:#x}, {event.size} bytes, {len(event.description.devices)} devices, {style}{kept}"


def _covered(counted: Coverage) -> str:
    if counted.complete:
        return f"every byte has a name ({counted.total} bytes, {counted.fields} fields)"
    return f"{counted.named} of {counted.total} bytes have a name ({counted.fields} fields)"


def broken_note(stream: Stream) -> Note:
    """The line between what was read and the error."""
    where = f" in section '{stream.failed.idstr}'" if stream.failed is not None else ""
    return Note(f"-- the stream could be read up to here; what follows is broken{where} --")
