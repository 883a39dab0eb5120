"""Which bytes of a migration may go on, and which wait for a verdict or for other bytes in their place. Does no IO.

Only payloads that somebody wants whole are held, never RAM; everything else goes on as soon as it has come. The end
mark waits until all is decided: no destination starts without it. How the stream begins, up to the list of RAM blocks,
is decided before its first byte goes on.

Refusing is only worth something while the source can still go on with its machine. That takes a return path: the
source then waits for the destination's last word, whatever it has written before (qemu: migration.c:
close_return_path_on_source). Without one it is done as soon as the kernel has taken its last byte, and socket buffers
hold more than all devices of an ordinary machine: so a gate insists on a return path, unless told otherwise.
"""

from __future__ import annotations

from typing import Final

from vnetmig.migration.watcher import LIMITS, Watcher
from vnetmig.qemu.relay.checking import Checking
from vnetmig.qemu.relay.refusal import Refusal
from vnetmig.qemu.relay.rewriting import Rewriting
from vnetmig.stream import framing
from vnetmig.stream.commands import PostcopyAdvise
from vnetmig.stream.ending import footer_mark
from vnetmig.stream.events import (
    Command,
    Configuration,
    Eof,
    Event,
    FileHeader,
    SectionFooter,
    SectionPayload,
    SectionStart,
    VmDescription,
)
from vnetmig.stream.passed import RamPassed

NO_RETURN_PATH: Final = (
    "this migration has no return path: the source would be done before a check is, and a refusal too late\n"
    "  switch the capability return-path on at both ends, and migrate again"
)
POSTCOPY: Final = (
    "this migration may switch to postcopy, where the guest starts before all has come: it cannot be checked or changed"
    " as it goes by\n  switch the capability postcopy-ram off, or relay it without --check and --set"
)
OLD_MACHINE: Final = (
    "this machine type (2.3 or older) sends sections without footers: they cannot be checked or changed as they go by"
)


