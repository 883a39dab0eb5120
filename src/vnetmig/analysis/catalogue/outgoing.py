"""What the source says: why it does not start, and what it sees when the destination is gone.

Knows messages only. Layout: qemu: migration/migration.c, migration/savevm.c, io/channel-socket.c.
"""

from __future__ import annotations

from vnetmig.analysis.catalogue.wording import DESTINATION, EITHER, SOURCE, Message, Wording

MESSAGES = (
    Message(
        "peer-gone",
        "io/channel-socket.c:qio_channel_socket_writev",
        (
            Wording("Unable to write to socket: {strerror}"),
            Wording("Unable to read from socket: {strerror}"),
            Wording("Channel error: {strerror}", since="8.0"),
            Wording("Unable to shutdown socket: {strerror}"),
        ),
        "The other side closed the connection. This is only what the survivor sees: the reason is in the other "
        "side's log.",
        (
            "The destination's QEMU refused the stream or crashed.",
            "It was killed: out of memory, a time-out of the management layer, a pod that was deleted.",
            "A firewall or a proxy cut the connection.",
        ),
        (
            (
                "Read the destination's log at the same second (/var/log/libvirt/qemu/VM.log, the target pod's log) "
                "and explain that."
            ),
            "Nothing there: look for the OOM killer and for the management layer's time-outs.",
        ),
        side=EITHER,
    ),
    Message(
        "device-not-migratable",
        "migration/savevm.c:qemu_savevm_state_blocked",
        (
            Wording("State blocked by non-migratable device '{idstr}'"),
            Wording("State blocked by non-migratable CPU device ({what})"),
            Wording("Device {name} is not migratable, but --only-migratable was specified"),
            Wording("'peer' devices are not migratable"),
        ),
        "A device of this guest cannot be migrated at all, so the source does not begin.",
        (
            (
                "Passed-through or local devices: VFIO without migration support, some USB, NVMe and AHCI emulations, "
                "ivshmem peers."
            ),
            "invtsc: the CPU has the invariant-TSC flag and no fixed tsc-frequency.",
        ),
        ("Unplug the device, or use its migratable sibling.", "For invtsc set tsc-frequency=, or drop the flag."),
        side=SOURCE,
    ),
    Message(
        "migration-blocked",
        "migration/migration.c:migrate_add_blocker",
        (
            Wording("Migration disabled: vhost lacks VHOST_F_LOG_ALL feature."),
            Wording("Migration disabled: vhost-user backend lacks VHOST_USER_PROTOCOL_F_LOG_SHMFD feature."),
            Wording("Migration disabled: {reason}"),
            Wording("Migration is disabled when {reason}"),
            Wording("Live migration disabled: {reason}", since="6.0"),
            Wording("{idstr}: Migration is disabled for VFIO device", since="8.1"),
            Wording("disallowing migration blocker (--only-migratable) for: {reason}"),
        ),
        "Something in this guest forbids migration; the line says what.",
        ("A vhost backend that cannot log writes, a mounted 9p share, a TPM, memory that cannot be shared, a dump.",),
        ("End what blocks it (unmount, finish the dump), or replace the device or backend.",),
        side=SOURCE,
    ),
    Message(
        "save-failed",
        "migration/savevm.c:qemu_savevm_state_complete_precopy_non_iterable",
        (
            Wording("failed to save SaveStateEntry with id(name): {id:d}({idstr}): {code:d}"),
            Wording("failed to save SaveStateEntry with id(name): {id:d}({idstr})", until="6.2"),
            Wording("Failed to save iterable device state: {reason}", since="10.2"),
            Wording("Output state validation failed: {vmsd}/{field}"),
            Wording("Error saving global state", until="8.0"),
        ),
        "The source could not write this device's state; the guest goes on running there.",
        ("The connection broke (see the destination), or the device is in a state it cannot save.",),
        ("Look at the destination's log first; then at the device named here.",),
        side=SOURCE,
    ),
    Message(
        "already-running",
        "migration/migration.c:migrate_prepare",
        (
            Wording("There's a migration process in progress"),
            Wording("Guest is waiting for an incoming migration"),
            Wording("Migration not in expected state: {state}"),
        ),
        "Another migration of this guest is going on, or has not been cleaned up.",
        ("A retry that came too early.",),
        ("Wait, or migrate_cancel first.",),
        side=EITHER,
    ),
    Message(
        "tsc-frequency",
        "target/i386/kvm/kvm.c:kvm_arch_set_tsc_khz",
        (
            Wording(
                "TSC frequency mismatch between VM ({stream:d} kHz) and host ({local:d} kHz), and TSC scaling "
                "unavailable"
            ),
            Wording("Mismatch between user-specified TSC frequency and migrated TSC frequency"),
        ),
        "The guest's clock rate is not that of this host, and the host cannot scale it.",
        ("The hosts have different CPUs, and the guest has tsc-frequency or invtsc.",),
        ("Use hosts with TSC scaling or with equal clocks, or guests without invtsc.",),
        side=DESTINATION,
    ),
)
