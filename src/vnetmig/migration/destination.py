"""The receiving side of a migration: bytes in, devices built from nothing but them, answers out, no IO.

Theory of operation: the stream's events move ``TRANSITIONS``. Virtio devices are loaded as their sections come,
devices that only the vmdescription explains when it comes at the end, and what nobody describes stays bytes. When the
stream has ended everything is saved again; ``answer`` then holds the result for the source. A fault anywhere ends in
FAILED: nothing was handed over, and the source goes on.

Knows sections and handlers; knows no channel. Every time is that of loading or saving alone, without waiting.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable

from vnetmig.engine import name as engine_in_use
from vnetmig.errors import MigrationError, StreamError, VnetmigError
from vnetmig.migration import trace
from vnetmig.migration.capabilities import VIRTIO_ITERATIVE, check_capabilities
from vnetmig.migration.decoders import Decoders
from vnetmig.migration.destination_states import TRANSITIONS, Phase, Turn
from vnetmig.migration.device import DescribedBy, Device
from vnetmig.migration.handlers import HasDecoder, LoadFile
from vnetmig.migration.loaded import LoadedSection, load_described, preparation
from vnetmig.migration.net_handlers import NetHandlers, NetMigration
from vnetmig.migration.registry import Registry, SaveStateEntry
from vnetmig.migration.result import Result
from vnetmig.migration.ring_verdict import ring_verdict
from vnetmig.migration.timed_decoder import TimedDecoder
from vnetmig.stream import framing
from vnetmig.stream.commands import Ping
from vnetmig.stream.cursor import Buffer
from vnetmig.stream.device_state import DeviceState
from vnetmig.stream.events import Command, Configuration, Event, SectionPayload, SectionStart, VmDescription
from vnetmig.stream.guest_memory import GuestMemory
from vnetmig.stream.iterative import IDSTR_SUFFIX
from vnetmig.stream.payload import Decoder, Payload, Raw, SectionHeader
from vnetmig.stream.reader import NEED_DATA, StreamReader
from vnetmig.stream.return_path import Pong, Shut
from vnetmig.stream.vmdescription import Description
from vnetmig.virtio.section import device_of

_SECTIONS = {
    framing.SECTION_START: Turn.START,
    framing.SECTION_PART: Turn.PART,
    framing.SECTION_END: Turn.END,
    framing.SECTION_FULL: Turn.FULL,
}

_UNKNOWN = (
    "Unknown savevm section or instance '{idstr}' {instance_id}. Make sure that your current VM setup matches your "
    "saved VM setup, including any hotplugged devices"
)


class Destination:
    """``feed`` what arrives, ``close`` when the source is done, send what ``answer`` gives.

    ``registry``: devices that load themselves, by idstr and instance. ``capabilities``: those of this side, which the
    stream must then have; None takes the stream's. ``page_size``: the target's, if it is not x86's. ``clock`` gives
    monotonic nanoseconds.
    """

    def __init__(
        self,
        *,
        engine: str | None = None,
        registry: Registry | None = None,
        capabilities: Iterable[str] | None = None,
        page_size: int | None = None,
        clock: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.phase = Phase.SETUP
        self.error: VnetmigError | None = None
        self.devices: list[Device] = []
        """What was built, in stream order."""
        self.result: Result | None = None
        self.trace: list[trace.TraceLine] = []
        self._engine = engine
        self._clock = clock
        self._registry = registry if registry is not None else Registry()
        self._local = None if capabilities is None else tuple(capabilities)
        self._decoders = Decoders(engine, page_size=page_size)
        self._reader = StreamReader(self._decoder_for)
        self._timed: dict[tuple[bool, int], TimedDecoder] = {}
        self._entries: dict[int, SaveStateEntry] = {}
        self._loaded: list[LoadedSection] = []
        self._nets: dict[tuple[str, int], NetMigration] = {}
        self._header: SectionHeader | None = None
        self._payloads: list[Payload] = []
        self._ram: list[Payload] = []
        self._memory: GuestMemory | None = None
        self._machine_type = ""
        self._iterative = False
        self._description: Description | None = None
        self._digest = hashlib.sha256()
        self._received = 0
        self._answer = bytearray()
        self._return_path = False
        self._checkpoints: list[tuple[str, int]] = []

    @property
    def finished(self) -> bool:
        return self.phase in (Phase.DONE, Phase.FAILED)

    def feed(self, data: Buffer) -> None:
        """Take bytes of the stream. Errors do not come out here: they end in FAILED and in the answer."""
        self._digest.update(data)
        self._received += len(data)
        if not self.finished:
            self._reader.feed(data)
            self._run(self._read)

    def close(self) -> None:
        """The source has sent everything."""
        if not self.finished:
            self._reader.close()
            self._run(self._read, self._end)

    def answer(self) -> bytes:
        """Bytes for the source that were not taken yet."""
        taken = bytes(self._answer)
        self._answer.clear()
        return taken

    def _run(self, *steps: Callable[[], None]) -> None:
        try:
            for step in steps:
                step()
        except VnetmigError as error:
            self._fail(error)
        except (RecursionError, MemoryError) as error:
            self._fail(MigrationError(f"{type(error).__name__}: {error}"))

    def _fail(self, error: VnetmigError) -> None:
        self.error = error
        self.phase = TRANSITIONS[self.phase, Turn.FAULT]
        self._clean_up()
        self.result = Result(self._engine or engine_in_use, self._received, error=str(error))
        self._finish(1)

    def _finish(self, shut: int) -> None:
        assert self.result is not None
        self._answer += self.result.encode()
        if self._return_path:
            self._answer += Shut(shut).encode()

    def _clean_up(self) -> None:
        for entry in self._entries.values():
            if entry.handlers is not None:
                entry.handlers.load_cleanup(entry.opaque)
        self._entries.clear()

    def _turn(self, turn: Turn) -> None:
        following = TRANSITIONS.get((self.phase, turn))
        if following is None:
            raise StreamError(f"{turn.value} cannot come in phase '{self.phase.value}'", offset=self._reader.offset)
        if self.phase is Phase.SETUP and turn in (Turn.START, Turn.PART, Turn.END, Turn.SWITCHOVER):
            for loaded in self._loaded:
                loaded.early = True
        self.phase = following

    # Reading: what decodes a section, and what happens when it is there.

    def _decoder_for(self, header: SectionHeader) -> Decoder | None:
        full = header.type == framing.SECTION_FULL
        if not full:
            self._begin_staged(header)
        entry = self._entries.get(header.section_id)
        own: object = entry.handlers if entry is not None and not full else None
        inner = own.decoder(header) if isinstance(own, HasDecoder) else self._decoders(header)
        if inner is None:
            self._timed.pop((full, header.section_id), None)
            return None
        timed = TimedDecoder(inner, self._clock, preparation(header))
        self._timed[full, header.section_id] = timed
        return timed

    def _begin_staged(self, header: SectionHeader) -> None:
        """A START: its handlers, and ``load_setup``, which QEMU calls before the first byte."""
        if header.section_id in self._entries:
            return
        entry = self._registry.find(header.idstr, header.instance_id)
        if entry is None and device_of(header.idstr.removesuffix(IDSTR_SUFFIX)) == "virtio-net":
            entry = self._net_entry(header)
        if entry is None or entry.handlers is None:
            return
        if not entry.active:
            raise StreamError(
                _UNKNOWN.format(idstr=header.idstr, instance_id=header.instance_id),
                section=header.idstr,
                expected=f"no such section: '{VIRTIO_ITERATIVE}' is off",
                got="one",
                code="section",
            )
        self._entries[header.section_id] = entry
        self._check(entry, entry.handlers.load_setup(entry.opaque))

    def _net_entry(self, header: SectionHeader) -> SaveStateEntry | None:
        if not header.idstr.endswith(IDSTR_SUFFIX):
            return None
        name = header.idstr.removesuffix(IDSTR_SUFFIX)
        device = Device(name, header.instance_id, 0, header.section_id)
        opaque = NetMigration(device, self._iterative, self._engine)
        self._nets[name, header.instance_id] = opaque
        return SaveStateEntry(
            header.idstr, header.instance_id, header.section_id, header.version_id, NetHandlers(), opaque
        )

    def _read(self) -> None:
        while (event := self._reader.next_event()) is not None:
            if event is NEED_DATA:
                return
            self._decoders.observe(event)
            self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, SectionPayload):
            self._payloads.append(event.payload)
            if event.last:
                self._load()
        elif isinstance(event, SectionStart):
            self._turn(_SECTIONS[event.type])
            self._header, self._payloads = event.header, []
        elif isinstance(event, Configuration):
            self._machine_type = event.body.machine_type
            self._iterative = VIRTIO_ITERATIVE in event.body.capabilities
            if self._local is not None:
                check_capabilities(event.body.capabilities, self._local)
        elif isinstance(event, Command):
            self._obey(event)
        elif isinstance(event, VmDescription):
            self._description = event.description

    def _obey(self, command: Command) -> None:
        if command.number == framing.OPEN_RETURN_PATH:
            self._return_path = True
        elif command.number == framing.SWITCHOVER_START:
            self._turn(Turn.SWITCHOVER)
        elif isinstance(command.payload, Ping):
            if not self._return_path:
                # qemu: migration/savevm.c:loadvm_process_command
                raise StreamError(
                    f"CMD_PING (0x{command.payload.value:x}) received with no return path", offset=command.offset
                )
            self._answer += Pong(command.payload.value).encode()

    def _load(self) -> None:
        header = self._header
        assert header is not None
        full = header.type == framing.SECTION_FULL
        timed = self._timed.get((full, header.section_id))
        spent = timed.taken() if timed is not None else 0
        if full:
            self._load_device(header, spent)
        else:
            self._load_staged(header, spent)

    def _load_device(self, header: SectionHeader, spent: int) -> None:
        device = Device.of(header)
        loaded = LoadedSection(header, spent, device)
        payload = self._payloads[0]
        if isinstance(payload, DeviceState):
            device.state, device.described_by = payload.record, DescribedBy.VIRTIO
            staged = self._nets.get((header.idstr, header.instance_id))
            if staged is not None:
                staged.device = device
            if staged is None or staged.checks_rings:
                memory = self._guest_memory()
                start = self._clock()
                loaded.rings = ring_verdict(payload.record, memory, header.idstr, engine=self._engine)
                loaded.load_ns += self._clock() - start
        else:
            device.state = b"".join(part.encode() for part in self._payloads)
        self.devices.append(device)
        self._loaded.append(loaded)

    def _load_staged(self, header: SectionHeader, spent: int) -> None:
        entry = self._entries.get(header.section_id)
        if header.idstr == "ram" and entry is None:
            self._ram += self._payloads
            self._memory = None
        payload = self._payloads[0] if len(self._payloads) == 1 else Raw(b"".join(p.encode() for p in self._payloads))
        if entry is not None and entry.handlers is not None:
            start = self._clock()
            returned = entry.handlers.load_state(LoadFile(payload, header.idstr), entry.opaque, header.version_id)
            spent += self._clock() - start
            self._check(entry, returned)
        if header.type == framing.SECTION_PART:
            return
        known = None if header.idstr == "ram" else payload.encode()
        early = header.type == framing.SECTION_START
        self._loaded.append(LoadedSection(header, spent, payload=known, early=early))

    def _check(self, entry: SaveStateEntry, returned: int) -> None:
        if returned < 0:
            raise MigrationError(
                f"error while loading state for instance 0x{entry.instance_id:x} of device '{entry.idstr}'"
                f" (returned {returned})"
            )

    def _guest_memory(self) -> GuestMemory | None:
        """What the stream brought of the guest's RAM, put together when it is first asked for."""
        if self._memory is None and self._ram:
            self._memory = GuestMemory.from_ram_words(self._ram, machine=self._machine_type)
        return self._memory

    # The end of the stream: the rest is loaded, everything is saved again.

    def _end(self) -> None:
        self._turn(Turn.ENDED)
        final = {(device.idstr, device.instance_id) for device in self.devices}
        for name in self._nets:
            if name not in final:
                raise StreamError(
                    f"'{name[0]}' was sent early and never again", expected="its FULL section", code="section"
                )
        if self._description is not None:
            load_described(self._loaded, self._description, self._engine, self._clock)
        self._pass("dst-precopy-loadvm-completed")
        for checkpoint in trace.DESTINATION_CHECKPOINTS[1:]:
            self._pass(checkpoint)
        self._clean_up()
        self._trace_loads()
        sections = tuple(
            loaded.saved(self._engine, self._clock) for loaded in self._loaded if loaded.header.idstr != "ram"
        )
        self._turn(Turn.SAVED)
        self.result = Result(
            self._engine or engine_in_use,
            self._received,
            self._digest.hexdigest(),
            None,
            sections,
            tuple(self._checkpoints),
            tuple(map(str, self.trace)),
        )
        self._finish(0)

    def _trace_loads(self) -> None:
        """In stream order, in front of the checkpoints; QEMU traces every FULL and every END."""
        lines = []
        for loaded in self._loaded:
            header = loaded.header
            if header.type != framing.SECTION_START:
                kind = trace.NON_ITERABLE if loaded.device is not None else trace.ITERABLE
                lines.append(trace.loaded(kind, header.idstr, header.instance_id, loaded.load_ns))
        self.trace[:0] = lines

    def _pass(self, checkpoint: str) -> None:
        self._checkpoints.append((checkpoint, self._clock()))
        self.trace.append(trace.checkpoint(checkpoint))


__all__ = ["Destination", "Phase"]
