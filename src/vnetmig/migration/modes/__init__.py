"""The ways to migrate, by name.

=====================  =================================================================================================
``stock``              as QEMU does: every device whole, with the guest stopped
``iterative``          the RFC's protocol: every virtio-net once more, while the guest still runs
``iterative-delta``    the same early state, then only what changed
``early``              the second RFC: an early section, and a resync when only ring indices changed since
``preheat-all``        every device saved, loaded and forgotten, then migrated as in ``stock``
=====================  =================================================================================================

Knows the names; each mode is a module of its own, behind ``interface.Mode``.
"""

from __future__ import annotations

from vnetmig.errors import MigrationError
from vnetmig.migration.modes.early import Early
from vnetmig.migration.modes.interface import Mode, Plan
from vnetmig.migration.modes.iterative import Iterative
from vnetmig.migration.modes.iterative_delta import IterativeDelta
from vnetmig.migration.modes.preheat_all import PreheatAll
from vnetmig.migration.modes.stock import Stock

__all__ = ["MODES", "Mode", "Plan", "mode_named"]

MODES: dict[str, Mode] = {mode.name: mode for mode in (Stock(), Iterative(), IterativeDelta(), Early(), PreheatAll())}


def mode_named(name: str | Mode) -> Mode:
    """The mode of this name. MigrationError lists those there are."""
    if not isinstance(name, str):
        return name
    mode = MODES.get(name)
    if mode is None:
        raise MigrationError(f"no mode '{name}'; there is: {', '.join(MODES)}")
    return mode
