"""The return path: what a destination tells the source, on the same socket in the other direction.

Knows the messages and their layouts (qemu: migration/migration.c:source_return_path_thread). Must not know
when they are sent. Every message is a frozen value with ``encode``; ``offset`` and ``size`` as in events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vnetmig.stream import framing
from vnetmig.stream.cursor import Cursor, Short, be, counted
from vnetmig.stream.framing import DEFAULT_LIMITS, Limits
from vnetmig.stream.headers import too_large
from vnetmig.stream.receiver import NEED_DATA, NeedData, Receiver

__all__ = ["NEED_DATA", "Message", "NeedData", "ReturnPathReader"]

HEADER_SIZE = 4
LENGTH_MAX = 512
"""qemu: source_return_path_thread has a buffer of this size, and refuses more."""


@dataclass(frozen=True, slots=True)
class Shut:
    """The last message; any value but 0 means that the destination failed."""

    value: int
    offset: int = 0
    size: int = 8

    def encode(self) -> bytes:
        return _message(framing.RP_SHUT, be(self.value, 4, "SHUT value"))


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to the command PING with this value."""

    value: int
    offset: int = 0
    size: int = 8

    def encode(self) -> bytes:
        return _message(framing.RP_PONG, be(self.value, 4, "PONG value"))


@dataclass(frozen=True, slots=True)
class RequestPages:
    """Postcopy wants these bytes of a RAM block now; ``block`` None: that of the request before."""

    start: int
    length: int
    block: str | None = None
    offset: int = 0
    size: int = 0

    def encode(self) -> bytes:
        fixed = be(self.start, 8, "REQ_PAGES start") + be(self.length, 4, "REQ_PAGES length")
        if self.block is None:
            return _message(framing.RP_REQ_PAGES, fixed)
        return _message(framing.RP_REQ_PAGES_ID, fixed + counted(self.block, "REQ_PAGES block"))


@dataclass(frozen=True, slots=True)
class ReceivedBitmap:
    """After a broken postcopy: which pages of a block have arrived. Bit i (LSB first) is page i."""

    block: str
    bitmap: bytes
    offset: int = 0
    size: int = 0

    def encode(self) -> bytes:
        message = _message(framing.RP_RECV_BITMAP, counted(self.block, "RECV_BITMAP block"))
        ending = be(framing.RECV_BITMAP_ENDING, 8, "RECV_BITMAP ending")
        return message + be(len(self.bitmap), 8, "RECV_BITMAP size") + self.bitmap + ending


@dataclass(frozen=True, slots=True)
class ResumeAck:
    value: int = 1
    offset: int = 0
    size: int = 8

    def encode(self) -> bytes:
        return _message(framing.RP_RESUME_ACK, be(self.value, 4, "RESUME_ACK value"))


@dataclass(frozen=True, slots=True)
class SwitchoverAck:
    """No device of the destination asks the source to wait any longer."""

    offset: int = 0
    size: int = 4

    def encode(self) -> bytes:
        return _message(framing.RP_SWITCHOVER_ACK, b"")


Message = Shut | Pong | RequestPages | ReceivedBitmap | ResumeAck | SwitchoverAck


def _message(kind: int, payload: bytes) -> bytes:
    return be(kind, 2, "message type") + be(len(payload), 2, "message length") + payload


def _shut(cursor: Cursor, limits: Limits) -> Message:
    return Shut(cursor.number(4, "SHUT"), cursor.base)


def _pong(cursor: Cursor, limits: Limits) -> Message:
    return Pong(cursor.number(4, "PONG"), cursor.base)


def _request_pages(cursor: Cursor, limits: Limits) -> Message:
    return RequestPages(cursor.number(8, "start"), cursor.number(4, "length"), None, cursor.base, cursor.position)


def _request_pages_by_name(cursor: Cursor, limits: Limits) -> Message:
    start, length = cursor.number(8, "start"), cursor.number(4, "length")
    return RequestPages(start, length, cursor.cstr("block name"), cursor.base, cursor.position)


