"""The devices that a destination builds: sections in, states out, with what each took.

Nothing is changed in place: every state is a new record, and the machine that will run it is told only of states that
loaded whole. What was sent early is held until the final state comes, and then dropped: a subsection or a queue that is
not in the final state any more cannot survive. Knows sections, handlers and frames; knows no order of events and no
time but that of loading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final

from vnetmig.errors import MigrationError, StreamError
from vnetmig.migration import delta_handlers, expected, preheat_handlers, trace
from vnetmig.migration.capabilities import VIRTIO_ITERATIVE
from vnetmig.migration.decoders import EARLY_SUFFIX, Decoders
from vnetmig.migration.described import VmdescPrograms, load_described
from vnetmig.migration.device import DescribedBy, Device
from vnetmig.migration.foreign import run_all
from vnetmig.migration.handlers import HasDecoder, LoadFile
from vnetmig.migration.loaded import LoadedSection, load_rest, preparation
from vnetmig.migration.machine_control import IncomingMachine
from vnetmig.migration.net_handlers import NetHandlers, NetMigration
from vnetmig.migration.registry import Registry, SaveStateEntry
from vnetmig.migration.resolved import is_described, resolved
from vnetmig.migration.result import SECTIONS_MAX, SectionResult
from vnetmig.migration.ring_verdict import ring_verdict
from vnetmig.migration.tentative_state import WRONG_BASE, HeldState
from vnetmig.migration.timed_decoder import TimedDecoder
from vnetmig.migration.trace import TraceLine
from vnetmig.stream import framing
from vnetmig.stream.device_state import DeviceState
from vnetmig.stream.guest_memory import GuestMemory
from vnetmig.stream.iterative import IDSTR_SUFFIX
from vnetmig.stream.payload import Decoded, Decoder, Payload, Raw, SectionHeader
from vnetmig.stream.ram_image import RamImage
from vnetmig.stream.tentative import Frame
from vnetmig.stream.vmdescription import Description
from vnetmig.virtio.net import VM_VERSION
from vnetmig.virtio.rings import provisional_rings
from vnetmig.virtio.section import device_of
from vnetmig.vmstate.record import Record

Key = tuple[str, int]

_VIRTIO_SUFFIXES = (IDSTR_SUFFIX, delta_handlers.IDSTR_SUFFIX)

SECTIONS_KEPT: Final = SECTIONS_MAX - 16
"""Sections of one stream: each is told to the source, with some lines more."""


class IncomingDevices:
    """``decoders`` have observed the stream; ``clock`` gives nanoseconds. ``strict``: a device whose rings make it
    broken ends the migration, where QEMU goes on with a dead NIC (the hand-over, which has a source to go back to)."""

    def __init__(
        self,
        decoders: Decoders,
        registries: Iterable[Registry],
        machine: IncomingMachine,
        engine: str | None,
        clock: Callable[[], int],
    ) -> None:
        self.devices: list[Device] = []
        """What was built, in stream order."""
        self.sections: list[LoadedSection] = []
        self.strict = False
        self.needed: list[Key] = []
        """Devices whose frames built on something that is not here: wanted whole."""
        self.machine_type = ""
        self._decoders = decoders
        self._registries = tuple(registries)
        self._machine = machine
        self._engine = engine
        self._clock = clock
        self._timed: dict[tuple[bool, int], TimedDecoder] = {}
        self._entries: dict[int, SaveStateEntry] = {}
        self._nets: set[Key] = set()
        self._held: dict[Key, HeldState] = {}
        self._described: VmdescPrograms | None = None
        self._ram = RamImage()
        self._memory: GuestMemory | None = None

    # What decodes a section.

    def decoder_for(self, header: SectionHeader) -> Decoder | None:
        """The decoder of a section whose header was read. StreamError when nobody here expects it."""
        full = header.type == framing.SECTION_FULL
        if full:
            expected.check_full(header, self._machine, self._decoders.capabilities)
        else:
            self._begin(header)
        entry = self._entries.get(header.section_id)
        own: object = entry.handlers if entry is not None and not full else None
        inner = own.decoder(header) if isinstance(own, HasDecoder) else self._decoders(header)
        if inner is None:
            self._timed.pop((full, header.section_id), None)
            return None
        timed = TimedDecoder(inner, self._clock, preparation(header))
        self._timed[full, header.section_id] = timed
        return timed

    def _begin(self, header: SectionHeader) -> None:
        """A START: its handlers, and ``load_setup``, which QEMU calls before the first byte."""
        begun = self._entries.get(header.section_id)
        if begun is not None:
            expected.check_same(header, begun)
            return
        entry = self._registered(header)
        if entry is None:
            expected.check_staged(header, self._machine, self._decoders.capabilities)
            entry = self._net_entry(header) if header.idstr.endswith(IDSTR_SUFFIX) else None
        if entry is None or entry.handlers is None:
            return
        expected.check_registered(header, entry)
        self._entries[header.section_id] = entry
        self._check(entry, entry.handlers.load_setup(entry.opaque))

    def _registered(self, header: SectionHeader) -> SaveStateEntry | None:
        for registry in self._registries:
            entry = registry.find(header.idstr, header.instance_id)
            if entry is not None:
                return entry
        return None

    def _net_entry(self, header: SectionHeader) -> SaveStateEntry | None:
        name = header.idstr.removesuffix(IDSTR_SUFFIX)
        if device_of(name) != "virtio-net":
            return None
        device = Device(name, header.instance_id, 0, header.section_id)
        opaque = NetMigration(device, VIRTIO_ITERATIVE in self._decoders.capabilities, self._engine)
        return SaveStateEntry(
            header.idstr, header.instance_id, header.section_id, header.version_id, NetHandlers(), opaque
        )

    # What happens when it is there.

    def load(self, header: SectionHeader, payloads: list[Payload]) -> None:
        """One section, whole."""
        if len(self.sections) >= SECTIONS_KEPT:
            raise StreamError("Too many sections", expected=f"at most {SECTIONS_KEPT}", code="limit")
        full = header.type == framing.SECTION_FULL
        timed = self._timed.get((full, header.section_id))
        spent = timed.taken() if timed is not None else 0
        if full and header.idstr.endswith(EARLY_SUFFIX) and device_of(header.idstr.removesuffix(EARLY_SUFFIX)):
            self._load_early(header, payloads[0], spent)
        elif full:
            self._load_device(header, payloads, spent)
        else:
            self._load_staged(header, payloads, spent)

    def _load_early(self, header: SectionHeader, payload: Payload, spent: int) -> None:
        loaded = LoadedSection(header, spent, payload=payload.encode(), early=True, described_by=DescribedBy.VIRTIO)
        start = self._clock()
        if isinstance(payload, DeviceState):
            key = header.idstr.removesuffix(EARLY_SUFFIX), header.instance_id
            self._held.setdefault(key, HeldState()).hold(payload.encode(), payload.record)
            self._prepare(*key, payload.record)
        loaded.load_ns += self._clock() - start
        self.sections.append(loaded)

    def _prepare(self, idstr: str, instance_id: int, record: Record) -> None:
        """A state that may not be the last: nobody looks at its rings, which have not arrived."""
        self._nets.add((idstr, instance_id))
        self._machine.prepare(idstr, instance_id, record)

    def _load_device(self, header: SectionHeader, payloads: list[Payload], spent: int) -> None:
        device = Device.of(header)
        loaded = LoadedSection(header, spent, device)
        payload = payloads[0]
        self.devices.append(device)
        self.sections.append(loaded)
        if isinstance(payload, Frame):
            self._load_frame(device, loaded, payload)
        elif isinstance(payload, DeviceState):
            self._load_final(device, loaded, payload.record)
        else:
            device.state = b"".join(part.encode() for part in payloads)

    def _load_frame(self, device: Device, loaded: LoadedSection, frame: Frame) -> None:
        start = self._clock()
        key = device.idstr, device.instance_id
        try:
            held = self._held.setdefault(key, HeldState())
            data = held.take(frame, device.idstr, self._engine)
            if data is None:
                raise StreamError(
                    f"'{device.idstr}' was sent early and never again", expected="a state", code="section"
                )
            record = resolved(device.idstr, device.version_id, data, self._engine, held.program)
        except StreamError as error:
            if error.code != WRONG_BASE or not self.strict:
                raise
            self.needed.append(key)
            return
        finally:
            loaded.load_ns += self._clock() - start
        if key in self.needed:
            self.needed.remove(key)
        self._load_final(device, loaded, record)

    def again(self, idstr: str, instance_id: int, decoded: Decoded) -> None:
        """A device's state that was asked for. StreamError when it was not, or is none."""
        frame = decoded.payload
        if not isinstance(frame, Frame):
            raise StreamError(f"'{idstr}' was sent again in no frame", section=idstr, code="handover")
        for loaded in self.sections:
            device = loaded.device
            wanted = (idstr, instance_id) in self.needed
            if wanted and device is not None and (device.idstr, device.instance_id) == (idstr, instance_id):
                self._load_frame(device, loaded, frame)
                return
        raise StreamError(f"'{idstr}' was sent again, and nobody asked for it", section=idstr, code="handover")

    def _load_final(self, device: Device, loaded: LoadedSection, record: Record) -> None:
        device.state = record
        start = self._clock()
        device.described_by = DescribedBy.of(record)
        if device.described_by is DescribedBy.VIRTIO:
            memory = self.guest_memory()
            loaded.rings, device.rings = ring_verdict(
                record, memory, device.idstr, engine=self._engine, strict=self.strict
            )
        self._machine.commit(device.idstr, device.instance_id, record)
        loaded.load_ns += self._clock() - start

    def _load_staged(self, header: SectionHeader, payloads: list[Payload], spent: int) -> None:
        entry = self._entries.get(header.section_id)
        if header.idstr == "ram" and entry is None:
            for chunk in payloads:
                self._ram.apply_payload(chunk)
            self._memory = None
        payload = payloads[0] if len(payloads) == 1 else Raw(b"".join(p.encode() for p in payloads))
        start = self._clock()
        if entry is not None and entry.handlers is not None:
            known = entry.opaque.device.state if isinstance(entry.opaque, NetMigration) else None
            returned = entry.handlers.load_state(LoadFile(payload, header.idstr), entry.opaque, header.version_id)
            self._check(entry, returned)
            if isinstance(entry.opaque, NetMigration) and entry.opaque.device.state is not known:
                self._net_loaded(entry.opaque)
        elif isinstance(payload, Frame):
            self._load_tentative(header, payload)
        spent += self._clock() - start
        if header.type == framing.SECTION_PART:
            self._add_to_start(header, spent)
            return
        data = None if header.idstr == "ram" else payload.encode()
        early = header.type == framing.SECTION_START
        by = self._explained(entry, header)
        self.sections.append(LoadedSection(header, spent, payload=data, early=early, described_by=by))

    def _explained(self, entry: SaveStateEntry | None, header: SectionHeader) -> DescribedBy:
        if entry is not None and not isinstance(entry.opaque, NetMigration):
            return DescribedBy.REGISTERED
        return DescribedBy.VIRTIO if header.idstr.endswith(_VIRTIO_SUFFIXES) else DescribedBy.NOTHING

    def _add_to_start(self, header: SectionHeader, spent: int) -> None:
        for loaded in self.sections:
            if loaded.header.section_id == header.section_id and loaded.early:
                loaded.load_ns += spent
                return

    def _net_loaded(self, opaque: NetMigration) -> None:
        device = opaque.device
        if isinstance(device.state, Record):
            device.rings = provisional_rings(device.state)
            self._prepare(device.idstr, device.instance_id, device.state)

    def _load_tentative(self, header: SectionHeader, frame: Frame) -> None:
        if header.idstr == preheat_handlers.DESCRIPTION:
            self._described = VmdescPrograms.of(Description(frame.data))
        elif header.idstr.endswith(preheat_handlers.SUFFIX):
            self._preheat(header, frame)
        elif header.idstr.endswith(delta_handlers.IDSTR_SUFFIX):
            self._take_delta(header, frame)

    def _take_delta(self, header: SectionHeader, frame: Frame) -> None:
        idstr = header.idstr.removesuffix(delta_handlers.IDSTR_SUFFIX)
        key = idstr, header.instance_id
        if device_of(idstr) != "virtio-net":
            raise expected.unknown(header)
        held = self._held.setdefault(key, HeldState())
        self._nets.add(key)
        if held.refused and frame.base:
            return  # already asked for whole
        try:
            data = held.take(frame, idstr, self._engine)
        except StreamError as error:
            if error.code != WRONG_BASE:
                raise
            self.needed.append(key)
            return
        if data is not None:
            record = resolved(idstr, VM_VERSION, data, self._engine, held.program)
            if key in self.needed:
                self.needed.remove(key)
            held.hold(data, record, frame)
            self._prepare(*key, record)

    def _preheat(self, header: SectionHeader, frame: Frame) -> None:
        """Load, and forget."""
        idstr = header.idstr.removesuffix(preheat_handlers.SUFFIX)
        if is_described(idstr):
            resolved(idstr, header.version_id, frame.data, self._engine)
        elif self._described is not None:
            (described,) = self._described.find([(idstr, header.instance_id)])
            if described is not None:
                with suppress(StreamError):  # the description may be wrong about this device
                    load_described(described, frame.data, programs=self._described, engine=self._engine)

    def _check(self, entry: SaveStateEntry, returned: int) -> None:
        if returned < 0:
            raise MigrationError(
                f"error while loading state for instance 0x{entry.instance_id:x} of device '{entry.idstr}'"
                f" (returned {returned})"
            )

    def guest_memory(self) -> GuestMemory | None:
        """What the stream brought of the guest's RAM so far."""
        if self._memory is None and self._ram.blocks:
            self._memory = GuestMemory.from_image(self._ram, self.machine_type)
        return self._memory

    # The end.

    @property
    def awaiting_ack(self) -> bool:
        """Does a device that asks for it still have no state?"""
        return any(
            entry.handlers is not None
            and entry.handlers.switchover_ack_needed(entry.opaque)
            and not any(loaded.header.section_id == section_id for loaded in self.sections)
            for section_id, entry in self._entries.items()
        )

    def complete(self, description: Description | None) -> None:
        """The stream has ended: nothing may be missing; load what only ``description`` explains."""
        final = {(device.idstr, device.instance_id) for device in self.devices}
        for name in sorted(self._nets - final):
            raise StreamError(
                f"'{name[0]}' was sent early and never again", expected="its FULL section", code="section"
            )
        if self.needed:
            raise StreamError(f"'{self.needed[0][0]}' came as a delta from a state that is not here", code=WRONG_BASE)
        if description is not None:
            load_rest(self.sections, description, self._engine, self._clock)
        self._machine.loaded(self.devices, self.guest_memory())

    def saved(self) -> tuple[SectionResult, ...]:
        """Every section but RAM's, saved again from values."""
        return tuple(
            loaded.saved(self._engine, self._clock) for loaded in self.sections if loaded.header.idstr != "ram"
        )

    def trace_loads(self) -> list[TraceLine]:
        """In stream order; QEMU traces every FULL and every END."""
        lines = []
        for loaded in self.sections:
            header = loaded.header
            if header.type != framing.SECTION_START:
                kind = trace.NON_ITERABLE if loaded.device is not None else trace.ITERABLE
                lines.append(trace.loaded(kind, header.idstr, header.instance_id, loaded.load_ns))
        return lines

    def clean_up(self) -> None:
        """``load_cleanup`` of every device that was set up, once. A hook that raises keeps no other from its turn; its
        error goes out at the end."""
        entries, self._entries = self._entries, {}
        self._held.clear()
        calls = [partial(e.handlers.load_cleanup, e.opaque) for e in entries.values() if e.handlers is not None]
        run_all(calls)
