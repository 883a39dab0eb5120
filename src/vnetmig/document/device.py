"""A live view of one device in a stream: values by path, fields with their absolute offsets.

Knows records and sections; knows no single device (``document.net`` adds the names of virtio-net).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vnetmig.vmstate.fields import FieldMap
from vnetmig.vmstate.record import Record
from vnetmig.vmstate.value import Value

if TYPE_CHECKING:
    from vnetmig.document.context import Context
    from vnetmig.document.section import Section


class Device:
    """``device["path"]`` reads and sets one value; ``fields()`` lists all with offset, size and type."""

    __slots__ = ("__weakref__", "_context", "section")  # a misspelt name must not be set in silence

    def __init__(self, context: Context, section: Section) -> None:
        self._context = context
        self.section = section

    @property
    def idstr(self) -> str:
        return self.section.idstr

    @property
    def instance_id(self) -> int:
        return self.section.instance_id

    @property
    def version_id(self) -> int:
        return self.section.version_id

    @property
    def record(self) -> Record:
        record = self.section.record
        assert record is not None  # a view exists only of a section with a record
        return record

    @property
    def assumed(self) -> tuple[str, ...]:
        """What the bytes alone did not say and had to be tried out, in words."""
        state = self.section.state
        return state.assumed if state is not None else ()

    @property
    def ties(self) -> tuple[tuple[str, ...], ...]:
        """Other readings of the same bytes that fitted as well."""
        state = self.section.state
        return state.ties if state is not None else ()

    def fields(self) -> FieldMap:
        """Lazy mapping path -> Field(value, offset, size, type); offsets are absolute in the stream as it was read.
        Every byte of the device's state is in exactly one."""
        return FieldMap(self.record, self.section.record_offset)

    def __getitem__(self, path: str) -> Value:
        return self.record[path]

    def __setitem__(self, path: str, value: Value) -> None:
        self.record[path] = value

    def __contains__(self, path: str) -> bool:
        return path in self.record

    def get(self, path: str, default: Value | None = None) -> Value | None:
        return self.record.get(path, default)

    def save(self) -> bytes:
        """The device's payload bytes, from its values."""
        return self.record.save(engine=self._context.engine)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{self.idstr}' v{self.version_id}>"
