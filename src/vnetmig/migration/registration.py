"""Devices of third parties: descriptions and handlers that other packages bring, found by entry points.

Knows what was registered in this process, and the entry-point group ``vnetmig.devices``: each entry point names a
function without arguments, which is called once, before the first section is read or written, and calls
``register_vmstate`` and
``register_savevm_live``. Knows no stream.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from vnetmig.errors import MigrationError
from vnetmig.migration.announcements import may_be_announced
from vnetmig.migration.handlers import SaveVMHandlers
from vnetmig.migration.registry import PRIORITY_DEFAULT, Registry, SaveStateEntry
from vnetmig.stream.device_state import DeviceDecoder
from vnetmig.virtio.section import device_of
from vnetmig.vmstate.description import Vmsd
from vnetmig.vmstate.program import Program
from vnetmig.vmstate.trial import Candidate, Judge, Resolved, resolve
from vnetmig.vmstate.versions import check_version

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "vnetmig.devices"

Resolver = Callable[..., "Resolved | int"]

_lock = threading.RLock()
_descriptions: dict[str, Vmsd] = {}
_programs: dict[tuple[str, int], Program] = {}
_live = Registry()
_announced: set[tuple[str, str]] = set()
"""Entry points (name, value) that were called."""
_discovering = False
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
        # Not !=: expressions inside build bigger ones when they are compared.
        if known is not None and known is not description and repr(known) != repr(description):
            raise MigrationError(f"'{name}' is registered with another description")
        _descriptions[name] = description


def unregister_vmstate(name: str) -> None:
    """Take a description out again; nothing happens when there is none."""
    with _lock:
        _descriptions.pop(name, None)
        for key in [key for key in _programs if key[0] == name]:
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
    """The registered description of a section's device; of several names that end ``idstr``, the longest."""
    discover()
    if not _descriptions:
        return None
    name = idstr
    while name:
        if name in _descriptions:
            return _descriptions[name]
        name = name.partition("/")[2]
    return None


def resolver(idstr: str, version: int) -> Resolver | None:
    """As ``virtio.section.resolver``, for registered devices: None when there is no description of it.

    A version that is not described is refused as QEMU does: StreamError.
    """
    vmsd = described(idstr)
    if vmsd is None:
        return None
    check_version(vmsd, idstr, version)
    return _resolver(_program(vmsd, version))


def decoder_of(description: Vmsd, version: int, *, engine: str | None = None) -> DeviceDecoder:
    """A decoder for payloads that ``description`` describes: what ``decoder`` of handlers may return, so that every
    value of their sections has a name, and where they end is known."""
    return DeviceDecoder(_resolver(Program(description, version=version)), engine)


def _resolver(program: Program) -> Resolver:
    candidate = Candidate(program)

    def run(
        data: bytes | bytearray | memoryview, ends: Judge, *, final: bool, engine: str | None = None
    ) -> Resolved | int:
        return resolve([candidate], data, ends, final=final, engine=engine)

    return run


def _program(vmsd: Vmsd, version: int) -> Program:
    with _lock:
        program = _programs.get((vmsd.name, version))
        if program is None:
            program = _programs[vmsd.name, version] = Program(vmsd, version=version)
        return program


def discover() -> None:
    """Call the entry points, each once in a process: packages that are installed later need a new one.

    MigrationError names one that fails, every time: what it registered before that is taken out again.
    """
    global _discovering, _discovered
    with _lock:
        if _discovered or _discovering:  # an entry point may itself read a stream
            return
        _discovering = True
        try:
            for point in _entry_points():
                if (point.name, point.value) not in _announced:
                    _announce(point)
                    _announced.add((point.name, point.value))
        finally:
            _discovering = False
        _discovered = True


def _entry_points() -> Iterable[EntryPoint]:
    if not may_be_announced(GROUP):
        return ()
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


def _announce(point: EntryPoint) -> None:
    descriptions, entries = dict(_descriptions), set(_live)
    try:
        point.load()()
    except Exception as error:
        for name in [name for name in _descriptions if name not in descriptions]:
            unregister_vmstate(name)
        for entry in [entry for entry in _live if entry not in entries]:
            _live.remove(entry)
        raise MigrationError(
            f"entry point '{point.name}' of {GROUP} ({point.value}) failed: {error}\n"
            "  repair or uninstall the package that brings it"
        ) from error
