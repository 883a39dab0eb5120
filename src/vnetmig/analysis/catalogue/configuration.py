"""What is said about the configuration section: machine type, page size, capabilities, UUID.

Knows messages only. Layout: qemu: migration/savevm.c:vmstate_configuration.
"""

from __future__ import annotations

from vnetmig.analysis.catalogue.wording import Message, Wording

_FILE = "migration/savevm.c:configuration_post_load"

MESSAGES = (
    Message(
        "configuration-missing",
        "migration/savevm.c:qemu_loadvm_state_header",
        (
            Wording("Configuration section missing", until="10.2"),
            Wording("Configuration section missing, {got:x} != 7", since="10.2"),
        ),
        "After the header must come byte 0x07, the configuration section; something else did.",
        (
            "The source runs a machine type of 2.3 or before, which sends none, and the destination a later one.",
            "migration.send-configuration is off at one side.",
        ),
        (
            "Start the destination with the source's machine type.",
            "Otherwise set -global migration.send-configuration=off at the destination as well.",
        ),
    ),
    Message(
        "machine-type",
        _FILE,
        (Wording("Machine type received is '{stream}' and local is '{local}'"),),
        "Source and destination run different machine types; state of one does not fit the other.",
        (
            "The destination was started with an alias (pc, q35) that means another version there.",
            "The guest's definition was changed since it started, or the two packages name their types differently.",
        ),
        (
            "Start the destination with -machine and the versioned name that the stream has.",
            (
                "If the destination does not know that name, go by way of a QEMU that knows both guests' types, or "
                "shut the guest down and change its machine type."
            ),
        ),
        see=("https://wiki.qemu.org/Features/Migration/Troubleshooting", "https://github.com/lxc/incus/issues/1775"),
    ),
    Message(
        "page-bits",
        _FILE,
        (Wording("Received TARGET_PAGE_BITS is {stream:d} but local is {local:d}"),),
        "The two QEMUs emulate different page sizes.",
        ("Another machine type or CPU, on targets where the page size varies (Arm).",),
        ("Use the source's machine type and CPU model at the destination.",),
    ),
    Message(
        "capability-mismatch",
        "migration/savevm.c:configuration_validate_capabilities",
        (Wording("Capability {capability} is {local}, but received capability is {stream}"),),
        "A migration capability that changes the stream is on at one side and off at the other.",
        ("migrate-set-capabilities was sent to one side only.",),
        ("Set the capability to the same value on both sides before migrate and migrate-incoming.",),
    ),
    Message(
        "capability-unknown",
        "migration/savevm.c:get_capability",
        (Wording("Received unknown capability {capability}"),),
        "The stream names a migration capability that the destination's QEMU does not have.",
        ("The source is newer, or carries patches.",),
        ("Switch the capability off at the source, or use a newer destination.",),
    ),
    Message(
        "capabilities-failed",
        _FILE,
        (Wording("Failed to validate capabilities", since="10.2"),),
        "The capabilities of both sides differ; the line before says which.",
        ("migrate-set-capabilities was sent to one side only.",),
        ("Set the same capabilities on both sides.",),
        follows=True,
    ),
    Message(
        "uuid-mismatch",
        "migration/savevm.c:configuration_validate_uuid",
        (Wording("UUID received is {stream} and local is {local}"),),
        "The destination was started for another guest: capability validate-uuid is on and the UUIDs differ.",
        ("The stream went to the wrong QEMU, or -uuid was not carried over.",),
        ("Start the destination with the stream's -uuid; check which guest you are sending where.",),
    ),
    Message(
        "uuid-unset",
        "migration/savevm.c:configuration_validate_uuid",
        (Wording("UUID is received {stream}, but local uuid isn't set"),),
        "A warning: the stream has a UUID and the destination was started without -uuid, so it cannot be compared.",
        ("-uuid is missing from the destination's command line.",),
        ("Give the destination the same -uuid. The migration goes on without.",),
    ),
)
