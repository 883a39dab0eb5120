"""A table that migrates in rounds while it is still being written to.

Knows its chunks and when they are due. Every chunk is a payload of its own: a kind, a number of entries, the entries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

from vnetmig import QuietHandlers, StreamError, decoder_of
from vnetmig.migration.handlers import FINISHED, MORE, LoadFile, SaveFile
from vnetmig.stream.payload import Decoder, SectionHeader
from vnetmig.vmstate import UINT8, UINT16, UINT32, UINT64, Field, Ref, Struct, Vmsd

IDSTR: Final = "acme/table"
VERSION: Final = 1

BEGIN, ENTRIES, LAST = 1, 2, 3
CHUNK: Final = 32
"""Entries of one round."""
EINVAL: Final = 22

_ENTRY = Vmsd("acme-table/entry", 1, (Field("key", UINT32), Field("value", UINT64)))
CHUNKS: Final = Vmsd(
    "acme-table/chunk",
    1,
    (
        Field("kind", UINT8),
        Field("number", UINT16),
        Struct("entries", _ENTRY, count=Ref("number"), limit=4096),
        Field("checksum", UINT32, when=Ref("kind") == LAST),
    ),
)


@dataclass
class Table:
    """``entries`` is what the guest sees. ``busy``: writes that the guest still does, one in each round."""

    entries: dict[int, int] = field(default_factory=dict)
    busy: int = 0
    dirty: list[int] = field(default_factory=list)
    incoming: dict[int, int] | None = None

    def write(self, key: int, value: int) -> None:
        self.entries[key] = value
        if key not in self.dirty:
            self.dirty.append(key)

    def guest_runs(self) -> None:
        if self.busy:
            self.busy -= 1
            self.write(self.busy, self.entries.get(self.busy, 0) + 1)


TABLE: Final = Table()
"""The one that this process has."""


def checksum(entries: dict[int, int]) -> int:
    return crc32(repr(sorted(entries.items())).encode())


class TableHandlers(QuietHandlers):
    """``opaque`` is a Table."""

    def decoder(self, header: SectionHeader) -> Decoder:
        """With it the end of a chunk is known, and `vnetmig inspect` names every entry."""
        return decoder_of(CHUNKS, header.version_id)

    def save_setup(self, file: SaveFile, opaque: Any) -> int:
        opaque.dirty = sorted(opaque.entries)
        _put(file, BEGIN, [])
        return 0

    def save_live_iterate(self, file: SaveFile, opaque: Any) -> int:
        opaque.guest_runs()
        _put(file, ENTRIES, _take(opaque, CHUNK))
        return MORE if opaque.dirty else FINISHED

    def save_complete(self, file: SaveFile, opaque: Any) -> int:
        _put(file, LAST, _take(opaque, len(opaque.dirty)))
        file.put_be32(checksum(opaque.entries))
        return 0

    def save_cleanup(self, opaque: Any) -> None:
        opaque.dirty = []

    def state_pending_estimate(self, opaque: Any) -> int:
        return 12 * len(opaque.dirty)

    def load_setup(self, opaque: Any) -> int:
        opaque.incoming = {}
        return 0

    def load_state(self, file: LoadFile, opaque: Any, version_id: int) -> int:
        kind = file.get_byte()
        if kind not in (BEGIN, ENTRIES, LAST):
            return -EINVAL  # a number, as QEMU's handlers return
        for _ in range(file.get_be16()):
            key = file.get_be32()
            opaque.incoming[key] = file.get_be64()
        if kind != LAST:
            return 0
        found, told = checksum(opaque.incoming), file.get_be32()
        if found != told:  # an error, which says more
            raise StreamError("acme-table: the entries are not those that were sent", expected=told, got=found)
        opaque.entries = dict(opaque.incoming)  # only what is whole
        return 0

    def load_cleanup(self, opaque: Any) -> int:
        opaque.incoming = None
        return 0


def _take(table: Table, most: int) -> list[tuple[int, int]]:
    """The next entries that have to be sent; they are not dirty any more."""
    keys, table.dirty = table.dirty[:most], table.dirty[most:]
    return [(key, table.entries[key]) for key in keys]


def _put(file: SaveFile, kind: int, entries: list[tuple[int, int]]) -> None:
    file.put_byte(kind)
    file.put_be16(len(entries))
    for key, value in entries:
        file.put_be32(key)
        file.put_be64(value)
