"""What differs between two streams: sections, fields, what stands between them, the first byte.

Knows which sections of two streams belong together; what differs in a pair is ``section_difference``'s. Prints nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

from vnetmig.analysis.first_difference import Place, first_difference, place_of
from vnetmig.analysis.ram_difference import RamDifference, ram_difference
from vnetmig.analysis.section_difference import FieldDifference as FieldDifference
from vnetmig.analysis.section_difference import SectionDifference, section_difference
from vnetmig.analysis.section_difference import SetDifference as SetDifference
from vnetmig.document.load import Source, load
from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.errors import StreamError
from vnetmig.stream.configuration import Capabilities, Subsection
from vnetmig.stream.events import Command, Trailing
from vnetmig.stream.libvirt import LibvirtImage

_SHOWN = 8
"""Bytes of both sides that the first difference shows."""

RAM = "ram"


@dataclass(frozen=True, slots=True)
class StreamItem:
    """Something beside the sections: the machine type, the commands, ..."""

    name: str
    a: str
    b: str


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """The first byte in which the streams differ, what each has there, and the bytes from there on."""

    offset: int
    a: Place
    b: Place
    bytes_a: bytes
    bytes_b: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs. ``sections`` are pairs; sections that only one side has are (idstr, instance id, type)."""

    items: tuple[StreamItem, ...] = ()
    sections: tuple[SectionDifference, ...] = ()
    only_a: tuple[tuple[str, int, str], ...] = ()
    only_b: tuple[tuple[str, int, str], ...] = ()
    order: tuple[str, ...] = ()
    """Sections that both have, but in another order."""
    ram: RamDifference | None = None
    """None when one of the streams has none, or one device was asked for."""
    first: FirstDifference | None = None

    @property
    def identical(self) -> bool:
        """Not one byte differs."""
        rest = self.items or self.sections or self.only_a or self.only_b or self.order
        return self.first is None and not rest

    @property
    def equal(self) -> bool:
        """Nothing differs but what any two instants of one machine differ in."""
        blocks = self.ram is not None and (self.ram.blocks or self.ram.unknown)
        rest = self.items or self.only_a or self.only_b or self.order or blocks
        return not rest and all(section.equal for section in self.sections)

    def __getitem__(self, idstr: str) -> SectionDifference:
        """The pair whose idstr is, or ends with, ``idstr``. KeyError when it does not differ."""
        for section in self.sections:
            if section.idstr == idstr or section.idstr.endswith(idstr):
                return section
        raise KeyError(idstr)


def diff(a: Stream | Source, b: Stream | Source, device: str | None = None, *, engine: str | None = None) -> Difference:
    """Compare two streams field by field.

    ``a``, ``b``: streams, or anything that ``vnetmig.load`` takes. ``device``: compare one device only, an idstr or the
    end of one, ``cpu#1`` for an instance; on the two sides it may sit in different slots. Offsets are those of the
    streams as they were read. How a stream was compressed is no difference. FieldError when there is no such device,
    StreamError for a stream that cannot be read.

    >>> import vnetmig
    >>> before, after = (vnetmig.load(vnetmig.sample()) for _ in range(2))
    >>> after.device("virtio-net").mac = "52:54:00:aa:bb:cc"
    >>> found = diff(before, after)
    >>> [(f.path, f.a.value, f.b.value) for f in found["virtio-net"].fields]
    [('mac', '52:54:00:12:34:56', '52:54:00:aa:bb:cc')]
    >>> hex(found.first.offset), found.first.a.field
    ('0x680d2', 'mac')
    """
    first, second = (side if isinstance(side, Stream) else load(side, engine=engine) for side in (a, b))
    for stream in (first, second):
        if stream.error is not None:
            raise stream.error
    if device is not None:
        pair = first.named(device).section, second.named(device).section
        found = section_difference(*pair)
        return Difference(sections=() if found is None else (found,))
    pairs, only_a, only_b = _paired(first.sections, second.sections)
    devices = [pair for pair in pairs if pair[0].idstr != RAM]
    found_pairs = tuple(found for pair in devices if (found := section_difference(*pair)) is not None)
    carries = all(any(s.idstr == RAM for s in stream.sections) for stream in (first, second))
    return Difference(
        items=tuple(_items(first, second)),
        sections=found_pairs,
        only_a=tuple(map(_name, only_a)),
        only_b=tuple(map(_name, only_b)),
        order=_moved(devices),
        ram=ram_difference(first, second) if carries else None,
        first=_first(first, second),
    )


def _name(section: Section) -> tuple[str, int, str]:
    return section.idstr, section.instance_id, section.type


