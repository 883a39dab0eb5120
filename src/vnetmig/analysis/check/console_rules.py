"""What virtio-console checks of its own state.

Source: qemu: hw/char/virtio-serial-bus.c:virtio_serial_load_device, fetch_active_ports_list.
"""

from __future__ import annotations

from collections.abc import Iterator

from vnetmig.analysis.check.arriving import Arriving
from vnetmig.analysis.check.trouble import Trouble

MEMORY_ASKED = 1 << 28
"""Ports from which on QEMU cannot get the memory for their list."""


def ports(state: Arriving) -> Iterator[Trouble]:
    """A port that is in the list must be among those of the map, and the map is the destination's own."""
    words32 = state.record.get("serial.ports_map", ())
    known = sum(int(word) << 32 * index for index, word in enumerate(words32 if isinstance(words32, tuple) else ()))
    listed = state.record.get("serial.nr_active_ports")
    for index in range(listed if isinstance(listed, int) else 0):
        path = f"serial.ports[{index}].id"
        port = state.record.get(path)
        if not isinstance(port, int):
            return
        if port >= known.bit_length() or not known >> port & 1:
            words = f"port {port} is in the list of ports and not in the map of those that there are"
            yield Trouble("device-state", {}, path, words=words)
            return
