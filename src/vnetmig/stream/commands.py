"""The payloads of COMMAND sections, as values.

Knows each command's layout. Must not know what a command makes a destination do, nor the 5-byte header
in front of it. Every value has ``encode``; ``decode_command`` is its inverse for any accepted input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vnetmig.stream import framing
from vnetmig.stream.cursor import Cursor, be, counted

RAM_DISCARD_VERSION = 0
"""qemu: migration/savevm.c:postcopy_ram_discard_version"""
_RANGE_SIZE = 16
_ADVISE_SIZE = 16


@dataclass(frozen=True, slots=True)
class Nothing:
    """A command without payload."""

    def encode(self) -> bytes:
        return b""


NOTHING: Final = Nothing()


@dataclass(frozen=True, slots=True)
class Ping:
    value: int

    def encode(self) -> bytes:
        return be(self.value, 4, "PING value")


@dataclass(frozen=True, slots=True)
class PostcopyAdvise:
    """``page_sizes``: all RAM block page sizes or'ed; both None: postcopy of dirty bitmaps only."""

    page_sizes: int | None = None
    target_page_size: int | None = None

    @property
    def ram(self) -> bool:
        return self.page_sizes is not None

    def encode(self) -> bytes:
        if self.page_sizes is None or self.target_page_size is None:
            return b""
        return be(self.page_sizes, 8, "ADVISE page sizes") + be(self.target_page_size, 8, "ADVISE page size")


@dataclass(frozen=True, slots=True)
class RamDiscard:
    """Byte ranges of a RAM block that postcopy sends again."""

    block: str
    ranges: tuple[tuple[int, int], ...]

    def encode(self) -> bytes:
        parts = [bytes((RAM_DISCARD_VERSION,)), counted(self.block, "RAM_DISCARD block"), b"\0"]
        parts += [be(start, 8, "RAM_DISCARD start") + be(size, 8, "RAM_DISCARD length") for start, size in self.ranges]
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Packaged:
    """``length`` bytes follow the command; they are sections and commands themselves."""

    length: int

    def encode(self) -> bytes:
        return be(self.length, 4, "PACKAGED length")


@dataclass(frozen=True, slots=True)
class RecvBitmap:
    block: str

    def encode(self) -> bytes:
        return counted(self.block, "RECV_BITMAP block")


CommandPayload = Nothing | Ping | PostcopyAdvise | RamDiscard | Packaged | RecvBitmap


def _nothing(cursor: Cursor) -> CommandPayload:
    return NOTHING


def _ping(cursor: Cursor) -> CommandPayload:
    return Ping(cursor.number(4, "PING value"))


def _advise(cursor: Cursor) -> CommandPayload:
    if cursor.end == 0:
        return PostcopyAdvise()
    if cursor.end != _ADVISE_SIZE:
        raise _bad_length(cursor, "CMD_POSTCOPY_ADVISE invalid length", "0 or 16")
    return PostcopyAdvise(cursor.number(8, "page sizes"), cursor.number(8, "target page size"))


def _ram_discard(cursor: Cursor) -> CommandPayload:
    if cursor.end < 4 + _RANGE_SIZE:
        raise _bad_length(cursor, "CMD_POSTCOPY_RAM_DISCARD invalid length", f"at least {4 + _RANGE_SIZE}")
    version = cursor.number(1, "version")
    if version != RAM_DISCARD_VERSION:
        raise cursor.fault(
            f"CMD_POSTCOPY_RAM_DISCARD invalid version ({version})",
            offset=cursor.offset - 1,
            expected=RAM_DISCARD_VERSION,
            got=version,
        )
    length = cursor.peek("block name")
    if length == 0 or cursor.position + 1 + length + 1 > cursor.end:
        raise cursor.fault("CMD_POSTCOPY_RAM_DISCARD Failed to read RAMBlock ID")
    block = cursor.cstr("block name")
    nil = cursor.number(1, "end of the block name")
    if nil != 0:
        raise cursor.fault(
            f"CMD_POSTCOPY_RAM_DISCARD missing nil ({nil})", offset=cursor.offset - 1, expected=0, got=nil
        )
    if (cursor.end - cursor.position) % _RANGE_SIZE:
        raise _bad_length(cursor, "CMD_POSTCOPY_RAM_DISCARD invalid length", "whole ranges of 16 bytes")
    ranges = []
    while cursor.position < cursor.end:
        ranges.append((cursor.number(8, "start"), cursor.number(8, "length")))
    return RamDiscard(block, tuple(ranges))


def _packaged(cursor: Cursor) -> CommandPayload:
    return Packaged(cursor.number(4, "PACKAGED length"))


def _recv_bitmap(cursor: Cursor) -> CommandPayload:
    if cursor.end == 0 or cursor.end != 1 + cursor.peek("block name"):
        raise _bad_length(cursor, "loadvm_handle_recv_bitmap: invalid payload length", "1 + the length of the name")
    return RecvBitmap(cursor.cstr("block name"))


def _bad_length(cursor: Cursor, message: str, expected: str) -> Exception:
    return cursor.fault(f"{message} ({cursor.end})", offset=cursor.base, expected=expected, got=cursor.end)


_DECODERS: dict[int, Callable[[Cursor], CommandPayload]] = {
    framing.OPEN_RETURN_PATH: _nothing,
    framing.PING: _ping,
    framing.POSTCOPY_ADVISE: _advise,
    framing.POSTCOPY_LISTEN: _nothing,
    framing.POSTCOPY_RUN: _nothing,
    framing.POSTCOPY_RAM_DISCARD: _ram_discard,
    framing.PACKAGED: _packaged,
    framing.ENABLE_COLO: _nothing,
    framing.POSTCOPY_RESUME: _nothing,
    framing.RECV_BITMAP: _recv_bitmap,
    framing.SWITCHOVER_START: _nothing,
}


def check_command(cursor: Cursor, number: int, length: int) -> None:
    """Refuse what QEMU refuses before it reads the payload (qemu: savevm.c:loadvm_process_command)."""
    kind = framing.COMMANDS.get(number)
    if kind is None:
        raise cursor.fault(
            f"MIG_CMD 0x{number:x} unknown (len 0x{length:x})", expected="a command of 1 to 11", got=number
        )
    if kind.length not in (framing.VARIABLE, length):
        raise cursor.fault(
            f"{kind.name} received with bad length - expecting {kind.length}, got {length}",
            expected=kind.length,
            got=length,
        )


def decode_command(number: int, payload: bytes, base: int) -> CommandPayload:
    """``payload`` is complete; ``check_command`` has accepted its number and length."""
    return _DECODERS[number](Cursor(payload, base))
