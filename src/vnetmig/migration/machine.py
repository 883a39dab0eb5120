"""What a source owns: the devices of a machine and its RAM, as a stream recorded them.

Knows events and which of them belong to whom; knows no mode. The sections of an iterative migration are not part of a
machine: what they held becomes the device's ``setup_state``, their ids are kept, and a mode may write them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vnetmig.errors import StreamError
from vnetmig.migration.capabilities import MAPPED_RAM, VIRTIO_ITERATIVE, with_capabilities
from vnetmig.migration.decoders import Decoders
from vnetmig.migration.described import VmdescPrograms, load_described
from vnetmig.migration.device import DescribedBy, Device
from vnetmig.migration.handlers import SaveVMHandlers
from vnetmig.migration.mapped_recording import is_mapped, unmapped
from vnetmig.migration.options import Options
from vnetmig.migration.recorded_handlers import Playback, RecordedHandlers, Recording
from vnetmig.migration.registry import Registry, Saveable
from vnetmig.migration.ring_pages import page_words, ring_pages
from vnetmig.stream import framing
from vnetmig.stream.configuration import ConfigurationBody
from vnetmig.stream.device_state import DeviceState
from vnetmig.stream.events import (
    Command,
    Configuration,
    Event,
    FileHeader,
    SectionFooter,
    SectionPayload,
    SectionStart,
    VmDescription,
)
from vnetmig.stream.guest_memory import GuestMemory
from vnetmig.stream.iterative import IDSTR_SUFFIX, IterativeData
from vnetmig.stream.mapped_pieces import MappedEntry
from vnetmig.stream.payload import Payload, SectionHeader
from vnetmig.stream.ram import RamWords
from vnetmig.stream.ram_words import PAGE_SIZE, Block, BlockList, EndOfSection
from vnetmig.stream.reader import read_events
from vnetmig.stream.vmdescription import Description, find
from vnetmig.virtio.section import device_of

_KEPT_COMMANDS = frozenset({framing.OPEN_RETURN_PATH, framing.PING, framing.POSTCOPY_ADVISE})
"""Commands in front of the first section that a precopy migration has too."""

_STOPPED_AT = frozenset({framing.SWITCHOVER_START, framing.PACKAGED})
"""Commands that a source sends only when its guest has stopped."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A device that a mode migrates in stages. ``section_id`` None: the next one that is free."""

    idstr: str
    instance_id: int
    version_id: int
    handlers: SaveVMHandlers
    opaque: object
    section_id: int | None = None


@dataclass(frozen=True, slots=True)
class EarlySection:
    """A section that a mode sends whole in the setup phase (qemu: early_setup)."""

    idstr: str
    instance_id: int
    version_id: int
    vmsd: Saveable


