"""What a virtio-net asks of its backend, as a list of work, and what is left of it when part is done.

Knows which work there is and in which order it may be done. Pure: must not know how any backend does it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from vnetmig.errors import FieldError

QUEUE_PAIRS_MAX: Final = 0x8000
"""virtio 1.3, 5.1.4: max_virtqueue_pairs is 1 to 0x8000."""

VNET_HEADER_SIZES: Final = {
    10: "struct virtio_net_hdr",
    12: "struct virtio_net_hdr_mrg_rxbuf, or any VIRTIO_F_VERSION_1 device's",
    20: "struct virtio_net_hdr_v1_hash: VIRTIO_NET_F_HASH_REPORT",
    24: "struct virtio_net_hdr_v1_hash_tunnel: UDP tunnel offloads",
}
"""Bytes before each frame; qemu: hw/net/virtio-net.c:virtio_net_set_mrg_rx_bufs."""


class Offload(enum.Flag):
    """What the guest takes from the backend; the values are TUNSETOFFLOAD's (linux: if_tun.h, TUN_F_*)."""

    NONE = 0
    CSUM = 0x001
    TSO4 = 0x002
    TSO6 = 0x004
    TSO_ECN = 0x008
    UFO = 0x010
    USO4 = 0x020
    USO6 = 0x040
    UDP_TUNNEL_GSO = 0x080
    UDP_TUNNEL_GSO_CSUM = 0x100


TSO: Final = Offload.TSO4 | Offload.TSO6
USO: Final = Offload.USO4 | Offload.USO6
TUNNEL: Final = Offload.UDP_TUNNEL_GSO | Offload.UDP_TUNNEL_GSO_CSUM


def acceptable(offloads: Offload) -> Offload:
    """``offloads`` without those that cannot stand alone. To give a guest less than it takes is always right.

    A guest may ask for any subset (VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET), a tap refuses some: nothing goes
    without CSUM, TSO_ECN needs a TSO (qemu: net/tap-linux.c:tap_fd_set_offload), USO4 and USO6 come together,
    tunnels need a plain TSO or USO (linux: drivers/net/tun.c:set_offload).

    >>> acceptable(Offload.CSUM | Offload.TSO_ECN | Offload.USO4) is Offload.CSUM
    True
    """
    if not offloads & Offload.CSUM:
        return Offload.NONE
    if not offloads & TSO:
        offloads &= ~Offload.TSO_ECN
    if offloads & USO != USO:
        offloads &= ~USO
    if not offloads & (TSO | USO) or not offloads & Offload.UDP_TUNNEL_GSO:
        offloads &= ~TUNNEL
    return offloads


@dataclass(frozen=True, slots=True)
class NetWork:
    """What a virtio-net's state asks of its backend. A value that no device can have is a FieldError.

    ``queue_pairs`` exist (n->max_queue_pairs), the first ``enabled_pairs`` of them carry frames
    (n->curr_queue_pairs; 0 while the driver is not ready). ``vnet_header_size`` is in bytes.
    """

    queue_pairs: int = 1
    enabled_pairs: int = 1
    vnet_header_size: int = 12
    vnet_header_order: Literal["little", "big"] = "little"
    offloads: Offload = Offload.NONE

    def __post_init__(self) -> None:
        if not 1 <= self.queue_pairs <= QUEUE_PAIRS_MAX:
            raise FieldError(f"queue_pairs: expected 1 to {QUEUE_PAIRS_MAX}, got {self.queue_pairs}")
        if not 0 <= self.enabled_pairs <= self.queue_pairs:
            raise FieldError(f"enabled_pairs: expected 0 to {self.queue_pairs}, got {self.enabled_pairs}")
        if self.vnet_header_size not in VNET_HEADER_SIZES:
            sizes = ", ".join(map(str, VNET_HEADER_SIZES))
            raise FieldError(f"vnet_header_size: expected one of {sizes}, got {self.vnet_header_size}")

    def held(self) -> NetWork:
        """The same with no pair enabled: all that may be done while the guest runs elsewhere."""
        return replace(self, enabled_pairs=0)


