"""What is said about sections: their types, headers, footers, ids, and about the end of a load.

Knows messages only. Layout: qemu: migration/savevm.c.
"""

from __future__ import annotations

from vnetmig.analysis.catalogue.wording import EITHER, Message, Wording

_OUT_OF_STEP = (
    "What came before took more or fewer bytes than the source wrote: the devices before this place differ "
    "(queue count, MSI-X vectors, machine type, QEMU version)."
)
_CUT = "The source closed the connection or died, or the file was cut; see the source's log."
_FIND_FIRST = "Find the first section that does not fit: `vnetmig inspect STREAM` shows all sections with offsets."

MESSAGES = (
    Message(
        "unknown-section-type",
        "migration/savevm.c:qemu_loadvm_state_main",
        (
            Wording("Unknown savevm section type {type:d}", until="10.2"),
            Wording("Unknown section type {type:d}", since="10.2"),
        ),
        "Where a section must begin stood a byte that begins none: reader and stream are out of step.",
        (_OUT_OF_STEP, "Type 7 means: the source sent a configuration section and the destination expects none."),
        (_FIND_FIRST, "Make the destination's devices and machine type the same as the source's."),
    ),
    Message(
        "unknown-section",
        "migration/savevm.c:qemu_loadvm_section_start_full",
        (
            Wording(
                "Unknown savevm section or instance '{idstr}' {instance:d}. Make sure that your current VM setup "
                "matches your saved VM setup, including any hotplugged devices",
                until="10.2",
            ),
            Wording(
                "Unknown section or instance '{idstr}' {instance:d}. Make sure that your current VM setup matches "
                "your saved VM setup, including any hotplugged devices",
                since="10.2",
            ),
            Wording("Unknown savevm section or instance '{idstr}' {instance:d}", until="5.0"),
        ),
        "The stream has a device that the destination does not have, or has at another address.",
        (
            "The device was hotplugged at the source and is not on the destination's command line.",
            "PCI addresses were not fixed, so the devices' order gave them other ones.",
            "Another machine type or QEMU package has the device under another name, or not at all.",
        ),
        (
            "Give the destination the same -device with the same bus= and addr=: the idstr is the device's path.",
            "Fix all PCI addresses in the guest's definition, and migrate again.",
        ),
        see=("https://github.com/kubevirt/kubevirt/issues/13721", "https://gitlab.com/qemu-project/qemu/-/issues/932"),
    ),
    Message(
        "unknown-section-id",
        "migration/savevm.c:qemu_loadvm_section_part_end",
        (
            Wording("Unknown savevm section {id:d}", until="10.2"),
            Wording("Unknown section {id:d}", since="10.2"),
        ),
        "A continuation names a section that never began: reader and stream are out of step.",
        (_OUT_OF_STEP, "Bytes are missing from the stream, as with a file that was written in parts."),
        (_FIND_FIRST, "Save again; compare the size of the file with what the source says it sent."),
    ),
    Message(
        "unsupported-version",
        "migration/savevm.c:qemu_loadvm_section_start_full",
        (
            Wording("savevm: unsupported version {version:d} for '{idstr}' v{local:d}", until="10.2"),
            Wording("unsupported version {version:d} for '{idstr}' v{local:d}", since="10.2"),
        ),
        "The source's device state is of a later version than the destination's QEMU can read.",
        ("The guest goes from a newer QEMU to an older one.", "One of the two QEMUs carries patches."),
        (
            "Use a destination QEMU at least as new as the source's.",
            (
                "To go back, start the guest with the older QEMU's machine type; devices then keep the older version "
                "where QEMU can write it."
            ),
        ),
    ),
    Message(
        "section-header-truncated",
        "migration/savevm.c:qemu_loadvm_section_start_full",
        (
            Wording("qemu_loadvm_section_start_full: Failed to read {what}: -5", until="10.2"),
            Wording("Failed to read {what}: -5", since="10.2"),
            Wording("qemu_loadvm_section_part_end: Failed to read {what}: -5", until="10.2"),
            Wording("qemu_loadvm_section_start_full: Failed to read {what}: {code:d}", until="10.2"),
            Wording("qemu_loadvm_section_part_end: Failed to read {what}: {code:d}", until="10.2"),
            Wording("Failed to read {what}: {code:d}", since="10.2"),
        ),
        "The stream ended inside a section's header.",
        (_CUT,),
        ("Look at the source: its message says why it stopped. Save again if it is a file.",),
    ),
    Message(
        "section-name-truncated",
        "migration/savevm.c:qemu_loadvm_section_start_full",
        (Wording("Unable to read ID string for section {id:d}"),),
        "The stream ended inside a section's name.",
        (_CUT,),
        ("Look at the source: its message says why it stopped. Save again if it is a file.",),
    ),
    Message(
        "section-id-truncated",
        "migration/savevm.c:qemu_loadvm_section_part_end",
        (
            Wording(
                "Failed to load section ID: stream error: {code:d}: Channel error: Input/output error", since="10.2"
            ),
            Wording("Failed to load section ID: stream error: {code:d}", since="10.2"),
        ),
        "The stream ended before a section's number.",
        (_CUT,),
        ("Look at the source: its message says why it stopped.",),
    ),
    Message(
        "footer-truncated",
        "migration/savevm.c:check_section_footer",
        (Wording("check_section_footer: Read section footer failed: {code:d}"),),
        "The stream ended right behind a section, before its footer.",
        (
            _CUT,
            "The migration was cancelled, or the guest shut down while it ran.",
        ),
        ("Look at the source: its message says why it stopped.",),
        see=("https://github.com/autotest/tp-libvirt/pull/6121",),
    ),
    Message(
        "footer-missing",
        "migration/savevm.c:check_section_footer",
        (Wording("Missing section footer for {idstr}"),),
        "The destination read the section to the end of its own layout and did not find the footer there: the source "
        "wrote more or less than the destination reads.",
        (
            "The device differs between the sides: queue count, vectors, ring sizes, a property, a patch.",
            "A count inside the section is wrong; QEMU notices only here.",
            "A distribution's package changed the device's state (piix4_pm between RHEL 8.5 and 8.6).",
        ),
        (
            "Compare the device on both command lines, property by property; keep the versioned machine type.",
            "`vnetmig inspect STREAM DEVICE` shows every field with its offset, as far as they fit.",
        ),
        see=("https://access.redhat.com/solutions/7053750",),
    ),
    Message(
        "footer-mismatch",
        "migration/savevm.c:check_section_footer",
        (Wording("Mismatched section id in footer for {idstr} - read {got:#x} expected {expected:#x}"),),
        "A footer is where it should be, but it belongs to another section.",
        ("The stream was put together or edited by hand.", _OUT_OF_STEP),
        (_FIND_FIRST, "Save again; if the source wrote this, it is a bug of the source's QEMU."),
    ),
    Message(
        "footer-error",
        "migration/savevm.c:qemu_loadvm_section_start_full",
        (Wording("Section footer error, section_id: {id:d}", since="10.2"),),
        "The section's footer was not there; the line before says of which device.",
        ("As for the line before.",),
        ("As for the line before.",),
        follows=True,
    ),
    Message(
        "device-failed",
        "migration/savevm.c:qemu_loadvm_section_start_full",
        (
            Wording("error while loading state for instance {instance:#x} of device '{idstr}'"),
            Wording("error while loading state section id {id:d}({idstr})", until="10.2"),
        ),
        "Names the device whose state was refused. Why is in the lines before it (since 10.2 also behind it).",
        ("As for the line before. Without one, the device refused silently: a vector, a queue or a size.",),
        (
            "Read the first message of the same second in the destination's log.",
            "Without one, compare vectors=, queue counts and the device's properties on both sides.",
        ),
        follows=True,
    ),
    Message(
        "load-setup",
        "migration/savevm.c:qemu_loadvm_state",
        (Wording("Load state of device {idstr} failed"),),
        "The device could not get ready to load.",
        ("A backend of the destination is missing or busy (VFIO, vhost-user, memory).",),
        ("Look at the device's backend on the destination host.",),
    ),
    Message(
        "vmdesc-unexpected",
        "migration/savevm.c:qemu_loadvm_state",
        (Wording("Expected vmdescription section, but got {type:d}"),),
        "A complaint only: behind the stream's end came something else than its description. The load succeeded.",
        ("suppress-vmdesc is set at one side only, or the file has bytes behind the stream.",),
        ("Nothing has to be done; set suppress-vmdesc alike to be rid of the line.",),
    ),
    Message(
        "xen-ram",
        "migration/savevm.c:qemu_loadvm_section_start_full",
        (Wording("loadvm: {idstr} RAM loading not allowed on Xen"),),
        "On Xen the toolstack moves the memory; a stream with RAM is refused.",
        ("A stream of KVM or TCG was given to a QEMU under Xen.",),
        ("Migrate between hypervisors of one kind.",),
    ),
    Message(
        "loadvm-failed",
        "migration/savevm.c:qemu_loadvm_state",
        (
            Wording("Error while loading vmstate: stream error: {code:d}", since="10.2"),
            Wording("loadvm failed: stream error: {code:d}", since="10.2"),
            Wording("Error {code:d} while loading VM state", until="10.2"),
            Wording("Failed to load device state: {code:d}", until="10.2"),
            Wording("Error while loading vmstate", since="10.2"),
        ),
        "The load ended with an error number and no words of its own.",
        ("As for the line before. -5 by itself means that the stream ended too early.",),
        ("Read the first message of the same second; with -5 look at the source's log.",),
        follows=True,
    ),
    Message(
        "migration-failed",
        "migration/migration.c:process_incoming_migration_co",
        (Wording("load of migration failed: {strerror}"), Wording("load of migration failed", until="2.5")),
        "The destination gave up; the source goes on running the guest. The error number is that of the first fault.",
        (
            "As for the lines before. By itself it says only how the fault was numbered.",
            "Input/output error by itself: the source stopped sending.",
        ),
        ("Read the first message of the same second in the destination's log.",),
        follows=True,
    ),
    Message(
        "duplicate-section",
        "migration/savevm.c:vmstate_replace_hack_for_ppc",
        (Wording("{function}: Detected duplicate SaveStateEntry: id={idstr}, instance_id={instance:#x}"),),
        "QEMU has two devices under one name; it could not tell their states apart and will not start.",
        ("A patched QEMU, or a device that registers twice.",),
        ("Give the devices different addresses or ids; report it to QEMU.",),
        side=EITHER,
    ),
)
