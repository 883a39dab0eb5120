"""Which vmstate fields of QEMU's a path of ours stands in: for the chain that QEMU prints around an error.

Knows QEMU's names of descriptions and fields (qemu: hw/net/virtio-net.c:vmstate_virtio_net_device,
hw/virtio/virtio.c:vmstate_virtio, hw/pci/pci.c:vmstate_pci_device). Paths that are in no table are read by code of
their own in QEMU: no frame, and no check that the stream had not ended.
"""

from __future__ import annotations

import re

from vnetmig.analysis.check.trouble import Frame
from vnetmig.analysis.release import Release

RENAMED_PAIRS = "7.0"
"""Since then queues of a pair are called queue pairs, in names and messages."""

_DEVICE = "virtio-net-device"

#   ours                  QEMU's field, its type
_NET: dict[str, tuple[str, str]] = {
    "mac": ("mac", "uint8"),
    "tx_waiting": ("vqs", "struct"),
    "mergeable_rx_bufs": ("mergeable_rx_bufs", "uint32"),
    "net_status": ("status", "uint16"),
    "promisc": ("promisc", "uint8"),
    "allmulti": ("allmulti", "uint8"),
    "mac_table.in_use": ("mac_table.in_use", "uint32"),
    "mac_table.macs": ("mac_table.macs", "buffer"),
    "vlans": ("vlans", "buffer"),
    "has_vnet_hdr": ("tmp", "tmp"),
    "mac_table_overflow.multi": ("mac_table.multi_overflow", "uint8"),
    "mac_table_overflow.uni": ("mac_table.uni_overflow", "uint8"),
    "alluni": ("alluni", "uint8"),
    "nomulti": ("nomulti", "uint8"),
    "nouni": ("nouni", "uint8"),
    "nobcast": ("nobcast", "uint8"),
    "has_ufo": ("tmp", "tmp"),
    "max_queue_pairs": ("max_queue_pairs", "uint16 equal"),
    "curr_queue_pairs": ("curr_queue_pairs", "uint16"),
    "tx_waiting_of_pair": ("tmp", "tmp"),
    "curr_guest_offloads": ("curr_guest_offloads", "uint64"),
}

#   ours                  frames inside of that field, innermost first
_INSIDE: dict[str, tuple[Frame, ...]] = {
    "tx_waiting": (Frame("virtio-net-queue-tx_waiting", "tx_waiting", "uint32"),),
    "has_vnet_hdr": (Frame("virtio-net-vnet", "has_vnet_hdr", "uint32"),),
    "has_ufo": (Frame("virtio-net-ufo", "has_ufo", "uint8"),),
    "tx_waiting_of_pair": (
        Frame("virtio-net-queue-tx_waiting", "tx_waiting", "uint32"),
        Frame("virtio-net-tx_waiting", "vqs_1", "struct"),
    ),
}

_BEFORE_RENAMED = {"max_queue_pairs": "max_queues", "curr_queue_pairs": "curr_queues"}

#   ours                  frames, innermost first
_BALLOON: dict[str, tuple[Frame, ...]] = {
    "balloon.num_pages": (Frame("virtio-balloon-device", "num_pages", "uint32"),),
    "balloon.actual": (Frame("virtio-balloon-device", "actual", "uint32"),),
}

_EXTRA_STATE = Frame("virtio/extra_state", "extra_state", "virtqueue_extra_state", told=True)

