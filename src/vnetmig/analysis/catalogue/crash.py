"""What a QEMU says that dies, and what the management layer makes of it.

Knows messages only. Assertions that are known by name stand with their layer.
"""

from __future__ import annotations

from vnetmig.analysis.catalogue.wording import EITHER, MANAGEMENT, Message, Wording

MESSAGES = (
    Message(
        "assertion",
        "assert(3)",
        (Wording("{function}: Assertion `{condition}' failed."),),
        "QEMU found itself in a state that must not be, and ended itself: a bug of QEMU's, set off by this stream or "
        "this configuration.",
        ("Known bugs of this release.", "A stream that QEMU does not check well enough."),
        (
            "Use the newest stable release of that series; report the line with the command line of both sides.",
            "At the destination the guest is safe: the source goes on.",
        ),
        side=EITHER,
    ),
    Message(
        "heap-corruption",
        "malloc(3)",
        (
            Wording("double free or corruption ({what})"),
            Wording("malloc(): {what}"),
            Wording("free(): {what}"),
            Wording("corrupted size vs. prev_size"),
        ),
        "QEMU overwrote memory of its own and was ended by the C library.",
        ("A queue size or a length in the stream that this release does not check (a vring.num above its maximum).",),
        ("Use a newer release; check the stream first.",),
        side=EITHER,
    ),
    Message(
        "monitor-closed",
        "libvirt: src/qemu/qemu_monitor.c:qemuMonitorIO",
        (
            Wording("QEMU unexpectedly closed the monitor (vm='{vm}')"),
            Wording("QEMU unexpectedly closed the monitor"),
            Wording("qemu unexpectedly closed the monitor"),
            Wording("process exited while connecting to monitor"),
        ),
        "libvirt lost the QEMU process: it ended by itself. QEMU's last words stand behind the colon, or in its log.",
        ("QEMU refused the stream or crashed; see its last lines.", "It was killed (out of memory)."),
        ("Read /var/log/libvirt/qemu/VM.log on that host and explain it.",),
        follows=True,
        side=MANAGEMENT,
    ),
    Message(
        "job-failed",
        "libvirt: src/qemu/qemu_migration.c:qemuMigrationJobCheckStatus",
        (
            Wording("operation failed: job '{job}' failed"),
            Wording("operation failed: {job} job: unexpectedly failed"),
            Wording("operation failed: domain is not running"),
            Wording("operation failed: domain is no longer running"),
            Wording("operation aborted: job '{job}' canceled by client"),
            Wording("operation aborted: migration out job: canceled by client"),
        ),
        "libvirt's word for: this migration ended. Whatever stands behind the colon is QEMU's reason.",
        ("See what stands behind the colon, or the other host's log.", "Canceled: a time-out or somebody's order."),
        ("Read the destination's QEMU log at the same second and explain it.",),
        follows=True,
        side=MANAGEMENT,
    ),
    Message(
        "libvirt-connection",
        "libvirt: src/rpc/virnetsocket.c:virNetSocketReadWire",
        (Wording("End of file while reading data: : {strerror}"),),
        "The connection to the other host's libvirt broke in the middle of the migration.",
        ("libvirtd or virtqemud was restarted there (a package update), or the network broke.",),
        ("Look at that host's libvirt journal at the same second; migrate again.",),
        side=MANAGEMENT,
    ),
    Message(
        "cpu-features",
        "libvirt: src/qemu/qemu_process.c:qemuProcessVerifyCPUFeatures",
        (Wording("guest CPU doesn't match specification: missing features: {features}"),),
        "The destination host's CPU or kernel lacks CPU features that the guest was started with.",
        ("Different CPUs, microcode (TSX, vmx-*), or kernels; host-model was expanded on a richer host.",),
        ("Use a named CPU model that all hosts have, or disable the listed features and restart the guest.",),
        see=("https://github.com/kubevirt/kubevirt/issues/12519",),
        side=MANAGEMENT,
    ),
)
