"""What is said about the state that all virtio devices have: features, queue count, configuration.

Knows messages only. Layout: qemu: hw/virtio/virtio.c:virtio_load.
"""

from __future__ import annotations

from vnetmig.analysis.catalogue.wording import Message, Wording

_LOAD = "hw/virtio/virtio.c:virtio_load"

MESSAGES = (
    Message(
        "features-unsupported",
        _LOAD,
        (
            Wording("Features {guest:#x} unsupported. Allowed features: {host:#x}", until="10.2"),
            Wording("Features {guest:#034x} unsupported. Allowed features: {host:#034x}", since="10.2"),
        ),
        "The running guest uses feature bits that the destination's device does not offer. The first number is what "
        "the guest negotiated, the second what the destination offers.",
        (
            "The destination host's kernel (tap, vhost) lacks an offload that the source host's has.",
            "A QEMU package update changed the device's defaults under one machine type.",
            "Another machine type, another backend (user, tap, vhost, vhost-user) or another property.",
        ),
        (
            "Make the destination offer the bits, or start guests without them; see the table.",
            "A running guest never gives a feature back: its device has to be reset (reboot, or unplug and plug).",
        ),
        see=(
            "https://github.com/kubevirt/kubevirt/issues/16386",
            "https://www.mail-archive.com/qemu-devel@nongnu.org/msg1151766.html",
        ),
    ),
    Message(
        "features-after-reboot",
        _LOAD,
        (),
        "The destination offers more than the guest has negotiated. It loads now; after the guest's next reboot the "
        "guest takes the new bits too, and then it cannot go back to a host that lacks them.",
        ("The destination's kernel or QEMU is newer than the source's.",),
        (
            "Switch the new features off on the destination's -device until every host has them.",
            "Or be ready to reboot such guests before they move back.",
        ),
        see=("https://www.mail-archive.com/qemu-devel@nongnu.org/msg1151766.html",),
    ),
    Message(
        "num-queues",
        _LOAD,
        (Wording("Invalid number of virtqueues: {count:#x}"),),
        "The number of queues in the stream is above 1024, the most there can be: the bytes are out of step.",
        (
            (
                "The device's part before it has another length: MSI-X on one side only, PCI Express on one side only, "
                "another device config."
            ),
        ),
        ("Compare vectors=, the bus and the device's properties on both sides.",),
    ),
    Message(
        "queue-sel",
        _LOAD,
        (),
        "The selected queue's number is 1024 or above; QEMU refuses without naming a field.",
        ("The bytes are out of step or damaged.",),
        ("Compare vectors= and the bus (PCI Express or not) on both sides.",),
    ),
    Message(
        "queue-count",
        _LOAD,
        (),
        "The stream has another number of queues than the destination's device. QEMU does not check it: extra queues "
        "are lost or stay unused, or the bytes get out of step.",
        ("queues= of the backend differs, or CPUs were hotplugged and the queue count followed them.",),
        ("Give the destination's backend the source's number of queues.",),
        see=("https://github.com/lxc/incus/issues/3165", "https://github.com/kubevirt/kubevirt/pull/12180"),
    ),
    Message(
        "device-broken",
        _LOAD,
        (Wording("Failed to load virtio/broken:broken", until="10.2"),),
        "The device was broken at the source already (a driver's error, a bad ring), and is so at the destination.",
        ("A driver put an impossible descriptor or index into a ring.", "An earlier migration broke the ring."),
        ("Reset the device: reload the guest's driver or reboot.",),
    ),
    Message(
        "driver-bad-feature",
        "hw/virtio/virtio.c:virtio_validate_features",
        (Wording("{device}: guest driver for {name} has enabled UNUSED(30) feature bit!", since="7.0"),),
        "A warning: the guest's driver accepts every feature bit blindly, also the trap bit 30.",
        ("A broken or home-made driver.",),
        ("Repair the guest's driver. The migration is not affected.",),
    ),
    Message(
        "element-too-large",
        "hw/virtio/virtio.c:qemu_get_virtqueue_element",
        (Wording("qemu_get_virtqueue_element: Assertion `ARRAY_SIZE(data.{way}_addr) >= data.{way}_num' failed."),),
        "A request in flight has more buffers than a queue can hold, and QEMU dies of it.",
        ("The bytes are out of step or damaged; no guest can set this.",),
        ("Compare the device on both sides. Never load streams of strangers: this is a crash.",),
    ),
)