@dataclass(slots=True)
class Machine:
    """``rounds``: which section ids had a PART in each round of the recorded iteration."""

    configuration: ConfigurationBody | None = None
    devices: list[Device] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)
    rounds: tuple[frozenset[int], ...] = ()
    iterative_ids: dict[str, int] = field(default_factory=dict)
    """Section ids that the iterative sections of the recorded stream had, by idstr."""
    prelude: tuple[Command, ...] = ()
    switchover_start: bool = False
    description: Description | None = None
    footers: bool = True
    blocks: tuple[Block, ...] = ()
    """The RAM blocks of the recorded stream."""
    page_size: int = PAGE_SIZE
    """The target's: QEMU's two sides know it, and it is nowhere in front of the RAM words that depend on it."""

    @classmethod
    def from_events(cls, events: Iterable[Event], engine: str | None = None) -> Machine:
        """The machine that a stream holds. Devices that only the vmdescription explains are loaded by it."""
        recorder = _Recorder()
        for event in events:
            recorder.take(event)
        machine = recorder.machine()
        if machine.description is not None and machine.description.fault is None:
            machine.page_size = machine.description.page_size or PAGE_SIZE
            _describe(machine.devices, machine.description, engine)
        return machine

    @classmethod
    def from_bytes(cls, stream: bytes, engine: str | None = None) -> Machine:
        """The machine of a whole stream."""
        place = find(stream)
        described = Description(stream[place[0] : place[0] + place[1]]) if place else None
        usable = described if described is not None and described.fault is None else None
        decoders = Decoders(engine, page_size=usable.page_size if usable else None)

        def observed() -> Iterable[Event]:
            for event in read_events((stream,), decoders, usable.lengths() if usable else None):
                decoders.observe(event)
                yield event

        return cls.from_events(observed(), engine)

    @property
    def machine_type(self) -> str:
        return self.configuration.machine_type if self.configuration else ""

    def saved(self, device: Device, *, engine: str | None = None) -> bytes:
        """The payload of ``device``'s section as this machine would save it now."""
        return device.save(engine=engine)

    def with_memory(self, memory: GuestMemory) -> Machine:
        """The same machine, whose RAM also carries the pages of ``memory`` that hold virtqueues.

        They go as PAGE words in a PART of their own before all others, so that what the recorded stream itself says
        of a page comes later and wins. (A QEMU with x-ignore-shared refuses them: "should not be migrated".)
        """
        ram = next((r for r in self.recordings if r.header.idstr == "ram"), None)
        records = [d.state for d in self.devices if d.described_by is DescribedBy.VIRTIO]
        words = page_words(ring_pages(records, memory), self.blocks, self.machine_type)
        if ram is None or not words or self.page_size != PAGE_SIZE:
            return self
        part = b"".join(word.encode() for word in (*words, EndOfSection()))
        recordings = [r.with_part(part) if r is ram else r for r in self.recordings]
        rounds = (frozenset({ram.header.section_id}), *self.rounds)
        return replace(self, recordings=recordings, rounds=rounds)

    def nets(self) -> Iterator[Device]:
        """The virtio-net devices that go at the end."""
        return (d for d in self.devices if device_of(d.idstr) == "virtio-net" and not d.early)

    def enroll(
        self,
        registry: Registry,
        extra: Sequence[Enrolment] = (),
        early: Sequence[EarlySection] = (),
        finals: Mapping[tuple[str, int], Saveable] | None = None,
    ) -> None:
        """Register everything of this machine, and what a mode adds, in the order of registration in QEMU. ``finals``:
        what is saved in the place of a device."""
        finals = finals or {}
        recorded = [
            Enrolment(h.idstr, h.instance_id, h.version_id, RecordedHandlers(), Playback(r), h.section_id)
            for r in self.recordings
            for h in (r.header,)
        ]
        staged = [*recorded, *extra]
        order: list[Device | Enrolment] = [*self.devices]
        first = sum(1 for device in self.devices if device.early)
        for enrolment in (e for e in staged if e.section_id is not None):
            before = [i for i, e in enumerate(order) if (e.section_id or 0) < (enrolment.section_id or 0)]
            order.insert(max(first, max(before, default=-1) + 1), enrolment)
        for entry in (*order, *(e for e in staged if e.section_id is None)):
            if isinstance(entry, Device):
                vmsd = finals.get((entry.idstr, entry.instance_id), entry)
                registry.register_vmstate(
                    entry.idstr, entry.instance_id, entry.version_id, vmsd, section_id=entry.section_id
                )
            else:
                registry.register_savevm_live(
                    entry.idstr,
                    entry.instance_id,
                    entry.version_id,
                    entry.handlers,
                    entry.opaque,
                    section_id=entry.section_id,
                )
        for section in early:
            registry.register_vmstate(section.idstr, section.instance_id, section.version_id, section.vmsd)

    @property
    def rounds_max(self) -> int:
        """Rounds of iteration after which the guest is stopped anyway: handlers may never say that they are
        finished."""
        return 1 << 20

    def threshold(self, options: Options) -> int:
        """Pending bytes with which the guest may be stopped. A recorded iteration is played to its end."""
        return 0

    def reaches(self, section_id: int, round_number: int) -> bool:
        """May this section write a PART in this round? QEMU asks its rate limiter before every handler, RAM first,
        so a busy guest starves those behind it; a recorded iteration is starved where it was."""
        recorded = {r.header.section_id for r in self.recordings} | set(self.iterative_ids.values())
        if section_id not in recorded:
            return True
        return round_number < len(self.rounds) and section_id in self.rounds[round_number]


