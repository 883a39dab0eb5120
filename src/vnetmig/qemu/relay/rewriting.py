"""Changing devices while their sections go by, and the vmdescription with them.

Knows what is wanted of which device. Must not know how bytes are held back. The change is `analysis.edit`'s, which
reads it back; the edited stream holds this one section, so that it can reach no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from vnetmig.analysis.edit import Operation, edit
from vnetmig.analysis.edit_text import Settable
from vnetmig.document.device import Device
from vnetmig.document.load import load
from vnetmig.document.sizes import Key, rewritten
from vnetmig.errors import EditError, FieldError
from vnetmig.qemu.relay.refusal import Refusal
from vnetmig.stream.events import Eof, SectionStart, VmDescription
from vnetmig.stream.payload import SectionHeader
from vnetmig.vmstate.changes import changed_fields

Inspect = Callable[[Device], object]
"""Looks at a device that goes by; what it raises refuses the migration."""
Rewrite = Callable[[Device], "Mapping[str, Settable] | None"]
"""Path -> value for everything that is to be another value in the device that goes by; None or nothing: as it is."""


class Rewriting:
    """``sets``: texts DEVICE:PATH=VALUE. ``opening``: header and configuration, as they came."""

    def __init__(
        self,
        sets: Iterable[str] = (),
        inspect: Inspect | None = None,
        rewrite: Rewrite | None = None,
        engine: str | None = None,
    ) -> None:
        self.opening = b""
        self.changed: list[str] = []
        """In words: every value that became another one."""
        self._operations = [Operation.parse("set", text) for text in sets]
        self._inspect = inspect
        self._rewrite = rewrite
        self._engine = engine
        self._met: dict[str, tuple[str, int]] = {}
        """Device names of ``sets``, and which device it was."""
        self._seen: dict[tuple[str, int], int] = {}
        self._sizes: dict[Key, int] = {}

    def wants(self, header: SectionHeader) -> bool:
        """Must this FULL section be had whole?"""
        if self._inspect is not None or self._rewrite is not None:
            return True
        return any(_is_named(header, operation.device) for operation in self._operations)

    def section(self, start: SectionStart, payload: bytes, footer: bytes) -> bytes:
        """The payload of a described section as it shall go on. Raises Refusal."""
        header = start.header
        key = header.idstr, header.instance_id
        occurrence = self._seen.get(key, 0)
        self._seen[key] = occurrence + 1
        operations = self._wanted(header)
        stream = load(self.opening + start.encode() + payload + footer + Eof().encode(), engine=self._engine)
        view = stream.sections[-1].device
        if view is None:
            if operations:
                raise Refusal(f"'{header.idstr}': only its vmdescription describes it, which comes too late for --set")
            return payload
        if self._inspect is not None:
            self._inspect(view)
        if self._rewrite is not None:
            given = self._rewrite(view) or {}
            name = f"{header.idstr}#{header.instance_id}"
            operations += [Operation("set", name, path, value) for path, value in given.items()]
        if not operations:
            return payload
        try:
            edited = edit(stream, operations, compare=False, engine=self._engine)  # the guest stands still meanwhile
        except (EditError, FieldError) as error:
            raise Refusal(f"'{header.idstr}' cannot be changed as asked: {error}") from error
        before, after = view.record, edited.stream.sections[-1].record
        if before is not None and after is not None:
            self.changed += [
                f"{header.idstr}: {one.path}: {one.before!r} -> {one.after!r}" for one in changed_fields(before, after)
            ]
        begin, end = edited.stream.sections[-1].payload_span
        made = edited.data[begin:end]
        if len(made) != len(payload):
            self._sizes[(*key, occurrence)] = len(made)
        return made

    @property
    def resized(self) -> bool:
        """Does the vmdescription tell a size that is not right any more?"""
        return bool(self._sizes)

    def description(self, event: VmDescription) -> bytes:
        """The vmdescription with the sizes that are right now."""
        return VmDescription(rewritten(event.description, self._sizes)).encode()

    def end(self) -> None:
        """All sections have come: was everything there that was to be changed?"""
        missing = sorted({operation.device for operation in self._operations} - set(self._met))
        if missing:
            raise Refusal(f"no device '{missing[0]}' in this migration: nothing to set in it")

    def _wanted(self, header: SectionHeader) -> list[Operation]:
        found = []
        for operation in self._operations:
            if not _is_named(header, operation.device):
                continue
            key = header.idstr, header.instance_id
            met = self._met.setdefault(operation.device, key)
            if met != key:
                raise Refusal(f"'{operation.device}' may be: {met[0]}, {header.idstr}")
            name = f"{header.idstr}#{header.instance_id}"
            found.append(Operation("set", name, operation.path, operation.value))
        return found


def _is_named(header: SectionHeader, name: str) -> bool:
    """``name`` as people write it: an idstr or the end of one, ``cpu#1`` for an instance."""
    idstr, mark, number = name.rpartition("#")
    if mark and number.isdecimal():
        return header.instance_id == int(number) and header.idstr.endswith(idstr)
    return header.idstr.endswith(name)
