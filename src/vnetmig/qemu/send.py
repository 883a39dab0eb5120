"""A saved stream into a QEMU that waits for one (``-incoming``), and what became of it there.

Knows what a destination says and how one leaves; must not know options or terminals.

Right behind the configuration OPEN_RETURN_PATH and a PING are put in, if the stream has none: every QEMU since 2.5
then answers, whatever its capabilities, and says SHUT 0 when all is loaded. One that refuses says SHUT 1, or ends.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from vnetmig.channel.address import FileAddress, parse_address
from vnetmig.channel.file import FileChannel
from vnetmig.channel.opening import connect
from vnetmig.channel.socket_channel import SocketChannel
from vnetmig.document.load import load
from vnetmig.document.section import Section
from vnetmig.document.stream import Stream
from vnetmig.errors import ChannelError, FieldError, MigrationError, QemuError, StreamError
from vnetmig.qemu.qmp_session import QmpSession
from vnetmig.stream import framing
from vnetmig.stream.commands import Ping
from vnetmig.stream.events import Command, Configuration
from vnetmig.stream.ram import RamWords
from vnetmig.stream.ram_words import CompressedPage, Page, Xbzrle
from vnetmig.stream.receiver import NeedData
from vnetmig.stream.return_path import Pong, ReturnPathReader, Shut

PATIENCE: Final = 30.0
"""Seconds that a destination may take to connect, for its next bytes, and for its last word."""
CHUNK: Final = 1 << 18
LOOK: Final = 0.02
PING: Final = 1
"""The value that a source begins with (qemu: migration/migration.c:migration_thread)."""

LOADED: Final = "loaded"
REFUSED: Final = "refused"
UNKNOWN: Final = "unknown"

_LATE: Final = "timed out"
"""In the words of a channel whose peer was silent for too long."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Sent:
    """``outcome``: "loaded", "refused", or "unknown" when nobody said; ``why``: by which signs. ``size`` of ``total``
    bytes left here; ``pongs``: answers on the return path; ``shut``: the value of its last message. ``status`` and
    ``reason``: what the destination's query-status and query-migrate said, if it was asked."""

    outcome: str
    why: str
    size: int
    total: int
    seconds: float
    pongs: int = 0
    shut: int | None = None
    status: str | None = None
    reason: str | None = None


def send(
    source: str | os.PathLike[str] | bytes,
    address: str,
    *,
    qmp: str | None = None,
    as_it_is: bool = False,
    patience: float = PATIENCE,
    progress: Progress | None = None,
) -> Sent:
    """Send the stream ``source`` (a path or bytes, in any wrapper that ``vnetmig.load`` takes off) to the QEMU that
    waits at ``address`` (unix:PATH, tcp:HOST:PORT or fd:N).

    ``qmp``: the destination's QMP socket; it is asked whether it waits and has the stream's capabilities, and what it
    came to. ``as_it_is``: send the bytes whatever they are, and ask for no answer. ``patience``: seconds that the
    destination may be silent. ``progress(done, total)``: bytes.

    Raises StreamError for a stream that no QEMU could read, FieldError for an address that is none, ChannelError when
    nobody listens, MigrationError when the destination cannot take it: then nothing was sent. Whatever the destination
    makes of it is in what this returns.

    >>> import vnetmig
    >>> vnetmig.send(vnetmig.sample(), "unix:/run/no-such.sock")
    Traceback (most recent call last):
    ...
    vnetmig.errors.ChannelError: Failed to connect to '/run/no-such.sock': No such file or directory
    """
    try:
        where = parse_address(address)
    except ChannelError as error:
        raise FieldError(str(error)) from error
    if isinstance(where, FileAddress):
        raise FieldError(f"{address}: no QEMU waits at a file; unix:PATH, tcp:HOST:PORT or fd:N")
    stream = load(source, partial=as_it_is)
    front, rest = _front(stream, ask=not as_it_is)
    if not as_it_is:
        _check(stream)
    if qmp is None:
        with connect(where, timeout=patience) as channel:
            return _Sending(stream, channel, progress).send(front, rest)
    with QmpSession(qmp) as session:
        _check_destination(stream, session)
        with connect(where, timeout=patience) as channel:
            sent = _Sending(stream, channel, progress)
            sent.send(front, rest)
        return _asked(sent, session, patience)


def _front(stream: Stream, *, ask: bool) -> tuple[bytes, memoryview]:
    """What goes first, and the bytes behind it as they are."""
    data: bytes | mmap.mmap = stream.input
    whole = memoryview(data)
    if not ask or any(isinstance(e, Command) and e.number == framing.OPEN_RETURN_PATH for e in stream.events):
        return b"", whole
    behind = framing.FILE_HEADER_SIZE
    for event in stream.events[:2]:
        if isinstance(event, Configuration):
            behind = event.offset + event.size
    asking = Command(framing.OPEN_RETURN_PATH).encode() + Command(framing.PING, Ping(PING)).encode()
    return bytes(whole[:behind]) + asking, whole[behind:]


def _check(stream: Stream) -> None:
    """Refuse what a QEMU cannot take through one socket."""
    if "mapped-ram" in stream.capabilities:
        raise MigrationError(
            "this stream is a mapped-ram file: its RAM has fixed places in the file, and no socket carries that\n"
            "  -incoming file:FILE loads it, with the capability mapped-ram"
        )
    ram = [section for section in stream.sections if section.idstr == "ram"]
    if ram and "x-ignore-shared" not in stream.capabilities and not any(map(_has_pages, ram)):
        raise MigrationError(
            "this stream has no pages of RAM: a machine that loads it could not run\n"
            "  they were left out (capture --no-ram), or went through multifd channels; --as-is sends it all the same"
        )


