"""The values of a virtio-net device: what a migration has to carry over.

Knows the values and what a reset and a change of features make of them; serves no ring and no register.
Source: qemu: include/hw/virtio/virtio-net.h:VirtIONet, hw/virtio/virtio.c:VirtIODevice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vnetmig.model import properties as p
from vnetmig.model.properties import Properties
from vnetmig.model.queue import NO_VECTOR, Queue
from vnetmig.virtio.net import VLAN_WORDS

S_ACKNOWLEDGE, S_DRIVER, S_DRIVER_OK, S_FEATURES_OK, S_NEEDS_RESET, S_FAILED = 1, 2, 4, 8, 0x40, 0x80

RX_MODES = ("promisc", "allmulti", "alluni", "nomulti", "nouni", "nobcast")
"""In the order of their control commands (virtio 1.3, 5.1.6.5.1)."""


@dataclass(slots=True)
class RssState:
    """qemu: VirtioNetRssData. ``enabled`` also when only hashes are reported."""

    enabled: bool = False
    redirect: bool = False
    populate_hash: bool = False
    hash_types: int = 0
    supported_hash_types: int = p.RSS_HASH_TYPES
    default_queue: int = 0
    key: bytes = bytes(p.RSS_KEY_MAX)
    table: tuple[int, ...] = (0,)


@dataclass(slots=True)
class NetValues:
    """Every value, with QEMU's names."""

    properties: Properties
    status: int = 0
    isr: int = 0
    queue_sel: int = 0
    config_vector: int = NO_VECTOR
    guest_features: int = 0
    dfselect: int = 0
    gfselect: int = 0
    driver_words: list[int] = field(default_factory=lambda: [0] * 4)  #: as written, before any check
    config: bytes = b""  #: as of the guest's last access
    mac: bytes = b""
    net_status: int = p.S_LINK_UP
    promisc: int = 1
    allmulti: int = 0
    alluni: int = 0
    nomulti: int = 0
    nouni: int = 0
    nobcast: int = 0
    macs: list[bytes] = field(default_factory=list)  #: unicast first
    first_multi: int = 0
    uni_overflow: int = 0
    multi_overflow: int = 0
    vlans: list[int] = field(default_factory=lambda: [0] * VLAN_WORDS)
    mergeable_rx_bufs: int = 0
    has_vnet_hdr: int = 1
    has_ufo: int = 1
    curr_queue_pairs: int = 1
    curr_guest_offloads: int = 0
    rss: RssState = field(default_factory=RssState)
    broken: bool = False
    started: bool = False
    disabled: bool = False  #: PCI bus mastering is off
    queues: list[Queue] = field(default_factory=list)

    @classmethod
    def new(cls, properties: Properties) -> NetValues:
        values = cls(properties, config=bytes(properties.config_len))
        values.reset()
        return values

    def has(self, feature: int) -> bool:
        """Did the driver accept the feature (a bit, not its number)?"""
        return bool(self.guest_features & feature)

    @property
    def multiqueue(self) -> bool:
        return self.has(p.MQ | p.RSS)

    @property
    def max_queue_pairs(self) -> int:
        return self.properties.queue_pairs

    def reset(self) -> None:
        """qemu: virtio_net_reset and virtio_reset."""
        self.status = self.isr = self.queue_sel = self.dfselect = self.gfselect = 0
        self.config_vector = NO_VECTOR
        self.driver_words = [0] * 4
        self.promisc = 1
        self.allmulti = self.alluni = self.nomulti = self.nouni = self.nobcast = 0
        self.curr_queue_pairs = 1
        self.net_status &= ~p.S_ANNOUNCE
        self.macs = []
        self.first_multi = self.uni_overflow = self.multi_overflow = 0
        self.mac = self.properties.mac
        self.rss = RssState()
        self.broken = self.started = False
        for queue in self.queues:
            queue.reset()
        self.set_features(0)

    def set_features(self, features: int) -> None:
        """What accepting ``features`` makes of the device (qemu: virtio_net_set_features)."""
        self.guest_features = features & self.properties.offered
        self._set_queues(self.max_queue_pairs if self.multiqueue else 1)
        self.mergeable_rx_bufs = int(self.has(p.MRG_RXBUF))
        self.curr_guest_offloads = self.supported_offloads if self.has_vnet_hdr else 0
        self.vlans = [0 if self.has(p.CTRL_VLAN) else 0xFFFFFFFF] * VLAN_WORDS

    def _set_queues(self, pairs: int) -> None:
        """qemu: virtio_net_change_num_queue_pairs: the control queue stays the last one."""
        if len(self.queues) == 2 * pairs + 1:
            return
        size = self.properties
        defaults = [size.rx_queue_size, size.tx_queue_size] * pairs + [size.ctrl_queue_size]
        kept = self.queues[: min(len(self.queues) - 1, 2 * pairs)] if self.queues else []
        self.queues = kept + [Queue(num_default) for num_default in defaults[len(kept) :]]

    @property
    def supported_offloads(self) -> int:
        return self.guest_features & p.GUEST_OFFLOADS

    def disable_rss(self) -> None:
        self.rss = RssState(supported_hash_types=self.rss.supported_hash_types)

    @property
    def header_length(self) -> int:
        """Of the header in front of a frame (virtio 1.3, 5.1.6; qemu: virtio_net_set_mrg_rx_bufs)."""
        if self.has(p.HASH_REPORT) and self.has(p.VERSION_1):
            return 20
        return 12 if self.has(p.MRG_RXBUF | p.VERSION_1) else 10
