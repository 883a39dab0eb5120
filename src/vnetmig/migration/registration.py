"""Devices of third parties: descriptions and handlers that other packages bring, found by entry points.

Knows what was registered in this process, and the entry-point group ``vnetmig.devices``: each entry point names a
function without arguments, which is called once, before the first section is read or written, and calls
``register_vmstate`` and
``register_savevm_live``. Knows no stream.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, Final

from vnetmig.errors import MigrationError
from vnetmig.migration.handlers import SaveVMHandlers
from vnetmig.migration.registry import PRIORITY_DEFAULT, Registry, SaveStateEntry
from vnetmig.virtio.section import device_of
from vnetmig.vmstate.description import Vmsd
from vnetmig.vmstate.program import Program
from vnetmig.vmstate.trial import Candidate, Judge, Resolved, resolve
from vnetmig.vmstate.versions import check_version

GROUP: Final = "vnetmig.devices"

Resolver = Callable[..., "Resolved | int"]

_lock = threading.RLock()
_descriptions: dict[str, Vmsd] = {}
_programs: dict[tuple[Vmsd, int], Program] = {}
_live = Registry()
_discovered = False


def register_vmstate(description: Vmsd) -> None:
    """Describe a device: FULL sections whose idstr is the description's name, or ends in "/" and that name, are then
    read, written and migrated by it on both engines.

    MigrationError when the name belongs to a device of vnetmig's own, or to another description.

    >>> from vnetmig.vmstate import UINT32, Field, Vmsd
    >>> register_vmstate(Vmsd("acme-timer", 1, (Field("ticks", UINT32),)))
    >>> described("0000:00:05.0/acme-timer").name
    'acme-timer'
    >>> unregister_vmstate("acme-timer")
    """
    name = description.name
    if device_of(name) is not None or name == "ram":
        raise MigrationError(f"'{name}' is described by vnetmig itself")
    with _lock:
        known = _descriptions.get(name)
        if known is not None and known != description:
            raise MigrationError(f"'{name}' is registered with another description")
        _descriptions[name] = description


def unregister_vmstate(name: str) -> None:
    """Take a description out again; nothing happens when there is none."""
    with _lock:
        description = _descriptions.pop(name, None)
        for key in [key for key in _programs if key[0] is description]:
            del _programs[key]


def register_savevm_live(
    idstr: str,
    instance_id: int,
    version_id: int,
    handlers: SaveVMHandlers,
    opaque: Any = None,
    *,
    priority: int = PRIORITY_DEFAULT,
) -> SaveStateEntry:
    """Register a device that migrates in stages: from now on it is part of every migration of this process, in and out,
    while its ``is_active`` says so. ``instance_id`` may be INSTANCE_ID_ANY. See ``handlers.SaveVMHandlers``."""
    with _lock:
        return _live.register_savevm_live(idstr, instance_id, version_id, handlers, opaque, priority=priority)


def unregister_savevm(idstr: str, opaque: Any = None) -> int:
    """Take out every entry of exactly this idstr (and opaque, if given); says how many there were."""
    with _lock:
        return _live.unregister(idstr, opaque)


def live() -> Registry:
    """What was registered with ``register_savevm_live``."""
    discover()
    return _live


def described(idstr: str) -> Vmsd | None:
    """The registered description of a section's device."""
    discover()
    return _descriptions.get(idstr) or _descriptions.get(idstr.rpartition("/")[2])


def resolver(idstr: str, version: int) -> Resolver | None:
    """As ``virtio.section.resolver``, for registered devices: None when there is no description of it.

    A version that is not described is refused as QEMU does: StreamError.
    """
    vmsd = described(idstr)
    if vmsd is None:
        return None
    check_version(vmsd, idstr, version)
    candidate = Candidate(_program(vmsd, version))

    def run(
        data: bytes | bytearray | memoryview, ends: Judge, *, final: bool, engine: str | None = None
    ) -> Resolved | int:
        return resolve([candidate], data, ends, final=final, engine=engine)

    return run


def _program(vmsd: Vmsd, version: int) -> Program:
    with _lock:
        program = _programs.get((vmsd, version))
        if program is None:
            program = _programs[vmsd, version] = Program(vmsd, version=version)
        return program


def discover() -> None:
    """Call the entry points, once in a process: later packages need a new one. MigrationError names one that fails."""
    global _discovered
    with _lock:
        if _discovered:
            return
        _discovered = True
        for point in entry_points(group=GROUP):
            try:
                point.load()()
            except Exception as error:
                raise MigrationError(
                    f"entry point '{point.name}' of {GROUP} ({point.value}) failed: {error}"
                ) from error
