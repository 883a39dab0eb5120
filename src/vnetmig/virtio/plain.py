"""Virtio devices that add nothing of their own to the core: virtio-scsi and virtio-rng, version 1.

Requests in flight of a virtio-scsi disk stand in the disk's section (qemu: hw/scsi/scsi-bus.c:put_scsi_requests).
"""

from __future__ import annotations

from vnetmig.virtio.core import device_section

SCSI_SECTION = device_section("virtio-scsi", 1)
RNG_SECTION = device_section("virtio-rng", 1)
