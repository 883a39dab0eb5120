"""PCI addresses: buses with what is plugged into them, the first free slot, and paths as QEMU's sections have them.

Knows addresses and paths (qemu: hw/pci/pci.c:do_pci_register_device, pcibus_get_dev_path). Knows no driver.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from vnetmig.errors import FieldError

SLOTS: Final = 32
DEPTH_MAX: Final = 64
"""Buses behind each other."""


@dataclass(slots=True)
class Bus:
    """``path``: what the paths of its devices begin with, "0000:00"; ``express``: is it behind an Express port?"""

    path: str
    express: bool = False
    depth: int = 0
    used: set[int] = field(default_factory=set)

    def place(self, address: str | None) -> str:
        """Plug a device in at ``address`` ("3", "0x3.0x1"), None: the first slot that is free. Returns its path."""
        devfn = self._free() if address is None else parse_address(address)
        self.used.add(devfn)
        return f"{self.path}:{devfn >> 3:02x}.{devfn & 7:x}"

    def _free(self) -> int:
        for slot in range(SLOTS):
            if slot << 3 not in self.used:
                return slot << 3
        raise FieldError(f"no free slot on PCI bus {self.path}: QEMU has no place for another device there")

    def behind(self, path: str, express: bool) -> Bus:
        """The bus behind the bridge at ``path``."""
        if self.depth == DEPTH_MAX:
            raise FieldError(f"more than {DEPTH_MAX} PCI buses behind each other at {path}")
        return Bus(path, express, self.depth + 1)


def parse_address(text: str) -> int:
    """Slot and function as one number; both are hexadecimal whether they say so or not.

    >>> parse_address("0x1f.2")
    250
    """
    found = re.fullmatch(r"(?:0x)?([0-9a-f]{1,2})(?:\.(?:0x)?([0-7]))?", text.strip(), re.IGNORECASE)
    if found is None or int(found[1], 16) >= SLOTS:
        raise FieldError(f"PCI address {text!r}: expected a slot 0 to 1f, with or without a function, such as 1f.2")
    return int(found[1], 16) << 3 | int(found[2] or "0")
