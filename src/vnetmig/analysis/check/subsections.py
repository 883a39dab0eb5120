"""The subsections behind a virtio device's own part, read as QEMU reads them.

Knows how a subsection is looked for and refused (qemu: migration/vmstate.c:vmstate_subsection_load): by peeking, which
at the end of the stream is an error that only the field around it notices; its name is a C string, its version one
byte. Gives what was accepted in the form in which QEMU writes it, for a program to read.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from vnetmig.analysis.check.trouble import Frame, Trouble
from vnetmig.analysis.check.wire_names import frames_of
from vnetmig.analysis.release import Release
from vnetmig.vmstate import BUFFER, UNUSED, Const, Expr, Field, Ref, Struct, Vmsd
from vnetmig.vmstate.description import List

MARK = 0x05  #: how a subsection begins (qemu: QEMU_VM_SUBSECTION)
_VERSION_BYTES = 4
VERSION_MASK = 0xFF  #: the loader keeps the version in a uint8_t

#   subsection               version 2 since
_SECOND = {
    "virtio-net-device/rss": "10.2",
}


@dataclass(frozen=True, slots=True)
class Fault(Exception):
    """What ends the reading; ``at`` is where, from the payload's begin."""

    trouble: Trouble
    at: int


@dataclass(slots=True)
class SubsectionReader:
    """Reads ``data`` from ``at`` on; the stream ends at ``ended``, and zeros are read behind it.

    ``over``: something behind the end was asked for.
    """

    data: bytes
    at: int
    ended: int
    params: Mapping[str, int]
    release: Release
    over: bool = False
    kept: bytearray = field(default_factory=bytearray)

    def read(self, vmsd: Vmsd, path: str = "") -> None:
        """All subsections of ``vmsd``, whose fields have been read; ``path``: where it stands. Raises Fault; what is
        not there whole is not kept."""
        while self._peek(0) == MARK:
            whole = len(self.kept)
            try:
                if not self._one(vmsd, path):
                    return
            except Fault:
                del self.kept[whole:]
                raise

    def _one(self, vmsd: Vmsd, path: str) -> bool:
        """The subsection that begins here; False: it is none of ``vmsd``."""
        begin, length = self.at, self._peek(1)
        if length < len(vmsd.name) + 1 or self._is_beyond(2 + length):
            return False
        found = self.data[begin + 2 : begin + 2 + length].partition(b"\0")[0]
        name = found.decode("utf-8", "backslashreplace")
        if not name.startswith(vmsd.name):
            return False
        sub = next((one for one in vmsd.subsections if one.name == name), None)
        place = f"{path}.{name.rpartition('/')[2]}".lstrip(".")
        around = frames_of(path, self.release)
        if sub is None:
            values: dict[str, object] = {"subsection": name, "vmsd": vmsd.name}
            unknown = Trouble("subsection-unknown", values, place, code=errno.ENOENT, frames=around, stops=True)
            raise Fault(unknown, begin)
        self.at += 2 + length
        version = int.from_bytes(self._take(_VERSION_BYTES), "big") & VERSION_MASK
        local = local_version(sub, self.release)
        if not sub.minimum_version <= version <= local:
            values = {"vmsd": name, "version": version, "local": local, "minimum": sub.minimum_version}
            rule = "vmstate-too-new" if version > local else "vmstate-too-old"
            refused = Trouble(rule, values, f"{place}.#version", inside=vmsd.name, frames=around, stops=True)
            raise Fault(refused, begin + 2 + length)
        encoded = name.encode()
        self.kept += bytes((MARK, len(encoded))) + encoded + version.to_bytes(_VERSION_BYTES, "big")
        self._fields(sub, version, place)
        return True

    def _fields(self, vmsd: Vmsd, version: int, path: str) -> None:
        values: dict[str, int] = {}
        for item in vmsd.fields:
            if not isinstance(item, Field | Struct | List) or getattr(item, "since", 0) > version:
                continue
            if item.when is None or self._number(item.when, values):
                self._item(item, f"{path}.{item.name}", values)
        self.read(vmsd, path)

    def _item(self, item: Field | Struct | List, path: str, values: dict[str, int]) -> None:
        if isinstance(item, Field):
            whole = item.type in (BUFFER, UNUSED)
            count = self._number(item.count, values)
            for _ in range(1 if whole else count):
                begin = self.at
                taken = self._take(count if whole else item.type.size)
                self._check(path, begin)
                self.kept += taken
                values[item.name] = int.from_bytes(taken, "big")
        elif isinstance(item, Struct):
            for _ in range(self._number(item.count, values)):
                begin = self.at
                self._fields(item.body, item.body.version, path)
                self._check(path, begin)
        else:
            self._chunks(item, path)

    def _chunks(self, item: List, path: str) -> None:
        """A list of sized chunks, up to the one of size zero."""
        while True:
            begin = self.at
            marker = self._take(item.marker)
            self.kept += marker
            if not any(marker):
                self._check(path, begin)
                return
            self.kept += self._take(min(int.from_bytes(marker, "big"), self.ended + 1))
            self._check(path, begin)

    def _number(self, count: int | Expr | None, values: Mapping[str, int]) -> int:
        if count is None or isinstance(count, int):
            return 1 if count is None else count
        folded = count.fold(self.params)
        if isinstance(folded, Ref):
            return values.get(folded.path, 0)
        return folded.value if isinstance(folded, Const) else 0

    def _check(self, path: str, begin: int) -> None:
        """What vmstate_load_state asks behind each element: did the stream end?"""
        if self.over:
            raise Fault(ended(path, self.release), begin)

    def _take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count].ljust(count, b"\0")
        self._is_beyond(count)
        self.at += count
        return taken

    def _peek(self, ahead: int) -> int:
        return 0 if self._is_beyond(ahead + 1) else self.data[self.at + ahead]

    def _is_beyond(self, count: int) -> bool:
        beyond = self.at + count > self.ended
        self.over = self.over or beyond
        return beyond


def ended(path: str | None, release: Release, frames: tuple[Frame, ...] | None = None) -> Trouble:
    """The stream ends in the field at ``path``."""
    around = frames_of(path, release) if frames is None else frames
    if around:
        around = (replace(around[0], told=False), *around[1:])  # it is not the field's own code that says so
    values = {"vmsd": around[0].vmsd if around else "", "code": -errno.EIO}
    return Trouble("stream-error", values, path, code=errno.EIO, frames=around, stops=True)


def local_version(sub: Vmsd, release: Release) -> int:
    """The version of ``sub`` that ``release`` has."""
    since = _SECOND.get(sub.name)
    return 1 if since is not None and not release.since(since) else sub.version


def parents(vmsd: Vmsd) -> Iterator[Vmsd]:
    """The descriptions in a section whose subsections stand behind its fields, in wire order."""
    for item in vmsd.fields:
        if isinstance(item, Struct):
            yield from parents(item.body)
            if item.body.subsections:
                yield item.body


def without_subsections(vmsd: Vmsd) -> Vmsd:
    """``vmsd`` as far as its fields go."""
    fields = tuple(
        replace(item, body=without_subsections(item.body)) if isinstance(item, Struct) else item for item in vmsd.fields
    )
    return replace(vmsd, fields=fields, subsections=())
