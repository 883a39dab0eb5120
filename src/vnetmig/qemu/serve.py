"""The destination of a real QEMU's migration, which takes it into a file instead of a machine.

Knows what a source makes of the answers (qemu: migration/migration.c:migration_completion). Must not know options or
terminals.

A source with the capability return-path waits, when everything is sent, for SHUT: with 0 its machine is gone from
there, with anything else, or when the connection breaks, it goes on. So 0 is said only when the file is on the disk
under its name. A source without it asks nobody: it is done when its last byte is in a socket's buffer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Final, Literal

from vnetmig.channel.address import FdAddress, FileAddress, parse_address
from vnetmig.channel.opening import listen
from vnetmig.errors import ChannelError, FieldError, MigrationError
from vnetmig.migration.account import Account
from vnetmig.qemu.incoming_channels import BACKLOG, IncomingChannels
from vnetmig.qemu.interrupts import Interrupts
from vnetmig.qemu.recording import Recording
from vnetmig.qemu.whole_file import refuse_existing, whole_file

PATIENCE: Final = 30.0
"""Seconds that the source may take to leave when it was answered."""

FINE, FAILED = 0, 1
"""Values of SHUT."""

Then = Literal["stop", "resume"]


@dataclass(frozen=True, slots=True)
class Served:
    """What came. ``size``: bytes of ``path``; ``channels``: multifd's files with their sizes. ``answer``: the value of
    SHUT; None: the source did not ask. ``heard``: the source has left behind the answer, as one that took it.
    ``acknowledged``: SWITCHOVER_ACK was sent."""

    path: str
    size: int
    channels: tuple[tuple[str, int], ...]
    answer: int | None
    heard: bool
    acknowledged: bool
    seconds: float
    account: Account

    @property
    def source(self) -> str:
        """What the source's machine does now, as far as can be known here."""
        if self.answer is None:
            return "stopped: it did not ask for an answer"
        if not self.heard:
            return "not known: it was answered, and did not leave"
        return "goes on there" if self.answer else "stopped: it has heard that all is well"


def serve(
    address: str,
    path: str | os.PathLike[str],
    *,
    then: Then = "stop",
    switchover_ack: bool | None = None,
    overwrite: bool = False,
    listening: Callable[[str], None] | None = None,
    progress: Callable[[Account], None] | None = None,
) -> Served:
    """Wait at ``address`` (unix:PATH, tcp:HOST:PORT; port 0 takes a free one) for one migration; save it to ``path``.

    ``then``: "stop", the source hears that all is well, and its machine is stopped there as behind every migration;
    "resume", a rehearsal, it hears that it failed, and goes on: that takes its capability return-path.
    ``switchover_ack``: say that the source may switch over, which one with that capability waits for; None: to those
    whose machine type shows that they do (8.1 to 11.0). ``listening(address)`` is called when a source may connect,
    ``progress(account)`` as it comes. multifd channels go to ``path``.channelN.

    Raises FieldError for an address nobody can listen at or a file that exists, ChannelError when it cannot be listened
    at, MigrationError when the migration failed or is one that cannot be taken (postcopy, COLO, TLS), StreamError when
    it cannot be followed. Then nothing is left at ``path``, and a source that asks is told that it failed.

    >>> import vnetmig
    >>> vnetmig.serve("file:/tmp/x", "vm.qemu")
    Traceback (most recent call last):
    ...
    vnetmig.errors.FieldError: file:/tmp/x: expected unix:PATH or tcp:HOST:PORT
    """
    target = os.fspath(path)
    try:
        where = parse_address(address)
    except ChannelError as error:
        raise FieldError(str(error)) from error
    if isinstance(where, FileAddress | FdAddress):
        raise FieldError(f"{address}: expected unix:PATH or tcp:HOST:PORT")
    if not overwrite:
        refuse_existing(target)
    recording = Recording()

    def tell() -> None:
        if progress is not None:
            progress(recording.account)

    with Interrupts() as interrupts, listen(where) as listener, ExitStack() as sockets:
        began = time.monotonic()
        with _told_failures(recording, sockets), ExitStack() as files:

            def open_file(name: str) -> IO[bytes]:
                if not overwrite:
                    refuse_existing(name)
                return files.enter_context(whole_file(name))

            channels = IncomingChannels(
                listener.many(BACKLOG),
                recording,
                target,
                open_file,
                acknowledge=switchover_ack,
                wait_for_answer=then == "resume",
                interrupts=interrupts,
                progress=tell,
            )
            sockets.callback(channels.close)
            sockets.callback(channels.refuse)
            if listening is not None:
                listening(listener.address)
            channels.receive()
            if recording.return_path and then == "resume":
                channels.end(FAILED)  # whatever the disk says now, its machine shall go on, and not wait for that
        # Every file is on the disk under its name.
        if recording.return_path and then == "stop":
            channels.end(FINE)
        answer = channels.ended_with
        heard = answer is None or channels.source_left(PATIENCE)
        return Served(
            target,
            channels.size,
            tuple((side.path, side.size) for side in channels.sides),
            answer,
            heard,
            channels.acknowledged,
            time.monotonic() - began,
            recording.account,
        )


@contextmanager
def _told_failures(recording: Recording, sockets: ExitStack) -> Iterator[None]:
    """Whatever fails inside, the source hears of it, and the error says what its machine does now."""
    try:
        yield
    except BaseException as error:
        sockets.close()
        if isinstance(error, MigrationError) and recording.account.size:
            raise MigrationError(f"{error}\n  {_after(recording)}") from error
        raise


def _after(recording: Recording) -> str:
    """What became of the source's machine, when something failed here."""
    if recording.return_path:
        return "the source was told that it failed: its machine goes on there"
    if recording.ended:
        return "the source did not wait for an answer: its machine is stopped there, and cont lets it go on"
    return "the source finds nobody to send to: its machine goes on there, unless all was on its way already"
