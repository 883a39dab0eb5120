"""The virtio device configuration space: the fields of each device type, by name.

Knows the structures (virtio 1.3, chapter 5; linux uapi headers). Does not know which of the fields the
negotiated features make valid, and reads no value.

Fields are little-endian once VIRTIO_F_VERSION_1 is negotiated. Before that they have the guest's byte
order (virtio 1.3, 2.5.3), which only the stream can tell: pass ``order="be"`` for a big-endian guest.
The balloon is the exception: little-endian always (virtio 1.3, 5.5.4.1).

QEMU sends its cached copy of this space: as of the guest's last access, and all zero before the first
(qemu: hw/virtio/virtio.c:virtio_config_readb). The device's own section holds the current values.
"""

from __future__ import annotations

from vnetmig.virtio.cover import cover
from vnetmig.vmstate.overlay import Register

# virtio 1.3, 5.1.4; linux: virtio_net.h:virtio_net_config
NET = (
    (0, 6, "mac"),
    (6, 2, "status"),  # STATUS
    (8, 2, "max_virtqueue_pairs"),  # MQ or RSS
    (10, 2, "mtu"),  # MTU
    (12, 4, "speed"),  # SPEED_DUPLEX
    (16, 1, "duplex"),
    (17, 1, "rss_max_key_size"),  # RSS or HASH_REPORT
    (18, 2, "rss_max_indirection_table_length"),
    (20, 4, "supported_hash_types"),
    (24, 4, "supported_tunnel_types"),  # HASH_TUNNEL
)

# virtio 1.3, 5.3.4; linux: virtio_console.h:virtio_console_config
CONSOLE = (
    (0, 2, "cols"),  # SIZE
    (2, 2, "rows"),
    (4, 4, "max_nr_ports"),  # MULTIPORT
    (8, 4, "emerg_wr"),  # EMERG_WRITE
)

# virtio 1.3, 5.2.4; linux: virtio_blk.h:virtio_blk_config
BLK = (
    (0, 8, "capacity"),  # in 512-byte sectors
    (8, 4, "size_max"),  # SIZE_MAX
    (12, 4, "seg_max"),  # SEG_MAX
    (16, 2, "geometry.cylinders"),  # GEOMETRY
    (18, 1, "geometry.heads"),
    (19, 1, "geometry.sectors"),
    (20, 4, "blk_size"),  # BLK_SIZE
    (24, 1, "topology.physical_block_exp"),  # TOPOLOGY
    (25, 1, "topology.alignment_offset"),
    (26, 2, "topology.min_io_size"),
    (28, 4, "topology.opt_io_size"),
    (32, 1, "writeback"),  # CONFIG_WCE
    (34, 2, "num_queues"),  # MQ
    (36, 4, "max_discard_sectors"),  # DISCARD
    (40, 4, "max_discard_seg"),
    (44, 4, "discard_sector_alignment"),
    (48, 4, "max_write_zeroes_sectors"),  # WRITE_ZEROES
    (52, 4, "max_write_zeroes_seg"),
    (56, 1, "write_zeroes_may_unmap"),
    (60, 4, "max_secure_erase_sectors"),  # SECURE_ERASE
    (64, 4, "max_secure_erase_seg"),
    (68, 4, "secure_erase_sector_alignment"),
    (72, 4, "zoned.zone_sectors"),  # ZONED
    (76, 4, "zoned.max_open_zones"),
    (80, 4, "zoned.max_active_zones"),
    (84, 4, "zoned.max_append_sectors"),
    (88, 4, "zoned.write_granularity"),
    (92, 1, "zoned.model"),
)

# virtio 1.3, 5.6.4; linux: virtio_scsi.h:virtio_scsi_config
SCSI = (
    (0, 4, "num_queues"),
    (4, 4, "seg_max"),
    (8, 4, "max_sectors"),
    (12, 4, "cmd_per_lun"),
    (16, 4, "event_info_size"),
    (20, 4, "sense_size"),
    (24, 4, "cdb_size"),
    (28, 2, "max_channel"),
    (30, 2, "max_target"),
    (32, 4, "max_lun"),
)

# virtio 1.3, 5.5.4; linux: virtio_balloon.h:virtio_balloon_config
BALLOON = (
    (0, 4, "num_pages"),
    (4, 4, "actual"),
    (8, 4, "free_page_hint_cmd_id"),  # FREE_PAGE_HINT
    (12, 4, "poison_val"),  # PAGE_POISON
)

LAYOUTS: dict[str, tuple[tuple[int, int, str], ...]] = {
    "virtio-net": NET,
    "virtio-console": CONSOLE,
    "virtio-serial": CONSOLE,
    "virtio-blk": BLK,
    "virtio-scsi": SCSI,
    "virtio-balloon": BALLOON,
    "virtio-rng": (),
}


def device_config_registers(device: str, length: int, *, order: str = "le") -> tuple[Register, ...]:
    """The registers of ``length`` bytes of ``device``'s configuration space.

    QEMU sends as much of the structure as the offered features need: a field cut by ``length``, and
    bytes behind the structure, are reserved; so is all of a device that is not described here.
    """
    if device == "virtio-balloon":
        order = "le"
    fields = (
        Register(name, offset, size, "mac" if name == "mac" else order)
        for offset, size, name in LAYOUTS.get(device, ())
    )
    return cover(fields, length)