def _has_pages(ram: Section) -> bool:
    """Zero pages are none: multifd up to 8.2 sends those, and those only, through the main channel."""
    chunks = (payload.payload for payload in ram.payloads if isinstance(payload.payload, RamWords))
    return any(isinstance(word, Page | Xbzrle | CompressedPage) for chunk in chunks for word in chunk.words())


def _check_destination(stream: Stream, session: QmpSession) -> None:
    status = session.execute("query-status")["status"]
    if status != "inmigrate":
        raise MigrationError(f"that QEMU does not wait for a migration: query-status says {status}\n  nothing was sent")
    told = {entry["capability"]: bool(entry["state"]) for entry in session.execute("query-migrate-capabilities")}
    for name in ("x-ignore-shared",):
        if (name in stream.capabilities) is not told.get(name, False):
            here, there = ("has", "off") if name in stream.capabilities else ("has not", "on")
            raise MigrationError(
                f"the stream {here} the capability {name}, and it is {there} at the destination\n"
                f"  nothing was sent; set it there with migrate-set-capabilities"
            )


class _Sending:
    """One stream through one channel, with an ear for what comes back."""

    def __init__(self, stream: Stream, channel: SocketChannel | FileChannel, progress: Progress | None) -> None:
        self._stream = stream
        self._channel = channel
        self._progress = progress
        self._reader = ReturnPathReader()
        self._left = False
        """The destination sends nothing any more."""
        self._broken: str | None = None
        self._nonsense: str | None = None
        self.began = time.monotonic()
        self.size = 0
        self.total = 0
        self.pongs = 0
        self.shut: int | None = None

    def send(self, front: bytes, rest: memoryview) -> Sent:
        self.total = len(front) + len(rest)
        try:
            for piece in _pieces(front, rest):
                self._channel.send(piece)
                self.size += len(piece)
                if self._progress is not None:
                    self._progress(self.size, self.total)
                while not self._left and self._channel.ready():
                    self._listen()
                if self._left or self.shut is not None:
                    break
            self._channel.finish()
            while self._channel.two_way and not self._left and self.shut is None:
                self._listen()
        except ChannelError as error:
            self._broken = str(error)
            self._last_words()
        except StreamError as error:
            self._nonsense = error.message
        return self.result()

    def _listen(self) -> None:
        data = self._channel.receive(CHUNK)
        if not data:
            self._left = True
            return
        self._reader.feed(data)
        while not isinstance(message := self._reader.next_message(), NeedData | None):
            if isinstance(message, Pong):
                self.pongs += 1
            elif isinstance(message, Shut):
                self.shut = message.value

    def _last_words(self) -> None:
        """What had come before the channel broke."""
        try:
            while not self._left and self._channel.ready():
                self._listen()
        except (ChannelError, StreamError):
            pass

    def result(self, **told: Any) -> Sent:
        outcome, why = self._outcome()
        found = {"outcome": outcome, "why": why, **told}
        seconds = time.monotonic() - self.began
        return Sent(size=self.size, total=self.total, seconds=seconds, pongs=self.pongs, shut=self.shut, **found)

    def _outcome(self) -> tuple[str, str]:
        if self.shut == 0:
            return LOADED, "it said so on the return path (SHUT 0)"
        if self.shut is not None:
            return REFUSED, f"it said so on the return path (SHUT {self.shut})"
        if self._nonsense is not None:
            return UNKNOWN, f"it answered what no destination answers: {self._nonsense}"
        if self.size < self.total:
            if self._broken is not None and _LATE in self._broken:
                return UNKNOWN, f"it took no more bytes{self._reached()}; what it has is not whole"
            said = f" ({self._broken})" if self._broken else ""
            return REFUSED, f"it closed before all was sent{self._reached()}{said}; its stderr says why"
        if self._broken is not None:
            return UNKNOWN if _LATE in self._broken else REFUSED, f"all was sent, then: {self._broken}"
        if self.pongs:
            return REFUSED, "it answered, and then closed without saying that all is loaded"
        return UNKNOWN, "it closed without a word: a QEMU that refused, or no QEMU"

    def _reached(self) -> str:
        at = [section for section in self._stream.sections if section.offset <= self.size + CHUNK]
        return f", in '{at[-1].idstr}' or before" if at else ""


def _pieces(front: bytes, rest: memoryview) -> Iterator[bytes]:
    if front:
        yield front
    for start in range(0, len(rest), CHUNK):
        yield bytes(rest[start : start + CHUNK])


def _asked(sent: _Sending, session: QmpSession, patience: float) -> Sent:
    """The destination's own word counts more than signs on the wire."""
    until = time.monotonic() + patience
    try:
        while True:
            told = session.execute("query-migrate")
            if told.get("status") in ("completed", "failed") or time.monotonic() > until:
                break
            time.sleep(LOOK)
        status = session.execute("query-status")["status"]
    except QemuError:
        if sent.shut == 0:
            return sent.result()
        why = "that QEMU has ended, as one does that cannot load what comes; its stderr says why"
        return sent.result(outcome=REFUSED, why=why)
    reason = told.get("error-desc")
    if told.get("status") == "completed":
        return sent.result(outcome=LOADED, why="query-migrate says completed", status=status)
    if told.get("status") == "failed":
        why = "query-migrate says failed" + (f": {reason}" if reason else "")
        return sent.result(outcome=REFUSED, why=why, status=status, reason=reason)
    return sent.result(status=status, reason=reason)
