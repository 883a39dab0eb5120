"""Who takes part in a migration: the list of registered devices, in the order in which they are saved.

Knows names, ids, versions and order (qemu: migration/savevm.c:savevm_state). Knows no stream and no device: an entry
either has handlers (it migrates in stages) or a vmsd, which is anything with ``save``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from vnetmig.errors import MigrationError
from vnetmig.migration.handlers import SaveVMHandlers

INSTANCE_ID_ANY: Final = 0xFFFFFFFF
"""Take the next free number for this idstr (qemu: VMSTATE_INSTANCE_ID_ANY)."""

PRIORITY_DEFAULT: Final = 0


class Saveable(Protocol):
    """A device that is saved whole. ``early``: in the setup phase (qemu: early_setup), not again at the end."""

    early: bool

    def save(self, *, engine: str | None = None) -> bytes: ...


@dataclass(slots=True, eq=False)
class SaveStateEntry:
    """One registration (qemu: struct SaveStateEntry). Exactly one of ``handlers`` and ``vmsd`` is there."""

    idstr: str
    instance_id: int
    section_id: int
    version_id: int
    handlers: SaveVMHandlers | None = None
    opaque: Any = None
    vmsd: Saveable | None = None
    priority: int = PRIORITY_DEFAULT

    @property
    def early(self) -> bool:
        return self.vmsd is not None and self.vmsd.early

    @property
    def active(self) -> bool:
        return self.handlers is not None and self.handlers.is_active(self.opaque)


class Registry:
    """Entries by priority, highest first; at equal priority in the order of registration.

    Section ids come from a counter that never goes back, unless one is given: ids of a real stream have gaps.
    """

    def __init__(self) -> None:
        self._entries: list[SaveStateEntry] = []
        self._next_id = 0
        self.generation = 0
        """Goes up with every entry that comes or goes."""

    def __iter__(self) -> Iterator[SaveStateEntry]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def register_savevm_live(
        self,
        idstr: str,
        instance_id: int,
        version_id: int,
        handlers: SaveVMHandlers,
        opaque: Any = None,
        *,
        section_id: int | None = None,
        priority: int = PRIORITY_DEFAULT,
    ) -> SaveStateEntry:
        """Register a device that migrates in stages."""
        return self._add(
            SaveStateEntry(idstr, instance_id, -1, version_id, handlers, opaque, priority=priority), section_id
        )

    def register_vmstate(
        self,
        idstr: str,
        instance_id: int,
        version_id: int,
        vmsd: Saveable,
        *,
        section_id: int | None = None,
        priority: int = PRIORITY_DEFAULT,
    ) -> SaveStateEntry:
        """Register a device that is saved whole."""
        return self._add(SaveStateEntry(idstr, instance_id, -1, version_id, vmsd=vmsd, priority=priority), section_id)

    def adopt(self, entry: SaveStateEntry) -> SaveStateEntry:
        """Register what another registry holds, under a section id of this one."""
        return self._add(replace(entry), None)

    def unregister(self, idstr: str, opaque: Any = None) -> int:
        """Take out every entry of exactly this idstr (and opaque, if given); says how many there were.

        The RFC's unrealize asks for the device path twice in a row and so removes nothing; here the idstr is the one
        that was registered, and nothing is put in front of it.
        """
        kept = [e for e in self._entries if e.idstr != idstr or (opaque is not None and e.opaque is not opaque)]
        removed = len(self._entries) - len(kept)
        self.generation += bool(removed)
        self._entries = kept
        return removed

    def remove(self, entry: SaveStateEntry) -> None:
        """Take out this one entry; nothing happens when it is not here."""
        kept = [e for e in self._entries if e is not entry]
        self.generation += len(kept) != len(self._entries)
        self._entries = kept

    def find(self, idstr: str, instance_id: int) -> SaveStateEntry | None:
        """The first entry of this name and instance (qemu: savevm.c:find_se)."""
        return next((e for e in self._entries if (e.idstr, e.instance_id) == (idstr, instance_id)), None)

    def _add(self, entry: SaveStateEntry, section_id: int | None) -> SaveStateEntry:
        if not 0 < len(entry.idstr.encode()) < 256:
            raise MigrationError(f"idstr of {len(entry.idstr.encode())} bytes: 1 to 255 can be written")
        if section_id is None:
            section_id = self._next_id
        elif any(e.section_id == section_id for e in self._entries):
            raise MigrationError(f"section id {section_id} is taken, '{entry.idstr}' cannot have it too")
        self._next_id = max(self._next_id, section_id + 1)
        entry.section_id = section_id
        if entry.instance_id == INSTANCE_ID_ANY:
            taken = [e.instance_id for e in self._entries if e.idstr == entry.idstr]
            entry.instance_id = max(taken, default=-1) + 1
        place = next((i for i, e in enumerate(self._entries) if e.priority < entry.priority), len(self._entries))
        self._entries.insert(place, entry)
        self.generation += 1
        return entry
