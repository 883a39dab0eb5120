"""The saved in-flight queue element: a C structure that QEMU writes as it lies in memory.

Source: qemu: hw/virtio/virtio.c:VirtQueueElementOld, qemu_put_virtqueue_element. Layout of a 64-bit
little-endian host; iov bases are host pointers and written as zero.
"""

from __future__ import annotations

from vnetmig.engine.code import Relation
from vnetmig.vmstate import LE32, LE64, UINT32, UNUSED, Check, Const, Field, Param, Ref, Struct, Vmsd

QUEUE_MAX_SIZE = 1024
"""VIRTQUEUE_MAX_SIZE: descriptors of one element, and entries of one ring."""

_IOVEC = Vmsd("iovec", 0, (Field("base", LE64), Field("len", LE64)))

ELEMENT = Vmsd(
    "VirtQueueElement",
    0,
    (
        # With RING_PACKED offered the writer puts ndescs in front (the reader expects it behind: a QEMU bug).
        Field("ndescs", UINT32, when=Param("packed_elements")),
        Field("index", LE32),
        Field("out_num", LE32),
        Field("in_num", LE32),
        Field("pad", UNUSED, 4),
        Check(Ref("in_num"), Const(QUEUE_MAX_SIZE), "in-flight element: in_num {got} > {expected}", Relation.AT_MOST),
        Check(Ref("out_num"), Const(QUEUE_MAX_SIZE), "in-flight element: out_num {got} > {expected}", Relation.AT_MOST),
        Field("in_addr", LE64, QUEUE_MAX_SIZE),
        Field("out_addr", LE64, QUEUE_MAX_SIZE),
        Struct("in_sg", _IOVEC, QUEUE_MAX_SIZE),
        Struct("out_sg", _IOVEC, QUEUE_MAX_SIZE),
    ),
)
