"""What is said when a tap cannot be set up, before any stream comes.

Knows messages only. Layout: qemu: net/tap-linux.c, net/tap.c; libvirt: src/util/virnetdevtap.c.
"""

from __future__ import annotations

from vnetmig.analysis.catalogue.wording import EITHER, Message, Wording

MESSAGES = (
    Message(
        "tap-create",
        "libvirt: src/util/virnetdevtap.c:virNetDevTapCreate",
        (
            Wording(
                "Unable to create multiple fds for tap device {tap} (maybe existing device was created without "
                "multi_queue flag): {strerror}"
            ),
            Wording("Unable to create tap device {tap}: {strerror}"),
            Wording("Unable to create tap device: {strerror}"),
            Wording("Unable to open {tap}, is tun module loaded?: {strerror}"),
        ),
        "The tap exists with other flags than those it is opened with: Invalid argument nearly always means that "
        "multi_queue is set at one side and not at the other.",
        (
            "CPUs were hotplugged: at start there was one queue and no multi_queue, on the target there are several.",
            "Somebody else created the tap (CNI, virt-handler) for another number of queues.",
            "Device or resource busy: the tap is in use by another process.",
        ),
        (
            (
                "Recreate the tap with (or without) multi_queue, so that it agrees with the number of queues: "
                "`ip tuntap add NAME mode tap multi_queue vnet_hdr`."
            ),
            "Restart the guest after its CPU count changed.",
        ),
        see=("https://github.com/kubevirt/kubevirt/pull/12180", "https://github.com/kubevirt/kubevirt/issues/4227"),
        side=EITHER,
    ),
    Message(
        "tap-configure",
        "net/tap-linux.c:tap_open",
        (
            Wording("could not configure /dev/net/tun ({tap}): {strerror}"),
            Wording("could not configure /dev/net/tun: {strerror}"),
            Wording("could not open /dev/net/tun: {strerror}"),
        ),
        "QEMU could not open or configure the tap.",
        (
            "Invalid argument: multi_queue or vnet_hdr differ from how the tap was created.",
            "Device or resource busy: another process has it. Operation not permitted: no CAP_NET_ADMIN.",
        ),
        ("Create the tap with the flags that QEMU asks for, owned by QEMU's user.",),
        side=EITHER,
    ),
    Message(
        "tap-vnet-hdr",
        "net/tap-linux.c:tap_open",
        (
            Wording("vnet_hdr=1 requested, but no kernel support for IFF_VNET_HDR available"),
            Wording("multiqueue required, but no kernel support for IFF_MULTI_QUEUE available"),
        ),
        "The host's kernel lacks what the command line asks of the tap.",
        ("A very old kernel, or a tap that is none (macvtap, a driver of its own).",),
        ("Use a tap of the kernel's tun driver.",),
        side=EITHER,
    ),
    Message(
        "tap-offload",
        "net/tap-linux.c:tap_fd_set_offload",
        (
            Wording("TUNSETOFFLOAD ioctl() failed: {strerror}"),
            Wording("TUNSETVNETHDRSZ ioctl() failed: {strerror}"),
            Wording("TUNSETVNETLE ioctl() failed: {strerror}"),
            Wording("TUNSETVNETBE ioctl() failed: {strerror}"),
            Wording("TUNGETIFF ioctl() failed: {strerror}"),
            Wording("Unable to query TUNGETIFF on FD {fd:d}"),
        ),
        "The host's tap refused an offload or a header that the guest's features ask for.",
        ("The host's kernel is older than the features that QEMU was told to offer.",),
        ("Use the same kernel on both hosts, or switch the offload off (see `vnetmig explain NAME` of the feature).",),
        side=EITHER,
    ),
)
