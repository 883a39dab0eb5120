"""The PCI configuration space, register by register: header, capabilities, extended capabilities.

Knows the layouts (PCI 3.0 chapter 6, PCI Express base specification 4.0 chapter 7, virtio 1.3 section
4.1.4; offsets as in linux: pci_regs.h). Does not know what a device lets the guest write, nor what QEMU
compares on load.

The bytes come from the wire and may be anything: a capability list that loops, leaves the space or
lies about lengths ends quietly, and a structure is cut where the next one begins. Every byte is in
exactly one register, in order; what no structure claims is ``reserved[0xFROM:0xTO]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from vnetmig.virtio.cover import cover
from vnetmig.virtio.pci_header import BRIDGE, ENDPOINT, HEADER, Layout
from vnetmig.vmstate.overlay import Register

Config = bytes | memoryview

CONFIG_SIZE = 0x100
EXPRESS_CONFIG_SIZE = 0x1000

STATUS = 0x06
STATUS_CAPABILITY_LIST = 0x10
HEADER_TYPE = 0x0E
LIST = (0x34, 0x40)  # where the capability list is anchored; the first offset behind the header
CARDBUS_LIST = (0x14, 0x48)

CAP_VENDOR = 0x09
CAP_MSI = 0x05
CAP_EXPRESS = 0x10
CAP_MSIX = 0x11
VENDOR_VIRTIO = 0x1AF4  # virtio 1.3, 4.1.2

CARDBUS: Layout = (
    (0x10, 4, "bar0"),
    (0x14, 1, "capabilities_pointer"),
    (0x16, 2, "secondary_status"),
    (0x18, 1, "primary_bus"),
    (0x19, 1, "cardbus_bus"),
    (0x1A, 1, "subordinate_bus"),
    (0x1B, 1, "cardbus_latency_timer"),
    (0x3C, 1, "interrupt_line"),
    (0x3D, 1, "interrupt_pin"),
    (0x3E, 2, "bridge_control"),
    (0x40, 2, "subsystem_vendor_id"),
    (0x42, 2, "subsystem_id"),
    (0x44, 4, "legacy_base"),
)

HEADER_TYPES = {0: ENDPOINT, 1: BRIDGE, 2: CARDBUS}

CAP_HEADER: Layout = (
    (0x00, 1, "cap_id"),
    (0x01, 1, "cap_next"),
)

POWER: Layout = (
    (0x02, 2, "capabilities"),
    (0x04, 2, "control_status"),
    (0x06, 1, "bridge_extensions"),
    (0x07, 1, "data"),
)

EXPRESS: Layout = (
    (0x02, 2, "capabilities"),
    (0x04, 4, "device_capabilities"),
    (0x08, 2, "device_control"),
    (0x0A, 2, "device_status"),
    (0x0C, 4, "link_capabilities"),
    (0x10, 2, "link_control"),
    (0x12, 2, "link_status"),
    (0x14, 4, "slot_capabilities"),
    (0x18, 2, "slot_control"),
    (0x1A, 2, "slot_status"),
    (0x1C, 2, "root_control"),
    (0x1E, 2, "root_capabilities"),
    (0x20, 4, "root_status"),
    (0x24, 4, "device_capabilities_2"),
    (0x28, 2, "device_control_2"),
    (0x2A, 2, "device_status_2"),
    (0x2C, 4, "link_capabilities_2"),
    (0x30, 2, "link_control_2"),
    (0x32, 2, "link_status_2"),
    (0x34, 4, "slot_capabilities_2"),
    (0x38, 2, "slot_control_2"),
    (0x3A, 2, "slot_status_2"),
)
# Version 1 stops before the second set, on an endpoint (device types 0, 1) before the slot registers.
EXPRESS_V1_END = 0x24
EXPRESS_V1_ENDPOINT_END = 0x14

MSIX: Layout = (
    (0x02, 2, "message_control"),
    (0x04, 4, "table"),  # offset, and the BAR in bits 0-2
    (0x08, 4, "pending"),  # offset, and the BAR in bits 0-2
)

# virtio 1.3, 4.1.4: struct virtio_pci_cap and what each cfg_type appends
VIRTIO: Layout = (
    (0x02, 1, "cap_len"),
    (0x03, 1, "cfg_type"),
    (0x04, 1, "bar"),
    (0x05, 1, "id"),
    (0x08, 4, "offset"),
    (0x0C, 4, "length"),
)
VIRTIO_CFG_TYPES: dict[int, tuple[str, Layout]] = {
    1: ("virtio_common_cfg", VIRTIO),
    2: ("virtio_notify_cfg", (*VIRTIO, (0x10, 4, "notify_off_multiplier"))),
    3: ("virtio_isr_cfg", VIRTIO),
    4: ("virtio_device_cfg", VIRTIO),
    5: ("virtio_pci_cfg", (*VIRTIO, (0x10, 4, "pci_cfg_data"))),
    8: ("virtio_shared_memory_cfg", (*VIRTIO, (0x10, 4, "offset_hi"), (0x14, 4, "length_hi"))),
    9: ("virtio_vendor_cfg", ((0x02, 1, "cap_len"), (0x03, 1, "cfg_type"), (0x04, 2, "vendor_id"))),
}

CAPABILITIES: dict[int, tuple[str, Layout]] = {
    0x01: ("pm", POWER),
    0x03: ("vpd", ((0x02, 2, "address"), (0x04, 4, "data"))),
    0x04: ("slot", ((0x02, 1, "expansion_slot"), (0x03, 1, "chassis"))),
    0x0C: ("shpc", ((0x02, 1, "dword_select"), (0x03, 1, "pending"), (0x04, 4, "dword_data"))),
    0x0D: ("subsystem", ((0x04, 2, "vendor_id"), (0x06, 2, "device_id"))),
    0x10: ("express", EXPRESS),
    0x11: ("msix", MSIX),
    0x12: ("sata", ((0x02, 2, "revision"), (0x04, 4, "location"))),
    0x13: ("af", ((0x02, 1, "length"), (0x03, 1, "capabilities"), (0x04, 1, "control"), (0x05, 1, "status"))),
}

AER: Layout = (
    (0x04, 4, "uncorrectable_status"),
    (0x08, 4, "uncorrectable_mask"),
    (0x0C, 4, "uncorrectable_severity"),
    (0x10, 4, "correctable_status"),
    (0x14, 4, "correctable_mask"),
    (0x18, 4, "capabilities_control"),
    (0x1C, 4, "header_log[0]"),
    (0x20, 4, "header_log[1]"),
    (0x24, 4, "header_log[2]"),
    (0x28, 4, "header_log[3]"),
    (0x2C, 4, "root_command"),
    (0x30, 4, "root_status"),
    (0x34, 2, "correctable_source"),
    (0x36, 2, "uncorrectable_source"),
    (0x38, 4, "prefix_log[0]"),
    (0x3C, 4, "prefix_log[1]"),
    (0x40, 4, "prefix_log[2]"),
    (0x44, 4, "prefix_log[3]"),
)

SRIOV: Layout = (
    (0x04, 4, "capabilities"),
    (0x08, 2, "control"),
    (0x0A, 2, "status"),
    (0x0C, 2, "initial_vfs"),
    (0x0E, 2, "total_vfs"),
    (0x10, 2, "num_vfs"),
    (0x12, 1, "function_link"),
    (0x14, 2, "vf_offset"),
    (0x16, 2, "vf_stride"),
    (0x1A, 2, "vf_device_id"),
    (0x1C, 4, "supported_page_sizes"),
    (0x20, 4, "system_page_size"),
    (0x24, 4, "vf_bar0"),
    (0x28, 4, "vf_bar1"),
    (0x2C, 4, "vf_bar2"),
    (0x30, 4, "vf_bar3"),
    (0x34, 4, "vf_bar4"),
    (0x38, 4, "vf_bar5"),
    (0x3C, 4, "vf_migration_state"),
)

PRI: Layout = (
    (0x04, 2, "control"),
    (0x06, 2, "status"),
    (0x08, 4, "outstanding_capacity"),
    (0x0C, 4, "outstanding_allocation"),
)

CAPABILITY_AND_CONTROL: Layout = (
    (0x04, 2, "capability"),
    (0x06, 2, "control"),
)

EXTENDED: dict[int, tuple[str, Layout]] = {
    0x0001: ("aer", AER),
    0x0003: ("dsn", ((0x04, 8, "serial_number"),)),
    0x000B: ("vendor_specific", ((0x04, 4, "vsec_header"),)),
    0x000D: ("acs", CAPABILITY_AND_CONTROL),
    0x000E: ("ari", CAPABILITY_AND_CONTROL),
    0x000F: ("ats", CAPABILITY_AND_CONTROL),
    0x0010: ("sriov", SRIOV),
    0x0013: ("pri", PRI),
    0x0018: ("ltr", ((0x04, 2, "max_snoop_latency"), (0x06, 2, "max_no_snoop_latency"))),
    0x001B: ("pasid", CAPABILITY_AND_CONTROL),
}


def pci_config_registers(config: Config) -> tuple[Register, ...]:
    """The registers of a configuration space of 256 or 4096 bytes, whatever the bytes are."""
    header = HEADER + HEADER_TYPES.get(_header_type(config), ())
    registers = [Register(name, offset, size) for offset, size, name in header]
    named: dict[str, int] = {}
    for base, end, name, layout in _structures(config):
        copies = named[name] = named.get(name, 0) + 1
        prefix = name if copies == 1 else f"{name}[{copies - 1}]"
        registers += [
            Register(f"{prefix}.{field}", base + offset, size)
            for offset, size, field in layout
            if base + offset + size <= end
        ]
    return cover(registers, len(config))


def find_capability(config: Config, cap_id: int) -> int | None:
    """The offset of the first capability ``cap_id``, or None.

    Like QEMU (hw/pci/pci.c:pci_find_capability_list) this starts at 0x34 whatever the header type is,
    because the answer decides how the rest of a section is read.
    """
    for offset in _capabilities(config, *LIST):
        if config[offset] == cap_id:
            return offset
    return None


def msix_vectors(config: Config) -> int | None:
    """How many MSI-X vectors the device has; None without the capability."""
    offset = find_capability(config, CAP_MSIX)
    if offset is None:
        return None
    return (_word(config, offset + 2) & 0x7FF) + 1


def is_express(config: Config) -> bool:
    """Has the device a PCI Express capability (and so 4096 bytes of configuration space in the stream)?"""
    return find_capability(config, CAP_EXPRESS) is not None


def _word(config: Config, offset: int) -> int:
    return int.from_bytes(config[offset : offset + 2], "little")


def _header_type(config: Config) -> int:
    return config[HEADER_TYPE] & 0x7F if len(config) > HEADER_TYPE else 0  # bit 7: several functions


def _capabilities(config: Config, pointer: int, first: int) -> Iterator[int]:
    """The offsets in the capability list, in list order; each at least 4 bytes before the end."""
    size = min(len(config), CONFIG_SIZE)
    if size < first or not config[STATUS] & STATUS_CAPABILITY_LIST:
        return
    seen = set()
    offset = config[pointer] & ~3  # the low bits are reserved and to be masked (PCI 3.0, 6.7)
    while first <= offset <= size - 4 and offset not in seen:
        seen.add(offset)
        yield offset
        offset = config[offset + 1] & ~3


def _extended_capabilities(config: Config) -> Iterator[int]:
    """The offsets in the list of extended capabilities, in list order; an all-zero header ends it."""
    seen = set()
    offset = CONFIG_SIZE
    while CONFIG_SIZE <= offset <= len(config) - 4 and offset not in seen:
        seen.add(offset)
        header = int.from_bytes(config[offset : offset + 4], "little")
        if header in (0, 0xFFFFFFFF):
            return
        yield offset
        offset = header >> 20 & 0xFFC


def _structures(config: Config) -> Iterator[tuple[int, int, str, Layout]]:
    """(start, end, name, layout) of every capability by offset; none reaches into the next."""
    starts = sorted(_capabilities(config, *(CARDBUS_LIST if _header_type(config) == 2 else LIST)))
    for start, end in pairwise((*starts, min(len(config), CONFIG_SIZE))):
        name, layout = _capability(config, start)
        yield start, end, name, CAP_HEADER + layout
    starts = sorted(_extended_capabilities(config))
    for start, end in pairwise((*starts, len(config))):
        cap_id = _word(config, start)
        name, layout = EXTENDED.get(cap_id, (f"extended_{cap_id:#06x}", ()))
        yield start, end, name, ((0x00, 4, "header"), *layout)


def _capability(config: Config, start: int) -> tuple[str, Layout]:
    cap_id = config[start]
    if cap_id == CAP_VENDOR:
        return _vendor(config, start)
    if cap_id == CAP_MSI:
        return "msi", _msi(_word(config, start + 2))
    name, layout = CAPABILITIES.get(cap_id, (f"capability_{cap_id:#04x}", ()))
    if cap_id == CAP_EXPRESS and config[start + 2] & 0xF < 2:
        end = EXPRESS_V1_ENDPOINT_END if config[start + 2] >> 4 < 2 else EXPRESS_V1_END
        layout = tuple(field for field in layout if field[0] < end)
    return name, layout


def _vendor(config: Config, start: int) -> tuple[str, Layout]:
    """A vendor-specific capability: virtio's are known; ``cap_len`` bounds them."""
    length, cfg_type = config[start + 2], config[start + 3]
    if _word(config, 0) != VENDOR_VIRTIO:
        return "vendor", ((0x02, 1, "cap_len"),)
    name, layout = VIRTIO_CFG_TYPES.get(cfg_type, (f"virtio_cfg_{cfg_type}", VIRTIO[:2]))
    return name, tuple(field for field in layout if field[0] < 4 or field[0] + field[1] <= length)


def _msi(control: int) -> Layout:
    """PCI 3.0, 6.8.1: 64-bit addresses and per-vector masking each make the structure longer."""
    wide, masking = control & 0x80, control & 0x100
    data = 0x0C if wide else 0x08
    layout: Layout = ((0x02, 2, "message_control"), (0x04, 4, "address_lo"))
    if wide:
        layout += ((0x08, 4, "address_hi"),)
    layout += ((data, 2, "data"),)
    if masking:
        layout += ((data + 4, 4, "mask"), (data + 8, 4, "pending"))
    return layout
