"""Two sections beside each other: which fields differ, and what that means for the sets they stand for.

Knows sections, records and the sets in a virtio device's values (features, addresses, VLANs); pairs nothing: which two
sections belong together is ``analysis.diff``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vnetmig.analysis.churn import churn_of
from vnetmig.document.net import NetDevice
from vnetmig.document.section import Section
from vnetmig.document.section_fields import section_fields
from vnetmig.stream.payload import Raw
from vnetmig.virtio import features
from vnetmig.virtio.rings import guest_features
from vnetmig.vmstate.fields import Field


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field; None on the side that has not got it. ``churn``: what moves there anyway, or None."""

    path: str
    a: Field | None
    b: Field | None
    churn: str | None = None


@dataclass(frozen=True, slots=True)
class SetDifference:
    """Members by name. ``order``: the members are the same, in another order."""

    name: str
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    order: bool = False


@dataclass(frozen=True, slots=True)
class HeaderDifference:
    """What stands around the fields: section id, instance id, version."""

    name: str
    a: str | int
    b: str | int


@dataclass(frozen=True, slots=True)
class BytesDifference:
    """Of payloads that no field explains: where they begin, their sizes, the first byte that differs (relative)."""

    offset_a: int
    offset_b: int
    size_a: int
    size_b: int
    first: int


@dataclass(frozen=True, slots=True)
class SectionDifference:
    """What differs in one section. ``idstr`` and ``instance_id`` are those of a."""

    idstr: str
    instance_id: int
    type: str
    device: str
    """Kind of the virtio device in it, or empty."""
    header: tuple[HeaderDifference, ...] = ()
    sets: tuple[SetDifference, ...] = ()
    fields: tuple[FieldDifference, ...] = ()
    bytes: BytesDifference | None = None

    @property
    def differences(self) -> tuple[FieldDifference, ...]:
        """Fields whose difference says more than that time has passed."""
        return tuple(field for field in self.fields if field.churn is None)

    @property
    def churn(self) -> tuple[FieldDifference, ...]:
        return tuple(field for field in self.fields if field.churn is not None)

    @property
    def equal(self) -> bool:
        """Nothing differs but churn."""
        return not (self.header or self.sets or self.differences or self.bytes)


_LOOKED_INTO = 4096
"""Bytes of a buffer in which single positions can be churn."""

_HEADER = ("idstr", "instance_id", "version_id", "section_id")


def section_difference(a: Section, b: Section) -> SectionDifference | None:
    """None when the two have the same header and the same bytes."""
    header = tuple(
        HeaderDifference(name, getattr(a, name), getattr(b, name))
        for name in _HEADER
        if getattr(a, name) != getattr(b, name)
    )
    ours, theirs = payload_bytes(a), payload_bytes(b)
    if ours == theirs and not header:
        return None
    device = a.state.record.program.vmsd.name if a.state is not None else ""
    fields: tuple[FieldDifference, ...] = ()
    sets: tuple[SetDifference, ...] = ()
    left: BytesDifference | None = None
    if ours != theirs:
        fields = tuple(_fields(a, b))
        sets = tuple(_sets(a, b))
        if not fields:
            first = next((i for i, (x, y) in enumerate(zip(ours, theirs, strict=False)) if x != y), None)
            first = min(len(ours), len(theirs)) if first is None else first
            left = BytesDifference(a.payload_span[0], b.payload_span[0], len(ours), len(theirs), first)
    return SectionDifference(a.idstr, a.instance_id, a.type, device, header, sets, fields, left)


def payload_bytes(section: Section) -> bytes:
    """The payload as it would be written now; what nobody has looked into is not decoded for it."""
    return b"".join(
        section.current(event.payload).data if isinstance(event.payload, Raw) else section.encode_payload(event.payload)
        for event in section.payloads
    )


def _fields(a: Section, b: Section) -> Iterator[FieldDifference]:
    """In wire order; what only b has behind what both have."""
    ours, theirs = dict(section_fields(a)), dict(section_fields(b))
    for path, field in ours.items():
        other = theirs.get(path)
        if other is None or other.value != field.value:
            yield FieldDifference(path, field, other, _churn(a, path, field, other))
    for path, field in theirs.items():
        if path not in ours:
            yield FieldDifference(path, None, field, _churn(a, path, None, field))


def _churn(section: Section, path: str, a: Field | None, b: Field | None) -> str | None:
    if a is None or b is None:
        return None  # a field that comes or goes is never churn
    moved: frozenset[int] | None = None
    if isinstance(a.value, bytes) and isinstance(b.value, bytes) and len(a.value) == len(b.value) <= _LOOKED_INTO:
        moved = frozenset(i for i, (x, y) in enumerate(zip(a.value, b.value, strict=True)) if x != y)
    return churn_of(section.idstr, path, a.type, moved)


def _sets(a: Section, b: Section) -> Iterator[SetDifference]:
    if a.record is None or b.record is None:
        return
    found = [_set("subsections", a.record.subsections(), b.record.subsections())]
    if a.state is not None and b.state is not None:
        kind = a.state.record.program.vmsd.name
        if kind in features.DEVICES and b.state.record.program.vmsd.name == kind:
            bits = guest_features(a.record), guest_features(b.record)
            found.append(_set("guest_features", *(features.names(kind, one) for one in bits)))
        ours, theirs = a.device, b.device
        if isinstance(ours, NetDevice) and isinstance(theirs, NetDevice):
            for name in ("unicast", "multicast"):
                entries = (getattr(net.mac_table, name) for net in (ours, theirs))
                found.append(_set(f"mac_table.{name}", *entries))
            found.append(_set("vlans", *(list(map(str, sorted(net.vlans))) for net in (ours, theirs))))
    yield from (one for one in found if one is not None)


def _set(name: str, a: Sequence[str], b: Sequence[str]) -> SetDifference | None:
    if list(a) == list(b):
        return None
    first, second = set(a), set(b)
    only_a = tuple(member for member in a if member not in second)
    only_b = tuple(member for member in b if member not in first)
    return SetDifference(name, only_a, only_b, order=not only_a and not only_b)
