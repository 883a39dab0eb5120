"""Any device once more, to be loaded and forgotten: the hooks of ``preheat-all``.

START carries the device's state in a frame, so that a destination can pass over what it cannot read; there is no PART
and no END. Knows when it is sent; what is in it is the device's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from vnetmig.migration.device import Device
from vnetmig.migration.handlers import QuietHandlers, SaveFile
from vnetmig.stream.tentative import FULL_STATE, Frame

SUFFIX: Final = "-preheat"
DESCRIPTION: Final = "vnetmig/vmdescription"
"""The section that brings the stream's own description before the devices that need it."""


@dataclass(slots=True)
class Preheated:
    """The opaque of the hooks: what is sent, and whether it was."""

    state: Callable[[], bytes]
    sent: bool = False

    @classmethod
    def of(cls, device: Device, engine: str | None) -> Preheated:
        return cls(lambda: device.save_at_setup(engine=engine))


class PreheatHandlers(QuietHandlers):
    """``opaque`` is a Preheated."""

    __slots__ = ()

    def is_active(self, opaque: Any) -> bool:
        return not opaque.sent

    def save_setup(self, file: SaveFile, opaque: Any) -> int:
        file.put_buffer(Frame(FULL_STATE, opaque.state()).encode())
        opaque.sent = True
        return 0

    def save_cleanup(self, opaque: Any) -> None:
        opaque.sent = False
