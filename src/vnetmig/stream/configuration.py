"""The configuration section: machine type and what both sides must agree on, as values.

Knows the body behind the 0x07 byte (qemu: migration/savevm.c:vmstate_configuration). Must not judge it:
whether a machine type or capability fits a destination is for other layers. Subsections are kept in the
order they came, duplicates included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vnetmig.errors import EncodeError
from vnetmig.stream import framing
from vnetmig.stream.cursor import Cursor, be, counted, name_bytes
from vnetmig.stream.framing import DEFAULT_LIMITS, Limits

NAME = "configuration"
UUID_SIZE = 16
VERSION = 1
"""Of every subsection, in every QEMU so far."""


@dataclass(frozen=True, slots=True)
class TargetPageBits:
    """Sent when the page is larger than the target's legacy minimum; never on x86."""

    bits: int

    def encode(self) -> bytes:
        return _subsection("target-page-bits") + be(self.bits, 4, "target-page-bits")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The validated capabilities that are on, in the order of QEMU's enum."""

    names: tuple[str, ...]

    def encode(self) -> bytes:
        names = b"".join(counted(name, "capability") for name in self.names)
        return _subsection("capabilities") + be(len(self.names), 4, "number of capabilities") + names


@dataclass(frozen=True, slots=True)
class Uuid:
    """Sent with the capability validate-uuid."""

    uuid: bytes

    def encode(self) -> bytes:
        if len(self.uuid) != UUID_SIZE:
            raise EncodeError(f"uuid: {len(self.uuid)} bytes, not {UUID_SIZE}")
        return _subsection("uuid") + self.uuid


Subsection = TargetPageBits | Capabilities | Uuid


@dataclass(frozen=True, slots=True)
class ConfigurationBody:
    """Everything behind the 0x07 byte."""

    machine_type: str
    subsections: tuple[Subsection, ...] = ()

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Names of the last capabilities subsection: the one that counts for a loader."""
        found: tuple[str, ...] = ()
        for subsection in self.subsections:
            if isinstance(subsection, Capabilities):
                found = subsection.names
        return found

    def encode(self) -> bytes:
        name = name_bytes(self.machine_type, "machine type")
        return be(len(name), 4, "machine type length") + name + b"".join(s.encode() for s in self.subsections)


def _subsection(leaf: str) -> bytes:
    return bytes((framing.SUBSECTION,)) + counted(f"{NAME}/{leaf}", "subsection") + be(VERSION, 4, "version")


def _target_page_bits(cursor: Cursor, limits: Limits) -> Subsection:
    return TargetPageBits(cursor.number(4, "target-page-bits"))


def _capabilities(cursor: Cursor, limits: Limits) -> Subsection:
    count = cursor.number(4, "number of capabilities")
    if count > limits.capabilities:
        raise cursor.fault(
            f"Unreasonable number of capabilities: {count}",
            offset=cursor.offset - 4,
            field="caps_count",
            expected=f"at most {limits.capabilities}",
            got=count,
            code="limit",
        )
    return Capabilities(tuple(cursor.cstr("capability name") for _ in range(count)))


def _uuid(cursor: Cursor, limits: Limits) -> Subsection:
    return Uuid(cursor.take(UUID_SIZE, "uuid"))


_SUBSECTIONS: dict[str, Callable[[Cursor, Limits], Subsection]] = {
    f"{NAME}/target-page-bits": _target_page_bits,
    f"{NAME}/capabilities": _capabilities,
    f"{NAME}/uuid": _uuid,
}


def read_configuration(cursor: Cursor, limits: Limits = DEFAULT_LIMITS, *, final: bool = False) -> ConfigurationBody:
    """Read a body; ``Short`` when it may go on behind the bytes at hand (unless they are ``final``)."""
    length = cursor.number(4, "machine type length")
    if length > limits.machine_name:
        raise cursor.fault(
            f"Unreasonable length of the machine type name: {length}",
            offset=cursor.offset - 4,
            field="len",
            expected=f"at most {limits.machine_name}",
            got=length,
            code="limit",
        )
    machine_type = cursor.text(length, "machine type")
    subsections: list[Subsection] = []
    while not (final and cursor.position == cursor.end) and cursor.peek("subsections") == framing.SUBSECTION:
        subsection = _read_subsection(cursor, limits)
        if subsection is None:
            break
        subsections.append(subsection)
    return ConfigurationBody(machine_type, tuple(subsections))


def _read_subsection(cursor: Cursor, limits: Limits) -> Subsection | None:
    """None: the name is not one of ours, which ends the list (qemu: vmstate.c:vmstate_subsection_load)."""
    start = cursor.position
    cursor.take(1, "subsection")
    if cursor.peek("subsection name") < len(NAME) + 1:
        cursor.position = start
        return None
    name = cursor.cstr("subsection name")
    if not name.startswith(NAME):
        cursor.position = start
        return None
    reader = _SUBSECTIONS.get(name)
    if reader is None:
        raise cursor.fault(
            f"VM subsection '{name}' in '{NAME}' does not exist",
            offset=cursor.base + start,
            expected=" or ".join(_SUBSECTIONS),
            got=name,
            hint="load of migration failed: No such file or directory is how QEMU up to 10.0 puts it",
        )
    version = cursor.number(4, "subsection version")
    if version != VERSION:
        new = version > VERSION
        raise cursor.fault(
            f"{name}: incoming version_id {version} is too {'new' if new else 'old'} for local "
            f"{'version_id' if new else 'minimum version_id '} {VERSION}",
            offset=cursor.offset - 4,
            expected=VERSION,
            got=version,
        )
    return reader(cursor, limits)
