"""What must hold between the values of a virtio device in a stream, whatever machine loads it.

Knows values and QEMU's checks of them that need nothing but the section itself; whether a certain QEMU takes the stream
is another question. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vnetmig.virtio.core import QUEUE_MAX
from vnetmig.virtio.features import bits_of, names
from vnetmig.virtio.net import MAC_TABLE_ENTRIES
from vnetmig.virtio.rings import RING_PACKED, VERSION_1, guest_features
from vnetmig.vmstate import Record

_MRG_RXBUF = bits_of("virtio-net", ["VIRTIO_NET_F_MRG_RXBUF"])
NO_VECTOR = 0xFFFF
RING_MAX = 1024
"""qemu: include/hw/virtio/virtio.h:VIRTQUEUE_MAX_SIZE"""
RSS_TABLE_MAX = 128
"""qemu: include/hw/virtio/virtio-net.h:VIRTIO_NET_RSS_MAX_TABLE_LEN"""


def _int(record: Record, path: str, default: int = 0) -> int:
    value = record.get(path, default)
    return value if isinstance(value, int) else default


def _macs(record: Record) -> tuple[str, ...]:
    value = record.get("mac_table.macs", ())
    return tuple(map(str, value)) if isinstance(value, tuple) else ()


def _queue_sel(record: Record) -> Iterator[str]:
    if _int(record, "queue_sel") >= QUEUE_MAX:
        yield f"queue_sel: a device has {QUEUE_MAX} queues at most"


def _rings(record: Record) -> Iterator[str]:
    for index in range(_int(record, "num_queues")):
        num = _int(record, f"vq[{index}].num")
        if num > RING_MAX:
            yield f"vq[{index}].num: a ring has {RING_MAX} entries at most, not {num}"


def _first_rings(record: Record) -> Iterator[str]:
    """qemu: virtio_net_change_num_queues counts queues up to the first of size 0 and aborts below 3."""
    if _int(record, "num_queues") < 3:
        yield "num_queues: a virtio-net has 3 queues at least"
    for index in range(3):
        if f"vq[{index}].num" in record and not _int(record, f"vq[{index}].num"):
            yield f"vq[{index}].num: QEMU aborts on a ring of size 0 (Assertion `old_num_queues >= 3' failed)"


def _vectors(record: Record) -> Iterator[str]:
    vectors = record.program.params.get("vectors", 0)
    if not vectors:
        return
    paths = ["config_vector", *(f"vq[{index}].vector" for index in range(_int(record, "num_queues")))]
    for path in paths:
        value = _int(record, path, NO_VECTOR)
        if value != NO_VECTOR and value >= vectors:
            yield f"{path}: there are {vectors} vectors, so 0 to {vectors - 1}, or 0xffff for none, not {value}"


def _subsections(record: Record) -> Iterator[str]:
    features = guest_features(record)
    there = record.subsections()
    for feature, name in ((VERSION_1, "virtqueues"), (RING_PACKED, "packed_virtqueues")):
        if features & feature and name not in there and not record.program.params.get("mmio"):
            yield f"the driver accepted {names('', feature)[0]}: that needs the subsection {name}"


def _low_word(record: Record) -> Iterator[str]:
    whole = record.get("64bit_features.guest_features")
    if isinstance(whole, int) and whole & 0xFFFFFFFF != _int(record, "guest_features_low"):
        yield (
            "guest_features_low and 64bit_features.guest_features differ, and the loader takes the latter:"
            " set guest_features, which is both"
        )


def _follows(record: Record) -> Iterator[str]:
    """qemu: virtio_net_set_features; every device that QEMU saved keeps it."""
    accepted = guest_features(record)
    mergeable = bool(accepted & _MRG_RXBUF)
    if bool(_int(record, "mergeable_rx_bufs")) != mergeable:
        yield f"mergeable_rx_bufs: {int(mergeable)} follows from VIRTIO_NET_F_MRG_RXBUF: set guest_features"
    lost = _int(record, "curr_guest_offloads") & ~accepted
    if lost:
        yield f"curr_guest_offloads: the driver has not accepted {', '.join(names('virtio-net', lost))}"


def _queue_pairs(record: Record) -> Iterator[str]:
    pairs, most = _int(record, "curr_queue_pairs", 1), _int(record, "max_queue_pairs", 1)
    if pairs > most:
        yield f"virtio-net: curr_queue_pairs {pairs:x} > max_queue_pairs {most:x}"
    if 2 * pairs + 1 > _int(record, "num_queues"):
        yield f"curr_queue_pairs: {pairs} pairs need {2 * pairs + 1} queues, there are {_int(record, 'num_queues')}"
    if not pairs:
        yield "curr_queue_pairs: a virtio-net uses one pair at least"


def _mac_table(record: Record) -> Iterator[str]:
    macs = _macs(record)
    if len(macs) > MAC_TABLE_ENTRIES:
        yield f"mac_table: the loader drops more than {MAC_TABLE_ENTRIES} addresses, here are {len(macs)}"
    multicast = [int(mac[:2], 16) & 1 for mac in macs]
    if multicast != sorted(multicast):
        yield "mac_table: unicast addresses stand in front of the multicast ones"


def _rss(record: Record) -> Iterator[str]:
    if not _int(record, "rss.enabled"):
        return
    length = _int(record, "rss.indirections_len")
    if not length or length & length - 1 or length > RSS_TABLE_MAX:
        yield f"rss.indirections_table: a power of two, {RSS_TABLE_MAX} entries at most, not {length}"


Rule = Callable[[Record], Iterator[str]]

OF_VIRTIO: tuple[Rule, ...] = (_queue_sel, _rings, _vectors, _subsections, _low_word)
OF_NET: tuple[Rule, ...] = (_first_rings, _follows, _queue_pairs, _mac_table, _rss)


def broken_rules(kind: str, record: Record) -> list[str]:
    """What does not hold in the state of a virtio device of ``kind``, in words."""
    rules = (*OF_VIRTIO, *(OF_NET if kind == "virtio-net" else ()))
    return [reason for rule in rules for reason in rule(record)]


#   subsection         bits that only it carries
_CARRIES = {
    "64bit_features": ("64bit_features.guest_features", 0xFFFFFFFF00000000, 0),
    "128bit_features": ("128bit_features.guest_features_high", (1 << 64) - 1, 64),
}


def lost_by_dropping(kind: str, record: Record, path: str) -> str | None:
    """Why the subsection at ``path`` cannot be dropped: what is negotiated would be lost with it."""
    features = guest_features(record)
    if path in _CARRIES:
        field, mask, shift = _CARRIES[path]
        lost = (_int(record, field) & mask) << shift
        if lost:
            return f"{path} carries features that the driver accepted: {', '.join(names(kind, lost))}"
    if path.startswith("extra_state") and features & VERSION_1 and "extra_state.pci" in "".join(record.subsections()):
        return f"{path} carries the addresses of the rings in the transport's registers, and VIRTIO_F_VERSION_1 is on"
    return None