class _Recorder:
    """Sorts events into a machine."""

    def __init__(self) -> None:
        self._machine = Machine(footers=False)
        self._header: SectionHeader | None = None
        self._payloads: list[Payload] = []
        self._live: dict[int, Recording] = {}
        self._setup_states: dict[tuple[str, int], IterativeData] = {}
        self._rounds: list[set[int]] = []
        self._seen_section = False
        self._stopped = False
        """The guest does not run any more."""

    def take(self, event: Event) -> None:
        machine = self._machine
        if isinstance(event, SectionPayload):
            self._payloads.append(event.payload)
            if event.last:
                self._close()
        elif isinstance(event, SectionStart):
            self._header, self._payloads, self._seen_section = event.header, [], True
        elif isinstance(event, SectionFooter):
            machine.footers = True
        elif isinstance(event, FileHeader):
            pass
        elif isinstance(event, Configuration):
            machine.configuration = with_capabilities(event.body, off=(VIRTIO_ITERATIVE, MAPPED_RAM))
        elif isinstance(event, Command):
            self._command(event)
        elif isinstance(event, VmDescription):
            machine.description = event.description

    def _command(self, command: Command) -> None:
        if command.number == framing.SWITCHOVER_START:
            self._machine.switchover_start = True
        elif not self._seen_section and command.number in _KEPT_COMMANDS:
            self._machine.prelude = (*self._machine.prelude, command)
        self._stopped |= command.number in _STOPPED_AT

    def _close(self) -> None:
        header = self._header
        assert header is not None
        if header.type == framing.SECTION_FULL:
            self._device(header)
        elif header.idstr.endswith(IDSTR_SUFFIX) and all(isinstance(p, IterativeData) for p in self._payloads):
            self._iterative(header)
        else:
            self._iterable(header)

    def _device(self, header: SectionHeader) -> None:
        device = Device.of(header)
        payload = self._payloads[0]
        if isinstance(payload, DeviceState):
            device.state, device.described_by = payload.record, DescribedBy.of(payload.record)
        else:
            device.state = b"".join(part.encode() for part in self._payloads)
        self._machine.devices.append(device)

    def _iterative(self, header: SectionHeader) -> None:
        self._note_part(header)
        if header.type == framing.SECTION_START:
            self._machine.iterative_ids[header.idstr] = header.section_id
            data = self._payloads[0]
            if isinstance(data, IterativeData) and data.states:
                self._setup_states[header.idstr.removesuffix(IDSTR_SUFFIX), header.instance_id] = data

    def _iterable(self, header: SectionHeader) -> None:
        known = self._live.get(header.section_id) or Recording(header)
        if is_mapped(self._payloads):
            start, part = unmapped(self._payloads)
            self._machine.blocks = tuple(p.block for p in self._payloads if isinstance(p, MappedEntry))
            self._live[header.section_id] = replace(known, start=start, parts=(part,))
            self._rounds = [{header.section_id}]
            return
        self._note_part(header)
        if header.type == framing.SECTION_START and header.idstr == "ram":
            self._machine.blocks = _blocks(self._payloads)
        data = b"".join(bytes(p.data) if isinstance(p, RamWords) else p.encode() for p in self._payloads)
        if header.type == framing.SECTION_START:
            known = replace(known, start=data)
        elif header.type == framing.SECTION_PART:
            known = replace(known, parts=(*known.parts, data))
        else:
            known = replace(known, end=data)
        self._live[header.section_id] = known

    def _note_part(self, header: SectionHeader) -> None:
        if header.type == framing.SECTION_PART:
            if not self._rounds or header.section_id in self._rounds[-1]:
                self._rounds.append(set())
            self._rounds[-1].add(header.section_id)
        if header.type == framing.SECTION_END:
            self._stopped = True
        if not self._stopped:  # what came whole before was saved in the setup phase
            for device in self._machine.devices:
                device.early = True

    def machine(self) -> Machine:
        machine = self._machine
        machine.recordings = [self._ended(recording) for recording in self._live.values()]
        machine.rounds = tuple(frozenset(ids) for ids in self._rounds)
        for device in machine.devices:
            early = self._setup_states.get((device.idstr, device.instance_id))
            if early is not None:
                device.setup_state = early.states[-1].record
        return machine

    def _ended(self, recording: Recording) -> Recording:
        """A background snapshot has no END; a migration has one."""
        if recording.header.idstr == "ram" and not recording.end:
            return replace(recording, end=EndOfSection().encode())
        return recording


def _blocks(payloads: Sequence[Payload]) -> tuple[Block, ...]:
    words = (word for payload in payloads if isinstance(payload, RamWords) for word in payload.words())
    return next((word.blocks for word in words if isinstance(word, BlockList)), ())


def _describe(devices: Sequence[Device], description: Description, engine: str | None) -> None:
    programs = VmdescPrograms.of(description)
    found = programs.find([(device.idstr, device.instance_id) for device in devices])
    for device, described in zip(devices, found, strict=True):
        if described is None or not isinstance(device.state, bytes):
            continue
        try:
            device.state = load_described(described, device.state, programs=programs, engine=engine)
            device.described_by = DescribedBy.VMDESC
        except StreamError:
            pass  # the description is wrong about this device: its bytes stay bytes
