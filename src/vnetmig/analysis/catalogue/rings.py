"""What is said about virtqueues: sizes, addresses, and indices against guest memory.

Knows messages only. Layout: qemu: hw/virtio/virtio.c:virtio_load, hw/virtio/virtio.c:virtqueue_pop.
"""

from __future__ import annotations

from vnetmig.analysis.catalogue.wording import Message, Wording

_LOAD = "hw/virtio/virtio.c:virtio_load"
_RING_CAUSES = (
    (
        "Guest memory is not that of the same moment: RAM was not copied last, a page was lost, shared memory was not "
        "shared, or the device state came before RAM (early or iterative loading)."
    ),
    "The bytes before it are out of step: a wrong count (MACs, queues) is noticed only here.",
    "A vhost backend was not stopped before its index was saved.",
)
_RING_REMEDIES = (
    "Check the ring against guest memory: `vnetmig inspect STREAM virtio-net --memory FILE`.",
    "If the numbers make no sense, compare the device on both sides: queues, vectors, machine type.",
    "Migrate again; if it loads then, memory was at fault.",
)

MESSAGES = (
    Message(
        "queue-used-index",
        _LOAD,
        (Wording("VQ {index:d} size {size:#x} < last_avail_idx {last:#x} - used_idx {used:#x}"),),
        "More buffers would be in flight than the ring has entries: what the device took (last_avail_idx, in the "
        "stream) and what it gave back (used_idx, in guest memory) do not belong together.",
        _RING_CAUSES,
        _RING_REMEDIES,
        see=("https://gitlab.com/qemu-project/qemu/-/commit/874adf45",),
    ),
    Message(
        "queue-guest-index",
        _LOAD,
        (
            Wording(
                "VQ {index:d} size {size:#x} Guest index {guest:#x} inconsistent with Host index {host:#x}: "
                "delta {delta:#x}"
            ),
        ),
        "The guest has made more buffers available than the ring has entries, or fewer than the device already took. "
        "The migration goes on: before 7.0 with a log line only, since then with the device marked broken.",
        _RING_CAUSES,
        (*_RING_REMEDIES, "Reset the device in the guest: it does not move packets any more."),
    ),
    Message(
        "queue-address",
        _LOAD,
        (Wording("VQ {index:d} address 0x0 inconsistent with Host index {last:#x}"),),
        "The queue has no ring (address 0), and yet the device had taken buffers from it.",
        ("The bytes are out of step.", "The source's device was reset half-way, or its state was edited."),
        ("Compare the device on both sides; reset the device in the guest and migrate again.",),
    ),
    Message(
        "queue-too-large",
        _LOAD,
        (Wording("VQ {index:d} vring.num {num:d} exceeds allocated max {max:d}", since="11.1"),),
        "The guest's ring has more entries than the destination's device has room for.",
        (
            "The source is QEMU 10.0.13 or another stable release that makes every queue 1024 entries.",
            "rx_queue_size or tx_queue_size is smaller at the destination.",
        ),
        (
            "Set rx_queue_size and tx_queue_size at the destination to the source's; the control queue cannot be set.",
            "From such a release, migrate to one of the same kind, or reboot the guest on the newer QEMU.",
        ),
    ),
    Message(
        "queues-of-1024",
        "hw/virtio/virtio.c:virtio_add_queue",
        (),
        "All queues have 1024 entries: the source is a stable release (such as 10.0.13) that creates every queue so. "
        "11.1 does not load it, releases before it do.",
        ("A security fix in stable releases of QEMU before 11.1.",),
        ("Migrate to a release before 11.1, or reboot the guest on 11.1.",),
    ),
    Message(
        "queue-size-zero",
        "hw/net/virtio-net.c:virtio_net_change_num_queues",
        (
            Wording("virtio_net_change_num_queues: Assertion `{condition}' failed.", until="10.0"),
            # The boundary lies between 10.0.2 and 10.0.13.
            Wording(
                "virtio_net_change_num_queue_pairs: Assertion `{condition}' failed.",
                since="10.0",
                until="10.0.3",
            ),
            Wording("virtio_net_change_num_queues: Assertion `{condition}' failed.", since="10.0.3"),
        ),
        "The first queue's size in the stream is 0, so the destination counts no queues and its QEMU dies.",
        ("The bytes are out of step or damaged; no guest can set this.", "The state was edited."),
        ("Compare the device on both sides. Never load streams of strangers: this is a crash.",),
        see=("https://github.com/lxc/incus/issues/3165",),
    ),
    Message(
        "queue-empty",
        "system/memory.c:address_space_cache_init",
        (Wording("address_space_cache_init: Assertion `len > 0' failed."),),
        "A queue has an address and no entries; QEMU dies when it maps a ring of no bytes.",
        ("The state was edited.", "Features are gone that the queue was there for (MQ), and its address came."),
        ("Compare the device on both sides. Never load streams of strangers: this is a crash.",),
    ),
    Message(
        "used-index-moved",
        "hw/virtio/virtio.c:virtio_queue_packed_set_last_avail_idx, virtqueue_split_pop",
        (Wording("Guest moved used index from {last:d} to {used:d}"),),
        "After the migration the device saw an index in guest memory jump further than the ring is long. The device "
        "is broken from here on.",
        (*_RING_CAUSES[:1], "The guest's driver was reset or replaced while the device was not."),
        ("Reset the device in the guest.", *_RING_REMEDIES[:1]),
    ),
    Message(
        "avail-head-bad",
        "hw/virtio/virtio.c:virtqueue_get_head",
        (Wording("Guest says index {head:d} is available"),),
        "The guest offered a descriptor that the ring does not have. The device is broken from here on.",
        (*_RING_CAUSES[:1], "A driver's error."),
        ("Reset the device in the guest.", *_RING_REMEDIES[:1]),
    ),
    Message(
        "in-flight-exceeded",
        "hw/virtio/virtio.c:virtqueue_split_pop",
        (Wording("Virtqueue size exceeded"), Wording("Virtqueue size exceeded: {inuse:d}", since="7.0")),
        "More buffers are in flight than the ring has entries. The device is broken from here on.",
        ("Indices and guest memory were not of one moment when the state was saved.", "A driver's error."),
        ("Reset the device in the guest.", *_RING_REMEDIES[:1]),
    ),
    Message(
        "bad-descriptor",
        "hw/virtio/virtio.c:virtqueue_map_desc",
        (
            Wording("virtio: zero sized buffers are not allowed"),
            Wording("virtio: bogus descriptor or out of resources"),
            Wording("virtio: error trying to map MMIO memory"),
            Wording("virtio: unexpected memory split"),
            Wording("virtio: invalid address for buffers"),
        ),
        "The guest's descriptor points to nothing that can be read. The device is broken from here on.",
        (*_RING_CAUSES[:1], "A driver's error, or an IOMMU that is not where the driver thinks."),
        ("Reset the device in the guest.", *_RING_REMEDIES[:1]),
    ),
    Message(
        "ring-map-failed",
        "hw/virtio/virtio.c:virtio_init_region_cache",
        (
            Wording("Cannot map {ring}", until="10.2"),
            Wording("Failed to map {name} ring for device {device}: {why}", since="10.2"),
        ),
        "A ring lies only partly in guest memory.",
        ("The destination has less or other memory than the source.", "The bytes are out of step."),
        ("Compare -m, NUMA nodes and memory devices on both sides.",),
    ),
)
