"""virtio-console (virtio-serial): the device's own part of its section, version 3.

Source: qemu: hw/char/virtio-serial-bus.c:virtio_serial_save_device.
"""

from __future__ import annotations

from vnetmig.virtio.core import device_section
from vnetmig.virtio.virtqueue_element import ELEMENT
from vnetmig.vmstate import UINT8, UINT16, UINT32, UINT64, Field, Optional, Ref, Struct, Vmsd

PORTS_MAX = 511
"""VIRTIO_QUEUE_MAX / 2 - 1: a port takes two queues."""

_POPPED = Vmsd(
    "popped",
    0,
    (
        Field("iov_idx", UINT32),
        Field("iov_offset", UINT64),
        Struct("elem", ELEMENT),
    ),
)

_PORT = Vmsd(
    "port",
    0,
    (
        Field("id", UINT32),
        Field("guest_connected", UINT8),
        Field("host_connected", UINT8),
        Field("elem_popped", UINT32),
        Optional("popped", _POPPED, Ref("elem_popped")),
    ),
)

DEVICE = Vmsd(
    "virtio-serial",
    3,
    (
        Field("cols", UINT16),
        Field("rows", UINT16),
        Field("max_nr_ports", UINT32),
        Field("ports_map", UINT32, (Ref("max_nr_ports") + 31) // 32, limit=(PORTS_MAX + 31) // 32),
        Field("nr_active_ports", UINT32),
        Struct("ports", _PORT, Ref("nr_active_ports"), limit=PORTS_MAX),
    ),
)

SECTION = device_section("virtio-console", 3, (Struct("serial", DEVICE),))