def _paired(
    a: Sequence[Section], b: Sequence[Section]
) -> tuple[list[tuple[Section, Section]], list[Section], list[Section]]:
    """Sections of the same name, instance and type, one after the other; what is left over, by its name alone."""
    pairs: list[tuple[Section, Section]] = []
    left = list(b)
    unpaired: list[Section] = []
    by_name: dict[tuple[str, int, str], list[Section]] = {}
    for section in b:
        by_name.setdefault(_name(section), []).append(section)
    taken: set[int] = set()
    for section in a:
        same = by_name.get(_name(section))
        if same:
            pairs.append((section, same.pop(0)))
            taken.add(id(pairs[-1][1]))
        else:
            unpaired.append(section)
    left = [section for section in b if id(section) not in taken]
    # RAM comes in as many rounds as there was time for: its pages are compared, not its sections.
    unpaired = [section for section in unpaired if section.idstr != RAM]
    left = [section for section in left if section.idstr != RAM]
    only_a: list[Section] = []
    for section in unpaired:
        other = next((s for s in left if (s.idstr, s.type) == (section.idstr, section.type)), None)
        if other is None:
            only_a.append(section)
        else:
            left.remove(other)
            pairs.append((section, other))
    return pairs, only_a, left


def _moved(pairs: Sequence[tuple[Section, Section]]) -> tuple[str, ...]:
    """Names of sections that do not follow each other in b as they do in a."""
    places = [pair[1].offset for pair in sorted(pairs, key=lambda pair: pair[0].offset)]
    if places == sorted(places):
        return ()
    names = [pair[0].idstr for pair in sorted(pairs, key=lambda pair: pair[0].offset)]
    return tuple(name for name, here, there in zip(names, places, sorted(places), strict=True) if here != there)


def _items(a: Stream, b: Stream) -> Iterator[StreamItem]:
    for ours, theirs in zip(_stream_items(a), _stream_items(b), strict=True):
        if ours != theirs:
            yield StreamItem(ours[0], ours[1], theirs[1])
    yield from _descriptions(a, b)


def _stream_items(stream: Stream) -> Iterator[tuple[str, str]]:
    header, configuration = stream.header, stream.configuration
    subsections = configuration.subsections if configuration is not None else ()
    yield "file version", "none" if header is None else str(header.version)
    yield "machine", stream.machine or "none"
    yield "capabilities", ", ".join(stream.capabilities) or "none"
    yield "configuration", "; ".join(map(_words, subsections)) or "plain"
    yield "commands", ", ".join(f"{c.name} {c.payload.encode().hex()}".rstrip() for c in _fixed(stream)) or "none"
    yield "footers", "yes" if any(s.footer is not None for s in stream.sections) else "no"
    yield "vmdescription", "none" if stream.description is None else "there"
    trailing = b"".join(e.data for e in stream.events if isinstance(e, Trailing))
    yield "behind the end", f"{len(trailing)} bytes {trailing[:_SHOWN].hex(' ')}".rstrip()
    image = b"".join(w.encode() for w in stream.wrappers if isinstance(w, LibvirtImage))
    yield "libvirt header", f"{len(image)} bytes" + ("" if not image else f", CRC32 {crc32(image):#x}")


def _words(subsection: Subsection) -> str:
    return "capabilities" if isinstance(subsection, Capabilities) else str(subsection)


def _fixed(stream: Stream) -> Iterator[Command]:
    """Commands; a package's length follows from what is in it."""
    for command in stream.commands:
        yield Command(command.number) if command.name == "PACKAGED" else command


def _descriptions(a: Stream, b: Stream) -> Iterator[StreamItem]:
    """Where the vmdescriptions differ although the payloads they describe have the same size."""
    ours, theirs = a.description, b.description
    if ours is None or theirs is None or ours == theirs:
        return
    if ours.fault is not None or theirs.fault is not None:
        yield StreamItem("vmdescription", *("unreadable" if d.fault else "readable" for d in (ours, theirs)))
        return
    if ours.style != theirs.style:
        yield StreamItem("vmdescription style", ours.style.value, theirs.style.value)
    if ours.page_size != theirs.page_size:
        yield StreamItem("vmdescription page size", str(ours.page_size), str(theirs.page_size))
    others = {(d.name, d.instance_id, d.occurrence): d for d in theirs.devices}
    for device in ours.devices:
        other = others.get((device.name, device.instance_id, device.occurrence))
        try:
            same = other is None or other.json == device.json or other.size != device.size
        except StreamError:
            same = False
        if not same:
            yield StreamItem(f"vmdescription of {device.name}", "differs", "differs")


def _first(a: Stream, b: Stream) -> FirstDifference | None:
    _, found = first_difference(a.pieces(), b.pieces())
    if found is None:
        return None
    offset, ours, theirs = found
    return FirstDifference(offset, place_of(a, offset), place_of(b, offset), ours[:_SHOWN], theirs[:_SHOWN])
