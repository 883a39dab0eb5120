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

from vnetmig.errors import EditError, EncodeError, EngineError, FieldError, MigrationError, StreamError, VnetmigError

if TYPE_CHECKING:
    from vnetmig.analysis.check.check import check as check
    from vnetmig.analysis.diff import Difference as Difference
    from vnetmig.analysis.diff import diff as diff
    from vnetmig.analysis.downtime.downtime import Downtime as Downtime
    from vnetmig.analysis.downtime.downtime import downtime as downtime
    from vnetmig.analysis.edit import Edited as Edited
    from vnetmig.analysis.edit import Operation as Operation
    from vnetmig.analysis.edit import edit as edit
    from vnetmig.analysis.explain.explain import explain as explain
    from vnetmig.analysis.explain.explanation import Explanation as Explanation
    from vnetmig.analysis.explain.explanation import Explanations as Explanations
    from vnetmig.analysis.finding import CheckResult as CheckResult
    from vnetmig.analysis.finding import Finding as Finding
    from vnetmig.analysis.finding import Severity as Severity
    from vnetmig.qemu.experiment.run import experiment as experiment
from vnetmig.errors import QemuError

if TYPE_CHECKING:
    from vnetmig.analysis.fleet import FileChecked as FileChecked
    from vnetmig.analysis.fleet import check_files as check_files
    from vnetmig.analysis.matrix.cell import Outcome as Outcome
    from vnetmig.analysis.matrix.matrix import Matrix as Matrix
    from vnetmig.analysis.matrix.matrix import matrix as matrix
    from vnetmig.analysis.profile.from_stream import OfStream as OfStream
    from vnetmig.analysis.profile.profile import Profile as Profile
    from vnetmig.document.load import load as load
    from vnetmig.document.migrate import migrate as migrate
    from vnetmig.document.net_state import NetQueue as NetQueue
    from vnetmig.document.net_state import NetState as NetState
    from vnetmig.document.net_state import new_net as new_net
    from vnetmig.document.new_stream import new_stream as new_stream
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
    from vnetmig.qemu.capture import Captured as Captured
    from vnetmig.qemu.capture import capture as capture
    from vnetmig.qemu.relay.outcome import Relayed as Relayed
    from vnetmig.qemu.relay.relay import relay as relay
    from vnetmig.qemu.relay.relay import relaying as relaying
    from vnetmig.qemu.send import Sent as Sent
    from vnetmig.qemu.send import send as send
    from vnetmig.qemu.serve import Served as Served
    from vnetmig.qemu.serve import serve as serve
    from vnetmig.qemu.specs import profile_from as profile_from

#: name -> where it lives; loaded when first asked for, so that ``import vnetmig`` costs nothing
_LAZY = {
    "Captured": "vnetmig.qemu.capture",
    "CheckResult": "vnetmig.analysis.finding",
    "Finding": "vnetmig.analysis.finding",
    "Sent": "vnetmig.qemu.send",
    "Served": "vnetmig.qemu.serve",
    "Severity": "vnetmig.analysis.finding",
    "FileChecked": "vnetmig.analysis.fleet",
    "OfStream": "vnetmig.analysis.profile.from_stream",
    "capture": "vnetmig.qemu.capture",
    "check": "vnetmig.analysis.check.check",
    "check_files": "vnetmig.analysis.fleet",
    "MODES": "vnetmig.migration.modes",
    "Destination": "vnetmig.migration.destination",
    "Explanation": "vnetmig.analysis.explain.explanation",
    "Explanations": "vnetmig.analysis.explain.explanation",
    "Difference": "vnetmig.analysis.diff",
    "Downtime": "vnetmig.analysis.downtime.downtime",
    "Edited": "vnetmig.analysis.edit",
    "Machine": "vnetmig.migration.machine",
    "Matrix": "vnetmig.analysis.matrix.matrix",
    "MigrationControl": "vnetmig.migration.control",
    "NetQueue": "vnetmig.document.net_state",
    "NetState": "vnetmig.document.net_state",
    "Operation": "vnetmig.analysis.edit",
    "Options": "vnetmig.migration.options",
    "Outcome": "vnetmig.analysis.matrix.cell",
    "Profile": "vnetmig.analysis.profile.profile",
    "QuietHandlers": "vnetmig.migration.handlers",
    "Registry": "vnetmig.migration.registry",
    "Relayed": "vnetmig.qemu.relay.outcome",
    "SaveVMHandlers": "vnetmig.migration.handlers",
    "Stream": "vnetmig.document.stream",
    "Timeline": "vnetmig.migration.timeline",
    "decoder_of": "vnetmig.migration.registration",
    "diff": "vnetmig.analysis.diff",
    "downtime": "vnetmig.analysis.downtime.downtime",
    "edit": "vnetmig.analysis.edit",
    "engines": "vnetmig.engine",
    "experiment": "vnetmig.qemu.experiment.run",
    "explain": "vnetmig.analysis.explain.explain",
    "load": "vnetmig.document.load",
    "matrix": "vnetmig.analysis.matrix.matrix",
    "migrate": "vnetmig.document.migrate",
    "new_net": "vnetmig.document.net_state",
    "new_stream": "vnetmig.document.new_stream",
    "profile_from": "vnetmig.qemu.specs",
    "register_savevm_live": "vnetmig.migration.registration",
    "register_vmstate": "vnetmig.migration.registration",
    "relay": "vnetmig.qemu.relay.relay",
    "relaying": "vnetmig.qemu.relay.relay",
    "sample": "vnetmig.document.sample",
    "send": "vnetmig.qemu.send",
    "serve": "vnetmig.qemu.serve",
    "unregister_savevm": "vnetmig.migration.registration",
    "unregister_vmstate": "vnetmig.migration.registration",
}

__all__ = [
    "MODES",
    "Captured",
    "CheckResult",
    "Destination",
    "Difference",
    "Downtime",
    "EditError",
    "Edited",
    "EncodeError",
    "EngineError",
    "Explanation",
    "Explanations",
    "FieldError",
    "FileChecked",
    "Finding",
    "Machine",
    "Matrix",
    "MigrationControl",
    "MigrationError",
    "NetQueue",
    "NetState",
    "OfStream",
    "Operation",
    "Options",
    "Outcome",
    "Profile",
    "QemuError",
    "QuietHandlers",
    "Registry",
    "Relayed",
    "SaveVMHandlers",
    "Sent",
    "Served",
    "Severity",
    "Stream",
    "StreamError",
    "Timeline",
    "VnetmigError",
    "capture",
    "check",
    "check_files",
    "decoder_of",
    "diff",
    "downtime",
    "edit",
    "engine",
    "engines",
    "experiment",
    "explain",
    "load",
    "matrix",
    "migrate",
    "new_net",
    "new_stream",
    "profile_from",
    "register_savevm_live",
    "register_vmstate",
    "relay",
    "relaying",
    "sample",
    "send",
    "serve",
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
