"""virtio-balloon: the device's own part of its section, version 1.

Source: qemu: hw/virtio/virtio-balloon.c:vmstate_virtio_balloon_device.
"""

from __future__ import annotations

from vnetmig.virtio.core import device_section, subsection
from vnetmig.vmstate import UINT32, Field, Struct, Vmsd

_FREE_PAGE_HINT = subsection(
    "virtio-balloon-device/free-page-report",
    (Field("free_page_hint_cmd_id", UINT32), Field("free_page_hint_status", UINT32)),
)
_PAGE_POISON = subsection("virtio-balloon-device/page-poison", (Field("poison_val", UINT32),))

DEVICE = Vmsd(
    "virtio-balloon-device",
    1,
    (
        Field("num_pages", UINT32),
        Field("actual", UINT32),
    ),
    (_FREE_PAGE_HINT, _PAGE_POISON),
)

SECTION = device_section("virtio-balloon", 1, (Struct("balloon", DEVICE),))
