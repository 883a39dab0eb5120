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

from vnetmig.errors import EncodeError, EngineError, FieldError, MigrationError, StreamError, VnetmigError

if TYPE_CHECKING:
    from vnetmig.document.load import load as load
    from vnetmig.document.sample import sample as sample
    from vnetmig.document.stream import Stream as Stream
    from vnetmig.engine import engines as engines

#: name -> where it lives; loaded when first asked for, so that ``import vnetmig`` costs nothing
_LAZY = {
    "Stream": "vnetmig.document.stream",
    "engines": "vnetmig.engine",
    "load": "vnetmig.document.load",
    "sample": "vnetmig.document.sample",
}

__all__ = [
    "EncodeError",
    "EngineError",
    "FieldError",
    "MigrationError",
    "Stream",
    "StreamError",
    "VnetmigError",
    "engine",
    "engines",
    "load",
    "sample",
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
