"""Bounded reading of big-endian integers and counted strings, with the absolute offset at hand.

Knows positions and widths. Must not know what the bytes mean. ``Short`` never leaves this package:
callers turn it into "need more" or, at the end of the input, into a StreamError.
"""

from __future__ import annotations

from mmap import mmap

from vnetmig.errors import EncodeError, StreamError

Buffer = bytes | bytearray | memoryview | mmap

TRUNCATED = "load of migration failed: Input/output error"
"""How QEMU ends when its stream does (EIO; qemu: migration/qemu-file.c:qemu_fill_buffer)."""


class Short(Exception):
    """The bytes at hand end too early; ``total`` is the least number that is worth another attempt."""

    def __init__(self, total: int, what: str) -> None:
        super().__init__(total, what)
        self.total = total
        self.what = what


class Cursor:
    """Reads ``data`` from its start; ``base`` is the absolute stream offset of ``data[0]``."""

    __slots__ = ("base", "data", "end", "position", "section")

    def __init__(self, data: bytes | memoryview, base: int = 0, section: str | None = None) -> None:
        self.data = data
        self.base = base
        self.position = 0
        self.end = len(data)
        self.section = section

    @property
    def offset(self) -> int:
        return self.base + self.position

    def take(self, count: int, what: str) -> bytes:
        """The next ``count`` bytes; the cursor does not move when they are not all there."""
        stop = self.position + count
        if stop > self.end:
            raise Short(stop, what)
        taken = bytes(self.data[self.position : stop])
        self.position = stop
        return taken

    def number(self, width: int, what: str) -> int:
        stop = self.position + width
        if stop > self.end:
            raise Short(stop, what)
        value = int.from_bytes(self.data[self.position : stop], "big")
        self.position = stop
        return value

    def peek(self, what: str) -> int:
        if self.position >= self.end:
            raise Short(self.position + 1, what)
        return self.data[self.position]

    def text(self, count: int, what: str) -> str:
        """A name of ``count`` bytes. QEMU writes printable ASCII only, so anything else is a lost reader."""
        at = self.offset
        raw = self.take(count, what)
        if not is_name(raw):
            raise self.fault(f"{what} is not a name", offset=at, expected="printable ASCII", got=show(raw))
        return raw.decode("ascii")

    def cstr(self, what: str) -> str:
        """u8 length, then that many bytes (qemu: migration/qemu-file.c:qemu_put_counted_string)."""
        length = self.peek(what)
        if self.position + 1 + length > self.end:
            raise Short(self.position + 1 + length, what)
        self.position += 1
        return self.text(length, what)

    def fault(
        self,
        message: str,
        *,
        offset: int | None = None,
        field: str | None = None,
        expected: object = None,
        got: object = None,
        hint: str | None = None,
        code: str = "malformed",
    ) -> StreamError:
        return StreamError(
            message,
            offset=self.offset if offset is None else offset,
            section=self.section,
            field=field,
            expected=expected,
            got=got,
            hint=hint,
            code=code,
        )


def truncated(what: str, *, offset: int, expected: object, got: object, section: str | None = None) -> StreamError:
    """The input ended where ``what`` should have gone on."""
    return StreamError(
        f"{TRUNCATED}: the stream ends inside {what}",
        offset=offset,
        section=section,
        expected=expected,
        got=got,
        code="truncated",
    )


_PRINTABLE = bytes(range(0x20, 0x7F))


def is_name(raw: bytes | bytearray) -> bool:
    return not raw.translate(None, _PRINTABLE)


def show(raw: bytes) -> str:
    """Bytes for a message: always printable, never long."""
    return repr(raw[:64])[1:] + ("…" if len(raw) > 64 else "")


def be(value: int, width: int, what: str) -> bytes:
    """``value`` as ``width`` big-endian bytes; EncodeError if it does not fit."""
    try:
        return value.to_bytes(width, "big")
    except OverflowError:
        raise EncodeError(f"{what}: {value} does not fit {8 * width} unsigned bits") from None


def counted(name: str, what: str) -> bytes:
    raw = name_bytes(name, what)
    if len(raw) > 255:
        raise EncodeError(f"{what}: {len(raw)} bytes do not fit a counted string of at most 255")
    return bytes((len(raw),)) + raw


def name_bytes(name: str, what: str) -> bytes:
    raw = name.encode("utf-8", "surrogateescape")
    if not is_name(raw):
        raise EncodeError(f"{what}: {name!a} is not printable ASCII")
    return raw
