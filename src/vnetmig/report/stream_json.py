"""A loaded stream as JSON: everything `inspect --json` says.

Knows documents. Field lists are made while they are written: a stream has a hundred thousand fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from json import dumps
from json.encoder import encode_basestring_ascii as quoted

from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.report.fields import Coverage, Leaf, coverage, device_name, partial_fields, section_pieces
from vnetmig.report.json import Json, Text, Texts, error_json, value_json
from vnetmig.report.naming import may_have_names, names
from vnetmig.report.ram import RamSummary, summarize
from vnetmig.report.rings import ring_states, rings_json
from vnetmig.report.sections import described_by, frame_flags, iterative_flags, virtio_sections
from vnetmig.stream.compression import Compression
from vnetmig.stream.configuration import TargetPageBits, Uuid
from vnetmig.stream.container import Wrapper
from vnetmig.stream.events import Command, Configuration, Eof, Trailing, VmDescription
from vnetmig.stream.iterative import IterativeData
from vnetmig.stream.ram_words import Block
from vnetmig.stream.tentative import Frame
from vnetmig.stream.vmdescription import Style
from vnetmig.vmstate.fields import Rows

_TOGETHER = 64
"""Elements of an array that are written as one piece."""


def stream_json(stream: Stream, *, rings: bool = False) -> dict[str, Json]:
    """The whole stream. Every byte of a virtio section is in one of its ``fields``.

    ``rings``: check them too; without memory of its own that would put the stream's whole RAM together.
    """
    header = stream.header
    summary = summarize(stream)
    counted = [coverage(section) for section in stream.sections]
    whole = sum(counted, Coverage())
    virtio_ids = {id(section) for section in virtio_sections(stream)}
    virtio = sum((c for s, c in zip(stream.sections, counted, strict=True) if id(s) in virtio_ids), Coverage())
    made: dict[str, Json] = {
        "wrappers": [wrapper_json(wrapper) for wrapper in stream.wrappers],
        "header": None if header is None else {"offset": header.offset, "size": header.size, "version": header.version},
        "machine": stream.machine,
        "capabilities": list(stream.capabilities),
        "configuration": _configuration(stream),
        "sections": (
            section_json(stream, section, count, rings=rings)
            for section, count in zip(stream.sections, counted, strict=True)
        ),
        "commands": [command_json(command) for command in stream.commands],
        "ram": None if summary is None else _ram(summary),
        "eof": next((event.offset for event in stream.events if isinstance(event, Eof)), None),
        "vmdescription": _vmdescription(stream),
        "trailing": sum(event.size for event in stream.events if isinstance(event, Trailing)),
        "coverage": {"virtio": coverage_json(virtio), "sections": coverage_json(whole)},
        "partial": _partial(stream),
        "error": None if stream.error is None else error_json(stream.error),
    }
    return made


def section_json(stream: Stream, section: Section, counted: Coverage, *, rings: bool) -> dict[str, Json]:
    """One section with all its fields."""
    begin, end = section.payload_span
    made: dict[str, Json] = {
        "offset": section.offset,
        "type": section.type,
        "section_id": section.section_id,
        "idstr": section.idstr,
        "instance_id": section.instance_id,
        "version_id": section.version_id,
        "span": list(section.span),
        "payload": [begin, end],
        "footer": section.footer is not None,
        "described": described_by(section),
        "assumed": section.assumed,
        "coverage": coverage_json(counted),
    }
    if section.finding is not None:
        made["finding"] = error_json(section.finding)
    if isinstance(section.payload, IterativeData):
        made["flags"] = list(iterative_flags(section.payload))
    elif isinstance(section.payload, Frame):
        made["flags"] = list(frame_flags(section.payload))
    state = section.state
    if state is not None:
        made["device"] = device_name(section)
        made["resolver"] = {
            "parameters": dict(state.record.program.params),
            "assumed": list(state.assumed),
            "ties": [list(tie) for tie in state.ties],
        }
        if rings:
            made["rings"] = rings_json(ring_states(stream, section))
    made["fields"] = fields_json(device_name(section), section_pieces(section))
    return made


def fields_json(device: str, pieces: Iterable[Leaf | Rows]) -> Iterator[Json]:
    """``names`` is there where bits or special values have names."""
    # By hand: the general encoder takes twice as long as all else that is done for a field.
    for piece in pieces:
        if isinstance(piece, Rows):
            yield from _rows(device, piece)
            continue
        path, (value, offset, size, type_name) = piece
        text = str(value) if type(value) is int else dumps(value_json(value))
        meaning = names(device, path, value) if device else ()
        more = f', "names": {dumps(meaning)}' if meaning else ""
        yield Text(
            f'{{"path": {quoted(path)}, "offset": {offset}, "size": {size}, '
            f'"type": {quoted(type_name)}, "value": {text}{more}}}'
        )


def _rows(device: str, rows: Rows) -> Iterator[Json]:
    """Some elements at a time; their texts differ in numbers only. Most fields of a stream are in such arrays."""
    cells = rows.row.cells
    if any(may_have_names(device, f"{rows.path}[0]{cell.name}") for cell in cells):
        yield from fields_json(device, rows.leaves())
        return
    element = _literal(quoted(rows.path)[:-1])
    lines = [
        f'{{"path": {element}[%d]{_literal(quoted(cell.name)[1:])}, "offset": %d, "size": {cell.size}, '
        f'"type": {_literal(quoted(cell.type))}, "value": %s}}'
        for cell in cells
    ]
    no_numbers = [place for place, cell in enumerate(cells) if cell.truth or cell.is_bytes]
    numbered = enumerate(rows.values)
    while some := list(islice(numbered, _TOGETHER)):
        numbers: list[object] = []
        for index, values in some:
            offset = rows.offset + index * rows.row.size
            texts: list[object] = list(values)
            for place in no_numbers:
                texts[place] = dumps(value_json(cells[place].seen(values[place])))
            for cell, text in zip(cells, texts, strict=True):
                numbers += (index, offset + cell.offset, text)
        yield Texts("\n".join(lines * len(some)) % tuple(numbers))


def _literal(text: str) -> str:
    return text.replace("%", "%%")


def coverage_json(counted: Coverage) -> dict[str, Json]:
    return {
        "named": counted.named,
        "total": counted.total,
        "percent": round(100 * counted.named / counted.total, 2) if counted.total else 100,
        "fields": counted.fields,
    }


def wrapper_json(wrapper: Wrapper) -> Json:
    if isinstance(wrapper, Compression):
        return {"kind": "compressed", "format": wrapper.value}
    return {
        "kind": "libvirt",
        "size": wrapper.size,
        "version": wrapper.version,
        "format": wrapper.format_name,
        "complete": wrapper.complete,
        "was_running": wrapper.was_running,
        "byteorder": wrapper.byteorder,
        "xml": wrapper.xml.decode("utf-8", "replace"),
        "cookie": None if wrapper.cookie is None else wrapper.cookie.decode("utf-8", "replace"),
    }


def command_json(command: Command) -> Json:
    payload: dict[str, Json] = {
        key: [list(item) for item in value] if isinstance(value, tuple) else value
        for key, value in asdict(command.payload).items()
    }
    return {"offset": command.offset, "size": command.size, "name": command.name, "payload": payload}


def _configuration(stream: Stream) -> Json:
    event = next((event for event in stream.events if isinstance(event, Configuration)), None)
    if event is None:
        return None
    made: dict[str, Json] = {"offset": event.offset, "size": event.size}
    for subsection in event.body.subsections:
        if isinstance(subsection, TargetPageBits):
            made["target_page_bits"] = subsection.bits
        elif isinstance(subsection, Uuid):
            made["uuid"] = subsection.uuid.hex()
    return made


def block_json(block: Block) -> dict[str, Json]:
    made: dict[str, Json] = {"name": block.name, "used_length": block.used_length}
    if block.page_size is not None:
        made["page_size"] = block.page_size
    if block.gpa is not None:
        made["gpa"] = block.gpa
    if block.mapped is not None:
        made["bitmap_offset"] = block.mapped.bitmap_offset
        made["pages_offset"] = block.mapped.pages_offset
    return made


def _ram(summary: RamSummary) -> Json:
    return {
        "sections": summary.sections,
        "size": summary.size,
        "total": summary.total,
        "page_size": summary.page_size,
        "words": dict(summary.words),
        "words_by_section": [dict(words) for words in summary.by_section],
        "blocks": [block_json(block) for block in summary.blocks],
        "mapped_pages": dict(summary.present),
    }


def _vmdescription(stream: Stream) -> Json:
    event = next((event for event in stream.events if isinstance(event, VmDescription)), None)
    if event is None:
        return None
    description = event.description
    fault = description.fault
    made: dict[str, Json] = {"offset": event.offset, "size": event.size, "verbatim": description.verbatim}
    if fault is not None:
        return {**made, "error": error_json(fault)}
    made["style"] = "spaced (5.2)" if description.style is Style.SPACED else "compact"
    made["page_size"] = description.page_size
    made["devices"] = len(description.devices)
    return made


def _partial(stream: Stream) -> Json:
    """What was decoded of the section that reading stopped in."""
    if stream.failed is None:
        return None
    device = stream.error.record.program.vmsd.name if stream.error is not None and stream.error.record else ""
    return {
        "offset": stream.failed.offset,
        "idstr": stream.failed.idstr,
        "instance_id": stream.failed.instance_id,
        "fields": fields_json(device, partial_fields(stream)),
    }
