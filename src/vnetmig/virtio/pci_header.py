"""The registers of PCI configuration headers (PCI 3.0 chapter 6), as tables.

Knows offsets, sizes and names; knows no bytes. Stands apart so that a register can be named without the rest.
"""

from __future__ import annotations

Layout = tuple[tuple[int, int, str], ...]
"""(offset in the structure, size, name) of each field."""

HEADER: Layout = (
    (0x00, 2, "vendor_id"),
    (0x02, 2, "device_id"),
    (0x04, 2, "command"),
    (0x06, 2, "status"),
    (0x08, 1, "revision_id"),
    (0x09, 1, "prog_if"),
    (0x0A, 1, "subclass"),
    (0x0B, 1, "base_class"),
    (0x0C, 1, "cache_line_size"),
    (0x0D, 1, "latency_timer"),
    (0x0E, 1, "header_type"),
    (0x0F, 1, "bist"),
)

ENDPOINT: Layout = (
    (0x10, 4, "bar0"),
    (0x14, 4, "bar1"),
    (0x18, 4, "bar2"),
    (0x1C, 4, "bar3"),
    (0x20, 4, "bar4"),
    (0x24, 4, "bar5"),
    (0x28, 4, "cardbus_cis"),
    (0x2C, 2, "subsystem_vendor_id"),
    (0x2E, 2, "subsystem_id"),
    (0x30, 4, "expansion_rom_base"),
    (0x34, 1, "capabilities_pointer"),
    (0x3C, 1, "interrupt_line"),
    (0x3D, 1, "interrupt_pin"),
    (0x3E, 1, "min_gnt"),
    (0x3F, 1, "max_lat"),
)

BRIDGE: Layout = (
    (0x10, 4, "bar0"),
    (0x14, 4, "bar1"),
    (0x18, 1, "primary_bus"),
    (0x19, 1, "secondary_bus"),
    (0x1A, 1, "subordinate_bus"),
    (0x1B, 1, "secondary_latency_timer"),
    (0x1C, 1, "io_base"),
    (0x1D, 1, "io_limit"),
    (0x1E, 2, "secondary_status"),
    (0x20, 2, "memory_base"),
    (0x22, 2, "memory_limit"),
    (0x24, 2, "prefetchable_base"),
    (0x26, 2, "prefetchable_limit"),
    (0x28, 4, "prefetchable_base_upper"),
    (0x2C, 4, "prefetchable_limit_upper"),
    (0x30, 2, "io_base_upper"),
    (0x32, 2, "io_limit_upper"),
    (0x34, 1, "capabilities_pointer"),
    (0x38, 4, "expansion_rom_base"),
    (0x3C, 1, "interrupt_line"),
    (0x3D, 1, "interrupt_pin"),
    (0x3E, 2, "bridge_control"),
)