class Gate:
    """``feed`` gives what may go on; at the end so does ``close``. A Refusal, or a StreamError: nothing more may."""

    def __init__(
        self,
        checking: Checking | None = None,
        rewriting: Rewriting | None = None,
        *,
        engine: str | None = None,
        page_size: int | None = None,
        late: bool = False,
    ) -> None:
        self.watcher = Watcher(
            engine=engine,
            seen=self._saw,
            passing=checking is None,
            page_size=page_size,
            limits=LIMITS if checking is None else framing.DEFAULT_LIMITS,
        )
        self._checking = checking
        self._rewriting = rewriting
        self._late = late
        self._waiting = bytearray()
        self._buffer: bytes | bytearray = b""
        """While bytes are looked at: those that waited with those that came, or only these."""
        self._at = 0
        """Offset of the buffer's first byte."""
        self._begin = 0
        """Offset of the first byte that has not gone on."""
        self._out: list[bytes] = []
        self._hold: int | None = 0
        """Offset from which on bytes wait."""
        self._begun = False
        """The beginning was decided."""
        self._start: SectionStart | None = None
        """The section whose payload is held, or RAM's that lists the blocks."""
        self._payload_end = 0
        self._blocks: RamPassed | None = None

    @property
    def holding(self) -> int:
        """Bytes that wait."""
        return len(self._waiting)

    def feed(self, data: bytes, now: int) -> list[bytes]:
        self._at = self._begin
        if self._waiting:
            self._waiting += data
            self._buffer = self._waiting
        else:
            self._buffer = data
        self.watcher.feed(data, now)
        return self._let_go()

    def close(self, now: int) -> list[bytes]:
        """The source sends no more. What is still held goes nowhere: it was never whole."""
        self._at, self._buffer = self._begin, self._waiting
        self.watcher.close(now)
        return self._let_go()

    def idle(self, now: int) -> list[bytes]:
        """Nothing comes. Behind the last section of a machine without a vmdescription one byte alone is the end mark,
        which nothing that follows will prove."""
        start = self._start
        if start is None or self._waiting[-6:] != footer_mark(start.section_id) + bytes((framing.EOF,)):
            return []
        return self.close(now)

    def _let_go(self) -> list[bytes]:
        fault = self.watcher.account.fault
        if fault is not None:
            raise fault
        self._pass(self.watcher.account.size if self._hold is None else self._hold)
        if self._buffer is self._waiting:
            del self._waiting[: self._begin - self._at]
        else:
            self._waiting += self._buffer[self._begin - self._at :]
        self._buffer = b""
        out, self._out = self._out, []
        return out

    def _take(self, end: int) -> bytes:
        """What stands before the offset ``end`` and has not gone on yet. RAM: the object that it came in."""
        begin, self._begin = self._begin, end
        return bytes(self._buffer[begin - self._at : end - self._at])

    def _pass(self, end: int) -> None:
        """Everything up to the offset ``end`` goes on as it came."""
        if end > self._begin:
            self._out.append(self._take(end))

    # Events, as the watcher reads them.

    def _saw(self, event: Event) -> None:
        if isinstance(event, SectionStart):
            self._begins(event)
        elif isinstance(event, SectionPayload):
            self._payload_end = event.offset + event.size
            if isinstance(event.payload, RamPassed) and event.payload.blocks:
                self._blocks = event.payload
        elif isinstance(event, SectionFooter):
            self._ends(event)
        elif isinstance(event, FileHeader | Configuration):
            self._opens(event)
        elif isinstance(event, Command):
            self._obeys(event)
        elif isinstance(event, Eof):
            self._finishes(event)
        elif isinstance(event, VmDescription):
            self._describes(event)

    def _opens(self, event: FileHeader | Configuration) -> None:
        if self._checking is not None:
            self._checking.opening(event)
        if self._rewriting is not None:
            self._rewriting.opening += event.encode()

    def _obeys(self, event: Command) -> None:
        if isinstance(event.payload, PostcopyAdvise) and event.payload.ram:
            raise Refusal(POSTCOPY)
        if event.number in (framing.PACKAGED, framing.ENABLE_COLO):
            raise Refusal(f"a migration with {event.name} cannot be checked or changed as it goes by")
        if self._checking is not None:
            self._checking.opening(event)

    def _begins(self, event: SectionStart) -> None:
        if self.watcher.account.machine is None:
            raise Refusal(OLD_MACHINE)
        if self.watcher.account.peer.opened is None and not self._late:
            raise Refusal(NO_RETURN_PATH)
        is_ram = event.type == framing.SECTION_START and event.idstr == "ram"
        if not self._begun and not is_ram:
            self._begun, self._hold = True, None
        full = event.type == framing.SECTION_FULL
        wanted = self._rewriting is not None and self._rewriting.wants(event.header)
        if full and (wanted or self._checking is not None):
            # Its name, too: a destination that has no such device would end before anybody could say why.
            self._start, self._hold = event, event.offset
            self._pass(self._hold)
        elif is_ram:
            self._start = event

    def _ends(self, event: SectionFooter) -> None:
        start, self._start = self._start, None
        if start is None:
            return
        if start.type == framing.SECTION_START:
            blocks, self._blocks = self._blocks, None
            if self._checking is not None and blocks is not None:
                self._checking.ram(start, blocks, self.watcher.page_size)
            self._begun, self._hold = True, None
            return
        name = self._take(start.offset + start.size)
        payload, footer = self._take(self._payload_end), self._take(event.offset + event.size)
        if self._rewriting is not None and self._rewriting.wants(start.header):
            payload = self._rewriting.section(start, payload, footer)
        if self._checking is not None:
            self._checking.section(start, payload + footer)
        self._out.append(name + payload + footer)
        self._hold = None

    def _finishes(self, event: Eof) -> None:
        if self._rewriting is not None:
            self._rewriting.end()
        if self._checking is not None:
            self._checking.end()
        if self._rewriting is not None and self._rewriting.resized:
            self._hold = event.offset + event.size
            self._pass(self._hold)

    def _describes(self, event: VmDescription) -> None:
        if self._hold is None or self._rewriting is None:
            return
        self._take(event.offset + event.size)
        self._out.append(self._rewriting.description(event))
        self._hold = None
