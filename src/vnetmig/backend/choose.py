"""From a name to a backend, and what to do where the machine cannot have it.

Knows what a tap needs of the machine; the table below and nothing more.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Final

from vnetmig.backend.interface import Backend
from vnetmig.backend.null import NullBackend
from vnetmig.errors import FieldError, MigrationError

CAP_NET_ADMIN: Final = 12
"""linux: capability.h"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """``shortfall``: why ``backend`` is not the kind that was asked for, to be shown; None when it is."""

    backend: Backend
    shortfall: str | None = None


def backend_named(kind: str, *, name: str = "vnet%d", existing: bool = False, strict: bool = False) -> Chosen:
    """The backend of ``kind``: null, or tap with the interface ``name`` (see TapBackend).

    Where there can be no tap, it is the null backend and the reason; ``strict``: a MigrationError instead.

    >>> backend_named("null").backend.kind
    'null'
    """
    if kind == NullBackend.kind:
        return Chosen(NullBackend())
    if kind != "tap":
        raise FieldError(f"backend {kind!r}: expected null or tap")
    missing = tap_shortfall(existing=existing)
    if missing is None:
        from vnetmig.backend.tap import TapBackend

        return Chosen(TapBackend(name, existing=existing))
    if strict:
        raise MigrationError(missing)
    return Chosen(NullBackend(), missing)


def tap_shortfall(*, existing: bool = False) -> str | None:
    """What keeps this process from having a tap, and how to get it; None when nothing does.

    Whoever owns an ``existing`` interface needs no capability.
    """
    if sys.platform != "linux":
        return f"no tap backend on {sys.platform}\n  it takes Linux"
    from vnetmig.backend import tun

    try:
        queue = tun.TunQueue(tun.Linux())
    except MigrationError as error:
        return f"no tap backend: {error}"
    try:
        absent = tun.TAP_FLAGS & ~queue.features()
    finally:
        queue.close()
    if absent:
        return f"no tap backend: the tun driver lacks IFF_ flags {absent:#x}\n  it takes Linux 3.8"
    if not existing and not _effective() >> CAP_NET_ADMIN & 1:
        return (
            "no tap backend: CAP_NET_ADMIN is missing\n  be root, or try in namespaces of your own: unshare -rn; "
            f"or let root make the interface: ip tuntap add mode tap multi_queue vnet_hdr user {os.getuid()} dev NAME"
        )
    return None


def _effective() -> int:
    """The effective capabilities of this thread, as bits; proc(5), status."""
    with open("/proc/thread-self/status", encoding="ascii", errors="replace") as status:
        return next((int(line.split()[1], 16) for line in status if line.startswith("CapEff:")), 0)
