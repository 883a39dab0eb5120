"""The side channels of a multifd migration: what each holds, packet by packet.

Knows the packets and their payloads as they are on a channel (`MultifdReader`), and nothing of the main
channel: which block has which length is told by the caller, when known. Getting pages out of the
payloads is multifd_pages.py's. Every header field is a value, also the stale ones that QEMU up to 7.2
leaves from the packet before.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from vnetmig.errors import EncodeError, StreamError
from vnetmig.stream import framing
from vnetmig.stream.ram_words import NAME_ENCODING, NAME_ERRORS, PAGE_SIZE, Block
from vnetmig.stream.window import let_go

MAGIC = framing.MULTIFD_MAGIC
VERSION = 1
PACKET_PAGES_BYTES = 512 << 10
"""Guest memory of a full packet (qemu: migration/multifd.h:MULTIFD_PACKET_SIZE)."""

MAX_DEVICE_STATE = 1 << 28
"""Bytes of one device-state packet; VFIO sends at most a few MiB at a time."""

# Flags of a packet (qemu: migration/multifd.h:MULTIFD_FLAG_*). Compression is a field of five bits.
SYNC = 0x01
COMPRESSION = 0x3E
DEVICE_STATE = 0x40

NONE, ZLIB, ZSTD, QPL, UADK, QATZIP = 0x00, 0x02, 0x04, 0x08, 0x10, 0x20


@dataclass(frozen=True, slots=True)
class Compression:
    """One row of `COMPRESSIONS`: what follows a packet with normal pages."""

    flag: int
    name: str
    payload: str


COMPRESSIONS: dict[int, Compression] = {
    row.flag: row
    for row in (
        Compression(NONE, "none", "normal x page"),
        Compression(ZLIB, "zlib", "next_packet_size bytes of the channel's one zlib stream"),
        Compression(ZSTD, "zstd", "next_packet_size bytes of the channel's one zstd stream"),
        Compression(QPL, "qpl", "normal x u32 length, then the pages; a length of a page: not compressed"),
        Compression(UADK, "uadk", "normal x u32 length, then the pages; a length of a page: not compressed"),
        Compression(QATZIP, "qatzip", "next_packet_size bytes"),
    )
}

_INIT = struct.Struct(">II16sB7s32s")
_PREFIX = struct.Struct(">III")
_PAGES = struct.Struct(">IIIIIIQII3Q256s")
_DEVICE = struct.Struct(">III256sII")


@dataclass(frozen=True, slots=True)
class InitPacket:
    """The first 64 bytes of a channel (qemu: migration/multifd.c:MultiFDInit_t)."""

    id: int
    uuid: bytes = bytes(16)
    unused: bytes = bytes(39)
    version: int = VERSION

    def encode(self) -> bytes:
        return _pack(_INIT, MAGIC, self.version, self.uuid, self.id, self.unused[:7], self.unused[7:])


@dataclass(frozen=True, slots=True)
class PagesPacket:
    """Pages of one block (qemu: migration/multifd.h:MultiFDPacket_t), or a bare SYNC.

    ``offsets`` has room for every page of a full packet: first the ``normal`` pages, then the ``zero``
    ones, then what is left over. ``lengths`` is filled by QPL and UADK only. Without normal pages there is
    no payload, whatever ``next_packet_size`` says.
    """

    flags: int
    pages_alloc: int
    normal: int
    next_packet_size: int
    packet_num: int
    zero: int
    ramblock: bytes
    offsets: tuple[int, ...]
    lengths: tuple[int, ...] = ()
    data: bytes = b""
    reserved: tuple[int, int, int, int] = (0, 0, 0, 0)
    version: int = VERSION

    @property
    def block(self) -> str:
        """Name of the block; empty in a SYNC packet without pages."""
        return self.ramblock.split(b"\0", 1)[0].decode(NAME_ENCODING, NAME_ERRORS)

    @property
    def compression(self) -> Compression:
        return COMPRESSIONS[self.flags & COMPRESSION]

    @property
    def sync(self) -> bool:
        return bool(self.flags & SYNC)

    def encode(self) -> bytes:
        header = _pack(
            _PAGES,
            MAGIC,
            self.version,
            self.flags,
            self.pages_alloc,
            self.normal,
            self.next_packet_size,
            self.packet_num,
            self.zero,
            *self.reserved,
            self.ramblock,
        )
        offsets = _pack(struct.Struct(f">{len(self.offsets)}Q"), *self.offsets)
        lengths = _pack(struct.Struct(f">{len(self.lengths)}I"), *self.lengths)
        return b"".join((header, offsets, lengths, self.data))


@dataclass(frozen=True, slots=True)
class DeviceStatePacket:
    """State of one device, since QEMU 10.0 (qemu: migration/multifd.h:MultiFDPacketDeviceState_t)."""

    flags: int
    idstr_field: bytes
    instance_id: int
    data: bytes
    version: int = VERSION

    @property
    def idstr(self) -> str:
        return self.idstr_field.split(b"\0", 1)[0].decode(NAME_ENCODING, NAME_ERRORS)

    def encode(self) -> bytes:
        head = (MAGIC, self.version, self.flags, self.idstr_field, self.instance_id, len(self.data))
        return _pack(_DEVICE, *head) + self.data


Packet = InitPacket | PagesPacket | DeviceStatePacket


@dataclass(slots=True)
class MultifdReader:
    """Cuts what one channel carries into packets, in whatever pieces it arrives.

    ``page_size`` is the target's; ``blocks`` (from the main channel's block list) makes the reader refuse
    pages outside of them. After an error the reader stands where it stood before.
    """

    page_size: int = PAGE_SIZE
    blocks: Mapping[str, Block] | None = None
    offset: int = 0
    """Where in the channel the next packet starts."""
    init: InitPacket | None = None
    _buffer: bytearray = field(default_factory=bytearray, init=False)
    _start: int = field(default=0, init=False)
    _wanted: int = field(default=_INIT.size, init=False)

    def feed(self, data: bytes | memoryview) -> None:
        """Append what the channel carried next."""
        if self._start > 1 << 20:
            self._buffer = self._buffer[self._start :]
            self._start = 0
        try:
            self._buffer += data
        except BufferError:  # somebody holds a view of it: a profiler, a debugger
            self._buffer = self._buffer + data

    def next_packet(self) -> Packet | None:
        """The next packet; None when the channel has not carried all of it yet."""
        if len(self._buffer) - self._start < self._wanted:
            return None
        data = memoryview(self._buffer)[self._start :]
        try:
            packet, size = self._init(data) if self.init is None else self._packet(data)
        except StreamError as error:
            raise error.at(self.offset, "multifd") from None
        finally:
            let_go(data)
        if packet is None:
            self._wanted = size
            return None
        if isinstance(packet, InitPacket):
            self.init = packet
        self._wanted = _PREFIX.size
        self._start += size
        self.offset += size
        return packet

    def finish(self) -> None:
        """Say that nothing more comes: an error if the channel ended inside a packet."""
        rest = len(self._buffer) - self._start
        if rest or self.init is None:
            raise StreamError(
                "multifd: channel ends inside a packet",
                offset=self.offset + rest,
                section="multifd",
                expected=f"{self._wanted} bytes of the packet at {self.offset:#x}",
                got=rest,
                code="truncated",
            )

    def _init(self, data: memoryview) -> tuple[InitPacket, int]:
        magic, version, uuid, channel, unused1, unused2 = _INIT.unpack_from(data)
        if magic != MAGIC:
            raise _fault(f"multifd: received packet magic {magic:x} expected {MAGIC:x}", 0)
        if version != VERSION:
            raise _fault(f"multifd: received packet version {version} expected {VERSION}", 4)
        return InitPacket(channel, uuid, unused1 + unused2, version), _INIT.size

    def _packet(self, data: memoryview) -> tuple[Packet | None, int]:
        """The packet at the start of ``data`` and its size; or None and how many bytes it takes at least."""
        magic, version, flags = _PREFIX.unpack_from(data)
        if magic != MAGIC:
            raise _fault(f"multifd: received packet magic {magic:x} and expected magic {MAGIC:x}", 0)
        if version != VERSION:
            raise _fault(f"multifd: received packet version {version} and expected version {VERSION}", 4)
        if flags & DEVICE_STATE:
            return self._device_state(data)
        return self._pages(data)

    def _device_state(self, data: memoryview) -> tuple[Packet | None, int]:
        if len(data) < _DEVICE.size:
            return None, _DEVICE.size
        _, version, flags, idstr, instance_id, size = _DEVICE.unpack_from(data)
        if size > MAX_DEVICE_STATE:
            raise _fault("multifd: device state too long", 272, "next_packet_size", MAX_DEVICE_STATE, size)
        behind = _DEVICE.size + size
        if len(data) < behind:
            return None, behind
        state = bytes(data[_DEVICE.size : behind])
        return DeviceStatePacket(flags, idstr, instance_id, state, version), behind

    def _pages(self, data: memoryview) -> tuple[Packet | None, int]:
        room = PACKET_PAGES_BYTES // self.page_size
        header = _PAGES.size + 8 * room
        if len(data) < header:
            return None, header
        _, version, flags, alloc, normal, size, number, zero, *reserved, name = _PAGES.unpack_from(data)
        if alloc > room:
            raise _fault(f"multifd: received packet with size {alloc} and expected a size of {room}", 12, "pages_alloc")
        if normal > alloc:
            raise _fault(
                f"multifd: received packet with {normal} pages and expected maximum pages are {alloc}",
                16,
                "normal_pages",
            )
        if zero > alloc - normal:
            raise _fault(
                f"multifd: received packet with {zero} zero pages and expected maximum zero pages are {alloc - normal}",
                32,
                "zero_pages",
            )
        offsets = struct.unpack_from(f">{room}Q", data, _PAGES.size)
        if self.blocks is not None and normal + zero:
            _check_offsets(name, offsets[: normal + zero], self.page_size, self.blocks)
        lengths, start, behind = self._payload(data, header, flags & COMPRESSION, normal, size)
        if len(data) < behind:
            return None, behind
        packet = PagesPacket(
            flags,
            alloc,
            normal,
            size,
            number,
            zero,
            name,
            offsets,
            lengths,
            bytes(data[start:behind]),
            (reserved[0], reserved[1], reserved[2], reserved[3]),
            version,
        )
        return packet, behind

    def _payload(
        self, data: memoryview, start: int, method: int, normal: int, size: int
    ) -> tuple[tuple[int, ...], int, int]:
        """Lengths of the pages, where the payload's data starts, and where it ends."""
        if method not in COMPRESSIONS:
            names = ", ".join(f"{flag:#x} {row.name}" for flag, row in COMPRESSIONS.items())
            raise _fault(f"multifd: flags received {method:x}", 8, "flags", names, f"{method:#x}")
        if not normal:
            return (), start, start
        if method == NONE:
            return (), start, start + normal * self.page_size
        if method in (QPL, UADK):
            behind = start + 4 * normal
            if len(data) < behind:
                return (), behind, behind
            lengths = struct.unpack_from(f">{normal}I", data, start)
            longest = max(lengths)
            if longest > self.page_size:
                at = start + 4 * lengths.index(longest)
                raise _fault("multifd: incorrect compressed length", at, "length", self.page_size, longest)
            return lengths, behind, behind + sum(lengths)
        # qemu: migration/multifd-zlib.c:multifd_zlib_recv_setup makes room for twice the pages
        if size > 2 * PACKET_PAGES_BYTES:
            raise _fault("multifd: packet size received too long", 20, "next_packet_size", 2 * PACKET_PAGES_BYTES, size)
        return (), start, start + size


