"""The sockets of one migration that comes in: the main channel and, with multifd, those beside it, into files.

Knows sockets, which channel a connection is by its first bytes, and when all of it has come. Must not know what is
answered at the end, nor why.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, Final

from vnetmig.analysis.profile.machine_type import machine_type
from vnetmig.errors import MigrationError
from vnetmig.qemu.interrupts import Interrupts
from vnetmig.qemu.recording import SILENCE, Recording
from vnetmig.stream import multifd
from vnetmig.stream.multifd import InitPacket, MultifdReader, PagesPacket
from vnetmig.stream.return_path import Message, Shut, SwitchoverAck

CHUNK: Final = 1 << 20
LOOK: Final = 0.1
SETTLING: Final = 10.0
"""Seconds in which multifd channels come to their end, when the main one has."""
ANSWERED: Final = 10.0
"""Seconds that a source may leave answers unread, while nothing else is done."""
BACKLOG: Final = 64
CHANNELS_MAX: Final = 256
"""The number of a multifd channel is one byte."""
CONNECTIONS_MAX: Final = 2 * CHANNELS_MAX
ACK_SINCE, ACK_UNTIL = "8.1", "11.1"
"""Machine types from the first on show that the source understands SWITCHOVER_ACK; an older one takes it for an error.
From the second on (qemu: switchover-ack-legacy is off) it waits for as many as its devices ask for, and one more is an
error."""

_MAIN: Final = b"QEVM"
_SIDE: Final = multifd.MAGIC.to_bytes(4, "big")
_TLS: Final = b"\x16\x03"


@dataclass(slots=True)
class Side:
    """One multifd channel. ``syncs``: how often it said that it has sent everything before."""

    path: str
    file: IO[bytes]
    reader: MultifdReader = field(default_factory=MultifdReader)
    size: int = 0
    syncs: int = 0

    @property
    def at_rest(self) -> bool:
        """Between two packets."""
        return self.reader.offset == self.size


@dataclass(slots=True)
class _Connection:
    socket: socket.socket
    first: bytes = b""
    side: Side | None = None


class IncomingChannels:
    """``receive`` returns when everything has come. The main channel then stays open, for an answer.

    ``open_file``: a path to a file that is written; ``acknowledge``: say SWITCHOVER_ACK (None: to sources that are
    known to understand it).
    """

    def __init__(
        self,
        listening: socket.socket,
        recording: Recording,
        path: str,
        open_file: Callable[[str], IO[bytes]],
        *,
        acknowledge: bool | None,
        wait_for_answer: bool,
        interrupts: Interrupts,
        progress: Callable[[], None],
    ) -> None:
        self.recording = recording
        self.sides: list[Side] = []
        self.size = 0
        """Bytes of the main channel that were kept."""
        self.acknowledged = False
        self.ended_with: int | None = None
        """The value of SHUT, when it was said."""
        self._path = path
        self._file = open_file(path)
        self._open_file = open_file
        self._acknowledge = acknowledge
        self._wait_for_answer = wait_for_answer
        self._interrupts = interrupts
        self._progress = progress
        self._main: _Connection | None = None
        self._last = time.monotonic()
        self._ended: float | None = None
        self._quiet = False
        """Nothing had come when it was last asked for."""
        self._sockets = ExitStack()
        self._selector = self._sockets.enter_context(selectors.DefaultSelector())
        self._selector.register(listening, selectors.EVENT_READ, None)

    def receive(self) -> None:
        """All of the migration, or an error."""
        while not self._all_there():
            ready = self._selector.select(0 if self.recording.ended and not self.sides else LOOK)
            self._quiet = not ready
            for key, _ in ready:
                if key.data is None:
                    assert isinstance(key.fileobj, socket.socket)
                    self._accept(key.fileobj)
                else:
                    self._read(key.data)
            self._interrupts.look()
            self._progress()

    def end(self, value: int) -> None:
        """The last word: SHUT. A source that has left already does not hear it."""
        self.ended_with = value
        self._say(Shut(value))

    def refuse(self) -> None:
        """Unless the last word was said: a source that asks goes on at once, others when nobody takes their bytes."""
        if self.recording.return_path and self.ended_with is None:
            self.end(1)

    def _say(self, message: Message) -> bool:
        if self._main is None:
            return False
        try:
            self._main.socket.sendall(message.encode())
        except TimeoutError:
            if not isinstance(message, Shut):  # the last word is all that is left to do
                raise MigrationError("the source asks, and takes no answers") from None
            return False
        except OSError:
            return False
        self.recording.said(message, time.monotonic_ns())
        return True

    def source_left(self, patience: float) -> bool:
        """Does the source close within so many seconds?"""
        if self._main is None:
            return True
        try:
            self._main.socket.settimeout(patience)
            return not self._main.socket.recv(1)
        except TimeoutError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        self._sockets.close()

    def _accept(self, listening: socket.socket) -> None:
        try:
            accepted, _ = listening.accept()
        except OSError:  # whoever it was has left
            return
        if len(self._selector.get_map()) > CONNECTIONS_MAX:
            accepted.close()
            return
        accepted.settimeout(ANSWERED)
        self._sockets.enter_context(accepted)
        self._selector.register(accepted, selectors.EVENT_READ, _Connection(accepted))

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(CHUNK)
        except OSError:
            data = b""
        self._last = time.monotonic()
        if not data:
            self._selector.unregister(connection.socket)
            self._closed(connection)
        elif connection is self._main:
            self._take(data)
        elif connection.side is not None:
            self._take_side(connection.side, data)
        else:
            self._recognise(connection, data)

    def _recognise(self, connection: _Connection, data: bytes) -> None:
        connection.first += data
        first = connection.first
        if len(first) < len(_MAIN):
            return
        if first.startswith(_SIDE):
            self._begin_side(connection)
        elif first.startswith(_TLS):
            raise MigrationError("the source wants TLS, which this does not speak\n  take tls-creds away there")
        elif self._main is None:
            self._main = connection  # whatever it is: the reader says what it is not
            self._take(first)
        else:
            raise MigrationError(
                f"another connection came, which begins with {first[:4].hex(' ')}\n  expected a multifd channel"
                " (postcopy-preempt has to be off at the source)"
            )

    def _begin_side(self, connection: _Connection) -> None:
        reader = MultifdReader()
        reader.feed(connection.first)
        begun = reader.next_packet()
        if begun is None:
            return
        assert isinstance(begun, InitPacket)
        path = f"{self._path}.channel{begun.id}"
        if any(side.path == path for side in self.sides) or len(self.sides) >= CHANNELS_MAX:
            raise MigrationError(f"multifd channel {begun.id} came twice")
        connection.side = Side(path, self._open_file(path))
        self.sides.append(connection.side)
        self._take_side(connection.side, connection.first)
        connection.first = b""

    def _take(self, data: bytes | None) -> None:
        now = time.monotonic_ns()
        recording = self.recording
        for piece in recording.close(now) if data is None else recording.feed(data, now):
            self.size += self._file.write(piece)
        for answer in recording.answers:
            self._say(answer)
        recording.answers.clear()
        if recording.return_path and not self.acknowledged and self._may_acknowledge():
            self.acknowledged = self._say(SwitchoverAck())
        if self._wait_for_answer and not recording.return_path and recording.account.rounds:
            raise MigrationError(
                "the source does not ask for an answer, so nobody can tell it to go on\n"
                "  a rehearsal takes its capability return-path"
            )
        if recording.ended and self._ended is None:
            self._ended = time.monotonic()

    def _may_acknowledge(self) -> bool:
        if self._acknowledge is not None:
            return self._acknowledge
        name = self.recording.account.machine
        known = machine_type(name, None) if name is not None else None
        return known is not None and not known.before(ACK_SINCE) and known.before(ACK_UNTIL)

    def _take_side(self, side: Side, data: bytes) -> None:
        side.file.write(data)
        side.size += len(data)
        side.reader.feed(data)
        while (packet := side.reader.next_packet()) is not None:
            side.syncs += isinstance(packet, PagesPacket) and packet.sync

    def _closed(self, connection: _Connection) -> None:
        if connection is self._main:
            if self.recording.ended:
                return
            if not self.recording.may_have_ended:
                account = self.recording.account
                raise MigrationError(
                    f"the source closed in the middle, after {account.size} bytes ({account.phase.value})\n"
                    "  its query-migrate, or its log, says why"
                )
            self._take(None)
        elif connection.side is not None:
            if not connection.side.at_rest:
                raise MigrationError(f"the source closed {connection.side.path} in the middle of a packet")
        else:
            connection.socket.close()  # somebody who only looked whether there is a listener

    def _half_told(self) -> bool:
        """Has a connection not said all of what it is?"""
        connections = [key.data for key in self._selector.get_map().values() if key.data is not None]
        return any(one is not self._main and one.side is None and one.first for one in connections)

    def _all_there(self) -> bool:
        now = time.monotonic()
        if not self.recording.ended:
            if self.recording.may_have_ended and now - self._last > SILENCE:
                self._take(None)
            return self.recording.ended
        begun = self._half_told()
        if not self.sides and not begun:
            return self._quiet  # a channel may have come with the main one's last bytes
        assert self._ended is not None
        settled = len({side.syncs for side in self.sides}) == 1 and all(side.at_rest for side in self.sides)
        if settled and not begun and now - self._last > LOOK:
            return True
        if now - self._ended > SETTLING:
            raise MigrationError("the multifd channels have not come to the same end as the main one")
        return False
