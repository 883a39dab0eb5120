"""The state of a running QEMU into a file, with the machine going on behind it as it was.

Knows which commands make QEMU send its state, and what it does behind a migration that failed. Must not know options or
terminals.

QEMU sends into a socket pair whose other end is handed over with the QMP connection (``getfd``, then ``fd:``): that
takes no path that QEMU's user may open, no shell (``exec:`` is closed by ``-sandbox spawn=deny``), no port, and works
from 5.2 to 11.1. It takes a unix QMP socket, so the machine is on this host.

The capability return-path is on, so QEMU waits for the word of its destination when everything is sent, and gets
SHUT 1: to QEMU every capture is a migration that failed at its very end, and behind one of those it lets its machine go
on by itself (qemu: migration/migration.c:migration_iteration_finish). Nobody here has to say ``cont``, so there is no
moment at which the end of this process, however it comes about, would leave the machine standing still.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Final

from vnetmig.errors import MigrationError, QemuError
from vnetmig.migration.account import Account
from vnetmig.qemu.captured_machine import UNHARMED, Machine
from vnetmig.qemu.interrupts import Interrupts
from vnetmig.qemu.migration_settings import MigrationSettings
from vnetmig.qemu.qmp_session import QmpSession
from vnetmig.qemu.recording import SILENCE, Recording
from vnetmig.qemu.whole_file import refuse_existing, whole_file
from vnetmig.stream.return_path import Message, Shut

PATIENCE: Final = 60.0
"""Seconds that QEMU may take to answer: 7.2 answers nothing while it writes its last pages."""
LOOK: Final = 0.05
CHUNK: Final = 1 << 20
UNLIMITED: Final = 1 << 40
"""Bytes a second: no disk is faster."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Captured:
    """What a capture took. ``ram``: "whole"; "ignored": shared RAM stayed where it is (x-ignore-shared); "dropped": its
    page words were left out in flight (``left_out`` bytes). ``blackout``: seconds that the guest stood still, by QEMU's
    own clock; None: it did not run. ``before`` and ``after``: what query-status said."""

    path: str
    size: int
    ram: str
    left_out: int
    blackout: float | None
    seconds: float
    before: str
    after: str
    account: Account
    notes: tuple[str, ...] = ()


