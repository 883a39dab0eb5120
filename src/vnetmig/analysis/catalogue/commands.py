"""What is said about commands in the stream, the return path and postcopy.

Knows messages only. Layout: qemu: migration/savevm.c:loadvm_process_command, migration/migration.c.
"""

from __future__ import annotations

from vnetmig.analysis.catalogue.wording import EITHER, SOURCE, Message, Wording

_COMMAND = "migration/savevm.c:loadvm_process_command"
_CAPABILITIES = "Set the same capabilities on both sides before the migration starts."

MESSAGES = (
    Message(
        "command-unknown",
        _COMMAND,
        (Wording("MIG_CMD {command:#x} unknown (len {length:#x})"),),
        "The source sent a command that the destination's QEMU does not know.",
        (
            (
                "0xb (SWITCHOVER_START): the source is QEMU 10.0 or later with a machine type of 10.0 or later, the "
                "destination is older."
            ),
            "The bytes are out of step.",
        ),
        (
            (
                "Start guests with a machine type of 9.2 or before, which does not send it, or set "
                "-global migration.send-switchover-start=off at the source."
            ),
            "Use a destination at least as new as the source.",
        ),
    ),
    Message(
        "command-deprecated",
        _COMMAND,
        (Wording("MIG_CMD {command:#x} deprecated (len {length:#x})", since="11.0"),),
        "The source sent a command that QEMU gave up.",
        ("The source is much older than the destination.",),
        (_CAPABILITIES, "Migrate by way of a release in between."),
    ),
    Message(
        "command-length",
        _COMMAND,
        (Wording("{name} received with bad length - expecting {expected:d}, got {got:d}"),),
        "A command has another length than it must have.",
        ("The bytes are out of step, or the source carries patches.",),
        (_CAPABILITIES,),
    ),
    Message(
        "command-failed",
        _COMMAND,
        (Wording("Failed to load VM process command: stream error: {code:d}", since="10.2"),),
        "The stream ended inside a command.",
        ("The source stopped sending; see its log.",),
        ("Look at the source's log for the reason it stopped.",),
    ),
    Message(
        "return-path",
        _COMMAND,
        (
            Wording("CMD_OPEN_RETURN_PATH called when RP already open"),
            Wording("CMD_OPEN_RETURN_PATH failed", until="10.2"),
            Wording("Unable to open return-path for postcopy", until="10.2"),
        ),
        "The source wants answers, and there is no way back to it on this connection.",
        ("The stream comes from a file or a one-way pipe (exec:) although return-path or postcopy is on.",),
        ("Use a socket, or switch return-path, postcopy-ram and switchover-ack off.",),
        side=EITHER,
    ),
    Message(
        "ping",
        _COMMAND,
        (Wording("CMD_PING ({value:#x}) received with no return path"),),
        "The source wants an answer and has not opened the way back for it.",
        ("Bytes are missing from the stream, or it was put together by hand.",),
        (_CAPABILITIES,),
    ),
    Message(
        "resume",
        "migration/savevm.c:loadvm_postcopy_handle_resume",
        (
            Wording("loadvm_postcopy_handle_resume: illegal resume received", until="11.0"),
            Wording("warning: loadvm_postcopy_handle_resume: illegal resume received", since="11.0"),
        ),
        "The source resumes a postcopy that is not paused here. The load goes on.",
        ("Bytes are missing from the stream, or it was put together by hand.",),
        (_CAPABILITIES,),
    ),
    Message(
        "bitmap-length",
        "migration/savevm.c:loadvm_handle_recv_bitmap",
        (
            Wording("loadvm_handle_recv_bitmap: invalid payload length ({length:d})", until="10.2"),
            Wording("invalid payload length ({length:d})", since="10.2"),
        ),
        "The source asks which pages have come, and does not say of which block.",
        ("The bytes are out of step, or the source carries patches.",),
        (_CAPABILITIES,),
    ),
    Message(
        "packaged",
        "migration/savevm.c:loadvm_handle_cmd_packaged",
        (
            Wording("CMD_PACKAGED: Buffer receive fail ret={code:d} length={length:d}"),
            Wording("Unreasonably large packaged state: {length:d}"),
        ),
        "The package with all device states at the start of postcopy did not arrive whole.",
        ("The source died at the switch to postcopy.",),
        ("Look at the source's log; the guest still runs there if it had not been switched.",),
    ),
    Message(
        "postcopy-state",
        "migration/savevm.c:loadvm_postcopy_handle_advise",
        (
            Wording("CMD_POSTCOPY_{what} in wrong postcopy state ({state:d})"),
            Wording("CMD_POSTCOPY_{what} invalid length ({length:d})"),
            Wording("CMD_POSTCOPY_{what} invalid version ({version:d})"),
            Wording("CMD_POSTCOPY_RAM_DISCARD Failed to read RAMBlock ID"),
            Wording("CMD_POSTCOPY_RAM_DISCARD missing nil ({got:d})"),
        ),
        "The commands that lead over to postcopy came in an impossible order or form.",
        ("The bytes are out of step, or one side carries patches.",),
        (_CAPABILITIES,),
    ),
    Message(
        "postcopy-capability",
        "migration/savevm.c:loadvm_postcopy_handle_advise",
        (
            Wording("RAM postcopy is enabled but have 0 byte advise"),
            Wording("RAM postcopy is disabled but have 16 byte advise"),
        ),
        "postcopy-ram is on at one side only.",
        ("migrate-set-capabilities was sent to one side only.",),
        ("Set postcopy-ram to the same value on both sides.",),
    ),
    Message(
        "postcopy-page-size",
        "migration/savevm.c:loadvm_postcopy_handle_advise",
        (
            Wording("Postcopy needs matching RAM page sizes (s={stream:x} d={local:x})"),
            Wording("Postcopy needs matching target page sizes (s={stream:d} d={local:d})"),
        ),
        "For postcopy both sides must use the same page sizes.",
        ("Huge pages at one side only, or of another size.",),
        ("Use the same hugetlbfs page size on both sides, or migrate without postcopy.",),
    ),
    Message(
        "postcopy-unsupported",
        "migration/postcopy-ram.c:postcopy_ram_supported_by_host",
        (
            Wording("Postcopy is not supported", until="8.1"),
            Wording("Postcopy is not supported: {reason}", since="8.1"),
            Wording("Postcopy is not compatible with ignore-shared"),
            Wording("Postcopy is not yet compatible with multifd", until="10.1"),
            Wording("Postcopy RAM incoming init failed", since="10.2"),
        ),
        "This host or this choice of capabilities cannot do postcopy.",
        (
            "userfaultfd is not allowed: sysctl vm.unprivileged_userfaultfd, seccomp, or a container without it.",
            "Memory of a kind that cannot fault in (shared memory, some file systems).",
        ),
        ("Allow userfaultfd on the destination (vm.unprivileged_userfaultfd=1), or switch postcopy-ram off.",),
        side=EITHER,
    ),
    Message(
        "postcopy-paused",
        "migration/migration.c:postcopy_pause",
        (
            Wording("Detected IO failure for postcopy. Migration paused."),
            Wording("Postcopy migration is paused by the user", since="8.0"),
        ),
        "The connection broke during postcopy. The guest's state is split over both sides: neither can run alone. "
        "It can go on when the connection is back.",
        ("The network between the hosts, or one side's process.",),
        ("Do not kill either QEMU. Recover: migrate-recover at the destination, then migrate with resume=true.",),
        side=EITHER,
    ),
    Message(
        "postcopy-failed",
        "migration/savevm.c:postcopy_ram_listen_thread",
        (
            Wording("loadvm failed during postcopy: {code:d}"),
            Wording("postcopy_ram_listen_thread: loadvm failed: {code:d}", until="10.2"),
        ),
        "The load failed after the guest had moved over: it is lost unless it was only about dirty bitmaps.",
        ("See the message before it.",),
        ("See the message before it. The source cannot continue the guest.",),
        follows=True,
    ),
    Message(
        "sibling-error",
        "migration/migration.c:source_return_path_thread",
        (
            Wording("RP: Sibling indicated error {code:d}", until="8.2"),
            Wording("Sibling indicated error {code:d}", since="8.2"),
        ),
        "The destination told the source that its load failed.",
        ("The reason is in the destination's log.",),
        ("Read the destination's log at the same second.",),
        side=SOURCE,
    ),
    Message(
        "return-path-message",
        "migration/migration.c:source_return_path_thread",
        (
            Wording("Received invalid message {type:#06x} length {length:#06x}"),
            Wording("Failed reading data for message {type:#06x} read {got:d} expected {expected:d}"),
        ),
        "What came back from the destination is no message.",
        ("The destination died in the middle, or is of an incompatible version.",),
        ("Read the destination's log at the same second.",),
        side=SOURCE,
    ),
    Message(
        "colo",
        _COMMAND,
        (Wording("ENABLE_COLO command come in migration stream, but x-colo capability is not set"),),
        "The source wants COLO and the destination has not switched it on.",
        ("x-colo was set at the source only.",),
        (_CAPABILITIES,),
    ),
    Message(
        "multifd-packet",
        "migration/multifd.c:multifd_recv_unfill_packet",
        (
            Wording("multifd: received packet magic {got:x} expected {expected:x}"),
            Wording("multifd: received packet version {got:d} expected {expected:d}"),
            Wording("multifd: unknown ram block {block}"),
            Wording("multifd: received uuid '{stream}' and expected uuid '{local}' for channel {channel:d}"),
            Wording("multifd: received packet with size {got:d} and expected a size of {expected:d}"),
        ),
        "A packet on a multifd channel does not fit this destination.",
        ("multifd settings (compression, channels) or the target's page size differ.", "Another guest's channel."),
        ("Set multifd, multifd-compression and multifd-channels alike on both sides.",),
    ),
)
