"""Frames around a device state that may not be the last one: whole, short of what is unused, or only what changed.

An extension of vnetmig (docs/protocol.md), negotiated by the capabilities ``x-vnetmig-*``; nothing of it is in a stream
without them. The frames follow the RFC's pattern, a 64-bit flag in front of data, with two differences: every frame
says its length, so that a state needs no description to be passed over, and a frame that builds on an earlier state
names it. Knows flags, lengths and identities; knows no device, and not how a delta or a packed state is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vnetmig.errors import StreamError
from vnetmig.stream.cursor import be
from vnetmig.stream.payload import Decoded, Ends

#                                   flag                what follows it
FULL_STATE: Final = 0xFFFFFFFFEF760000  #: length, the state
PACKED_STATE: Final = 0xFFFFFFFFEF760001  #: length, the state without its unused queue entries
DELTA: Final = 0xFFFFFFFFEF760002  #: base, identity, length, delta from the base to the state
RESYNC: Final = 0xFFFFFFFFEF760003  #: base, identity, length, the values that always change
NO_STATE: Final = 0xFFFFFFFFEF760004  #: nothing

FLAG_NAMES: Final = {
    FULL_STATE: "FULL_STATE",
    PACKED_STATE: "PACKED_STATE",
    DELTA: "DELTA",
    RESYNC: "RESYNC",
    NO_STATE: "NO_STATE",
}
WHOLE: Final = frozenset({FULL_STATE, PACKED_STATE})
"""Frames that need nothing the destination already holds."""
ON_BASE: Final = frozenset({DELTA, RESYNC})

FLAG_BYTES: Final = 8
IDENTITY_BYTES: Final = 16
LENGTH_BYTES: Final = 4

FRAME_MAX: Final = 64 << 20
"""Bytes of one frame's data: thirty times the largest virtio-net section."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, the whole payload of its section.

    ``base`` and ``identity``: the identities (16 bytes) of the state that DELTA and RESYNC start from, and of the one
    they end at. That of a state that came whole is made of its bytes, that of one that a frame made of the frame's
    ``base`` and ``data`` (docs/protocol.md, "Frames").

    >>> Frame(NO_STATE).encode().hex()
    'ffffffffef760004'
    >>> Frame(FULL_STATE, b"state").encode()[8:]
    b'\\x00\\x00\\x00\\x05state'
    """

    flag: int
    data: bytes = b""
    base: bytes = b""
    identity: bytes = b""

    def encode(self) -> bytes:
        flag = be(self.flag, FLAG_BYTES, "flag")
        if self.flag == NO_STATE:
            return flag
        return flag + self.base + self.identity + be(len(self.data), LENGTH_BYTES, "frame length") + self.data


class FrameDecoder:
    """Reads one frame. What is wrong is a StreamError; what is not there yet is waited for."""

    def __init__(self) -> None:
        self.wanted = FLAG_BYTES

    def decode(self, data: memoryview, ends: Ends, *, kind: int, offset: int, final: bool) -> Decoded | None:
        if len(data) < FLAG_BYTES:
            self._wait(FLAG_BYTES, data, final)
            return None
        flag = int.from_bytes(data[:FLAG_BYTES], "big")
        if flag == NO_STATE:
            return Decoded(FLAG_BYTES, Frame(flag))
        if flag not in FLAG_NAMES:
            raise StreamError(
                f"virtio_net_load_state: Uknown flag {flag:#x}",  # sic: QEMU's own spelling
                field="flag",
                expected=" or ".join(f"{name} ({value:#x})" for value, name in FLAG_NAMES.items()),
                got=f"{flag:#x}",
                code="flag",
            )
        named = FLAG_BYTES + (2 * IDENTITY_BYTES if flag in ON_BASE else 0)
        head = named + LENGTH_BYTES
        if len(data) < head:
            self._wait(head, data, final)
            return None
        length = int.from_bytes(data[named:head], "big")
        if length > FRAME_MAX:
            raise StreamError(
                "a frame is longer than any device state",
                offset=named,
                field="length",
                expected=f"at most {FRAME_MAX} bytes",
                got=length,
                code="limit",
            )
        if len(data) < head + length:
            self._wait(head + length, data, final)
            return None
        base = bytes(data[FLAG_BYTES : FLAG_BYTES + IDENTITY_BYTES]) if flag in ON_BASE else b""
        identity = bytes(data[FLAG_BYTES + IDENTITY_BYTES : named]) if flag in ON_BASE else b""
        return Decoded(head + length, Frame(flag, bytes(data[head : head + length]), base, identity))

    def _wait(self, wanted: int, data: memoryview, final: bool) -> None:
        if not final:
            self.wanted = wanted
            return
        raise StreamError(
            "virtio_net_load_state: the section ends inside a frame",
            offset=len(data),
            field="frame",
            expected=f"{wanted} bytes",
            got=f"{len(data)} bytes",
            code="truncated",
        )
