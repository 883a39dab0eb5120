"""Looking on at a migration: bytes of both directions in as they come by, a bounded account out. Does no IO.

Knows what the events of a stream say of the migration's progress. Must not know where the bytes come from, where they
go, or what devices hold. Pages of RAM are passed over where they lie; the account is the same however the bytes arrive
(times are when they did). A stream that cannot be read is no reason to stop a migration: the account says where it was
lost, and bytes are counted on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from vnetmig.errors import StreamError
from vnetmig.migration.account import EARLY, Account, DeviceSeen, Phase, Round
from vnetmig.migration.decoders import Decoders
from vnetmig.stream import framing
from vnetmig.stream.cursor import Buffer
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
    VmDescription,
)
from vnetmig.stream.framing import Limits
from vnetmig.stream.mapped_ram import MappedRamDecoder
from vnetmig.stream.passed import Passer, RamPassed, RamPasser
from vnetmig.stream.payload import Decoder, SectionHeader
from vnetmig.stream.ram import RamDecoder
from vnetmig.stream.reader import StreamReader
from vnetmig.stream.receiver import NeedData
from vnetmig.stream.return_path import Pong, RequestPages, ReturnPathReader, Shut, SwitchoverAck

LIMITS: Final = Limits(payload=16 << 20, vmdescription=16 << 20, bitmap=64 << 20)
"""The most that is ever held: one payload of a described device, the vmdescription, or one message."""

#        what comes                          from                         to
_MOVES: Final[dict[str, tuple[tuple[Phase, ...], Phase]]] = {
    "header": ((Phase.NOTHING,), Phase.SETUP),
    "PART": ((Phase.SETUP,), Phase.ROUNDS),
    "SWITCHOVER_START": (EARLY, Phase.SWITCHOVER),
    "PACKAGED": ((*EARLY, Phase.SWITCHOVER), Phase.DEVICES),
    "END": (EARLY, Phase.SWITCHOVER),
    # A FULL section in the setup is one that must be there before RAM (qemu: virtio-mem's early setup).
    "FULL": ((Phase.ROUNDS, Phase.SWITCHOVER), Phase.DEVICES),
    "package end": ((Phase.DEVICES,), Phase.POSTCOPY),
    "EOF": (tuple(Phase), Phase.ENDING),
}


class Watcher:
    """``feed`` the source's bytes, ``feed_back`` the destination's, ``close`` when no more will come.

    ``seen`` is called with every event that was read; what it raises goes to whoever feeds. ``passing`` False: FULL
    sections that nothing describes are held whole instead of passed over, so that ``seen`` gets their payloads.
    ``page_size``: the target's, where its machine type does not say it in the stream and it is not 4096.

    >>> import vnetmig
    >>> watcher = Watcher()
    >>> watcher.feed(vnetmig.load(vnetmig.sample()).encode(), now=0)
    >>> watcher.close(now=1000)
    >>> watcher.account.phase, watcher.account.machine, watcher.account.complete
    (<Phase.ENDING: 'ending'>, 'pc-i440fx-10.0', True)
    """

    def __init__(
        self,
        *,
        engine: str | None = None,
        seen: Callable[[Event], None] | None = None,
        passing: bool = True,
        page_size: int | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        self.account = Account()
        self._seen = seen
        self._passing = passing
        self._decoders = Decoders(engine, page_size=page_size)
        self._live: set[int] = set()
        self._footers = False
        self._now = 0
        self._section: SectionHeader | None = None
        self._round: Round | None = None
        self._device: DeviceSeen | None = None
        self._reader: StreamReader | None = StreamReader(self._decoder_for, limits=limits)
        self._back: ReturnPathReader | None = ReturnPathReader(limits)

    def feed(self, data: Buffer, now: int) -> None:
        """Bytes of the source. ``bytes`` are read where they are, anything else is copied."""
        account = self.account
        if account.began is None:
            account.began = now
        account.size += len(data)
        self._now = now
        if self._reader is not None:
            self._reader.feed(data)
            self._read(self._reader)

    def close(self, now: int) -> None:
        """The source will send no more."""
        self._now = now
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
            self._read(reader)

    def feed_back(self, data: Buffer, now: int) -> None:
        """Bytes of the destination."""
        peer = self.account.peer
        peer.size += len(data)
        if self._back is None:
            return
        self._back.feed(data)
        try:
            while not isinstance(message := self._back.next_message(), NeedData):
                if isinstance(message, Pong):
                    peer.pongs += 1
                elif isinstance(message, RequestPages):
                    peer.page_requests += 1
                elif isinstance(message, SwitchoverAck):
                    peer.switchover_ack = now
                elif isinstance(message, Shut):
                    peer.shut, peer.shut_at = message.value, now
        except StreamError as error:
            peer.fault, self._back = error, None

    @property
    def page_size(self) -> int:
        """The target's."""
        return self._decoders.page_size

    @property
    def offset(self) -> int:
        """Offset of the first byte that no event holds yet; all bytes, when nothing can be read any more."""
        return self._reader.offset if self._reader is not None else self.account.size

    def _read(self, reader: StreamReader) -> None:
        while True:
            try:
                event = reader.next_event()
            except StreamError as error:
                self.account.fault, self._reader = error, None
                return
            if event is None or isinstance(event, NeedData):
                return
            self._decoders.observe(event)
            taken = _TAKEN.get(type(event))
            if taken is not None:
                taken(self, event)
            if self._seen is not None:
                self._seen(event)

    def _decoder_for(self, header: SectionHeader) -> Decoder | None:
        found = self._decoders(header)
        if isinstance(found, MappedRamDecoder):
            raise StreamError(
                "mapped-ram takes a file, which can be written anywhere", expected="RAM as a socket carries it"
            )
        if isinstance(found, RamDecoder):
            return RamPasser(found.grammar)
        if found is None and self._footers and (self._passing or header.type != framing.SECTION_FULL):
            return Passer(header.section_id, self._live)
        return found

    def _move(self, what: str, offset: int) -> None:
        froms, to = _MOVES[what]
        if self.account.phase in froms and self.account.phase is not to:
            self.account.phases.append((to, self._now, offset))

    # What each event tells.

    def _take_header(self, event: FileHeader) -> None:
        self._move("header", event.offset)

    def _take_configuration(self, event: Configuration) -> None:
        # One machine type switched both properties on (qemu: hw/core/machine.c:hw_compat_2_3).
        self._footers = True
        self.account.machine = event.body.machine_type
        self.account.capabilities = event.body.capabilities

    def _take_command(self, event: Command) -> None:
        commands = self.account.commands
        commands[event.name] = commands.get(event.name, 0) + 1
        if event.number == framing.OPEN_RETURN_PATH and self.account.peer.opened is None:
            self.account.peer.opened = self._now
        if event.name in _MOVES:
            self._move(event.name, event.offset)

    def _take_start(self, event: SectionStart) -> None:
        kind = framing.SECTION_TYPES[event.type]
        if event.type == framing.SECTION_START:
            self._live.add(event.section_id)
        if kind in _MOVES:
            self._move(kind, event.offset)
        if event.idstr == "ram":
            self._round = Round(kind, self._now, self._now, event.size)
            self.account.add_round(self._round)
            return
        early = self.account.phase in EARLY
        header = event.header
        seen = DeviceSeen(
            header.idstr, header.instance_id, header.section_id, kind, event.offset, self._now, early=early
        )
        self._device = self.account.add_device(seen)
        self._device.size += event.size

    def _take_payload(self, event: SectionPayload) -> None:
        if self._round is None:
            if self._device is not None:
                self._device.size += event.size
            return
        self._round.size += event.size
        passed = event.payload
        if isinstance(passed, RamPassed):
            self._round.pages += passed.pages
            self._round.zero_pages += passed.zero_pages
            self._round.encoded += passed.encoded
            if passed.blocks:
                self.account.ram_blocks = len(passed.blocks)
                self.account.ram_size = sum(block.used_length for block in passed.blocks)
        if event.last and not self._footers:
            self._end_section()

    def _take_footer(self, event: SectionFooter) -> None:
        if self._round is not None:
            self._round.size += event.size
        elif self._device is not None:
            self._device.size += event.size
        self._end_section()

    def _end_section(self) -> None:
        if self._round is not None:
            self._round.ended = self._now
            self._round = None
        elif self._device is not None:
            self._device.ended = self._now
            self._device = None

    def _take_package_end(self, event: PackageEnd) -> None:
        self._move("package end", event.offset)

    def _take_eof(self, event: Eof) -> None:
        self._move("EOF", event.offset)
        self.account.complete = True
        self.account.ended = self._now

    def _take_description(self, event: VmDescription) -> None:
        self.account.ended = self._now


_TAKEN: Final[dict[type[Event], Callable[[Watcher, Any], None]]] = {
    FileHeader: Watcher._take_header,
    Configuration: Watcher._take_configuration,
    Command: Watcher._take_command,
    SectionStart: Watcher._take_start,
    SectionPayload: Watcher._take_payload,
    SectionFooter: Watcher._take_footer,
    PackageEnd: Watcher._take_package_end,
    Eof: Watcher._take_eof,
    VmDescription: Watcher._take_description,
}
