"""Bytes of a migration between two sockets, both ways, watched and where asked for held.

Knows sockets, and who ended what. What bytes mean is the watcher's and the gate's. Theory of operation:

* Every connection of the source gets one to the destination, in the same order; the first is the main channel.
* Without a gate, bytes go on before anybody looks at them. They are looked at when it is quiet, and at once when more
  than `BACKLOG_MAX` are waiting for that.
* Writing waits until the other side has taken everything: no more is read from a source than its destination takes.
* When one side ends, so does the other: a source that loses its connection before the destination has said that it has
  taken over goes on with its machine.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from vnetmig.errors import ChannelError, MigrationError, VnetmigError
from vnetmig.migration.account import EARLY, Account
from vnetmig.migration.watcher import Watcher
from vnetmig.qemu.relay.ends import DestinationEnd, SourceEnd, comes, finish
from vnetmig.qemu.relay.gate import Gate
from vnetmig.qemu.relay.outcome import (
    DESTINATION,
    HELD,
    RELAY,
    SOURCE,
    STOPPED,
    Relayed,
    RelayedChannel,
    failed_there,
    no_way_back,
)
from vnetmig.qemu.relay.recording import Recordings
from vnetmig.qemu.relay.refusal import Ended, Refusal
from vnetmig.stream.multifd import MAGIC
from vnetmig.stream.return_path import Shut

PIECE: Final = 128 << 10
"""Bytes that are taken from a socket at once."""
LOOKED_AT: Final = 32 << 10
"""Bytes that are looked at before it is asked again whether others have come: tens of microseconds when they are pages,
half a millisecond when they are zero pages."""
LULL: Final = 0.005
"""Seconds without a byte before anything is looked at: less than that separates the pieces of a switchover, in which a
guest stands still and every processor is needed."""
BACKLOG_MAX: Final = 4 << 20
"""Bytes that have gone on and were not looked at."""
FOLLOWED_EVERY: Final = 0.1
"""Seconds between two calls of ``follow``."""
IDLE_AFTER: Final = 0.2
"""Seconds without a byte before a gate is told so."""
LINGER: Final = 0.5
"""Seconds that a source gets to hear that its migration has failed, and side channels to end."""

_MULTIFD: Final = MAGIC.to_bytes(4, "big")

Follow = Callable[[Account], object]
Held = Callable[[str], object]


class Passage:
    """One migration, from the source's first connection to the end."""

    def __init__(
        self,
        source: SourceEnd,
        destination: DestinationEnd,
        watcher: Watcher,
        gate: Gate | None,
        recordings: Recordings,
    ) -> None:
        self._made = Relayed(watcher.account)
        self._account = watcher.account
        self._source = source
        self._destination = destination
        self._watcher = watcher
        self._gate = gate
        self._recordings = recordings
        self._sockets: list[socket.socket] = []
        self._backlog: deque[tuple[bytes, int]] = deque()
        self._unseen = 0
        """Bytes in the backlog."""

    async def run(self, follow: Follow | None = None, held: Held | None = None) -> Relayed:
        """Wait for the source, and pass its migration on. What went wrong is in the result.

        Cancelling ends it, unless that would cost the guest: then ``held`` is told, and only the second time ends it.
        """
        followed = None
        source = await self._source.accept()
        self._sockets.append(source)
        try:
            if follow is not None:
                followed = asyncio.ensure_future(self._follow(follow))
            await self._to_its_end(asyncio.ensure_future(self._main(source)), held)
        except Ended as ended:
            self._made.error, self._made.side = ended.error, ended.side
            if ended.side == RELAY and self._account.peer.opened is None and self._account.phase not in EARLY:
                self._made.notes.append(STOPPED)
            await self._end_source(source, ended)
        finally:
            if followed is not None:
                followed.cancel()
            for one in self._sockets:
                one.close()
            self._end_recordings()
        if follow is not None:
            follow(self._account)
        return self._made

    async def _follow(self, follow: Follow) -> None:
        while True:
            follow(self._account)
            await asyncio.sleep(FOLLOWED_EVERY)

    async def _to_its_end(self, main: asyncio.Task[None], held: Held | None) -> None:
        try:
            await asyncio.shield(main)
        except asyncio.CancelledError:
            if main.done() or not self._no_way_back():
                raise
            self._made.notes.append(HELD)
            if held is not None:
                held(HELD)
            await main
        finally:
            main.cancel()
            await asyncio.gather(main, return_exceptions=True)

    def _no_way_back(self) -> bool:
        while self._backlog:
            self._look()
        return no_way_back(self._account)

    # The main channel.

    async def _main(self, source: socket.socket) -> None:
        channel = RelayedChannel("main")
        self._made.channels.append(channel)
        admitted = await self._admit(source)
        destination = await self._reach()
        await self._pass(destination, channel, admitted)
        forward = asyncio.ensure_future(self._forward(source, destination, channel))
        back = asyncio.ensure_future(self._back(destination, source, channel))
        others = asyncio.ensure_future(self._others())
        tasks = {forward, back, others}
        running = set(tasks)
        try:
            while forward in running or back in running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in sorted(done, key=lambda task: task is back):
                    task.result()  # what the source did says more than that the destination is gone
                if back in done and forward in running:
                    self._destination_left()
                    finish(source)
                if forward in done and self._is_cut():
                    raise Ended(SOURCE, MigrationError(f"the source closed its connection {self._place()}"))
            if self._account.peer.opened is not None and not self._agreed():
                raise Ended(DESTINATION, MigrationError(failed_there(self._account)))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _admit(self, source: socket.socket) -> list[bytes]:
        """The first bytes that go on. A migration that is refused for how it begins never gets to its destination,
        which goes on waiting: a QEMU whose incoming migration fails would end."""
        if self._gate is None:
            return []
        while data := await self._receive(source, SOURCE):
            passed = self._through(self._gate, data)
            if passed:
                return passed
        raise Ended(SOURCE, MigrationError(f"the source closed its connection {self._place()}"))

    def _through(self, gate: Gate, data: bytes) -> list[bytes]:
        if self._recordings.came is not None:
            self._recordings.came.write(data)
            self._mind_recording()
        try:
            return gate.feed(data, time.monotonic_ns())
        except VnetmigError as error:
            raise Ended(RELAY, error) from error

    async def _reach(self) -> socket.socket:
        try:
            made = await self._destination.connect()
        except VnetmigError as error:
            raise Ended(DESTINATION, error) from None
        self._sockets.append(made)
        return made

    async def _forward(self, source: socket.socket, destination: socket.socket, channel: RelayedChannel) -> None:
        while data := await self._next(source, destination, channel):
            if self._gate is None:
                now = time.monotonic_ns()
                await self._send(destination, DESTINATION, data)
                channel.forward += len(data)
                self._backlog.append((data, now))
                self._unseen += len(data)
                while self._unseen > BACKLOG_MAX:
                    self._look()
            else:
                await self._pass(destination, channel, self._through(self._gate, data))
            await asyncio.sleep(0)  # the other direction's turn
        while self._backlog:
            self._look()
        if self._gate is None:
            self._watcher.close(time.monotonic_ns())
        elif self._account.complete:
            await self._pass(destination, channel, self._gate.close(time.monotonic_ns()))
        finish(destination)

    async def _next(self, source: socket.socket, destination: socket.socket, channel: RelayedChannel) -> bytes:
        """Bytes that have come. While it is quiet, those that went on are looked at."""
        quiet = False
        while self._backlog:
            try:
                return source.recv(PIECE)
            except (BlockingIOError, InterruptedError):
                quiet = quiet or not await comes(source, LULL)
                if quiet and self._backlog:  # the other direction may have had to look at it meanwhile
                    self._look()
                    await asyncio.sleep(0)
            except OSError as error:
                raise self._lost(SOURCE, error) from None
        if self._gate is not None and self._gate.holding and not await comes(source, IDLE_AFTER):
            try:
                await self._pass(destination, channel, self._gate.idle(time.monotonic_ns()))
            except VnetmigError as error:
                raise Ended(RELAY, error) from error
        return await self._receive(source, SOURCE)

    def _look(self) -> None:
        """At the oldest bytes that nobody has looked at."""
        data, when = self._backlog.popleft()
        if len(data) > LOOKED_AT:
            self._backlog.appendleft((data[LOOKED_AT:], when))
            data = data[:LOOKED_AT]
        self._unseen -= len(data)
        self._watcher.feed(data, when)
        for one in self._recordings:
            one.write(data)
        self._mind_recording()

    async def _pass(self, destination: socket.socket, channel: RelayedChannel, passed: list[bytes]) -> None:
        for piece in passed:
            await self._send(destination, DESTINATION, piece)
            channel.forward += len(piece)
            if self._recordings.went is not None:
                self._recordings.went.write(piece)
        self._mind_recording()

    async def _back(self, destination: socket.socket, source: socket.socket, channel: RelayedChannel) -> None:
        while data := await self._receive(destination, DESTINATION):
            await self._send(source, SOURCE, data)
            channel.back += len(data)
            self._watcher.feed_back(data, time.monotonic_ns())
        while self._backlog:
            self._look()

    def _destination_left(self) -> None:
        """The destination sends no more, while the source has not ended."""
        account = self._account
        if account.complete or account.fault is not None:
            return
        raise Ended(DESTINATION, MigrationError(f"the destination closed its connection {self._place()}"))

    def _is_cut(self) -> bool:
        """The source has ended, before its stream has. Of one that nobody could read, nobody knows."""
        fault = self._account.fault
        return not self._account.complete and (fault is None or fault.code == "truncated")

    def _agreed(self) -> bool:
        """Did the destination say that it has taken over? Where its words cannot be read, nobody knows better."""
        return self._account.peer.shut == 0 or self._account.peer.fault is not None

    # Other channels.

    async def _others(self) -> None:
        """multifd's and postcopy's: passed on as they are, until the main channel ends."""
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                accepting = asyncio.ensure_future(self._source.accept())
                await asyncio.wait({accepting, *running}, return_when=asyncio.FIRST_COMPLETED)
                while not accepting.done():
                    for task in [one for one in running if one.done()]:
                        running.discard(task)
                        task.result()
                    await asyncio.wait({accepting, *running}, return_when=asyncio.FIRST_COMPLETED)
                try:
                    source = accepting.result()
                except VnetmigError as error:
                    raise Ended(SOURCE, error) from None
                self._sockets.append(source)
                destination = await self._reach()
                running.add(asyncio.ensure_future(self._beside_main(source, destination)))
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _beside_main(self, source: socket.socket, destination: socket.socket) -> None:
        channel = RelayedChannel()
        self._made.channels.append(channel)
        recording = self._recordings.beside(len(self._made.channels) - 1)

        async def forward() -> None:
            while data := await self._receive(source, SOURCE):
                if not channel.kind:
                    channel.kind = "multifd" if data[:4] == _MULTIFD else "other"
                await self._send(destination, DESTINATION, data)
                channel.forward += len(data)
                if recording is not None:
                    recording.write(data)
                await asyncio.sleep(0)
            finish(destination)

        async def back() -> None:
            while data := await self._receive(destination, DESTINATION):
                await self._send(source, SOURCE, data)
                channel.back += len(data)
            finish(source)

        try:
            await asyncio.gather(forward(), back())
        except Ended:
            if not self._account.complete:  # all is over: how a channel closes then does not matter
                raise

    # Sockets.

    async def _receive(self, one: socket.socket, side: str) -> bytes:
        try:
            return await asyncio.get_running_loop().sock_recv(one, PIECE)
        except OSError as error:
            raise self._lost(side, error) from None

    async def _send(self, one: socket.socket, side: str, data: bytes) -> None:
        try:
            await asyncio.get_running_loop().sock_sendall(one, data)
        except OSError as error:
            if self._account.peer.shut == 0:  # it has taken over, and reads no more: not even what it has no use for
                return
            raise self._lost(side, error) from None

    def _lost(self, side: str, error: OSError) -> Ended:
        words = error.strerror or str(error)
        return Ended(side, ChannelError(f"the connection to the {side} was lost {self._place()}: {words}"))

    def _place(self) -> str:
        while self._backlog:
            self._look()
        account = self._account
        where = f"after {account.size} bytes, in the phase '{account.phase.value}'"
        if account.peer.shut:
            where += f"; the destination had said that it failed (SHUT {account.peer.shut})"
        return where

    async def _end_source(self, source: socket.socket, ended: Ended) -> None:
        """Let the source know at once. What a refusal ends has not reached the destination whole, so that it cannot
        have started; the source then hears what a destination that failed would say."""
        if ended.side != RELAY or self._account.peer.opened is None or self._account.peer.shut is not None:
            return
        with suppress(OSError, asyncio.TimeoutError):
            loop = asyncio.get_running_loop()
            await asyncio.wait_for(loop.sock_sendall(source, Shut(1).encode()), LINGER)
            until = loop.time() + LINGER
            # It may be writing: unread bytes would turn the end of the connection into a reset, which overtakes SHUT.
            while await asyncio.wait_for(loop.sock_recv(source, PIECE), max(0, until - loop.time())):
                pass

    # Recordings.

    def _mind_recording(self) -> None:
        """A recording that has failed fails the migration as long as that does the guest no harm: when the package of a
        postcopy is under way, it may run at the destination already, with pages that only the source has."""
        fault = self._recordings.fault
        if fault is None or self._account.peer.opened is None:
            return
        backlog, self._backlog, self._unseen = self._backlog, deque(), 0
        for data, when in backlog:
            self._watcher.feed(data, when)
        known = self._account.fault is None
        if known and not self._account.complete and not no_way_back(self._account):
            raise Ended(RELAY, Refusal(f"the recording failed: {fault.filename}: {fault.strerror}"))

    def _end_recordings(self) -> None:
        self._recordings.close()
        if not isinstance(self._made.error, Refusal):
            self._made.notes += self._recordings.shortened()
