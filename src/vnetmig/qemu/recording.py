"""A migration stream on its way into a file: what is kept of it, what it has to be answered, and where it ends. No IO.

Knows which commands ask for an answer, and which cannot be given one by something that is no machine. Must not know
where the bytes come from. What is kept is what the same QEMU would have written to a file: without the commands that
open the return path and ping through it, which nobody could answer when the file is loaded.
"""

from __future__ import annotations

from typing import Final

from vnetmig.errors import MigrationError
from vnetmig.migration.account import Account
from vnetmig.migration.watcher import Watcher
from vnetmig.stream import framing
from vnetmig.stream.commands import Ping, PostcopyAdvise
from vnetmig.stream.events import Command, Event, SectionPayload, SectionStart, VmDescription
from vnetmig.stream.return_path import Message, Pong

SILENCE: Final = 0.5
"""Seconds in which nothing follows the end mark of a stream that may have a description behind it."""

_ASKING: Final = (framing.OPEN_RETURN_PATH, framing.PING)
_EOS_SIZE: Final = 8
"""Bytes of the word that ends every payload of RAM."""


class Recording:
    """``feed`` what comes and write what it gives back; ``answers`` grows by what the source wants to hear.

    ``pages`` False: page words of RAM are left out. ``account`` says what was seen; StreamError where the bytes cannot
    be followed, MigrationError where something is asked that only a machine can do.

    >>> import vnetmig
    >>> recording = Recording()
    >>> kept = recording.feed(vnetmig.load(vnetmig.sample()).encode(), now=0)
    >>> recording.ended, recording.account.machine, recording.answers
    (True, 'pc-i440fx-10.0', [])
    """

    def __init__(self, *, pages: bool = True) -> None:
        self.pages = pages
        self.ended = False
        """The last byte has come."""
        self.return_path = False
        """The source waits for a SHUT before it believes anything."""
        self.answers: list[Message] = []
        self.left_out = 0
        """Bytes of RAM that were not kept."""
        self._watcher = Watcher(seen=self._see)
        self._held = b""
        """Bytes that no event has decided on yet."""
        self._decided = 0
        self._drops: list[tuple[int, int]] = []
        self._in_ram = False

    @property
    def account(self) -> Account:
        return self._watcher.account

    @property
    def may_have_ended(self) -> bool:
        """When nothing more comes, was that all? A description follows the end mark, but not of every machine
        (suppress-vmdesc). Behind a section that nothing describes the mark is seen, but not believed yet."""
        held = self._held
        if self.account.complete:
            return not held
        return len(held) == framing.FOOTER_SIZE + 1 and held[0] == framing.SECTION_FOOTER and held[-1] == framing.EOF

    def feed(self, data: bytes, now: int) -> list[memoryview]:
        """Take more bytes; give those that are to be kept and known by now. ``now``: nanoseconds of any clock."""
        self._watcher.feed(data, now)
        return self._kept(data)

    def close(self, now: int) -> list[memoryview]:
        """No more bytes will come. StreamError when they do not end where a stream can."""
        self._watcher.close(now)
        kept = self._kept(b"")
        self.ended = True
        return kept

    def said(self, message: Message, now: int) -> None:
        """The source was told this: for the account."""
        self._watcher.feed_back(message.encode(), now)

    def _kept(self, data: bytes) -> list[memoryview]:
        if self.account.fault is not None:
            raise self.account.fault
        have = memoryview(self._held + data if self._held else data)
        start, self._decided = self._decided, self._watcher.offset
        kept = []
        at = 0
        for offset, size in self._drops:
            kept.append(have[at : offset - start])
            at = offset - start + size
        kept.append(have[at : self._decided - start])
        self._drops.clear()
        self._held = bytes(have[self._decided - start :])
        return [piece for piece in kept if piece]

    def _see(self, event: Event) -> None:
        if isinstance(event, Command):
            self._obey(event)
        elif isinstance(event, SectionStart):
            self._in_ram = event.idstr == "ram" and event.type in framing.RESUMED_SECTIONS
        elif isinstance(event, SectionPayload):
            if self._in_ram and not self.pages:
                size = event.size - _EOS_SIZE if event.last else event.size
                self._drops.append((event.offset, size))
                self.left_out += size
        elif isinstance(event, VmDescription):
            self.ended = True

    def _obey(self, command: Command) -> None:
        if command.number in _ASKING:
            self._drops.append((command.offset, command.size))
        if command.number == framing.OPEN_RETURN_PATH:
            self.return_path = True
        elif isinstance(command.payload, Ping):
            self.answers.append(Pong(command.payload.value))
        elif isinstance(command.payload, PostcopyAdvise):
            raise MigrationError(
                "the source may switch to postcopy: behind that its machine could not go on, and no file can run one\n"
                "  switch postcopy-ram and dirty-bitmaps off at the source: migrate-set-capabilities"
            )
        elif command.number == framing.ENABLE_COLO:
            raise MigrationError("the source wants COLO: that takes a running machine\n  switch x-colo off there")
