"""vnetmig: the state of QEMU's virtio-net devices on its way between machines.

>>> import vnetmig
>>> stream = vnetmig.load(vnetmig.sample())
>>> stream.machine
'pc-i440fx-10.0'
>>> stream.device("virtio-net").mac
'52:54:00:12:34:56'
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from vnetmig.errors import EncodeError, EngineError, FieldError, MigrationError, QemuError, StreamError, VnetmigError

if TYPE_CHECKING:
    from vnetmig.analysis.profile.profile import Profile as Profile
    from vnetmig.document.load import load as load
    from vnetmig.document.migrate import migrate as migrate
    from vnetmig.document.sample import sample as sample
    from vnetmig.document.stream import Stream as Stream
    from vnetmig.engine import engines as engines
    from vnetmig.migration.control import MigrationControl as MigrationControl
    from vnetmig.migration.destination import Destination as Destination
    from vnetmig.migration.handlers import QuietHandlers as QuietHandlers
    from vnetmig.migration.handlers import SaveVMHandlers as SaveVMHandlers
    from vnetmig.migration.machine import Machine as Machine
    from vnetmig.migration.modes import MODES as MODES
    from vnetmig.migration.options import Options as Options
    from vnetmig.migration.registration import decoder_of as decoder_of
    from vnetmig.migration.registration import register_savevm_live as register_savevm_live
    from vnetmig.migration.registration import register_vmstate as register_vmstate
    from vnetmig.migration.registration import unregister_savevm as unregister_savevm
    from vnetmig.migration.registration import unregister_vmstate as unregister_vmstate
    from vnetmig.migration.registry import Registry as Registry
    from vnetmig.migration.timeline import Timeline as Timeline
    from vnetmig.qemu.specs import profile_from as profile_from

#: name -> where it lives; loaded when first asked for, so that ``import vnetmig`` costs nothing
_LAZY = {
    "MODES": "vnetmig.migration.modes",
    "Destination": "vnetmig.migration.destination",
    "Machine": "vnetmig.migration.machine",
    "MigrationControl": "vnetmig.migration.control",
    "Options": "vnetmig.migration.options",
    "Profile": "vnetmig.analysis.profile.profile",
    "QuietHandlers": "vnetmig.migration.handlers",
    "Registry": "vnetmig.migration.registry",
    "SaveVMHandlers": "vnetmig.migration.handlers",
    "Stream": "vnetmig.document.stream",
    "Timeline": "vnetmig.migration.timeline",
    "decoder_of": "vnetmig.migration.registration",
    "engines": "vnetmig.engine",
    "load": "vnetmig.document.load",
    "migrate": "vnetmig.document.migrate",
    "profile_from": "vnetmig.qemu.specs",
    "register_savevm_live": "vnetmig.migration.registration",
    "register_vmstate": "vnetmig.migration.registration",
    "sample": "vnetmig.document.sample",
    "unregister_savevm": "vnetmig.migration.registration",
    "unregister_vmstate": "vnetmig.migration.registration",
}

__all__ = [
    "MODES",
    "Destination",
    "EncodeError",
    "EngineError",
    "FieldError",
    "Machine",
    "MigrationControl",
    "MigrationError",
    "Options",
    "Profile",
    "QemuError",
    "QuietHandlers",
    "Registry",
    "SaveVMHandlers",
    "Stream",
    "StreamError",
    "Timeline",
    "VnetmigError",
    "decoder_of",
    "engine",
    "engines",
    "load",
    "migrate",
    "profile_from",
    "register_savevm_live",
    "register_vmstate",
    "sample",
    "unregister_savevm",
    "unregister_vmstate",
]


class _Package(ModuleType):
    """`vnetmig.engine` is the name of the engine in use, though a subpackage is called so too: importing that must
    not replace it. (`from vnetmig.engine import ...` reaches the subpackage.)"""

    @property
    def engine(self) -> str:
        return str(import_module("vnetmig.engine").name)

    @engine.setter
    def engine(self, module: object) -> None:
        """The import system binds subpackages as attributes: not this one."""

    def __getattr__(self, name: str) -> Any:
        if name == "__version__":
            return import_module("vnetmig._version").version()
        if name in _LAZY:
            return getattr(import_module(_LAZY[name]), name)
        raise AttributeError(f"module 'vnetmig' has no attribute '{name}'")

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *__all__, "__version__"})


sys.modules[__name__].__class__ = _Package