def _check_offsets(name: bytes, offsets: tuple[int, ...], page_size: int, blocks: Mapping[str, Block]) -> None:
    text = name.split(b"\0", 1)[0].decode(NAME_ENCODING, NAME_ERRORS)
    block = blocks.get(text)
    if block is None:
        raise _fault(f"multifd: unknown ram block {text}", 64, "ramblock")
    for index, offset in enumerate(offsets):
        if offset > block.used_length - page_size:
            raise _fault(
                f"multifd: offset too long {offset} (max {block.used_length:x})",
                _PAGES.size + 8 * index,
                f"{text}/offset[{index}]",
            )


def _fault(
    message: str, offset: int, field: str | None = None, expected: object = None, got: object = None
) -> StreamError:
    at_most = f"at most {expected}" if isinstance(expected, int) else expected
    return StreamError(message, offset=offset, field=field, expected=at_most, got=got)


def _pack(layout: struct.Struct, *values: int | bytes) -> bytes:
    try:
        packed = layout.pack(*values)
    except struct.error as error:
        raise EncodeError(f"multifd packet: {error}") from None
    # struct pads and cuts bytes silently: what came out must be what went in.
    if layout.unpack(packed) != values:
        raise EncodeError("multifd packet: a field of bytes has another length in the packet")
    return packed
