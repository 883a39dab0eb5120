"""A stream as a list of pieces, one per section and one for what is between two: to leave out, repeat and alter.

What the tests of damaged protocols share. Pieces joined again are the stream.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from vnetmig.migration.decoders import Decoders
from vnetmig.stream import framing
from vnetmig.stream.events import SectionFooter, SectionStart
from vnetmig.stream.reader import read_events

INIT_STATE = bytes.fromhex("ffffffffef200000")
END_DATA = bytes.fromhex("ffffffffef200001")
NO_DATA = bytes.fromhex("ffffffffef200002")

START, PART, END, FULL = framing.SECTION_START, framing.SECTION_PART, framing.SECTION_END, framing.SECTION_FULL


@dataclass(frozen=True)
class Piece:
    """A section's ``head`` (type, id, name, instance, version), ``payload`` and ``footer``; ``kind`` 0: no section."""

    head: bytes
    payload: bytes = b""
    footer: bytes = b""
    kind: int = 0
    idstr: str = ""
    instance_id: int = 0

    @property
    def data(self) -> bytes:
        return self.head + self.payload + self.footer

    @property
    def section_id(self) -> int:
        return int.from_bytes(self.head[1:5], "big")

    def of(self, kind: int, suffix: str) -> bool:
        return self.kind == kind and self.idstr.endswith(suffix)

    def with_payload(self, payload: bytes) -> Piece:
        return replace(self, payload=payload)

    def with_version(self, version: int) -> Piece:
        return replace(self, head=self.head[:-4] + version.to_bytes(4, "big"))

    def with_instance(self, instance: int) -> Piece:
        return replace(self, head=self.head[:-8] + instance.to_bytes(4, "big") + self.head[-4:])

    def named(self, idstr: str) -> Piece:
        """Another name; it may have another length."""
        name = idstr.encode()
        return replace(self, head=self.head[:5] + bytes((len(name),)) + name + self.head[-8:], idstr=idstr)

    def as_part(self) -> Piece:
        """What a START or FULL section holds, as a PART of the same section."""
        return replace(self, head=bytes((PART,)) + self.head[1:5], kind=PART)


def pieces(stream: bytes) -> list[Piece]:
    decoders = Decoders()
    found: list[Piece] = []
    start: SectionStart | None = None
    head = payload = b""
    for event in read_events((stream,), decoders):
        decoders.observe(event)
        if isinstance(event, SectionStart):
            start, head, payload = event, event.encode(), b""
        elif start is not None and isinstance(event, SectionFooter):
            found.append(Piece(head, payload, event.encode(), start.type, start.idstr, start.instance_id))
            start = None
        elif start is not None:
            payload += event.encode()
        else:
            found.append(Piece(event.encode()))
    return found


def joined(found: Iterable[Piece]) -> bytes:
    return b"".join(piece.data for piece in found)


def the(found: Iterable[Piece], kind: int, suffix: str) -> Piece:
    """The one piece of this kind whose idstr ends so."""
    (piece,) = (p for p in found if p.of(kind, suffix))
    return piece


def changed(found: Iterable[Piece], old: Piece, *new: Piece) -> list[Piece]:
    """``new`` in the place of ``old``."""
    result: list[Piece] = []
    for piece in found:
        result += new if piece is old else (piece,)
    return result


def without_capability(found: Iterable[Piece], name: str) -> list[Piece]:
    """The same stream, whose configuration does not say that ``name`` is on."""
    found = list(found)
    for i, piece in enumerate(found):
        place = piece.head.find(bytes((len(name),)) + name.encode())
        if piece.kind == 0 and place >= 0:
            mark = b"\x05\x1aconfiguration/capabilities"
            at = piece.head.index(mark)
            count = at + len(mark) + 4  # behind the name: version and number, 4 bytes each
            number = int.from_bytes(piece.head[count : count + 4], "big")
            if number == 1:
                head = piece.head[:at] + piece.head[place + 1 + len(name) :]
            else:
                fewer = (number - 1).to_bytes(4, "big")
                rest = piece.head[place + 1 + len(name) :]
                head = piece.head[:count] + fewer + piece.head[count + 4 : place] + rest
            found[i] = replace(piece, head=head)
    return found
