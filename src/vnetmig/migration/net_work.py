"""What a virtio-net's state asks of its backend.

Knows which values of a record a backend hears of (qemu: hw/net/virtio-net.c:virtio_net_set_features,
virtio_net_apply_guest_offloads, virtio_net_set_queue_pairs); does nothing itself.
"""

from __future__ import annotations

from typing import Final

from vnetmig.backend.work import NetWork, Offload
from vnetmig.virtio.features import bits_of
from vnetmig.virtio.rings import VERSION_1, features_in
from vnetmig.vmstate.record import Record
from vnetmig.vmstate.table import parts

#            feature, and bit of curr_guest_offloads     what the backend may do
OFFLOADS: Final = {
    "VIRTIO_NET_F_GUEST_CSUM": Offload.CSUM,
    "VIRTIO_NET_F_GUEST_TSO4": Offload.TSO4,
    "VIRTIO_NET_F_GUEST_TSO6": Offload.TSO6,
    "VIRTIO_NET_F_GUEST_ECN": Offload.TSO_ECN,
    "VIRTIO_NET_F_GUEST_UFO": Offload.UFO,
    "VIRTIO_NET_F_GUEST_USO4": Offload.USO4,
    "VIRTIO_NET_F_GUEST_USO6": Offload.USO6,
    "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO": Offload.UDP_TUNNEL_GSO,
    "VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM": Offload.UDP_TUNNEL_GSO_CSUM,
}
_BITS = {bits_of("virtio-net", [name]): offload.value for name, offload in OFFLOADS.items()}
_TUNNEL = bits_of("virtio-net", ["VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO", "VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO"])
_HASH_REPORT = bits_of("virtio-net", ["VIRTIO_NET_F_HASH_REPORT"])
_DRIVER_OK = 4


def net_work(record: Record) -> NetWork:
    """The work for the device of ``record``, as far as its driver has come."""
    found = parts(record)
    own = found[""]

    def number(name: str, default: int = 0) -> int:
        value = own.value(name)
        return default if value is None else value

    features = features_in(found)
    pairs = number("max_queue_pairs", 1)
    enabled = min(number("curr_queue_pairs", 1), pairs) if number("status") & _DRIVER_OK else 0
    accepted = number("curr_guest_offloads", features)
    offloads = Offload(sum(offload for bit, offload in _BITS.items() if accepted & bit))
    return NetWork(pairs, enabled, _header_size(features, number("mergeable_rx_bufs")), "little", offloads)


def _header_size(features: int, mergeable: int) -> int:
    if features & _TUNNEL:
        return 24
    if features & _HASH_REPORT:
        return 20
    return 12 if features & VERSION_1 or mergeable else 10