def _received_bitmap(cursor: Cursor, limits: Limits) -> Message:
    block = cursor.cstr("block name")
    at = cursor.offset
    size = cursor.number(8, "RECV_BITMAP")
    if size > limits.bitmap:
        raise too_large(f"ramblock '{block}' bitmap size mismatch 0x{size:x}", at, limits.bitmap, size)
    bitmap = cursor.take(size, "RECV_BITMAP")
    ending = cursor.number(8, "RECV_BITMAP")
    if ending != framing.RECV_BITMAP_ENDING:
        raise cursor.fault(
            f"ramblock '{block}' end mark incorrect: 0x{ending:x}",
            offset=cursor.offset - 8,
            expected=f"0x{framing.RECV_BITMAP_ENDING:016x}",
            got=f"0x{ending:016x}",
        )
    return ReceivedBitmap(block, bitmap, cursor.base, cursor.position)


def _resume_ack(cursor: Cursor, limits: Limits) -> Message:
    return ResumeAck(cursor.number(4, "RESUME_ACK"), cursor.base)


def _switchover_ack(cursor: Cursor, limits: Limits) -> Message:
    return SwitchoverAck(cursor.base)


@dataclass(frozen=True, slots=True)
class _Layout:
    read: Callable[[Cursor, Limits], Message]
    name_at: int | None = None
    """Where the block name stands that decides a variable length."""


_LAYOUTS: dict[int, _Layout] = {
    framing.RP_SHUT: _Layout(_shut),
    framing.RP_PONG: _Layout(_pong),
    framing.RP_REQ_PAGES_ID: _Layout(_request_pages_by_name, name_at=12),
    framing.RP_REQ_PAGES: _Layout(_request_pages),
    framing.RP_RECV_BITMAP: _Layout(_received_bitmap, name_at=0),
    framing.RP_RESUME_ACK: _Layout(_resume_ack),
    framing.RP_SWITCHOVER_ACK: _Layout(_switchover_ack),
}


def read_message(cursor: Cursor, limits: Limits = DEFAULT_LIMITS) -> Message:
    """The message at the cursor; ``Short`` when the bytes at hand end inside it."""
    kind = cursor.number(2, "a return-path message")
    length = cursor.number(2, "a return-path message")
    known = framing.RETURN_PATH_MESSAGES.get(kind)
    if known is None:
        raise cursor.fault(
            f"Received invalid message 0x{kind:04x} length 0x{length:04x}",
            offset=cursor.base,
            expected="a message of 1 to 7",
            got=kind,
        )
    layout = _LAYOUTS[kind]
    expected = known.length
    if layout.name_at is not None:
        name_at = cursor.position + layout.name_at
        if length <= layout.name_at or length > LENGTH_MAX:
            expected = layout.name_at + 1
        elif name_at >= cursor.end:
            raise Short(name_at + 1, f"a {known.name} message")
        else:
            expected = layout.name_at + 1 + cursor.data[name_at]
    if length != expected:
        raise cursor.fault(
            f"Received '{known.name}' message (0x{kind:04x}) with incorrect length {length} expecting {expected}",
            offset=cursor.base,
            expected=expected,
            got=length,
        )
    if cursor.position + length > cursor.end:
        raise Short(cursor.position + length, f"a {known.name} message")
    return layout.read(cursor, limits)


class ReturnPathReader(Receiver[Message]):
    """``feed`` bytes, ``close`` when no more will come, and take messages from ``next_message``."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        super().__init__()
        self._limits = limits
        self._ended = False

    def next_message(self) -> Message | NeedData | None:
        """The next message; NEED_DATA: feed more, or close; None: all is read."""
        return self._next()

    def _done(self) -> bool:
        return self._ended

    def _step(self, data: memoryview, final: bool) -> tuple[int, Message | None]:
        if final and not data:
            self._ended = True
            return 0, None
        message = read_message(Cursor(data, self.offset), self._limits)
        return message.size, message
