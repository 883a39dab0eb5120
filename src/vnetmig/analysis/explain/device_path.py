"""An idstr in words: which device of the guest a section belongs to.

Knows how QEMU builds idstrs (qemu: hw/pci/pci.c:pcibus_get_dev_path); knows no stream.
"""

from __future__ import annotations

import re

_PCI = r"([0-9a-f]{4}):([0-9a-f]{2})((?::[0-9a-f]{2}\.[0-7]){1,16})"

VIRTIO = "virtio-"


def kind(idstr: str) -> str:
    """The last part: "virtio-net" of "0000:00:03.0/virtio-net"."""
    return idstr.rpartition("/")[2]


def in_words(idstr: str) -> str | None:
    """Where the device sits; None when the idstr has no PCI path.

    >>> in_words("0000:00:02.0:00.0/virtio-net")
    'virtio-net at slot 00.0 behind the port or bridge at 02.0 of root bus 0000:00'
    """
    found = re.match(_PCI, idstr)
    if found is None:
        return None
    domain, bus, levels = found.groups()
    hops = levels.split(":")[1:]
    behind = "".join(f" behind the port or bridge at {hop}" for hop in reversed(hops[:-1]))
    return f"{kind(idstr)} at slot {hops[-1]}{behind or ' directly'} of root bus {domain}:{bus}".replace(
        " directly of", " of"
    )


def address(idstr: str) -> str | None:
    """The ``addr=`` that gives a device this idstr on its bus: "0x2" or "0x2.0x1"."""
    found = re.match(_PCI, idstr)
    if found is None:
        return None
    slot, _, function = found[3].rpartition(":")[2].partition(".")
    return f"{int(slot, 16):#x}" + ("" if function == "0" else f".{int(function, 16):#x}")
