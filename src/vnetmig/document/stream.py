"""A loaded stream: everything that was in it, in order, as values; devices by name; bytes again.

Knows sections and events; opens no file (``document.load`` does).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Lock

from vnetmig.document.context import Context
from vnetmig.document.device import Device
from vnetmig.document.net import NetDevice
from vnetmig.document.placing import Placed, payload_of, relocated, with_section
from vnetmig.document.saving import write
from vnetmig.document.section import Section
from vnetmig.document.sizes import resized
from vnetmig.errors import FieldError, StreamError
from vnetmig.stream import framing
from vnetmig.stream.commands import Packaged
from vnetmig.stream.configuration import ConfigurationBody
from vnetmig.stream.container import Wrapper
from vnetmig.stream.events import (
    Command,
    Configuration,
    Eof,
    Event,
    FileHeader,
    PackageEnd,
    SectionFooter,
    SectionPayload,
    SectionStart,
    Trailing,
    VmDescription,
)
from vnetmig.stream.guest_memory import GuestMemory
from vnetmig.stream.payload import Raw, SectionHeader
from vnetmig.stream.row import SectionRow
from vnetmig.stream.vmdescription import Description

Buffer = bytes | mmap.mmap


class Stream:
    """A migration stream as a document. Made by ``vnetmig.load``.

    ``error`` is what stopped reading, when it was loaded with ``partial=True``.
    """

    def __init__(self, engine: str | None = None) -> None:
        self.context = Context(engine)
        self.error: StreamError | None = None
        self.failed: Section | None = None
        """The section that reading stopped in; ``error.record`` holds what was decoded of it."""
        self.wrappers: tuple[Wrapper, ...] = ()
        self.input: Buffer = b""
        """The bytes that were read, out of their wrappers: what stands behind a fault is only there."""
        self._events: list[Event] = []
        self._sections: list[Section] = []
        self._sections_of: dict[int, Section] = {}
        self._rows: list[tuple[int, int, SectionRow]] = []
        """Rows whose events and sections nobody asked for yet: (events before it, sections before it, row)."""
        self._lock = Lock()
        self._seen: dict[tuple[str, int], int] = {}
        """FULL sections so far, by idstr and instance."""
        self._named: tuple[int, dict[str, list[Section]]] = (-1, {})
        """(events when it was made, devices' sections by idstr)."""

    # filling, by document.load

    def append(self, event: Event) -> None:
        """Take the next event."""
        self._events.append(event)
        if isinstance(event, SectionStart):
            if event.idstr == "ram" and self.context.ram is None:
                self.context.ram = []
            self._sections.append(Section(self.context, event, self._occurrence(event.header)))
        elif isinstance(event, SectionPayload):
            section = self._sections[-1]
            section.payloads.append(event)
            self._sections_of[id(event)] = section
            if self.context.ram is not None and section.idstr == "ram":
                self.context.ram.append(event.payload)
        elif isinstance(event, SectionFooter):
            self._sections[-1].footer = event
        elif isinstance(event, Configuration):
            self.context.configuration = event.body
        elif isinstance(event, VmDescription):
            self.context.description = event.description

    def append_row(self, row: SectionRow) -> None:
        """Take the events of whole sections; they are made when someone asks for them."""
        for header, occurrence, *_ in row.places:
            self._seen[header.idstr, header.instance_id] = occurrence + 1
        self._rows.append((len(self._events), len(self._sections), row))

    def _settle(self) -> None:
        """Put the events and sections of rows where they belong."""
        if not self._rows:
            return
        with self._lock:  # two threads must not get sections of their own each
            for before, sections_before, row in reversed(self._rows):
                events: list[Event] = []
                sections: list[Section] = []
                for place, (start, payload, footer) in zip(row.places, row, strict=True):
                    section = Section(self.context, start, place[1])
                    section.payloads.append(payload)
                    section.footer = footer
                    self._sections_of[id(payload)] = section
                    events += (start, payload, footer)
                    sections.append(section)
                self._events[before:before] = events
                self._sections[sections_before:sections_before] = sections
            self._rows = []

    def _occurrence(self, header: SectionHeader) -> int:
        """Which FULL section of its name and instance this is, from 0."""
        if header.type != framing.SECTION_FULL:
            return 0
        key = header.idstr, header.instance_id
        occurrence = self._seen.get(key, 0)
        self._seen[key] = occurrence + 1
        return occurrence

    def stop(self, error: StreamError) -> None:
        """Reading ended with ``error``; the section it happened in keeps what was decoded of it."""
        self.error = error
        error.stream = self
        last = self._sections[-1] if self._sections else None  # a row ends with a footer: it did not happen there
        if last is not None and last.footer is None and error.section == last.idstr:
            self.failed = last

    # what is in it

    @property
    def events(self) -> list[Event]:
        """All that was read, in order."""
        self._settle()
        return self._events

    @property
    def sections(self) -> list[Section]:
        """Every section, in order."""
        self._settle()
        return self._sections

    @property
    def unsettled(self) -> Iterator[Section | SectionRow]:
        """``sections``, with rows of them that nobody looked into yet as they are: that takes no time."""
        with self._lock:
            rows, sections = self._rows, list(self._sections)
        at = 0
        for _, before, row in rows:
            yield from sections[at:before]
            yield row
            at = before
        yield from sections[at:]

    @property
    def names(self) -> frozenset[str]:
        """idstrs of all sections."""
        names: set[str] = set()
        for piece in self.unsettled:
            if isinstance(piece, SectionRow):
                names.update([header.idstr for header, *_ in piece.places])
            else:
                names.add(piece.idstr)
        return frozenset(names)

    @property
    def engine(self) -> str | None:
        """Which engine decodes and encodes; None: the default one."""
        return self.context.engine

    @engine.setter
    def engine(self, name: str | None) -> None:
        self.context.engine = name

    @property
    def header(self) -> FileHeader | None:
        return next((e for e in self.events if isinstance(e, FileHeader)), None)

    @property
    def configuration(self) -> ConfigurationBody | None:
        return self.context.configuration

    @property
    def memory(self) -> GuestMemory | None:
        """Guest memory that came with the stream: given to ``load``, or the stream's own RAM (put together when first
        asked for). None when there is none."""
        return self.context.memory

    @memory.setter
    def memory(self, memory: GuestMemory | None) -> None:
        self.context.memory = memory

    @property
    def machine(self) -> str | None:
        """The machine type, such as pc-i440fx-7.2."""
        return self.context.machine

    @property
    def capabilities(self) -> tuple[str, ...]:
        return self.configuration.capabilities if self.configuration else ()

    @property
    def commands(self) -> list[Command]:
        return [e for e in self._events if isinstance(e, Command)]  # never one of a row

    @property
    def ends(self) -> list[Eof | Trailing]:
        """The end mark, and what stands behind it that is no part of a stream."""
        return [e for e in self._events if isinstance(e, Eof | Trailing)]  # never one of a row

    @property
    def description(self) -> Description | None:
        """The vmdescription at the end, if there is one."""
        return self.context.description

    @property
    def devices(self) -> list[str]:
        """idstrs of the devices whose state is here, in stream order."""
        return list(dict.fromkeys(section.idstr for section in self._device_sections()))

    def _device_sections(self) -> Iterator[Section]:
        for section in self.sections:
            if section.type == "full" or section.state is not None:
                yield section

    def device(self, idstr: str, instance_id: int | None = None) -> Device:
        """The device called ``idstr``; the end of a name will do when only one device has it.

        Raises FieldError when there is none, several, or nothing describes it.
        """
        found = self._find(idstr, instance_id)
        names = sorted({f"{s.idstr}#{s.instance_id}" if s.instance_id else s.idstr for s in found})
        if not found:
            raise FieldError(f"no device '{idstr}'; there is: {', '.join(self.devices)}")
        if len(names) > 1:
            raise FieldError(f"'{idstr}' may be: {', '.join(names)}")
        view = found[-1].device  # several states of one device: the last one counts
        if view is None:
            reason = found[-1].finding.message if found[-1].finding else "there is no vmdescription of it"
            raise FieldError(f"nothing describes '{found[-1].idstr}': {reason}")
        return view

    def named(self, name: str) -> Device:
        """The device called ``name`` as people write it: an idstr, the end of one, ``cpu#1`` for an instance."""
        idstr, mark, number = name.rpartition("#")
        return self.device(idstr, int(number)) if mark and number.isdecimal() else self.device(name)

    def _find(self, idstr: str, instance_id: int | None) -> list[Section]:
        by_idstr = self._by_idstr()
        exact = [s for s in by_idstr.get(idstr, ()) if instance_id is None or s.instance_id == instance_id]
        if exact:
            return exact
        ending = [s for name, found in by_idstr.items() if name.endswith(idstr) for s in found]
        return [s for s in ending if instance_id is None or s.instance_id == instance_id]

    def _by_idstr(self) -> dict[str, list[Section]]:
        """Sections of devices: whoever looks for each of ten thousand must not walk over all of them every time."""
        events, found = self._named
        if events != len(self.events):
            found = {}
            for section in self._device_sections():
                found.setdefault(section.idstr, []).append(section)
            self._named = len(self._events), found
        return found

    def nets(self) -> list[NetDevice]:
        """Every virtio-net device, final states only, in stream order."""
        views = [s.device for s in self._sections if s.type == "full" and s.state is not None]  # never one of a row
        return [view for view in views if isinstance(view, NetDevice)]

    # sections put in

    def add(self, device: Placed) -> Device:
        """Put a FULL section of ``device`` (a NetState, or a device of any stream) behind the others; returns its view.

        The vmdescription gets an entry. Views from before are of the stream as it was. FieldError when there is a
        section of its name.
        """
        self._become(with_section(list(self.current_events()), device))
        return self.device(device.idstr, device.instance_id)

    def replace(self, name: str, device: Placed) -> Device:
        """Put the state of ``device`` in the place of the one of ``name``, whose header stays; returns its view.

        FieldError when the two are of different kinds or versions.
        """
        section = self.named(name).section
        old, new = section.record, device.record
        assert old is not None
        if section.version_id != device.version_id or old.program.vmsd.name != new.program.vmsd.name:
            there = f"{old.program.vmsd.name} v{section.version_id}"
            raise FieldError(f"'{section.idstr}' is a {there}, not a {new.program.vmsd.name} v{device.version_id}")
        place = self.sections.index(section)
        payload = payload_of(device)
        changed = [
            replace(event, payload=payload) if isinstance(event, SectionPayload) and own is section else event
            for event, own in zip(self.current_events(), self._owners(), strict=True)
        ]
        self._become(changed)
        view = self.sections[place].device
        assert view is not None
        return view

    def _owners(self) -> Iterator[Section | None]:
        """The section of each event that is a payload."""
        return (self._sections_of.get(id(event)) for event in self.events)

    def _become(self, events: Iterable[Event]) -> None:
        self._fill(events)
        # Only now the sizes that the vmdescription has to tell are known, and with them where everything is.
        self._fill(list(relocated(self.current_events())))

    def _fill(self, events: Iterable[Event]) -> None:
        self.context = self.context.again()
        self._events, self._sections, self._rows = [], [], []
        self._sections_of, self._seen = {}, {}
        self._named = -1, {}
        for event in events:
            self.append(event)

    # bytes again

    def pieces(self) -> Iterator[bytes]:
        """The stream's bytes from values, event by event."""
        package: list[bytes] | None = None
        opening: Command | None = None
        for event in resized(self.events, self._sections_of):
            if isinstance(event, Command) and isinstance(event.payload, Packaged):
                package, opening = [], event
                continue
            if isinstance(event, PackageEnd) and package is not None and opening is not None:
                yield Command(opening.number, Packaged(sum(map(len, package)))).encode()
                yield from package
                package = None
                continue
            data = self._encode(event)
            if package is None:
                yield data
            else:
                package.append(data)

    def current_events(self) -> Iterator[Event]:
        """The events with everything that was changed in views of them: what a migration sends."""
        for event in resized(self.events, self._sections_of):
            if isinstance(event, SectionPayload) and isinstance(event.payload, Raw):
                yield replace(event, payload=self._sections_of[id(event)].current(event.payload))
            else:
                yield event

    def _encode(self, event: Event) -> bytes:
        if isinstance(event, SectionPayload):
            return self._sections_of[id(event)].encode_payload(event.payload)
        return event.encode()

    def encode(self) -> bytes:
        """The whole stream, from values."""
        return b"".join(self.pieces())

    def save(self, path: str | Path) -> int:
        """Write the stream to ``path`` (compressed when it ends in .xz or .gz); returns its length.

        The libvirt header, if there was one, is written in front again. Nothing is left behind on failure.
        """
        if self.error is not None:
            raise self.error
        return write(path, self.pieces(), self.wrappers)
