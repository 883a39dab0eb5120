"""A virtio-net's state from values alone: no stream to start from.

Knows which values a device has and what follows from which (the config space, the transport's copy of what the driver
wrote); which bytes they become is the model's ``record_save``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from vnetmig.document.net import NetDevice
from vnetmig.document.receive import vlans_to
from vnetmig.errors import FieldError
from vnetmig.model import properties as p
from vnetmig.model.net_values import NetValues
from vnetmig.model.properties import Properties
from vnetmig.model.queue import Programmed, Queue
from vnetmig.model.record_load import load_values
from vnetmig.model.record_save import Saver
from vnetmig.model.transport import PciTransport, Transport, transport_of
from vnetmig.virtio import features
from vnetmig.virtio.net import MAC_TABLE_ENTRIES, QUEUE_PAIRS_MAX, VM_VERSION
from vnetmig.vmstate import Record
from vnetmig.vmstate.value import mac_bytes

OFFERED = features.bits_of(
    "virtio-net",
    [
        *("VIRTIO_NET_F_CSUM", "VIRTIO_NET_F_GUEST_CSUM", "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS", "VIRTIO_NET_F_MAC"),
        *("VIRTIO_NET_F_GSO", "VIRTIO_NET_F_MRG_RXBUF", "VIRTIO_NET_F_STATUS", "VIRTIO_NET_F_CTRL_VQ"),
        *("VIRTIO_NET_F_CTRL_RX", "VIRTIO_NET_F_CTRL_VLAN", "VIRTIO_NET_F_CTRL_RX_EXTRA"),
        *("VIRTIO_NET_F_GUEST_ANNOUNCE", "VIRTIO_NET_F_CTRL_MAC_ADDR", "VIRTIO_F_NOTIFY_ON_EMPTY"),
        *("VIRTIO_F_ANY_LAYOUT", "VIRTIO_RING_F_INDIRECT_DESC", "VIRTIO_RING_F_EVENT_IDX", "VIRTIO_F_VERSION_1"),
    ],
)
"""What QEMU offers on user networking without further properties."""

_WORD = (1 << 32) - 1

NetQueue = Queue
"""A virtqueue: ``num``, ``desc``, ``avail``, ``used``, ``last_avail_idx``, ``vector``, ... ``num_default`` is the ring
size it was created with."""


@dataclass(slots=True)
class NetState:
    """``values``, as a device holds them, on a ``transport``: what ``Stream.add`` and ``Stream.replace`` take."""

    version_id: ClassVar[int] = VM_VERSION
    idstr: str
    values: NetValues
    transport: Transport
    instance_id: int = 0

    @classmethod
    def of(cls, device: NetDevice) -> NetState:
        """The values of a device in a stream. StreamError when QEMU would refuse to load them."""
        record = device.record
        values, _ = load_values(record, None, None)
        return cls(device.idstr, values, transport_of(record), device.instance_id)

    @property
    def record(self) -> Record:
        """The section's values, made anew. FieldError when they contradict each other."""
        queues, pairs = len(self.values.queues), self.values.curr_queue_pairs
        if queues < 3 or queues % 2 == 0 or queues > 2 * QUEUE_PAIRS_MAX + 1:
            raise FieldError(f"a virtio-net has two queues for each pair and a control queue, not {queues}")
        if not 1 <= pairs <= min(self.values.max_queue_pairs, queues // 2):
            raise FieldError(
                f"curr_queue_pairs {pairs} of max_queue_pairs {self.values.max_queue_pairs}, with {queues} queues"
            )
        if len(self.values.macs) > MAC_TABLE_ENTRIES:
            raise FieldError(f"mac_table takes at most {MAC_TABLE_ENTRIES} addresses, not {len(self.values.macs)}")
        return Saver.on(self.transport, self.values.properties).save(self.values)


def new_net(
    idstr: str = "0000:00:03.0/virtio-net",
    *,
    mac: str | bytes = p.FIRST_MAC,
    max_queue_pairs: int = 1,
    offered: int | Iterable[str] | None = None,
    guest_features: int | Iterable[str] = 0,
    queues: Sequence[NetQueue] | None = None,
    macs: Iterable[str | bytes] = (),
    vlans: Iterable[int] | None = None,
    transport: Transport | None = None,
    instance_id: int = 0,
    rx_queue_size: int = p.RX_QUEUE_SIZE,
    tx_queue_size: int = p.TX_QUEUE_SIZE,
    **values: Any,
) -> NetState:
    """A virtio-net from its values, with QEMU's names; what is not given is as after a reset.

    ``guest_features`` (bits, or names) are those that the driver accepted, ``offered`` those that the device has; by
    default what QEMU offers on user networking and what was accepted. ``queues``: two of each pair, then control.
    ``macs``: the filter table, unicast first. ``transport``: by default PCI with two MSI-X vectors more than data
    queues. ``values``: more of NetValues, such as ``status``, ``promisc``, ``net_status``, ``curr_queue_pairs``,
    ``config_vector``, ``isr``. TypeError for a name that is none, FieldError for a value that cannot be.

    >>> state = new_net(mac="52:54:00:aa:bb:cc", guest_features=["VIRTIO_F_VERSION_1"], status=15, vlans={5})
    >>> state.record["mac"], state.record["64bit_features.guest_features"] == 1 << 32, len(state.record.save())
    ('52:54:00:aa:bb:cc', True, 46143)
    """
    known = {field.name for field in fields(NetValues)} - {"properties"}
    unknown = sorted(set(values) - known)
    if unknown:
        raise TypeError(f"new_net() has no value '{unknown[0]}'; there is: {', '.join(sorted(known))}")
    accepted = _bits(guest_features)
    has = OFFERED | accepted if offered is None else _bits(offered)
    if accepted & ~has:
        raise FieldError(f"accepted, but not offered: {', '.join(features.names('virtio-net', accepted & ~has))}")
    if not 1 <= max_queue_pairs <= QUEUE_PAIRS_MAX:
        raise FieldError(f"max_queue_pairs takes 1 to {QUEUE_PAIRS_MAX}, not {max_queue_pairs}")
    own = Properties(
        queue_pairs=max_queue_pairs,
        offered=has | (p.MQ if max_queue_pairs > 1 else 0),
        mac=mac_bytes("mac", mac),
        rx_queue_size=rx_queue_size,
        tx_queue_size=tx_queue_size,
    )
    made = NetValues.new(own)
    made.set_features(accepted)
    made.driver_words = [accepted >> 32 * word & _WORD for word in range(4)]
    made.macs = [mac_bytes("macs", one) for one in macs]
    made.first_multi = next((i for i, one in enumerate(made.macs) if one[0] & 1), len(made.macs))
    if vlans is not None:
        made.vlans = [int(word) for word in vlans_to(vlans)]
    where = transport if transport is not None else PciTransport.new(2 * max_queue_pairs + 2)
    if queues is not None:
        made.queues = list(queues)
        for queue in made.queues if where.modern else ():
            if queue.desc and not queue.programmed.enabled:  # the driver wrote the same to the transport
                queue.programmed = Programmed(queue.num, 1, queue.desc, queue.avail, queue.used)
    for name, value in values.items():
        setattr(made, name, value)
    if made.status and "config" not in values:
        made.config = own.config(made.mac, made.net_status)  # a driver has read it
    return NetState(idstr, made, where, instance_id)


def _bits(given: int | Iterable[str]) -> int:
    return given if isinstance(given, int) else features.bits_of("virtio-net", given)
