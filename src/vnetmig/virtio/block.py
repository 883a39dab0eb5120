"""virtio-blk: the requests in flight, version 2 of its section.

Source: qemu: hw/block/virtio-blk.c:virtio_blk_save_device.
"""

from __future__ import annotations

from vnetmig.virtio.core import device_section
from vnetmig.virtio.virtqueue_element import ELEMENT, QUEUE_MAX_SIZE
from vnetmig.vmstate import UINT32, Const, Field, List, Ref, Struct, Vmsd

_REQUEST = Vmsd(
    "request",
    0,
    (
        Field("queue", UINT32, when=Const(1) < Ref("num_queues")),
        Struct("elem", ELEMENT),
    ),
)

SECTION = device_section("virtio-blk", 2, (List("requests", _REQUEST, limit=QUEUE_MAX_SIZE),))