def capture(
    qmp: str,
    path: str | os.PathLike[str],
    *,
    ram: bool = True,
    bandwidth: int | None = None,
    downtime_limit: int | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Captured:
    """Save the state of the QEMU behind the QMP socket ``qmp`` to ``path``; the machine then goes on as it was.

    ``ram`` False: device state only. Where all RAM is shared it stays where it is, and the stream loads beside it;
    otherwise its pages are left out as they come, and such a stream is for reading: no QEMU can load it.
    ``bandwidth``: bytes a second, while the guest runs (default: as much as there is). ``downtime_limit``: milliseconds
    that the guest may stand still (default: as it is set). ``progress(done, total)``: bytes of RAM.

    Raises FieldError when there is a file already, QemuError when nobody answers, MigrationError when the migration was
    refused or failed, StreamError when what came cannot be followed. In every case ``path`` is as before, the machine
    goes on as it was, and so are the migration's capabilities and parameters; the error says so if QEMU could not be
    asked for that.

    >>> import vnetmig
    >>> vnetmig.capture("/run/no-such.qmp", "vm.qemu")
    Traceback (most recent call last):
    ...
    vnetmig.errors.QemuError: qmp:/run/no-such.qmp: No such file or directory
    """
    target = os.fspath(path)
    if not overwrite:
        refuse_existing(target)
    began = time.monotonic()
    with QmpSession(qmp, PATIENCE) as session, Interrupts() as interrupts:
        machine = Machine(session)
        machine.settle(ram)
        with whole_file(target) as file:
            taken = _Taking(machine, Recording(pages=machine.ram != "dropped"), file, progress, interrupts)
            parameters = {"max-bandwidth": bandwidth or UNLIMITED}
            if downtime_limit is not None:
                parameters["downtime-limit"] = downtime_limit
            taken.take(parameters)
    return Captured(
        target,
        taken.size,
        machine.ram,
        taken.recording.left_out,
        machine.blackout(),
        time.monotonic() - began,
        machine.before,
        machine.after,
        taken.recording.account,
        tuple(machine.notes),
    )


class _Taking:
    """One migration into a file. What comes is written by a thread of its own, which answers at once when it was all:
    the guest stands still until then."""

    def __init__(
        self,
        machine: Machine,
        recording: Recording,
        file: IO[bytes],
        progress: Progress | None,
        interrupts: Interrupts,
    ) -> None:
        self.machine = machine
        self.recording = recording
        self.size = 0
        """Bytes written."""
        self._file = file
        self._progress = progress
        self._interrupts = interrupts
        self._fault: BaseException | None = None

    def take(self, parameters: dict[str, Any]) -> None:
        """All of it, or an error; either way the machine and its settings are as before."""
        machine = self.machine
        settings = MigrationSettings(machine.session)
        on = frozenset({"return-path", "x-ignore-shared"} if machine.ram == "ignored" else {"return-path"})
        channel: socket.socket | None = None
        told: dict[str, Any] = {}
        try:
            settings.apply(machine.session, on, parameters)
            channel = machine.migrate()
            told = self._follow(channel)
        except QemuError as error:
            raise MigrationError(f"{error}\n  nothing was written; {UNHARMED}") from error
        finally:
            if channel is not None:
                with suppress(OSError):
                    channel.shutdown(socket.SHUT_RDWR)  # to QEMU the destination is gone
                channel.close()
            told = self._put_back(settings, begun=channel is not None) or told
        if self._fault is not None:
            raise self._fault
        if not self.recording.ended:
            raise MigrationError(_why(told))

    def _follow(self, channel: socket.socket) -> dict[str, Any]:
        """Until everything has come, or nothing more will."""
        pump = threading.Thread(target=self._pump, args=(channel,), name="vnetmig capture", daemon=True)
        pump.start()
        told: dict[str, Any] = {}
        try:
            while pump.is_alive():
                told = self.machine.status()
                ram = told.get("ram")
                if self._progress is not None and ram is not None and ram["transferred"]:
                    self._progress(ram["total"] - ram["remaining"], ram["total"])
                pump.join(LOOK)
                self._interrupts.look()
        finally:
            if pump.is_alive():
                with suppress(OSError):
                    channel.shutdown(socket.SHUT_RDWR)
                pump.join()
        return told

    def _pump(self, channel: socket.socket) -> None:
        recording = self.recording
        try:
            channel.settimeout(SILENCE)
            while not recording.ended:
                data = self._come(channel)
                if data is None:
                    return  # the end came too early: QEMU knows why
                now = time.monotonic_ns()
                for piece in recording.feed(data, now) if data else recording.close(now):
                    self.size += self._file.write(piece)
                if recording.account.rounds and not recording.return_path:
                    raise MigrationError(
                        "QEMU does not wait for an answer: somebody has switched its capability return-path off\n"
                        f"  nothing was written; {UNHARMED}"
                    )
                _answer(channel, recording)
            self._file.flush()
            _answer(channel, recording, Shut(1))
        except BaseException as error:
            self._fault = error
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)  # at once: the machine may be waiting

    def _come(self, channel: socket.socket) -> bytes | None:
        """The next bytes; nothing behind the end mark when nothing follows it; None when the source has left."""
        while True:
            try:
                return channel.recv(CHUNK) or None
            except TimeoutError:
                if self.recording.may_have_ended:
                    return b""
            except OSError:
                return None

    def _put_back(self, settings: MigrationSettings, *, begun: bool) -> dict[str, Any] | None:
        """Settings as they were, over a new connection if the old one is gone; what the migration came to."""
        try:
            return self._restored(settings, self.machine.session, begun)
        except QemuError as first:
            self.machine.session.close()  # QEMU listens to one connection at a time
            try:
                with QmpSession(self.machine.session.address) as session:
                    return self._restored(settings, session, begun)
            except QemuError as error:
                owed = settings.owed()
                text = f"{first}\n  then: {error}" if str(error) != str(first) else str(error)
                if owed:
                    text += f"\n  if it still runs, these have to be set again: {owed}"
                raise MigrationError(text) from error

    def _restored(self, settings: MigrationSettings, session: QmpSession, begun: bool) -> dict[str, Any] | None:
        told = self.machine.settled(session) if begun else None
        settings.restore(session)
        return told


def _answer(channel: socket.socket, recording: Recording, *more: Message) -> None:
    with suppress(OSError):  # whoever asked has left: that is seen at the next byte
        for message in (*recording.answers, *more):
            channel.sendall(message.encode())
    recording.answers.clear()


def _why(told: dict[str, Any]) -> str:
    status = told.get("status", "none")
    reason = told.get("error-desc")
    said = f": {reason}" if reason else "; its log may say why"
    return f"the migration is {status} before everything had come{said}\n  nothing was written; {UNHARMED}"