class Kind(enum.Enum):
    OPEN = "open"
    VNET_HEADER_SIZE = "header size"
    VNET_HEADER_ORDER = "header byte order"
    OFFLOADS = "offloads"
    ENABLE = "enable"


Value = bool | int | str | Offload
Key = tuple[Kind, int]


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One step. ``value`` is the result: False undoes OPEN (closes the pair) and ENABLE (disables it)."""

    kind: Kind
    pair: int
    value: Value

    @property
    def key(self) -> Key:
        return self.kind, self.pair


ORDER: Final[tuple[tuple[Kind, bool | None], ...]] = (
    (Kind.ENABLE, False),  # nothing is changed below a pair that carries frames and shall not
    (Kind.OPEN, True),
    (Kind.VNET_HEADER_SIZE, None),
    (Kind.VNET_HEADER_ORDER, None),
    (Kind.OFFLOADS, None),
    (Kind.ENABLE, True),
    (Kind.OPEN, False),  # cannot fail and cannot be undone: so it is last
)
"""The order of work, all pairs of one step before the next step; None is any value."""


def work_items(work: NetWork) -> tuple[WorkItem, ...]:
    """All that ``work`` takes from nothing, in order. A pair is disabled once it is open.

    The header is set on every pair and the offloads on the first, as QEMU does it (hw/net/virtio-net.c:
    virtio_net_set_mrg_rx_bufs, virtio_net_apply_guest_offloads).

    >>> [item.kind.value for item in work_items(NetWork())]
    ['open', 'header size', 'header byte order', 'offloads', 'enable']
    """
    pairs = range(work.queue_pairs)
    return (
        *(WorkItem(Kind.OPEN, pair, True) for pair in pairs),
        *(WorkItem(Kind.VNET_HEADER_SIZE, pair, work.vnet_header_size) for pair in pairs),
        *(WorkItem(Kind.VNET_HEADER_ORDER, pair, work.vnet_header_order) for pair in pairs),
        WorkItem(Kind.OFFLOADS, 0, acceptable(work.offloads)),
        *(WorkItem(Kind.ENABLE, pair, True) for pair in range(work.enabled_pairs)),
    )


def differences(done: Iterable[WorkItem], wanted: Iterable[WorkItem]) -> tuple[WorkItem, ...]:
    """What leads from ``done`` to ``wanted``, in order; what has its result already is not there.

    >>> early = work_items(NetWork(queue_pairs=2).held())
    >>> differences(early, work_items(NetWork(queue_pairs=2)))
    (WorkItem(kind=<Kind.ENABLE: 'enable'>, pair=0, value=True),)
    """
    before = {item.key: item.value for item in done}
    after = {item.key: item.value for item in wanted}
    found = [WorkItem(*key, value) for key, value in after.items() if before.get(key) != value]
    found += _undoing(before.keys() - after.keys(), after)
    return tuple(sorted(found, key=_place))


def _undoing(gone: Iterable[Key], after: dict[Key, Value]) -> Iterator[WorkItem]:
    """A pair that is closed takes its settings with it."""
    for kind, pair in gone:
        if kind is Kind.OPEN or (kind is Kind.ENABLE and (Kind.OPEN, pair) in after):
            yield WorkItem(kind, pair, False)


def _place(item: WorkItem) -> tuple[int, int]:
    step = item.value if isinstance(item.value, bool) else None
    closing = item.kind is Kind.OPEN and not item.value
    return ORDER.index((item.kind, step)), -item.pair if closing else item.pair


def carry(done: dict[Key, WorkItem], item: WorkItem) -> None:
    """Bring ``done``, items by key, up to date after ``item``."""
    if item.value is not False:
        done[item.key] = item
    elif item.kind is Kind.OPEN:
        for kind in Kind:
            done.pop((kind, item.pair), None)
    else:
        done.pop(item.key, None)
