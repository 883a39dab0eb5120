"""What is said about the first eight bytes of a stream.

Knows messages only. Layout: qemu: migration/savevm.c:qemu_loadvm_state_header.
"""

from __future__ import annotations

from vnetmig.analysis.catalogue.wording import Message, Wording

MESSAGES = (
    Message(
        "not-a-stream",
        "migration/savevm.c:qemu_loadvm_state_header",
        (
            Wording("Not a migration stream", until="10.2"),
            Wording("Not a migration stream, magic: {magic:x} != 5145564d", since="10.2"),
            Wording("Not a migration stream (bad magic {magic:x})", since="10.0"),  # migration/cpr.c
        ),
        "The first four bytes are not QEVM (0x5145564d): what came is no QEMU migration stream.",
        (
            "The file is wrapped: compressed, or a libvirt save image whose header stands before the stream.",
            "The wrong connection reached the migration port: a health check, a TLS client, a multifd channel first.",
            "The source set TLS or multifd and the destination did not, or the other way round.",
        ),
        (
            (
                "Unwrap the file (`vnetmig inspect` sees through compression and libvirt images), or restore it with "
                "`virsh restore`."
            ),
            "Set the same capabilities (multifd) and tls-creds on both sides, and keep probes off the port.",
        ),
    ),
    Message(
        "version-obsolete",
        "migration/savevm.c:qemu_loadvm_state_header",
        (
            Wording("SaveVM v2 format is obsolete and don't work anymore", until="10.2"),
            Wording("SaveVM v2 format is obsolete and no longer supported", since="10.2"),
        ),
        "The file version is 2, the format of QEMU before 2009. No release in use loads it.",
        ("The stream is that old, or byte 7 was damaged.",),
        ("Boot the guest from its disk; a version 2 stream cannot be converted.",),
    ),
    Message(
        "version-unsupported",
        "migration/savevm.c:qemu_loadvm_state_header",
        (
            Wording("Unsupported migration stream version", until="10.2"),
            Wording("Unsupported migration stream version, file version {version:x} != 3", since="10.2"),
            Wording("Unsupported migration stream version {version:d}", since="10.0"),  # migration/cpr.c
        ),
        "The second word of the file is not 3, the only version there is.",
        ("The header is damaged, or the bytes come from another program.",),
        ("Compare the first 8 bytes with 5145564d 00000003; save again.",),
    ),
)
