"""What libvirt writes in front of a stream: ``virsh save``, ``virsh managedsave``, external snapshots.

Knows the header, the domain XML and the cookie as values. Must not know XML, nor the stream behind them.
The layout is 16 bytes of magic, 5 numbers, 14 unused numbers, all in the host's byte order, then ``data_len``
bytes: the XML with its NUL, the cookie with its NUL at ``cookie_offset``, zeros up to the end
(libvirt: src/qemu/qemu_saveimage.h:virQEMUSaveHeader, qemu_saveimage.c:virQEMUSaveDataWrite).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from vnetmig.errors import EncodeError, StreamError
from vnetmig.stream.source import Source

MAGIC: Final = b"LibvirtQemudSave"
MAGIC_PARTIAL: Final = b"LibvirtQemudPart"
VERSION_MAX: Final = 2
FORMATS: Final = ("raw", "gzip", "bzip2", "xz", "lzop", "zstd", "sparse")
"""libvirt: src/qemu/qemu_saveimage_format.h:virQEMUSaveFormat, by number."""
HEADER_SIZE: Final = 16 + 4 * (5 + 14)
DATA_MAX: Final = 64 << 20
"""Bytes of XML and cookie; real ones are some kilobytes."""
_UNUSED: Final = 14


@dataclass(frozen=True, slots=True)
class LibvirtImage:
    """Everything in front of the stream. ``complete`` is False while libvirt writes, and after a crash."""

    xml: bytes
    was_running: int
    format: int = 0
    cookie: bytes | None = None
    complete: bool = True
    version: int = VERSION_MAX
    byteorder: Literal["little", "big"] = "little"
    unused: tuple[int, ...] = (0,) * _UNUSED
    gap: bytes = b"\0"
    """From the end of the XML to the cookie, or to the end: its NUL, and zeros."""
    padding: bytes = b""
    """From the end of the cookie to the end."""

    @property
    def format_name(self) -> str:
        return FORMATS[self.format]

    @property
    def size(self) -> int:
        """Bytes in front of the stream."""
        return HEADER_SIZE + len(self._data())

    def _data(self) -> bytes:
        return self.xml + self.gap + (self.cookie or b"") + self.padding

    def encode(self) -> bytes:
        data = self._data()
        cookie_offset = 0 if self.cookie is None else len(self.xml) + len(self.gap)
        numbers = (self.version, len(data), self.was_running, self.format, cookie_offset, *self.unused)
        if len(self.unused) != _UNUSED or not all(0 <= number < 1 << 32 for number in numbers):
            raise EncodeError("the libvirt header has 19 numbers of 32 bits")
        magic = MAGIC if self.complete else MAGIC_PARTIAL
        return magic + b"".join(number.to_bytes(4, self.byteorder) for number in numbers) + data


def read_image(source: Source) -> LibvirtImage:
    """The header and its data; ``source`` then stands at the stream."""
    start = source.offset
    header = source.read(HEADER_SIZE)
    if len(header) < HEADER_SIZE:
        raise _fault("failed to read qemu header", start, f"{HEADER_SIZE} bytes", len(header), "truncated")
    magic, raw = header[:16], header[16:]
    if magic not in (MAGIC, MAGIC_PARTIAL):
        raise _fault("image magic is incorrect", start, MAGIC, magic, "magic")
    byteorder: Literal["little", "big"] = "little" if int.from_bytes(raw[:4], "little") <= 0xFFFF else "big"
    numbers = [int.from_bytes(raw[at : at + 4], byteorder) for at in range(0, len(raw), 4)]
    version, data_len, was_running, kind, cookie_offset, *unused = numbers
    if not 0 < version <= VERSION_MAX:
        message = f"image version is not supported ({version} > {VERSION_MAX})"
        raise _fault(message, start + 16, f"at most {VERSION_MAX}", version)
    if not 0 < data_len <= DATA_MAX:
        raise _fault(f"invalid header data length: {data_len}", start + 20, f"at most {DATA_MAX}", data_len, "limit")
    if kind >= len(FORMATS):
        raise _fault(f"Invalid compressed save format {kind}", start + 28, " or ".join(FORMATS), kind)
    if cookie_offset >= data_len:
        raise _fault("invalid cookie offset", start + 32, f"less than {data_len}", cookie_offset)
    data = source.read(data_len)
    if len(data) < data_len:
        raise _fault("failed to read domain XML", source.offset, f"{data_len} bytes", len(data), "truncated")
    xml, gap = _until_nul(data[: cookie_offset or data_len])
    cookie, padding = _until_nul(data[cookie_offset:]) if cookie_offset else (None, b"")
    return LibvirtImage(xml, was_running, kind, cookie, magic == MAGIC, version, byteorder, tuple(unused), gap, padding)


def _until_nul(data: bytes) -> tuple[bytes, bytes]:
    end = data.find(b"\0")
    return (data, b"") if end < 0 else (data[:end], data[end:])


def _fault(message: str, offset: int, expected: object, got: object, code: str = "malformed") -> StreamError:
    return StreamError(message, offset=offset, section="libvirt header", expected=expected, got=got, code=code)
