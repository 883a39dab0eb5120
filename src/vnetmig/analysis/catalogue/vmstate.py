"""What is said about versions, fields and subsections inside a device's state.

Knows messages only. Layout: qemu: migration/vmstate.c, migration/vmstate-types.c.
"""

from __future__ import annotations

from vnetmig.analysis.catalogue.wording import Message, Wording

_LOAD = "migration/vmstate.c:vmstate_load_state"
_SUBSECTION = "migration/vmstate.c:vmstate_subsection_load"

MESSAGES = (
    Message(
        "vmstate-too-new",
        _LOAD,
        (Wording("{vmsd}: incoming version_id {version:d} is too new for local version_id {local:d}"),),
        "The source wrote a later version of this state than the destination's QEMU knows.",
        ("The guest goes from a newer QEMU to an older one.", "The bytes are out of step or damaged."),
        (
            "Use a destination QEMU at least as new as the source's.",
            "For a way back, start guests with the older QEMU's machine type.",
        ),
    ),
    Message(
        "vmstate-too-old",
        _LOAD,
        (
            Wording(
                "{vmsd}: incoming version_id {version:d} is too old for local minimum version_id  {minimum:d}",
                until="10.2",
            ),
            Wording(
                "{vmsd}: incoming version_id {version:d} is too old for local minimum version_id {minimum:d}",
                since="10.2",
            ),
        ),
        "The destination's QEMU no longer reads a version this old.",
        ("The stream was saved by a very old QEMU.", "The bytes are out of step or damaged."),
        ("Load and save it with a QEMU in between that reads both versions.",),
    ),
    Message(
        "not-equal",
        "migration/vmstate-types.c:get_int32_equal",
        (Wording("{local:x} != {stream:x}"),),
        "A value that is fixed when the machine is built must be the same on both sides, and is not. The first number "
        "is the destination's, the second the stream's (both hexadecimal); the next line names the field.",
        (
            "The device was created with another size or count: queues, ports, CPUs, slots.",
            "The bytes are out of step, when the two numbers make no sense.",
        ),
        ("Give the destination's device the stream's number.",),
    ),
    Message(
        "validation-failed",
        _LOAD,
        (
            Wording("Input validation failed: {vmsd}/{field}", until="10.2"),
            Wording("Input validation failed: {vmsd}/{field} version_id: {version:d}", since="10.2"),
        ),
        "The values that came cannot be true for this device, and it refuses them.",
        ("The device is configured differently on the two sides.", "The bytes are out of step or damaged."),
        ("Compare the device's properties on both sides.",),
    ),
    Message(
        "stream-error",
        _LOAD,
        (Wording("Failed to load {vmsd} state: stream error: {code:d}", since="10.2"),),
        "The stream ended inside this state (-5), or reading failed with that error number.",
        (
            "The source closed the connection or died, or the file was cut.",
            "A count before it was wrong, so that far too many bytes were read.",
        ),
        (
            "Look at the source's log for the reason it stopped.",
            "`vnetmig inspect STREAM` shows how far the stream goes.",
        ),
    ),
    Message(
        "field-failed",
        _LOAD,
        (Wording("Failed to load {vmsd}:{field}", until="10.2"),),
        "Names the state and field that were being read, from the inside outwards. The line before says why.",
        (
            (
                "As for the line before. Without one: with Input/output error the stream ended in this field, with "
                "Invalid argument the device refused the value silently."
            ),
        ),
        ("Read the first message; without one, compare this device on both sides.",),
        follows=True,
    ),
    Message(
        "element-failed",
        _LOAD,
        (Wording("Failed to load element of type {type} for {field}", since="10.2"),),
        "Names the field that was being read. The line before says why.",
        (
            (
                "As for the line before. 'type virtio for virtio' by itself: the device refused silently (a vector, a "
                "queue, a subsection's size, bytes out of step)."
            ),
        ),
        ("Read the first message; without one, compare this device on both sides.",),
        follows=True,
    ),
    Message(
        "pre-load-hook",
        _LOAD,
        (
            Wording(
                "pre load hook failed for: '{vmsd}', version_id: {version:d}, minimum version_id: {minimum:d}, "
                "ret: {code:d}",
                since="10.2",
            ),
            Wording(
                "pre load hook failed for: '{vmsd}', version_id: {version:d}, minimum version_id: {minimum:d}: ",
                since="10.2",
            ),
        ),
        "The device refused before it read this state, because of what it had read already.",
        ("As for the line before.",),
        ("As for the line before.",),
        follows=True,
    ),
    Message(
        "post-load-hook",
        _LOAD,
        (
            Wording(
                "post load hook failed for: {vmsd}, version_id: {version:d}, minimum_version: {minimum:d}, "
                "ret: {code:d}",
                since="10.2",
            ),
            Wording(
                "post load hook failed for: {vmsd}, version_id: {version:d}, minimum_version: {minimum:d}: ",
                since="10.2",
            ),
        ),
        "The device read this state and then refused it.",
        ("As for the line before. kvm-tpr-opt: the guest's option ROM is not in RAM where it was.",),
        ("As for the line before.",),
        follows=True,
    ),
    Message(
        "subsection-unknown",
        _SUBSECTION,
        (Wording("VM subsection '{subsection}' in '{vmsd}' does not exist", since="10.2"),),
        "The source sent an optional part of this state that the destination's QEMU does not know.",
        (
            "The guest goes from a newer QEMU to an older one, and uses what only the newer one has.",
            "The source carries patches.",
        ),
        (
            "Use a destination QEMU that knows the subsection.",
            "Switch off at the source what needs it; it goes away with the guest's next reset.",
        ),
    ),
    Message(
        "subsection-failed",
        _SUBSECTION,
        (Wording("Loading VM subsection '{subsection}' in '{vmsd}' failed: {reason}", since="10.2"),),
        "An optional part of this state was refused; behind the colon stands why.",
        ("As for what stands behind the colon.",),
        ("As for what stands behind the colon.",),
        follows=True,
    ),
    Message(
        "null-marker",
        "migration/vmstate-types.c:get_nullptr",
        (Wording("vmstate: get_nullptr expected VMS_NULLPTR_MARKER"),),
        "An empty slot of an array of pointers was expected and something else came.",
        ("The two sides have different devices in these slots.", "The bytes are out of step."),
        ("Compare the device's children on both sides (ports, slots, disks).",),
    ),
    Message(
        "tree-inconsistent",
        "migration/vmstate-types.c:get_gtree",
        (Wording("{field} inconsistent stream when loading the gtree"),),
        "A tree in the stream does not have as many nodes as it said.",
        ("The bytes are out of step or damaged.",),
        ("Save again; compare the device on both sides.",),
    ),
)
