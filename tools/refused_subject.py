"""One base stream of the refusal corpus with names for its places: what the mutations are written in.

Knows where fields, sections, subsections and guest pages stand; which ones to break is the mutations' affair.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise

from refused_corpus import Edit

import vnetmig
from vnetmig.document.section import Section
from vnetmig.stream.events import SectionPayload
from vnetmig.stream.ram import RamWords
from vnetmig.stream.ram_words import Page
from vnetmig.vmstate.fields import Field

Mutation = tuple[str, tuple[Edit, ...]]
"""(name, edits)"""

PAGE = 4096


class Device:
    """The fields of one section, by path."""

    def __init__(self, stream: vnetmig.Stream, section: Section) -> None:
        self.section = section
        self.begin, self.end = section.payload_span
        self.fields: dict[str, Field] = dict(stream.device(section.idstr).fields().leaves())

    def __contains__(self, path: str) -> bool:
        return path in self.fields

    def value(self, path: str) -> int:
        value = self.fields[path].value
        assert isinstance(value, int), path
        return value

    def put(self, path: str, value: int | bytes) -> Edit:
        """Another value in a field; integers are cut to its width."""
        field = self.fields[path]
        if isinstance(value, int):
            order = "little" if field.type.startswith("le") else "big"
            value = (value % (1 << 8 * field.size)).to_bytes(field.size, order)  # type: ignore[arg-type]
        return Edit(field.offset, field.size, value)

    def add(self, path: str, more: int) -> Edit:
        return self.put(path, self.value(path) + more)

    def at(self, path: str) -> int:
        return self.fields[path].offset

    def behind(self, path: str) -> int:
        field = self.fields[path]
        return field.offset + field.size

    def insert(self, path: str, data: bytes) -> Edit:
        """``data`` in front of a field."""
        return Edit(self.at(path), 0, data)

    def remove(self, first: str, last: str) -> Edit:
        """Everything from ``first`` to ``last``, both included."""
        return Edit(self.at(first), self.behind(last) - self.at(first), b"")

    @cached_property
    def subsections(self) -> dict[str, tuple[int, int]]:
        """(begin, end) of each outer subsection by its path, in wire order."""
        begins = [
            (path.removesuffix(".#name"), field.offset)
            for path, field in self.fields.items()
            if path.endswith(".#name") and path.count(".") == 1
        ]
        return {path: (at, after) for (path, at), (_, after) in pairwise([*begins, ("", self.end)])}


class Subject:
    """A base stream: ``data``, its sections and devices."""

    def __init__(self, machine: str, data: bytes) -> None:
        self.machine = machine
        self.data = data
        self.stream = vnetmig.load(data)
        self.sections = {
            section.idstr: section for section in self.stream.sections if section.type in ("start", "full")
        }

    def device(self, kind: str) -> Device:
        """The first device whose idstr ends in ``kind``."""
        return next(Device(self.stream, section) for idstr, section in self.sections.items() if idstr.endswith(kind))

    @cached_property
    def nic(self) -> Device:
        return self.device("/virtio-net")

    def bytes(self, begin: int, end: int) -> bytes:
        return self.data[begin:end]

    def cut(self, offset: int) -> Edit:
        """The stream ends at ``offset``."""
        return Edit(offset, len(self.data) - offset, b"")

    @cached_property
    def _pages(self) -> dict[int, int]:
        places: dict[int, int] = {}
        for event in self.stream.events:
            if isinstance(event, SectionPayload) and isinstance(event.payload, RamWords):
                at = event.offset
                for word in event.payload.words():
                    size = len(word.encode())
                    if isinstance(word, Page):
                        places[word.address] = at + size - PAGE
                    at += size
        return places

    @property
    def pages(self) -> Iterator[tuple[int, int]]:
        """(guest address, offset of the content) of each page in the stream."""
        yield from self._pages.items()

    def memory(self, address: int) -> int:
        """Where the byte at guest physical ``address`` stands in the stream."""
        return self._pages[address & -PAGE] + (address & (PAGE - 1))


def subsection(name: str, content: bytes, version: int = 1) -> bytes:
    """A subsection as it stands on the wire."""
    return b"\5" + bytes((len(name),)) + name.encode() + version.to_bytes(4, "big") + content
