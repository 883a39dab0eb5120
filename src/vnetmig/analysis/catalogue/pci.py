"""What is said about PCI config space and MSI-X.

Knows messages only. Layout: qemu: hw/pci/pci.c:get_pci_config_device, hw/virtio/virtio-pci.c.
"""

from __future__ import annotations

from vnetmig.analysis.catalogue.wording import Message, Wording

MESSAGES = (
    Message(
        "pci-config",
        "hw/pci/pci.c:get_pci_config_device",
        (
            Wording(
                "get_pci_config_device: Bad config data: i={index:#x} read: {read:x} device: {device:x} "
                "cmask: {cmask:x} wmask: {wmask:x} w1cmask:{w1cmask:x}"
            ),
        ),
        "A byte of the device's PCI config space that neither guest nor reset may change is different on the two "
        "sides: they are not the same PCI device.",
        (
            "Another machine type or QEMU version builds the device differently (BAR sizes, capabilities, ids).",
            "A property differs: vectors=, disable-legacy/disable-modern, rombar, romfile size, x-pcie-*.",
            "The device stands behind another kind of bus, so it has or lacks the PCI Express capability.",
        ),
        (
            "Start the destination with the source's versioned machine type and the same device properties.",
            "`virsh managedsave-remove` if a saved state of an older QEMU is in the way of a start.",
        ),
        see=("https://github.com/NixOS/nixpkgs/issues/63182",),
    ),
    Message(
        "vector",
        "hw/virtio/virtio-pci.c:virtio_pci_load_config, virtio_pci_load_queue",
        (),
        "The stream uses an MSI-X vector that the destination's device does not have. QEMU names only the device.",
        (
            "vectors= differs: the default depends on machine type (3 up to 5.2) and on the number of queues.",
            "The destination has fewer queue pairs.",
        ),
        ("Set vectors= at the destination to the source's number (2 * queue pairs + 2).",),
    ),
    Message(
        "pci-version",
        "migration/vmstate-types.c:get_int32_le",
        (Wording("Invalid value {value:d} expecting positive value <= {most:d}"),),
        "A number in the stream is larger than the destination has: of a PCI device, the version in front of its "
        "configuration (0 to 2).",
        ("The stream is damaged, or the loader was out of step before it got here.",),
        ("Compare the section with one of the same device (`vnetmig diff`).",),
    ),
    Message(
        "irq-state",
        "hw/pci/pci.c:get_pci_irq_state",
        (Wording("irq state {value:d}: must be 0 or 1."),),
        "The saved level of an INTx pin is neither 0 nor 1: the bytes are out of step.",
        ("One side has PCI Express config space (4096 bytes), the other not (256 bytes).",),
        ("Put the device on the same kind of bus on both sides.",),
    ),
    Message(
        "config-len",
        "hw/virtio/virtio.c:virtio_load",
        (),
        "The stream's device config has another length. Shorter or longer ones load; an absurd length makes QEMU "
        "read on for minutes (5.2, 7.2), crash (7.2) or refuse (10.0 and later).",
        ("The device offers other features (MQ, MTU, RSS change the length).", "The bytes are out of step."),
        ("Give both sides' devices the same properties.", "Refuse streams of strangers before QEMU sees them."),
    ),
)