#   ours, of a subsection's fields       frames, innermost first
_SUBSECTIONS: dict[str, tuple[Frame, ...]] = {
    "device_endian.device_endian": (Frame("virtio/device_endian", "device_endian", "uint8"),),
    "128bit_features.guest_features_high": (Frame("virtio/128bit_features", "guest_features_array[1]", "uint64"),),
    "64bit_features.guest_features": (Frame("virtio/64bit_features", "guest_features", "uint64"),),
    "virtqueues.vq.avail": (
        Frame("virtqueue_state", "vring.avail", "uint64"),
        Frame("virtio/virtqueues", "vq", "struct"),
    ),
    "virtqueues.vq.used": (
        Frame("virtqueue_state", "vring.used", "uint64"),
        Frame("virtio/virtqueues", "vq", "struct"),
    ),
    "ringsize.vq.num_default": (
        Frame("ringsize_state", "vring.num_default", "uint32"),
        Frame("virtio/ringsize", "vq", "struct"),
    ),
    "broken.broken": (Frame("virtio/broken", "broken", "bool"),),
    "started.started": (Frame("virtio/started", "started", "bool"),),
    "disabled.disabled": (Frame("virtio/disabled", "disabled", "bool"),),
    **{
        f"packed_virtqueues.vq.{name}": (
            Frame("packed_virtqueue_state", name, kind),
            Frame("virtio/packed_virtqueues", "vq", "struct"),
        )
        for name, kind in (
            ("last_avail_idx", "uint16"),
            ("last_avail_wrap_counter", "bool"),
            ("used_idx", "uint16"),
            ("used_wrap_counter", "bool"),
            ("inuse", "uint32"),
        )
    },
    **{
        f"extra_state.pci.modern_state.{name}": (
            Frame("virtio_pci/modern_state", name, "uint32"),
            _EXTRA_STATE,
        )
        for name in ("dfselect", "gfselect", "guest_features")
    },
    **{
        f"extra_state.pci.modern_state.vqs.{name}": (
            Frame("virtio_pci/modern_queue_state", name, kind),
            Frame("virtio_pci/modern_state", "vqs", "struct"),
            _EXTRA_STATE,
        )
        for name, kind in (
            ("num", "uint16"),
            ("unused", "unused_buffer"),
            ("enabled", "bool"),
            ("desc", "uint32"),
            ("avail", "uint32"),
            ("used", "uint32"),
        )
    },
    "backend.chunks": (Frame("virtio-net-device/backend", "backend", "virtio-net vhost-user backend state"),),
    **{
        f"rss.{name}": (Frame("virtio-net-device/rss", field, kind),)
        for name, field, kind in (
            ("enabled", "rss_data.enabled", "bool"),
            ("redirect", "rss_data.redirect", "bool"),
            ("populate_hash", "rss_data.populate_hash", "bool"),
            ("hash_types", "rss_data.hash_types", "uint32"),
            ("supported_hash_types", "rss_data.supported_hash_types", "uint32"),
            ("indirections_len", "rss_data.indirections_len", "uint16"),
            ("default_queue", "rss_data.default_queue", "uint16"),
            ("key", "rss_data.key", "uint8"),
            ("indirections_table", "rss_data.indirections_table", "uint16"),
        )
    },
}

_PCI = {
    "pci.version_id": ("version_id", "int32 le"),
    "pci.config": ("config", "pci config"),
    "pci.irq_state": ("irq_state", "pci irq state"),
}

_INDEX = re.compile(r"\[\d+\]")


def frames_of(path: str | None, release: Release) -> tuple[Frame, ...]:
    """The vmstate fields around ``path``, innermost first; none where QEMU reads by hand."""
    if not path:
        return ()
    name = _INDEX.sub("", path)
    if name in _NET:
        field, kind = _NET[name]
        if not release.since(RENAMED_PAIRS):
            field = _BEFORE_RENAMED.get(field, field)
        return (*_INSIDE.get(name, ()), Frame(_DEVICE, field, kind))
    if name in _SUBSECTIONS:
        return _SUBSECTIONS[name]
    if name in _BALLOON:
        return _BALLOON[name]
    if name in _PCI:
        return (Frame("PCIDevice", *_PCI[name]),)
    # A struct has the frames of its fields, but for their own.
    return next((frames[1:] for field, frames in _SUBSECTIONS.items() if field.startswith(f"{name}.")), ())
