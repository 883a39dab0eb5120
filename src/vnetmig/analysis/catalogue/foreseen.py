"""What `vnetmig check` foresees and no QEMU says, or says only with other words around it.

Knows what goes wrong silently; its entries have causes and remedies like the others, and no wording.
"""

from __future__ import annotations

from vnetmig.analysis.catalogue.wording import Message, Wording

MESSAGES: tuple[Message, ...] = (
    Message(
        id="rings-not-checked",
        source="hw/virtio/virtio.c:virtio_load",
        wordings=(),
        means="The loader compares a split ring's indices with guest memory, and that memory is not at hand.",
        causes=("the stream was saved without RAM (x-ignore-shared, or a disk of its own)",),
        remedies=("give the guest's memory: --memory with the RAM file, or the pages that hold the rings",),
    ),
    Message(
        id="memory-foreign",
        source="hw/virtio/virtio.c:virtio_load",
        wordings=(),
        means="None of the pages that hold this device's rings is in the memory that was given: they read as zero.",
        causes=("the memory is of another boot of the guest, or of another instant",),
        remedies=("give the memory of the instant at which the stream was saved",),
    ),
    Message(
        id="device-missing",
        source="migration/savevm.c:qemu_loadvm_state",
        wordings=(),
        means="The destination has a device that the stream says nothing of. QEMU does not mind; the device stays as "
        "after a reset, and a guest that used it finds it dead.",
        causes=("a device of the destination's command line that the source did not have", "another PCI address"),
        remedies=("give the destination exactly the source's devices, at the same addresses",),
    ),
    Message(
        id="needs-iterative",
        source='RFC "virtio-net: initial iterative live migration support", patch 3',
        wordings=(),
        means="A device's state stands in the stream a first time, sent while the guest still ran. No released QEMU "
        "has a handler for that section.",
        causes=("the source is a QEMU with the RFC's patches, and its capability virtio-iterative was on",),
        remedies=("migrate to a QEMU with the same patches, or switch the capability off at the source",),
    ),
    Message(
        id="unreadable",
        source="migration/savevm.c:qemu_loadvm_state_main",
        wordings=(),
        means="The stream cannot be read from here on.",
        causes=("the file is damaged, or not a migration stream to its end",),
        remedies=("compare it with the source's copy; `vnetmig inspect` shows all that stands before the fault",),
    ),
    Message(
        id="stream-ended",
        source="migration/savevm.c:qemu_loadvm_state_main",
        wordings=(),
        means="The stream ends before its end mark.",
        causes=("the source died or cancelled while it sent", "the disk was full when the file was written"),
        remedies=("save the VM again", "look at the source's log for why it stopped"),
    ),
    Message(
        id="machine-type-unsupported",
        source="system/vl.c:select_machine",
        wordings=(
            Wording("unsupported machine type", until="10.0"),
            Wording('unsupported machine type: "{type}"', since="10.0"),
        ),
        means="The destination's QEMU has no machine type of that name: it does not start.",
        causes=("the type came with a later release", "the release has dropped the type: those of six years ago go"),
        remedies=("use a machine type that both releases have", "migrate by way of a release in between"),
    ),
    Message(
        id="property-unknown",
        source="hw/core/qdev-properties.c",
        wordings=(),
        means="The destination's QEMU does not have a property that its command line sets: it does not start.",
        causes=("the property came with a later release",),
        remedies=("leave the property out; `vnetmig explain NAME` says since when it is there",),
    ),
    Message(
        id="stream-empty",
        source="migration/savevm.c:qemu_loadvm_state",
        wordings=(),
        means="There is not a single byte. QEMU does not take that for an error and goes on waiting.",
        causes=("the file is empty: the save failed, or the disk was full",),
        remedies=("save the VM again", "look at the source's log for why it wrote nothing"),
    ),
    Message(
        id="memory-asked",
        source="migration/savevm.c:configuration_pre_load",
        wordings=(),
        means="A length in the configuration section is so large that QEMU cannot get the memory for it, and aborts.",
        causes=("the stream is damaged in its first bytes, or was made to do this",),
        remedies=("compare the stream's first bytes with those of another of the same machine",),
    ),
    Message(
        id="device-state",
        source="hw/virtio/virtio.c:virtio_load",
        wordings=(),
        means="The device's own part holds a value that its loader does not take.",
        causes=("the stream is damaged, or the loader was out of step before it got here",),
        remedies=("compare the section with one of the same device (`vnetmig diff`)",),
    ),
    Message(
        id="option-rom",
        source="hw/i386/kvmvapic.c:vapic_map_rom_writable",
        wordings=(),
        means="The guest uses the option ROM of kvm-tpr-opt, and where it should be in guest memory there are zeros.",
        causes=("guest memory did not come, or is of another boot of the guest",),
        remedies=("migrate with RAM, or share the RAM that the stream belongs to (x-ignore-shared)",),
    ),
)
